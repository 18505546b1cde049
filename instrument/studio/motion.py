"""What a z-sequence does over time, made small enough to be drawn: its heat map, steps and turns.

An hour of film has more rows than a figure has pixels. What is drawn of it are means over equal
stretches of time and, for curves, the least and the most in each: no peak is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from instrument.latent import steps as moves
from instrument.latent.sequence import ZSequence
from instrument.latent.space import F32, F64
from instrument.timebase import FrameRate

MOST_COLUMNS = 1200  # of a heat map, and points of a curve
_MOST_NUMBERS = 96  # of z in a heat map; they have no order, so the rest may be left out
_ROWS = 2048  # looked at together


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """A z-sequence as it is drawn.

    `heat F32[numbers, columns]`; `speed F64[n - 1]` in degrees a second and `turns F64[n - 2]` in
    degrees, of every row; `numbers` is how many of z are in the heat map, of `size`.
    """

    name: str
    rate: FrameRate
    frames: int
    heat: F32
    numbers: int
    size: int
    speed: F64
    turns: F64

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.rate.time_of(self.frames)

    @classmethod
    def of(cls, sequence: ZSequence, name: str) -> Motion:
        """Look at all of `sequence`, a few rows at a time."""
        count, spec = len(sequence), sequence.spec
        lengths, turned = np.zeros(max(0, count - 1)), np.zeros(max(0, count - 2))
        for start in range(0, max(0, count - 1), _ROWS):
            some = np.asarray(sequence.z[start : start + _ROWS + 2], np.float64)
            found = moves.step_lengths(some, spec)[:_ROWS]
            lengths[start : start + len(found)] = found
            if len(some) > 2:
                around = moves.turns(some, spec)
                turned[start : start + len(around)] = around
        per_second = np.degrees(lengths) * sequence.rate.num / sequence.rate.den
        heat = heat_map(sequence.z)
        return cls(
            name, sequence.rate, count, heat, len(heat), spec.size, per_second, np.degrees(turned)
        )


def heat_map(z: F32) -> F32:
    """``F32[numbers, columns]`` of ``z F32[n, *shape]``: means over time, some numbers of z."""
    count = len(z)
    size = int(np.prod(z.shape[1:]))
    some = np.unique(np.linspace(0, size - 1, min(size, _MOST_NUMBERS)).round().astype(int))
    columns = min(count, MOST_COLUMNS)
    ends = (np.arange(columns + 1) * count) // columns
    heat = np.zeros((len(some), columns), np.float32)
    for column in range(columns):
        rows = z[ends[column] : ends[column + 1]].reshape(-1, size)
        heat[:, column] = rows[:, some].mean(axis=0, dtype=np.float64)
    return heat


@dataclass(frozen=True, slots=True, eq=False)
class Thinned:
    """A curve with no more points than are seen: least, mean and most of each stretch."""

    at: F64
    least: F64
    mean: F64
    most: F64


def thinned(values: F64, times: F64, points: int = MOST_COLUMNS) -> Thinned:
    """`values` ``F64[n]`` at `times` in at most so many points; NaN are gaps."""
    if len(values) <= points:
        return Thinned(times, values, values, values)
    ends = (np.arange(points) * len(values)) // points
    known = np.isfinite(values)
    counts = np.add.reduceat(known.astype(np.float64), ends)
    sums = np.add.reduceat(np.where(known, values, 0.0), ends)
    mean = np.where(counts > 0, sums / np.maximum(counts, 1.0), np.nan)
    least = np.minimum.reduceat(np.where(known, values, np.inf), ends)
    most = np.maximum.reduceat(np.where(known, values, -np.inf), ends)
    gap = counts == 0
    return Thinned(times[ends], np.where(gap, np.nan, least), mean, np.where(gap, np.nan, most))
