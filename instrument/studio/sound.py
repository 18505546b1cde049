"""A file of sound → the sound track of a film, as long as the film to the sample.

Any file PyAV can read. MP4 gets AAC; QuickTime gets PCM and Matroska FLAC, which keep every
sample. This module knows no pictures.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from numpy.typing import NDArray

from instrument import InstrumentError
from instrument.studio.extras import Sound
from instrument.timebase import FrameRate

# Encoders by container: for 16 bits, and for everything finer.
_ENCODERS = {
    ".mp4": ("aac", "aac"),
    ".mov": ("pcm_s16le", "pcm_s24le"),
    ".mkv": ("flac", "flac"),
}
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_MOST_CHANNELS = 8
_LAYOUTS = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "6.1", "7.1")
_COARSE = ("u8", "u8p", "s16", "s16p")  # the sample formats that 16 bits hold
_BLOCK = 1 << 14  # samples written in one go


def length_of(frames: int, rate: FrameRate, samples_a_second: int) -> int:
    """How many samples a film of `frames` lasts, to the nearest."""
    exact = Fraction(frames * rate.den * samples_a_second, rate.num)
    return int(exact + Fraction(1, 2))


class SoundTrack:
    """The sound of a film, written beside its pictures; `mux` goes to where the pictures are.

    Raises InstrumentError naming the file when there is no sound in it.
    """

    def __init__(
        self, sound: Sound, container: OutputContainer, suffix: str, rate: FrameRate
    ) -> None:
        self._rate = rate
        self._undo = contextlib.ExitStack()
        self._path = sound.path
        with _reading(sound.path):
            self._source = self._undo.enter_context(
                av.open(str(sound.path), metadata_errors="replace")
            )
            stream = _sound_of(self._source, sound.path)
            context = stream.codec_context
            channels = context.layout.nb_channels
            if channels > _MOST_CHANNELS:
                raise InstrumentError(f"{sound.path}: {channels} channels, at most 8 are taken")
            coarse = context.format.name in _COARSE
        name = _ENCODERS[suffix][0 if coarse else 1]
        self.samples_a_second = int(stream.rate)
        if name == "aac" and self.samples_a_second not in _AAC_RATES:
            self.samples_a_second = 48000
        self._planar = "fltp" if name == "aac" else "s16p" if coarse else "s32p"
        # A plain WAV says how many channels it has, and not which.
        named = context.layout.name
        self._layout = _LAYOUTS[channels - 1] if named.endswith("channels") else named
        self._container = container
        self._stream = _add(container, name, self.samples_a_second, self._layout, self._planar)
        self._written = 0
        self._blocks = self._placed(stream, sound.offset)
        self._rest: NDArray[Any] = np.zeros((channels, 0), _type_of(self._planar))

    def reach(self, frames: int) -> None:
        """Write sound until it lasts as long as `frames` pictures."""
        wanted = length_of(frames, self._rate, self.samples_a_second)
        while self._written < wanted:
            self._write(self._take(min(_BLOCK, wanted - self._written)))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        for packet in self._stream.encode(None):
            self._container.mux(packet)

    def close(self) -> None:
        """Let go of the file."""
        self._blocks.close()
        self._undo.close()

    def _take(self, count: int) -> NDArray[Any]:
        """The next `count` samples ``[channels, count]``; silence when the sound is over."""
        while self._rest.shape[1] < count:
            block = next(self._blocks, None)
            if block is None:
                missing = ((0, 0), (0, count - self._rest.shape[1]))
                block = np.pad(self._rest[:, :0], missing)  # the sound is over
            self._rest = np.concatenate([self._rest, block], axis=1)
        taken, self._rest = self._rest[:, :count], self._rest[:, count:]
        return taken

    def _write(self, samples: NDArray[Any]) -> None:
        block = np.ascontiguousarray(samples)
        frame = av.AudioFrame.from_ndarray(block, format=self._planar, layout=self._layout)
        frame.sample_rate = self.samples_a_second
        frame.pts = self._written
        frame.time_base = Fraction(1, self.samples_a_second)
        self._written += samples.shape[1]
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def _placed(self, stream: AudioStream, offset: float) -> Generator[NDArray[Any], None, None]:
        """The sound from the film's beginning on: later by silence, earlier by a cut."""
        shift = round(Fraction(offset) * self.samples_a_second)
        channels, dtype = stream.codec_context.layout.nb_channels, _type_of(self._planar)
        for silent in range(0, shift, _BLOCK):
            yield np.zeros((channels, min(shift - silent, _BLOCK)), dtype)
        unheard = max(0, -shift)
        for block in self._decoded(stream):
            if unheard < block.shape[1]:
                yield block[:, unheard:]
            unheard = max(0, unheard - block.shape[1])

    def _decoded(self, stream: AudioStream) -> Iterator[NDArray[Any]]:
        resampler = av.AudioResampler(self._planar, self._layout, self.samples_a_second)
        with _reading(self._path):
            for frame in self._source.decode(stream):
                frame.pts = None  # gaps in a file's times are no gaps in its sound
                for block in resampler.resample(frame):
                    yield block.to_ndarray()
            for block in resampler.resample(None):
                yield block.to_ndarray()


def check_sound(path: Path) -> None:
    """Raise InstrumentError naming the file when there is no sound in it."""
    with _reading(path), av.open(str(path), metadata_errors="replace") as source:
        _sound_of(source, path)


def _sound_of(source: InputContainer, path: Path) -> AudioStream:
    if not source.streams.audio:
        raise InstrumentError(f"{path}: there is no sound in it")
    return source.streams.audio[0]


def _add(
    container: OutputContainer, name: str, samples_a_second: int, layout: str, planar: str
) -> AudioStream:
    stream = container.add_stream(name, rate=samples_a_second)
    assert isinstance(stream, AudioStream)
    context = stream.codec_context
    assert isinstance(context, AudioCodecContext)
    context.layout = layout
    context.format = planar if name == "aac" else planar.removesuffix("p")
    context.time_base = Fraction(1, samples_a_second)
    if name == "aac":
        stream.bit_rate = 160_000 * context.layout.nb_channels
    return stream


def _type_of(planar: str) -> np.dtype[Any]:
    types = {"fltp": np.float32, "s16p": np.int16, "s32p": np.int32}
    return np.dtype(types[planar])


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise InstrumentError(f"{path}: no such file of sound") from None
    except (av.FFmpegError, OSError) as error:
        reason = error.strerror or error
        raise InstrumentError(f"{path}: cannot be read as sound ({reason})") from error
