"""What a film can be: codecs, the names and depths that go with each, and what they are asked for.

A table of values and the checks on it. This module writes nothing and knows no PyAV.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from instrument import InstrumentError
from instrument.studio.film import Size

Range = Literal["limited", "full"]
RANGES: tuple[Range, ...] = ("limited", "full")
_LARGEST_SIDE = 16384
_PATIENCES = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower",
              "veryslow")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Quality:
    """How much room and patience a film gets.

    `crf` is the codec's own constant quality, 0 (huge) to 51; None is one that cannot be told from
    the original. `preset` is x264's word for its patience. `keyframe_every` counts frames:
    editors jump to keyframes, so a proxy wants few between them; None is one a second. `depth`
    is in bits and `range` that of the code values; None is what the codec is used with.
    """

    crf: int | None = None
    preset: str = "medium"
    keyframe_every: int | None = None
    depth: int | None = None
    range: Range | None = None

    def __post_init__(self) -> None:
        if self.crf is not None and not 0 <= self.crf <= 51:
            raise InstrumentError(f"crf {self.crf}: must be 0 to 51")
        if self.preset not in _PATIENCES:
            raise InstrumentError(f"preset {self.preset!r}: allowed are {', '.join(_PATIENCES)}")
        if self.keyframe_every is not None and not 1 <= self.keyframe_every <= 100_000:
            raise InstrumentError(f"keyframe every {self.keyframe_every}: must be 1 or more")
        if self.range is not None and self.range not in RANGES:
            raise InstrumentError(f"range {self.range!r}: allowed are {' and '.join(RANGES)}")


STANDARD = Quality()


@dataclass(frozen=True, slots=True)
class Codec:
    """One row of the table.

    `pixels` names the pixel format for each depth, the usual depth first. `options` are what the
    encoder is told for a quality, a depth and a width. `grid` is what height
    and width must be multiples of (chroma is stored at half size), `smallest` what they must
    reach. `tag` is what players look for in the container, where it is not the usual one.
    """

    encoder: str
    pixels: Mapping[int, str]
    suffixes: tuple[str, ...]
    options: Callable[[Quality, int, int], dict[str, str]]
    grid: Size = (1, 1)
    smallest: Size = (1, 1)
    ranges: tuple[Range, ...] = ("limited",)
    tag: str | None = None
    intra: bool = False


_ANY = (".mp4", ".mov", ".mkv")
_YUV420 = {8: "yuv420p", 10: "yuv420p10le"}
# What H.264 means by 16 is 18 to H.265 and 20 to AV1: each cannot be told from the original.
_CODECS: dict[str, Codec] = {
    "h264": Codec(
        "libx264", _YUV420, _ANY,
        lambda q, _, width: {"crf": _crf(q, 16), "preset": q.preset, "mbtree": _mbtree(width)},
        grid=(2, 2), ranges=RANGES,
    ),
    "h265": Codec(
        "libx265", _YUV420, _ANY,
        lambda q, *_: {"crf": _crf(q, 18), "preset": q.preset, "x265-params": "log-level=error"},
        # Its coding units are 16 pixels and more; hvc1 is what QuickTime opens.
        grid=(2, 2), smallest=(16, 16), ranges=RANGES, tag="hvc1",
    ),
    "av1": Codec(
        "libsvtav1", _YUV420, (".mp4", ".mkv"),
        lambda q, *_: {"crf": _crf(q, 20), "preset": str(12 - _PATIENCES.index(q.preset))},
        grid=(2, 2), smallest=(64, 64), ranges=RANGES,
    ),
    "prores": Codec(
        "prores_ks", {10: "yuv422p10le"}, (".mov",),
        lambda q, *_: {"profile": "3", "vendor": "apl0"}, grid=(1, 2), intra=True,
    ),
    "prores4444": Codec(
        "prores_ks", {10: "yuv444p10le"}, (".mov",),
        lambda q, *_: {"profile": "4", "vendor": "apl0"}, intra=True,
    ),
    "dnxhr": Codec(
        "dnxhd", {10: "yuv422p10le", 8: "yuv422p"}, (".mov",),
        lambda q, depth, _: {"profile": "dnxhr_hqx" if depth == 10 else "dnxhr_hq"},
        grid=(1, 2), smallest=(120, 256), intra=True,
    ),
    "dnxhr444": Codec(
        "dnxhd", {10: "yuv444p10le"}, (".mov",),
        lambda q, *_: {"profile": "dnxhr_444"}, smallest=(120, 256), intra=True,
    ),
    "ffv1": Codec(
        "ffv1", {16: "gbrp16le", 12: "gbrp12le", 10: "gbrp10le", 8: "bgr0"}, (".mkv",),
        lambda q, *_: {"level": "3", "slices": "4", "slicecrc": "1"}, ranges=("full",), intra=True,
    ),
    # Measured: twice as fast as FFV1 and no larger; MOV keeps exact times, Matroska does not.
    "lossless": Codec(
        "libx264rgb", {8: "rgb24"}, (".mov",),
        lambda q, *_: {"qp": "0", "preset": "ultrafast"}, ranges=("full",),
    ),
}  # fmt: skip
_STILLS: dict[str, dict[int, str]] = {"png": {8: ".png", 16: ".png"}, "exr": {32: ".exr"}}
CODECS = (*_CODECS, *_STILLS)
MOVIES = _ANY
_NAMES = "NAME.mp4, NAME.mov, NAME.mkv, a folder, NAME.%05d.png or NAME.%05d.exr"


def _crf(quality: Quality, otherwise: int) -> str:
    return str(otherwise if quality.crf is None else quality.crf)


def _mbtree(width: int) -> str:
    """Whether x264 may weigh a block by what later frames take from it: "0" or "1".

    It weighs eight macroblocks at a time, and in a row that ends before the eighth it reads memory
    nobody has written: the same pictures would not always be the same film. Without it a film is
    7 to 29 % larger, and .1 to .4 dB better (480 px, crf 16).
    """
    return "0" if -(-width // 16) % 8 else "1"


@dataclass(frozen=True, slots=True)
class Movie:
    """A film in a container: its codec, the depth in bits and the range of its code values."""

    name: str
    codec: Codec
    depth: int
    range: Range

    @property
    def pixels(self) -> str:
        """The pixel format."""
        return self.codec.pixels[self.depth]

    @property
    def in_rgb(self) -> bool:
        """Whether the film holds red, green and blue, with no matrix between."""
        return self.pixels.startswith(("rgb", "bgr", "gbr"))


@dataclass(frozen=True, slots=True)
class Stills:
    """A film as numbered pictures with this suffix."""

    suffix: str
    depth: int


def choose(path: Path, size: Size, codec: str | None, quality: Quality) -> Movie | Stills:
    """What the film at `path` will be; what its name says decides where `codec` is None.

    Raises InstrumentError naming what is allowed.
    """
    if codec is not None and codec not in CODECS:
        raise InstrumentError(f"codec {codec!r}: allowed are {', '.join(CODECS)}")
    if not all(1 <= side <= _LARGEST_SIDE for side in size):
        raise InstrumentError(f"size {size[1]}x{size[0]}: sides must be 1 to {_LARGEST_SIDE}")
    suffix = path.suffix.lower()
    if suffix in MOVIES:
        return _choose_movie(path, size, codec or "h264", quality)
    still = codec or ("exr" if suffix == ".exr" else "png")
    folder = not suffix or path.is_dir()
    if still not in _STILLS or not (folder or suffix == f".{still}"):
        raise InstrumentError(
            f"{path}: {codec or 'a film'} cannot be written to this name, "
            f"allowed are {_names_for(codec)}"
        )
    depths = _STILLS[still]
    if quality.range == "limited":
        raise InstrumentError(f"{path}: {still} has the range full only, not limited")
    depth = _depth(path, still, tuple(depths), quality.depth)
    return Stills(depths[depth], depth)


def _choose_movie(path: Path, size: Size, name: str, quality: Quality) -> Movie:
    if name not in _CODECS or path.suffix.lower() not in _CODECS[name].suffixes:
        raise InstrumentError(f"{path}: {name} goes to {_names_for(name)}")
    codec = _CODECS[name]
    if size[0] < codec.smallest[0] or size[1] < codec.smallest[1]:
        height, width = codec.smallest
        raise InstrumentError(
            f"{path}: {name} takes {width}x{height} and larger, not {size[1]}x{size[0]}"
        )
    if any(side % step for side, step in zip(size, codec.grid, strict=True)):
        raise InstrumentError(_odd(path, size, name, codec.grid))
    wanted = quality.range or codec.ranges[0]
    if wanted not in codec.ranges:
        raise InstrumentError(f"{path}: {name} has the range {codec.ranges[0]} only, not {wanted}")
    return Movie(name, codec, _depth(path, name, tuple(codec.pixels), quality.depth), wanted)


def _depth(path: Path, name: str, depths: tuple[int, ...], wanted: int | None) -> int:
    if wanted is not None and wanted not in depths:
        allowed = " or ".join(map(str, sorted(depths)))
        raise InstrumentError(f"{path}: {name} has a depth of {allowed} bits, not {wanted}")
    return wanted or depths[0]


def _names_for(codec: str | None) -> str:
    if codec in _CODECS:
        return " or ".join(f"NAME{suffix}" for suffix in _CODECS[codec].suffixes)
    return f"a folder or NAME.%05d.{codec}" if codec in _STILLS else _NAMES


def _odd(path: Path, size: Size, codec: str, grid: Size) -> str:
    lower = [side // step * step for side, step in zip(size, grid, strict=True)]
    upper = [-(-side // step) * step for side, step in zip(size, grid, strict=True)]
    near = [f"{w}x{h}" for h, w in (lower, upper) if h and w]
    return (
        f"{path}: {codec} takes even sizes only, {size[1]}x{size[0]} is not; "
        f"nearest are {' and '.join(near)}"
    )
