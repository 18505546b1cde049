"""How a film is wished for on the command line, and what becomes of the wishes.

A wish that is not said is the preset's, and where there is none, the plainest: the pictures of the
stage, bit for bit. Opens no model and writes no film.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import typer

from instrument import InstrumentError
from instrument.display.finish import UPSCALES, Upscale
from instrument.display.look import Fit
from instrument.studio.codecs import RANGES, Quality, Range
from instrument.studio.extras import Extras, Sound, chapters_at, counts, later
from instrument.studio.film import Size
from instrument.studio.recipes import RECIPES, Recipe, recipe
from instrument.studio.shutter import Shutter
from instrument.studio.sound import check_sound
from instrument.timebase import FrameRange, FrameRate

_MOST_SUPERSAMPLES = 8
_SAMPLES = 8

CodecOption = Annotated[
    str | None,
    typer.Option(help="h264, h265, av1, prores, prores4444, dnxhr, dnxhr444, ffv1, lossless, "
                 "png or exr."),
]  # fmt: skip
PresetOption = Annotated[
    str | None, typer.Option(help=f"{', '.join(RECIPES)}: a film for that; other options win.")
]
DepthOption = Annotated[int | None, typer.Option(help="Bits: 8, 10, 12, 16, or 32 for exr.")]
RangeOption = Annotated[str | None, typer.Option("--range", help="limited or full code values.")]
CrfOption = Annotated[int | None, typer.Option(help="Constant quality, 0 (huge) to 51.")]
UpscaleOption = Annotated[
    str | None, typer.Option(help="bicubic (as on stage), lanczos or sharp (lanczos, sharpened).")
]
SupersampleOption = Annotated[
    int | None, typer.Option(help="Paint N times larger: only models of any size can.")
]
BlurOption = Annotated[
    float | None, typer.Option(help="Motion blur: degrees the shutter is open for, 0 to 360.")
]
SamplesOption = Annotated[int | None, typer.Option(help="Pictures that make a blurred frame.")]
DitherOption = Annotated[
    bool | None, typer.Option("--dither/--no-dither", help="Of what is finer than the film.")
]
AudioOption = Annotated[Path | None, typer.Option(help="A file with sound, for the whole film.")]
AudioOffsetOption = Annotated[
    float, typer.Option(help="Seconds into the source at which the sound begins.")
]
TimecodeOption = Annotated[str | None, typer.Option(help="HH:MM:SS:FF of the first frame.")]
ChaptersOption = Annotated[
    bool | None, typer.Option("--chapters/--no-chapters", help="Of a take: where it was called.")
]


@dataclass(frozen=True, slots=True)
class FilmWishes:
    """What was said, checked one by one; None is what was not. `size` is (width, height)."""

    size: tuple[int, int] | None = None
    fit: Fit = "fit"
    preset: str | None = None
    codec: str | None = None
    depth: int | None = None
    range: str | None = None
    crf: int | None = None
    upscale: str | None = None
    supersample: int | None = None
    blur: float | None = None
    samples: int | None = None
    dither: bool | None = None
    audio: Path | None = None
    audio_offset: float = 0.0
    timecode: str | None = None
    chapters: bool | None = None
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        object.__setattr__(self, "recipe", recipe(self.preset))
        _among("upscale", self.upscale, UPSCALES)
        _among("range", self.range, RANGES)
        most = _MOST_SUPERSAMPLES
        if self.supersample is not None and not 1 <= self.supersample <= most:
            raise InstrumentError(f"supersample {self.supersample}: must be 1 to {most}")
        if self.samples is not None and self.blur is None:
            raise InstrumentError("samples: needs --blur DEGREES")
        if self.audio_offset and self.audio is None:
            raise InstrumentError("audio offset: needs --audio FILE")
        if self.audio is not None:
            check_sound(self.audio)

    @property
    def shutter(self) -> Shutter | None:
        """How long a frame is exposed, where that is longer than an instant."""
        if self.blur is None:
            return None
        return Shutter(self.blur, _SAMPLES if self.samples is None else self.samples)

    @property
    def kernel(self) -> Upscale:
        """What pictures are enlarged with."""
        wanted = self.upscale or self.recipe.upscale
        return next(name for name in UPSCALES if name == wanted)

    @property
    def fine(self) -> bool:
        """Whether 256 levels a picture are not enough to begin with."""
        plain = self.kernel == "bicubic" and self.supersample is None and self.blur is None
        return not plain or bool(self.recipe.dither if self.dither is None else self.dither)

    @property
    def wants_chapters(self) -> bool:
        """Whether the film gets the marks of its take."""
        return self.recipe.chapters if self.chapters is None else self.chapters

    def coded(self, out: Path) -> tuple[str | None, Quality]:
        """The codec of the film at `out`, None for the usual one, and its quality."""
        codec, depth = self.codec, self.depth
        if codec is None and self.preset is not None:
            codec, usual = self.recipe.codec_for(self.preset, out)
            depth = usual if depth is None else depth
        span: Range | None = next((name for name in RANGES if name == self.range), None)
        crf = self.recipe.quality.crf if self.crf is None else self.crf
        return codec, replace(self.recipe.quality, crf=crf, depth=depth, range=span)

    def size_for(self, largest: Size) -> tuple[int, int]:
        """(width, height) of the film of models of at most `largest` (height, width)."""
        if self.size is not None:
            return self.size
        height, width = self.recipe.fitting(largest)
        return width, height

    def extras(
        self, marks: list[tuple[float, str]], part: FrameRange, rate: FrameRate, *, stills: bool
    ) -> Extras:
        """What goes beside the pictures of the frames `part` of the source; `marks` are its own."""
        begins = rate.time_of(part.start)
        sound = Sound(self.audio, self.audio_offset - begins) if self.audio else None
        start = self.timecode
        if start is None and self.recipe.start and not stills and counts(rate):
            start = later(self.recipe.start, part.start, rate)
        moved = [(seconds - begins, name) for seconds, name in marks]
        return Extras(sound, start, tuple(chapters_at(moved, len(part), rate)))


def _among(what: str, value: str | None, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        raise InstrumentError(f"{what} {value!r}: allowed are {', '.join(allowed)}")
