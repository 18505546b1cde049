"""WAV files, read a stretch at a time: PCM of 8 to 32 bit, float of 32 and 64, any channels.

Knows nothing of what is heard in them. Source of the layout: Microsoft, "Multimedia Programming
Interface and Data Specifications 1.0" (RIFF WAVE), and WAVE_FORMAT_EXTENSIBLE; the standard
library's reader refuses float files, and extensible ones before Python 3.12.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from instrument import InstrumentError

F32 = NDArray[np.float32]

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_MOST_CHUNKS = 1000  # ahead of the sound: more is no recorder's work
_READABLE = "PCM of 8, 16, 24 or 32 bit and float of 32 or 64"


@dataclass(frozen=True, slots=True)
class WaveFile:
    """Where the sound lies in the file at `path`, and how it is written."""

    path: Path
    rate: int
    channels: int
    bits: int
    floating: bool
    start: int  # bytes into the file
    frames: int

    @property
    def seconds(self) -> float:
        """How long it sounds."""
        return self.frames / self.rate

    def blocks(self, frames: int) -> Iterator[F32]:
        """``[n, channels]`` in -1..1, `frames` at a time; the last may be shorter.

        Raises InstrumentError if the disk does.
        """
        size = self.channels * self.bits // 8
        try:
            with self.path.open("rb") as file:
                file.seek(self.start)
                for at in range(0, self.frames, frames):
                    data = file.read(min(frames, self.frames - at) * size)
                    whole = len(data) // size
                    if not whole:
                        return  # cut off since it was opened
                    samples = _numbers(data[: whole * size], self.bits, self.floating)
                    yield samples.reshape(whole, self.channels)
        except OSError as error:
            raise InstrumentError(f"{self.path}: cannot be read ({error.strerror})") from error


def open_wave(path: Path) -> WaveFile:
    """Look at the head of a WAV file.

    Raises InstrumentError naming the file and what can be read. A file that was cut off is read as
    far as it goes.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            return _parsed(path, file, size)
    except FileNotFoundError:
        raise InstrumentError(f"{path}: no such sound file") from None
    except OSError as error:
        raise InstrumentError(f"{path}: cannot be read ({error.strerror})") from error


def _parsed(path: Path, file: BinaryIO, size: int) -> WaveFile:
    head = file.read(12)
    if len(head) < 12 or head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        raise InstrumentError(f"{path}: is not a WAV file; only WAV can be listened to")
    shape: tuple[int, int, int, bool] | None = None
    for _ in range(_MOST_CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            break
        name, length = header[:4], struct.unpack("<I", header[4:])[0]
        if name == b"fmt ":
            shape = _format(path, file.read(min(length, 40)))
            file.seek(max(length - 40, 0) + length % 2, 1)
        elif name == b"data" and shape is not None:
            rate, channels, bits, floating = shape
            start = file.tell()
            # A recorder that died, or a file beyond 4 GB, leaves a length that is not true.
            left = max(size - start, 0)
            held = left if length in (0, 0xFFFFFFFF) else min(length, left)
            frames = held // (channels * bits // 8)
            return WaveFile(path, rate, channels, bits, floating, start, frames)
        else:
            file.seek(length + length % 2, 1)
    raise InstrumentError(f"{path}: this WAV file has no sound in it")


def _format(path: Path, body: bytes) -> tuple[int, int, int, bool]:
    if len(body) < 16:
        raise InstrumentError(f"{path}: this WAV file does not say how it is written")
    tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
    if tag == _EXTENSIBLE and len(body) >= 26:
        tag = struct.unpack("<H", body[24:26])[0]
    known = (tag == _PCM and bits in (8, 16, 24, 32)) or (tag == _FLOAT and bits in (32, 64))
    if not known:
        raise InstrumentError(f"{path}: WAV format {tag} of {bits} bit: readable are {_READABLE}")
    if not (1 <= channels <= 64 and 8_000 <= rate <= 384_000):
        raise InstrumentError(
            f"{path}: {channels} channels at {rate} Hz: allowed are 1 to 64 at 8000 to 384000"
        )
    return rate, channels, bits, tag == _FLOAT


def _numbers(data: bytes, bits: int, floating: bool) -> F32:
    """Little-endian samples as -1..1."""
    if floating:
        return np.frombuffer(data, f"<f{bits // 8}").astype(np.float32)
    if bits == 8:  # the only width without a sign
        return (np.frombuffer(data, np.uint8).astype(np.float32) - 128.0) / 128.0
    if bits == 24:
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        whole: NDArray[np.int32] = wide.reshape(-1).view("<i4")
        return (whole / 2.0**31).astype(np.float32)
    return (np.frombuffer(data, f"<i{bits // 8}") / 2.0 ** (bits - 1)).astype(np.float32)
