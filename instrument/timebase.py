"""Time: frame rates, frame ranges, timecode and clocks.

Time is float64 seconds on one monotonic clock, or an integer frame at a rational rate.
This module knows nothing of pictures, events or devices.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from instrument import InstrumentError

# Decimals people type for the NTSC family (23.976, 23.98, 29.970) never mean what they say.
_NTSC = tuple(Fraction(nominal * 1000, 1001) for nominal in (24, 30, 48, 60, 120))
_NTSC_TOLERANCE = Fraction(1, 200)  # 23.98 is out by 0.004
_LARGEST = 10**9 - 1  # of the two integers: what `parse` reads back and containers can hold


@dataclass(frozen=True, slots=True)
class FrameRate:
    """A rational number of frames a second, in lowest terms: ``FrameRate(30000, 1001)``."""

    num: int
    den: int = 1

    def __post_init__(self) -> None:
        if self.num <= 0 or self.den <= 0:
            raise InstrumentError(f"frame rate {self.num}/{self.den}: must be above 0")
        exact = Fraction(self.num, self.den)
        if max(exact.numerator, exact.denominator) > _LARGEST:
            raise InstrumentError(f"frame rate: write it with two integers up to {_LARGEST}")
        object.__setattr__(self, "num", exact.numerator)
        object.__setattr__(self, "den", exact.denominator)

    @classmethod
    def parse(cls, text: str) -> FrameRate:
        """Read ``"60"``, ``"30000/1001"``, ``"29.97"`` or ``"12.5"``. The reverse of ``str``."""
        text = text.strip()
        if not re.fullmatch(r"[0-9]{1,9}(/[0-9]{1,9}|\.[0-9]{1,6})?", text):
            raise InstrumentError(f"frame rate {text[:40]!r}: write it as 60, 30000/1001 or 29.97")
        num, _, den = text.partition("/")
        if den and int(den) == 0:
            raise InstrumentError(f"frame rate {text!r}: the number under the line is 0")
        exact = Fraction(num) / int(den or 1)
        if "." in text:
            exact = next((r for r in _NTSC if abs(r - exact) < _NTSC_TOLERANCE), exact)
        return cls(exact.numerator, exact.denominator)

    def __str__(self) -> str:
        return str(self.num) if self.den == 1 else f"{self.num}/{self.den}"

    @property
    def period(self) -> float:
        """Seconds from one frame to the next."""
        return self.den / self.num

    def time_of(self, frame: int) -> float:
        """Seconds from frame 0 to `frame`: rounded once, so it never drifts."""
        return frame * self.den / self.num

    def frames_in(self, seconds: float) -> int:
        """How many frames `seconds` hold: S·N to the nearest (a half counts as a whole frame)."""
        return math.floor(Fraction(seconds) * self.num / self.den + Fraction(1, 2))

    def last_frame_at(self, seconds: float) -> int:
        """The newest frame whose time is not after `seconds` (-1 before frame 0)."""
        frame = int(Fraction(max(seconds, -1.0)) * self.num // self.den)
        # `time_of` is rounded, so the frame it names may lie a hair to either side.
        while self.time_of(frame + 1) <= seconds:
            frame += 1
        while frame >= 0 and self.time_of(frame) > seconds:
            frame -= 1
        return max(frame, -1)


@dataclass(frozen=True, slots=True)
class FrameRange:
    """The half-open frames ``[start, stop)``."""

    start: int
    stop: int

    def __post_init__(self) -> None:
        if self.start < 0 or self.stop < self.start:
            raise InstrumentError(f"frame range {self.start}:{self.stop}: needs 0 <= start <= stop")

    @classmethod
    def parse(cls, text: str, length: int) -> FrameRange:
        """Read ``"A:B"``, ``"A:"`` or ``":B"`` within a sequence of `length` frames."""
        match = re.fullmatch(r"([0-9]{0,12}):([0-9]{0,12})", text.strip())
        if not match:
            raise InstrumentError(f"frame range {text[:40]!r}: write it as A:B, A: or :B")
        start, stop = int(match[1] or 0), int(match[2] or length)
        if stop > length or start >= stop:
            raise InstrumentError(
                f"frame range {text!r}: must lie within 0:{length} and hold a frame"
            )
        return cls(start, stop)

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.start, self.stop))


def timecode(frame: int, rate: FrameRate) -> str:
    """``HH:MM:SS:FF`` without drop frames, counted at the nominal rate (the next whole number)."""
    nominal = -(-rate.num // rate.den)
    seconds, frames = divmod(frame, nominal)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}:{frames:02d}"


class Clock(Protocol):
    """Seconds that only grow, and a way to wait for one of them."""

    def now(self) -> float:
        """Seconds; only differences mean something."""
        ...

    def wait_until(self, seconds: float) -> None:
        """Return at `seconds`, or at once when that is past."""
        ...


class WallClock:
    """The machine's monotonic clock: wall-clock corrections and time zones never reach it."""

    def now(self) -> float:
        """Seconds of the monotonic clock."""
        return time.perf_counter()

    def wait_until(self, seconds: float) -> None:
        """Sleep until `seconds`."""
        while (left := seconds - time.perf_counter()) > 0:
            time.sleep(left)


class StepClock:
    """A clock that stands still until somebody waits: as fast as possible, and deterministic."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def now(self) -> float:
        """The last time waited for."""
        return self._seconds

    def wait_until(self, seconds: float) -> None:
        """Jump to `seconds`."""
        self._seconds = max(self._seconds, seconds)
