"""What a source of sound says to an ear, and the source that is a file.

A source runs in a thread of its own and only passes on; it knows nothing of what is heard.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from instrument import InstrumentError
from instrument.control.features import hop_of
from instrument.control.wave_file import WaveFile, open_wave
from instrument.timebase import Clock

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Opened:
    """From now on there are blocks, counted from 0, at `rate` Hz."""

    name: str
    rate: float


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """``samples [n]``: with them `count` samples have come since `Opened`, by clock time `arrived`.

    `overflows` is how often the device has said, since `Opened`, that it had to drop something.
    """

    samples: F32
    count: int
    arrived: float
    overflows: int = 0


@dataclass(frozen=True, slots=True)
class Absent:
    """No sound for now, and why. `final`: nor will there be any."""

    why: str
    final: bool = False


Message = Opened | Block | Absent
Receive = Callable[[Message], None]


class Source(Protocol):
    """A microphone or a file."""

    def start(self, receive: Receive) -> None:
        """Call `receive` with every message, from a thread."""
        ...

    def close(self) -> None:
        """Let go of thread and device; at most a second."""
        ...


def mix(samples: F32, channels: tuple[int, ...]) -> F32:
    """``[n, c]`` → ``[n]``: the mean of the channels, counted from 1; of all if it has none."""
    held = [channel - 1 for channel in channels if channel <= samples.shape[1]]
    chosen = samples[:, held] if held else samples
    mixed: F32 = chosen[:, 0].copy() if chosen.shape[1] == 1 else chosen.mean(axis=1)
    return mixed


class FileSource:
    """A WAV file that plays as if somebody played it: in real time, over and over, silently.

    Raises InstrumentError at once if it cannot be read, or holds too little to be played.
    """

    def __init__(self, path: Path, channels: tuple[int, ...], clock: Clock) -> None:
        self._file: WaveFile = open_wave(path)
        if self._file.seconds < 0.1:
            raise InstrumentError(f"{path}: must sound for at least 0.1 s to be listened to")
        self._channels, self._clock = channels, clock
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, receive: Receive) -> None:
        """Play from the beginning."""
        self._thread = threading.Thread(
            target=self._play, args=(receive,), name="ear file", daemon=True
        )
        self._thread.start()

    def _play(self, receive: Receive) -> None:
        rate = self._file.rate
        receive(Opened(self._file.path.name, rate))
        origin, count = self._clock.now(), 0
        while not self._closing.is_set():
            before = count
            try:
                for samples in self._file.blocks(hop_of(rate)):
                    count += len(samples)
                    self._clock.wait_until(origin + count / rate)
                    if self._closing.is_set():
                        return
                    mixed = mix(samples, self._channels)
                    receive(Block(mixed, count, origin + count / rate))
            except InstrumentError as error:
                receive(Absent(str(error), final=True))
                return
            if count == before:
                receive(Absent(f"{self._file.path}: has become empty", final=True))
                return

    def close(self) -> None:
        """Stop within a block."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(1.0)
