"""Which frame of its footage a clip shows: cut, speed, reverse, freeze, time remapping.

Every retiming answers twice: `frames`, the whole frame an editor shows, by that editor's own
arithmetic; and `positions`, where on the way it lies, between two frames where the speed is
fractional. A reader of a format that reckons in its own way brings a `Retiming` of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from instrument import InstrumentError
from instrument.latent.space import F64
from instrument.timebase import FrameRate

I64 = NDArray[np.int64]

NO_FRAME = -1  # where an editor shows nothing though a clip lies there


@dataclass(frozen=True, slots=True)
class Footage:
    """What a clip is cut from, as far as time goes: `frames` frames at `rate`."""

    rate: FrameRate
    frames: int


class Retiming(Protocol):
    """From frames of a clip, counted from its own first, to frames of its footage."""

    def frames(self, offsets: I64, footage: Footage) -> I64:
        """Whole frames ``I64[n]``, `NO_FRAME` where nothing is shown.

        They may lie past the footage's end, where whoever asks holds its last frame.
        """
        ...

    def positions(self, offsets: I64, footage: Footage) -> F64:
        """Places on the way ``F64[n]``, in frames of the footage; NaN where nothing is shown."""
        ...


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant `speed`, negative backwards, from `start` on.

    `start` counts frames at `rate` (the footage's own where it is None); one frame of the clip
    lasts 1 / `record_rate` seconds. The frame shown is the nearest, a half counting upwards.
    """

    start: Fraction
    record_rate: FrameRate
    speed: Fraction = Fraction(1)
    rate: FrameRate | None = None

    def frames(self, offsets: I64, footage: Footage) -> I64:
        """See `Retiming.frames`. In whole numbers, so that a half is a half."""
        start, step = self._line(footage)
        common = np.lcm.reduce([2, start.denominator, step.denominator], dtype=object)
        first, stride = int(start * common), int(step * common)
        last = first + stride * int(offsets[-1]) if len(offsets) else 0
        if max(abs(first), abs(last)) >= 1 << 62:
            raise InstrumentError(f"a clip at speed {float(self.speed):g}: too far to count")
        # What lies before the first frame is held, as after the last; `NO_FRAME` is neither.
        return np.asarray(np.maximum((first + stride * offsets + common // 2) // common, 0))

    def positions(self, offsets: I64, footage: Footage) -> F64:
        """See `Retiming.positions`."""
        start, step = self._line(footage)
        return float(start) + float(step) * offsets.astype(np.float64)

    def _line(self, footage: Footage) -> tuple[Fraction, Fraction]:
        """The first frame of the footage, and how many of its frames go by with each offset."""
        own = Fraction(footage.rate.num, footage.rate.den)
        rate = Fraction(self.rate.num, self.rate.den) if self.rate else own
        return (
            self.start * own / rate,
            self.speed * own * self.record_rate.den / self.record_rate.num,
        )


@dataclass(frozen=True, slots=True)
class Frozen:
    """One frame, for as long as the clip lasts."""

    frame: int

    def frames(self, offsets: I64, footage: Footage) -> I64:
        """See `Retiming.frames`."""
        return np.full(len(offsets), self.frame, np.int64)

    def positions(self, offsets: I64, footage: Footage) -> F64:
        """See `Retiming.positions`."""
        return np.full(len(offsets), float(self.frame))


@dataclass(frozen=True, slots=True)
class Later:
    """`retiming` from its frame `by` on: what is left of a clip whose head was cut off."""

    retiming: Retiming
    by: int

    def frames(self, offsets: I64, footage: Footage) -> I64:
        """See `Retiming.frames`."""
        return self.retiming.frames(offsets + self.by, footage)

    def positions(self, offsets: I64, footage: Footage) -> F64:
        """See `Retiming.positions`."""
        return self.retiming.positions(offsets + self.by, footage)
