"""Pictures → film: H.264, ProRes, lossless, PNG. The only module that knows PyAV.

Pictures are ``U8[h, w, 3]`` sRGB. Films carry BT.709 tags, and their colours are really
converted with the matrix and range the tags promise. Frame i of a film is its i-th picture,
at i / rate seconds exactly.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.codec.codec import UnknownCodecError
from av.container import OutputContainer
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from instrument import InstrumentError
from instrument.frame import U8
from instrument.studio.film import FilmWriter, Size
from instrument.studio.stills import Numbering, open_stills, read_stills
from instrument.timebase import FrameRate

_BT709, _RGB = 1, 0  # the matrix of a film, in the numbers of H.273
_LARGEST_SIDE = 16384


@dataclass(frozen=True, slots=True)
class Quality:
    """How much room and patience a film gets.

    `crf` is x264's constant quality, 0 (huge) to 51; 16 cannot be told from the original.
    `preset` is x264's own word for its patience. `keyframe_every` counts frames: editors
    jump to keyframes, so a proxy wants few between them; None is one a second.
    """

    crf: int = 16
    preset: str = "medium"
    keyframe_every: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.crf <= 51:
            raise InstrumentError(f"crf {self.crf}: must be 0 to 51")
        if self.preset not in _PRESETS:
            raise InstrumentError(f"preset {self.preset!r}: allowed are {', '.join(_PRESETS)}")
        if self.keyframe_every is not None and not 1 <= self.keyframe_every <= 100_000:
            raise InstrumentError(f"keyframe every {self.keyframe_every}: must be 1 or more")


_PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower",
            "veryslow")  # fmt: skip
STANDARD = Quality()


@dataclass(frozen=True, slots=True)
class _Codec:
    """`grid` is what height and width must be multiples of (chroma is stored at half size)."""

    encoder: str
    pixels: str
    suffixes: tuple[str, ...]
    grid: Size
    options: Callable[[Quality], dict[str, str]]


_CODECS = {
    "h264": _Codec(
        "libx264", "yuv420p", (".mp4", ".mov"), (2, 2),
        lambda quality: {"crf": str(quality.crf), "preset": quality.preset},
    ),
    "prores": _Codec(
        "prores_ks", "yuv422p10le", (".mov",), (1, 2), lambda _: {"profile": "3", "vendor": "apl0"}
    ),
    # Measured: twice as fast as FFV1 and no larger; MOV keeps exact times, Matroska does not.
    "lossless": _Codec(
        "libx264rgb", "rgb24", (".mov",), (1, 1), lambda _: {"qp": "0", "preset": "ultrafast"}
    ),
}  # fmt: skip
CODECS = (*_CODECS, "png")
_ALLOWED = "NAME.mp4, NAME.mov, a folder, or NAME.%05d.png"


class MovieWriter(FilmWriter):
    """A film in MP4 or QuickTime."""

    def __init__(
        self, path: Path, rate: FrameRate, container: OutputContainer, stream: VideoStream
    ) -> None:
        super().__init__(path, (stream.height, stream.width), rate)
        self._container = container
        self._stream = stream
        self._partial = _partial_of(path)
        self._period = Fraction(rate.den, rate.num)

    def _add(self, pixels: U8) -> None:
        picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        if self._stream.pix_fmt != "rgb24":
            picture = picture.reformat(
                format=self._stream.pix_fmt,
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
            )
        # Set after the conversion: asking the scaler for them would bend the tones.
        picture.color_trc = ColorTrc.BT709
        picture.color_primaries = ColorPrimaries.BT709
        picture.pts = self.frames
        picture.time_base = self._period
        self._mux(picture)

    def _mux(self, picture: av.VideoFrame | None) -> None:
        with _disk_errors(self.path):
            for packet in self._stream.encode(picture):
                self._container.mux(packet)

    def _finish(self) -> None:
        self._mux(None)
        with _disk_errors(self.path):
            self._container.close()
            _check(self._partial, self.path, self.frames, self.frames * self._period)
            with self._partial.open("rb") as file:
                os.fsync(file.fileno())
            self._partial.replace(self.path)

    def _discard(self) -> None:
        # In this order: closing a file that is still there would first move its index to the front.
        with contextlib.suppress(OSError):
            self._partial.unlink(missing_ok=True)
        with contextlib.suppress(av.FFmpegError, OSError):
            self._container.close()


def open_film(
    path: Path,
    size: Size,
    rate: FrameRate,
    codec: str | None = None,
    quality: Quality = STANDARD,
) -> FilmWriter:
    """Begin a film of `size` (height, width) at `path`; what its name says decides the codec.

    ``NAME.mp4`` and ``NAME.mov`` are H.264 unless `codec` says otherwise; a folder or
    ``NAME.%05d.png`` are numbered pictures. Raises InstrumentError naming what is allowed.
    """
    if codec is not None and codec not in CODECS:
        raise InstrumentError(f"codec {codec!r}: allowed are {', '.join(CODECS)}")
    if not all(1 <= side <= _LARGEST_SIDE for side in size):
        raise InstrumentError(f"size {size[1]}x{size[0]}: sides must be 1 to {_LARGEST_SIDE}")
    suffix = path.suffix.lower()
    if suffix in (".mp4", ".mov"):
        return _open_movie(path, size, rate, codec or "h264", quality)
    if Numbering.of(path) is None or codec not in (None, "png"):
        raise InstrumentError(f"{path}: {codec or 'a film'} cannot be written to this name, "
                              f"allowed are {_allowed_for(codec)}")  # fmt: skip
    return open_stills(path, size, rate)


def _allowed_for(codec: str | None) -> str:
    if codec in _CODECS:
        return " or ".join(f"NAME{suffix}" for suffix in _CODECS[codec].suffixes)
    return "a folder or NAME.%05d.png" if codec == "png" else _ALLOWED


def _open_movie(
    path: Path, size: Size, rate: FrameRate, codec: str, quality: Quality
) -> MovieWriter:
    if codec not in _CODECS or path.suffix.lower() not in _CODECS[codec].suffixes:
        raise InstrumentError(f"{path}: {codec} goes to {_allowed_for(codec)}")
    chosen = _CODECS[codec]
    if any(side % step for side, step in zip(size, chosen.grid, strict=True)):
        raise InstrumentError(_odd(path, size, codec, chosen.grid))
    muxer = {".mp4": "mp4", ".mov": "mov"}[path.suffix.lower()]
    with _disk_errors(path), contextlib.ExitStack() as undo:
        if path.is_dir():
            raise InstrumentError(f"{path}: cannot be written (a folder has this name)")
        partial = _partial_of(path)
        partial.touch()  # PyAV opens it at the first picture: too late to hear that it cannot be
        undo.callback(partial.unlink, missing_ok=True)
        container = av.open(str(partial), "w", format=muxer, container_options=_timing(rate))
        undo.callback(container.close)
        stream = _add_stream(container, size, rate, chosen, quality)
        undo.pop_all()
    return MovieWriter(path, rate, container, stream)


def _timing(rate: FrameRate) -> dict[str, str]:
    # faststart: the index comes first, so that players and editors open it at once.
    # The length of a film is kept in the movie's own ticks, by default of 1 ms, which holds
    # no NTSC length: both clocks tick whole fractions of a frame.
    ticks = rate.num
    while ticks < 10_000:
        ticks *= 2
    scales = {"video_track_timescale": str(ticks), "movie_timescale": str(ticks)}
    return {"movflags": "+faststart", **scales}


def _add_stream(
    container: OutputContainer, size: Size, rate: FrameRate, codec: _Codec, quality: Quality
) -> VideoStream:
    try:
        stream = container.add_stream(codec.encoder, rate=Fraction(rate.num, rate.den))
    except UnknownCodecError as error:
        raise InstrumentError(f"this build of PyAV has no {codec.encoder}") from error
    assert isinstance(stream, VideoStream)
    stream.options = {**codec.options(quality)}
    stream.height, stream.width = size
    stream.pix_fmt = codec.pixels
    stream.codec_context.time_base = Fraction(rate.den, rate.num)
    if codec.encoder != "prores_ks":  # where every frame is a keyframe
        stream.gop_size = quality.keyframe_every or max(1, round(rate.num / rate.den))
    in_rgb = codec.pixels == "rgb24"
    context = stream.codec_context
    context.colorspace = _RGB if in_rgb else _BT709
    context.color_range = ColorRange.JPEG if in_rgb else ColorRange.MPEG
    context.color_primaries = ColorPrimaries.BT709
    context.color_trc = ColorTrc.BT709
    return stream


def _odd(path: Path, size: Size, codec: str, grid: Size) -> str:
    lower = [side // step * step for side, step in zip(size, grid, strict=True)]
    upper = [-(-side // step) * step for side, step in zip(size, grid, strict=True)]
    near = [f"{w}x{h}" for h, w in (lower, upper) if h and w]
    return (
        f"{path}: {codec} takes even sizes only, {size[1]}x{size[0]} is not; "
        f"nearest are {' and '.join(near)}"
    )


def _partial_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")


@contextlib.contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (av.FFmpegError, OSError) as error:
        reason = error.strerror or error
        raise InstrumentError(f"{path}: cannot be written ({reason})") from error


def _check(partial: Path, path: Path, frames: int, seconds: Fraction) -> None:
    counted, lasts = _measure(partial)
    if (counted, lasts) != (frames, seconds):
        raise InstrumentError(
            f"{path}: {frames} frames of {float(seconds):.6f} s were written, the file holds "
            f"{counted} of {float(lasts or 0):.6f} s"
        )


def _measure(path: Path) -> tuple[int, Fraction | None]:
    """Frames and duration in seconds, from the packets alone."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = sum(1 for packet in container.demux(stream) if packet.size)
        if stream.duration is None or stream.time_base is None:
            return frames, None
        return frames, stream.duration * stream.time_base


def count_frames(path: Path) -> int:
    """How many frames a film, a folder or a pattern of pictures holds, without decoding.

    Raises InstrumentError naming the file when it is none.
    """
    if path.suffix.lower() not in (".mp4", ".mov") and (stills := Numbering.of(path)) is not None:
        return len(stills.present())
    with _reading(path):
        return _measure(path)[0]


def read_frames(path: Path) -> Iterator[U8]:
    """Every picture of a film in order, ``U8[h, w, 3]``, its colour tags honoured."""
    if path.suffix.lower() not in (".mp4", ".mov") and Numbering.of(path) is not None:
        yield from read_stills(path)
        return
    with _reading(path), av.open(str(path)) as container:
        for picture in container.decode(video=0):
            yield np.asarray(picture.to_ndarray(format="rgb24"), np.uint8)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise InstrumentError(f"{path}: no such film") from None
    except (av.FFmpegError, OSError, IndexError) as error:
        raise InstrumentError(f"{path}: not a film that can be read ({error})") from error
