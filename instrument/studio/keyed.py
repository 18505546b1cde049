"""Retimings that several editors share: speeds that change on the way, clips run on at an end.

Time on both sides is in seconds, exact: of the clip since its first frame, of the footage since
its own. This module knows no editor's format.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np

from instrument import InstrumentError
from instrument.latent.space import F64
from instrument.studio.retiming import I64, Constant, Footage, Later, Retiming
from instrument.timebase import FrameRate

SECOND = FrameRate(1)  # a rate to count seconds with
FARTHEST = 1 << 40  # seconds or frames; what an edit says beyond it is no edit
_FINEST = 10**9  # the denominators that decimals in a file are read with

Key = tuple[Fraction, Fraction]


@dataclass(frozen=True, slots=True)
class Keyed:
    """Straight on from key to key, and at both ends as straight as it was there.

    `keys` are (seconds of the clip, seconds of the footage), in order of the clip's, two or more.
    The frame shown is the nearest, a half counting upwards; with `floors` the one that began last.
    """

    keys: tuple[Key, ...]
    record_rate: FrameRate
    floors: bool = False

    def __post_init__(self) -> None:
        whens = [when for when, _ in self.keys]
        if len(whens) < 2 or any(b <= a for a, b in pairwise(whens)):
            raise InstrumentError("a speed that changes: needs two or more keys, in order of time")

    def frames(self, offsets: I64, footage: Footage) -> I64:
        """See `Retiming.frames`."""
        own = Fraction(footage.rate.num, footage.rate.den)
        back = Fraction(1, 2) / own if self.floors else Fraction(0)
        shown = np.empty(len(offsets), np.int64)
        for rows, line in self._lines(offsets, back):
            shown[rows] = line.frames(offsets[rows], footage)
        return shown

    def positions(self, offsets: I64, footage: Footage) -> F64:
        """See `Retiming.positions`."""
        places = np.empty(len(offsets))
        for rows, line in self._lines(offsets, Fraction(0)):
            places[rows] = line.positions(offsets[rows], footage)
        return places

    def _lines(self, offsets: I64, back: Fraction) -> list[tuple[I64, Constant]]:
        """Which of `offsets` lie between which two keys, and the line through those."""
        per_second = Fraction(self.record_rate.num, self.record_rate.den)
        # The first whole frame at or after each inner key: a key belongs to what follows it.
        inner = [-((-when * per_second) // 1) for when, _ in self.keys[1:-1]]
        part = np.searchsorted(np.array(inner, np.int64), offsets, side="right")
        lines = []
        for number in np.unique(part):
            (when, place), (later, there) = self.keys[number], self.keys[number + 1]
            speed = (there - place) / (later - when)
            line = Constant(place - when * speed - back, self.record_rate, speed, SECOND)
            lines.append((np.flatnonzero(part == number), line))
        return lines


def shifted(retiming: Retiming, by: int) -> Retiming:
    """`retiming` counted from `by` frames after its first or, below 0, before it."""
    if not by:
        return retiming
    if isinstance(retiming, Later):
        return Later(retiming.retiming, retiming.by + by)
    if isinstance(retiming, Constant) and retiming.rate is not None:
        step = retiming.speed * _ratio(retiming.rate, retiming.record_rate)
        return replace(retiming, start=retiming.start + step * by)
    return Later(retiming, by)


def straight(start: Fraction, speed: Fraction, rate: FrameRate, length: int) -> Retiming:
    """`length` frames at `speed` from `start` seconds of the footage on; `rate` is the record's."""
    check_far(start, speed * length)
    return Constant(start * rate.num / rate.den, rate, speed, rate)


def check_far(*numbers: Fraction) -> None:
    """Raise InstrumentError for times that no edit can mean."""
    if any(abs(number) > FARTHEST for number in numbers):
        raise InstrumentError("a time too far away to count")


def fraction_of(number: float | str) -> Fraction:
    """A number of a file, exact as far as its writer can have meant it. Raises ValueError."""
    # An exponent of nine digits would be counted out to its last nought.
    if isinstance(number, str) and (
        len(number) > 40 or re.search(r"e[+-]?0*[0-9]{4}", number, re.I)
    ):
        raise ValueError(f"{number[:40]} is no number of an edit")
    value = Fraction(number)
    if abs(value) > FARTHEST:
        raise ValueError(f"{number} is too large")
    return value.limit_denominator(_FINEST)


def _ratio(a: FrameRate, b: FrameRate) -> Fraction:
    return Fraction(a.num * b.den, a.den * b.num)
