"""Pictures → film, through PyAV.

Pictures are sRGB, ``U8[h, w, 3]`` or finer. Films carry BT.709 tags, and their colours are really
converted with the matrix and range the tags promise. Frame i of a film is its i-th picture,
at i / rate seconds exactly (in Matroska, which counts in milliseconds, to the nearest).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.codec.codec import UnknownCodecError
from av.container import OutputContainer
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation
from av.video.stream import VideoStream

from instrument import InstrumentError
from instrument.frame import U8
from instrument.studio.codecs import CODECS, MOVIES, STANDARD, Movie, Quality, choose
from instrument.studio.containers import (
    MUXERS,
    add_marks,
    check_film,
    disk_errors,
    measure,
    partial_of,
    timing,
)
from instrument.studio.extras import NOTHING, Extras
from instrument.studio.film import FilmWriter, Pixels, Size
from instrument.studio.sound import SoundTrack
from instrument.studio.stills import Numbering, open_stills, read_stills
from instrument.timebase import FrameRate

__all__ = ["CODECS", "STANDARD", "MovieWriter", "Quality", "count_frames", "open_film",
           "read_frames"]  # fmt: skip

_BT709, _RGB = 1, 0  # the matrix of a film, in the numbers of H.273
_TRUE = Interpolation.BICUBIC | Interpolation.ACCURATE_RND
# x264 and x265 make other films with other numbers of threads: it must not be that of the cores.
# SVT-AV1 does not (measured, 1 to 6 of them, on one core and on two).
_THREADS = 6
_X265_DELAY = 2  # frames
_RANGES = {"limited": ColorRange.MPEG, "full": ColorRange.JPEG}


class MovieWriter(FilmWriter):
    """A film in MP4, QuickTime or Matroska."""

    def __init__(
        self, path: Path, rate: FrameRate, movie: Movie, container: OutputContainer,
        stream: VideoStream, sound: SoundTrack | None = None,
    ) -> None:  # fmt: skip
        super().__init__(path, (stream.height, stream.width), rate, movie.depth)
        self._movie = movie
        self._container = container
        self._stream = stream
        self._sound = sound
        self._partial = partial_of(path)
        self._period = Fraction(rate.den, rate.num)

    def _add(self, pixels: Pixels) -> None:
        picture = _coded(pixels, self._movie)
        picture.pts = self.frames
        picture.time_base = self._period
        self._mux(picture)
        if self._sound:
            with disk_errors(self.path):
                self._sound.reach(self.frames + 1)

    def _mux(self, picture: av.VideoFrame | None) -> None:
        with disk_errors(self.path):
            for packet in self._stream.encode(picture):
                if self.frames <= _X265_DELAY:
                    # x265 leaves the decoding times of a film that is over before its B-frames
                    # could begin to chance. Such a film has none.
                    packet.dts = packet.pts
                self._container.mux(packet)

    def _finish(self) -> None:
        self._mux(None)
        with disk_errors(self.path):
            if self._sound:
                self._sound.finish()
                self._sound.close()
            self._container.close()
            check_film(self._partial, self.path, self.frames, self.frames * self._period)
            with self._partial.open("rb") as file:
                os.fsync(file.fileno())
            self._partial.replace(self.path)

    def _discard(self) -> None:
        # In this order: closing a file that is still there would first move its index to the front.
        with contextlib.suppress(OSError):
            self._partial.unlink(missing_ok=True)
        if self._sound:
            self._sound.close()
        with contextlib.suppress(av.FFmpegError, OSError):
            self._container.close()


def _coded(pixels: Pixels, movie: Movie) -> av.VideoFrame:
    """A frame in the pixel format of `movie`, its colours converted and tagged."""
    source = "rgb24" if movie.depth == 8 else "rgb48le"
    if source == "rgb48le" and not movie.in_rgb:
        # The scaler's matrices take 255 times 256 for white, and 65535 would be beyond it.
        pixels = ((pixels * np.uint32(65280) + np.uint32(32767)) // np.uint32(65535)).astype("<u2")
    picture = av.VideoFrame.from_ndarray(pixels, format=source)
    if movie.in_rgb:
        if movie.pixels != source:
            picture = picture.reformat(format=movie.pixels)
    else:
        picture = picture.reformat(
            format=movie.pixels,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=_RANGES[movie.range],
            interpolation=_TRUE,  # otherwise chroma is cut where it should be rounded
        )
    # Set after the conversion: asking the scaler for them would bend the tones.
    picture.color_trc = ColorTrc.BT709
    picture.color_primaries = ColorPrimaries.BT709
    return picture


def open_film(
    path: Path,
    size: Size,
    rate: FrameRate,
    codec: str | None = None,
    quality: Quality = STANDARD,
    extras: Extras = NOTHING,
    part: bool = False,
) -> FilmWriter:
    """Begin a film of `size` (height, width) at `path`; what its name says decides the codec.

    ``NAME.mp4``, ``NAME.mov`` and ``NAME.mkv`` are H.264 unless `codec` says otherwise; a folder,
    ``NAME.%05d.png`` or ``NAME.%05d.exr`` are numbered pictures. A `part` of a film is to be
    spliced with others. Raises InstrumentError naming
    what is allowed.
    """
    chosen = choose(path, size, codec, quality)
    if isinstance(chosen, Movie):
        return _open_movie(path, size, rate, chosen, quality, extras, part)
    if not extras.none:
        raise InstrumentError(
            f"{path}: numbered pictures carry no sound, timecode or chapters; "
            f"allowed is {' or '.join(f'NAME{suffix}' for suffix in MOVIES)}"
        )
    return open_stills(path, size, rate, chosen)


def _open_movie(
    path: Path, size: Size, rate: FrameRate, movie: Movie, quality: Quality, extras: Extras,
    part: bool,
) -> MovieWriter:  # fmt: skip
    suffix = path.suffix.lower()
    with disk_errors(path), contextlib.ExitStack() as undo:
        if path.is_dir():
            raise InstrumentError(f"{path}: cannot be written (a folder has this name)")
        partial = partial_of(path)
        partial.touch()  # PyAV opens it at the first picture: too late to hear that it cannot be
        undo.callback(partial.unlink, missing_ok=True)
        container = av.open(
            str(partial),
            "w",
            format=MUXERS[suffix],
            container_options=timing(suffix, rate, part=part),
        )
        undo.callback(container.close)
        stream = _add_stream(container, size, rate, movie, quality)
        add_marks(container, extras, rate)
        sound = None
        if extras.sound:
            sound = SoundTrack(extras.sound, container, suffix, rate)
        undo.pop_all()
    return MovieWriter(path, rate, movie, container, stream, sound)


def _add_stream(
    container: OutputContainer, size: Size, rate: FrameRate, movie: Movie, quality: Quality
) -> VideoStream:
    codec = movie.codec
    try:
        stream = container.add_stream(codec.encoder, rate=Fraction(rate.num, rate.den))
    except UnknownCodecError as error:
        raise InstrumentError(f"this build of PyAV has no {codec.encoder}") from error
    assert isinstance(stream, VideoStream)
    stream.options = {**codec.options(quality, movie.depth, size[1])}
    stream.height, stream.width = size
    stream.pix_fmt = movie.pixels
    context = stream.codec_context
    context.time_base = Fraction(rate.den, rate.num)
    if not codec.intra:
        context.thread_count = _THREADS
        stream.gop_size = quality.keyframe_every or max(1, round(rate.num / rate.den))
    if codec.tag and container.format.name != "matroska":
        context.codec_tag = codec.tag
    context.colorspace = _RGB if movie.in_rgb else _BT709
    context.color_range = _RANGES[movie.range]
    context.color_primaries = ColorPrimaries.BT709
    context.color_trc = ColorTrc.BT709
    return stream


def count_frames(path: Path) -> int:
    """How many frames a film, a folder or a pattern of pictures holds, without decoding.

    Raises InstrumentError naming the file when it is none.
    """
    if path.suffix.lower() not in MOVIES and (stills := Numbering.of(path)) is not None:
        return len(stills.present())
    with _reading(path):
        return measure(path)[0]


def read_frames(path: Path) -> Iterator[U8]:
    """Every picture of a film in order, ``U8[h, w, 3]``, its colour tags honoured."""
    if path.suffix.lower() not in MOVIES and Numbering.of(path) is not None:
        yield from read_stills(path)
        return
    with _reading(path), av.open(str(path), metadata_errors="replace") as container:
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
