"""Films by what they are for: a web page, a projector, the archive, a quick look.

A recipe is a set of choices; whatever is asked for beside it wins. Knows no files and no models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from instrument import InstrumentError
from instrument.studio.codecs import Quality
from instrument.studio.film import Size

STILLS = "stills"  # how a folder, or numbered files, are called in a recipe


@dataclass(frozen=True, slots=True)
class Recipe:
    """`codecs` and the depth of each, by the suffix of the film; others it does not go to.

    No picture is larger than `largest` (long side, short side) unless a size is asked for.
    """

    codecs: Mapping[str, tuple[str, int | None]] = field(default_factory=dict)
    quality: Quality = field(default_factory=Quality)
    largest: tuple[int, int] | None = None
    upscale: str = "bicubic"
    dither: bool = False
    label: bool = False
    start: str | None = None
    chapters: bool = False

    def codec_for(self, name: str, path: Path) -> tuple[str, int | None]:
        """Codec and depth of the film at `path`. Raises InstrumentError naming what is allowed."""
        suffix = path.suffix.lower()
        kind = suffix if suffix in (".mp4", ".mov", ".mkv", ".exr") else STILLS
        if kind not in self.codecs:
            allowed = " or ".join(
                "a folder" if suffix == STILLS else f"NAME{suffix}" for suffix in self.codecs
            )
            raise InstrumentError(f"{path}: preset {name} makes {allowed}")
        return self.codecs[kind]

    def fitting(self, size: Size) -> Size:
        """`size` (height, width), made as small as `largest` says, both sides even."""
        if self.largest is None:
            return size
        long, short = self.largest
        scale = min(1.0, long / max(size), short / min(size))
        height, width = (max(2, 2 * round(side * scale / 2)) for side in size)
        return height, width


_H264 = {".mp4": ("h264", 8), ".mov": ("h264", 8), ".mkv": ("h264", 8)}
RECIPES: dict[str, Recipe] = {
    # Plays everywhere, and begins before it has arrived.
    "web": Recipe(
        _H264, Quality(crf=18, preset="slow"), (1920, 1080), dither=True, chapters=True
    ),
    # Every frame stands alone, so that a media server can loop, jump and scrub.
    "projector": Recipe(
        {".mov": ("prores", None)}, upscale="lanczos", dither=True, start="00:00:00:00"
    ),
    # What every other film is made from again.
    "master": Recipe(
        {".mov": ("prores4444", None), ".mkv": ("ffv1", 16), STILLS: ("png", 16),
         ".exr": ("exr", None)},
        upscale="lanczos", dither=True, start="00:00:00:00", chapters=True,
    ),
    # Seen once and thrown away; what is said about it can be found again.
    "proof": Recipe(
        _H264, Quality(crf=28, preset="ultrafast", keyframe_every=12), (640, 360), label=True
    ),
}  # fmt: skip


def recipe(name: str | None) -> Recipe:
    """The recipe of that name; the plainest where there is none. Raises InstrumentError."""
    if name is None:
        return Recipe()
    if name not in RECIPES:
        raise InstrumentError(f"preset {name!r}: allowed are {', '.join(RECIPES)}")
    return RECIPES[name]
