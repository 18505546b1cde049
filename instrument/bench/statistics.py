"""Medians, quartiles, slopes, and how sure one may be of a ratio. Knows nothing of benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from instrument.latent.space import F64

_DRAWS = 4000
_SEED = 20


@dataclass(frozen=True, slots=True)
class Interval:
    """A median, and where it lies 19 times out of 20."""

    middle: float
    low: float
    high: float


def quartiles(samples: Sequence[float]) -> tuple[float, float, float]:
    """A quarter of `samples` lies below the first, half below the second. ValueError on none."""
    if not len(samples):
        raise ValueError("no samples")
    low, middle, high = np.percentile(np.asarray(samples, np.float64), (25, 50, 75))
    return float(low), float(middle), float(high)


def median_interval(samples: Sequence[float], share: float = 0.95) -> Interval:
    """The median of `samples`, and the bootstrap interval that holds `share` of its draws.

    Draws are the same for the same number of samples, so that a verdict is no lottery. ValueError
    on none.
    """
    if not len(samples):
        raise ValueError("no samples")
    values = np.asarray(samples, np.float64)
    random = np.random.Generator(np.random.Philox(_SEED))
    drawn = random.integers(0, len(values), (_DRAWS, len(values)))
    middles = np.median(values[drawn], axis=1)
    outside = 50.0 * (1.0 - share)
    low, high = np.percentile(middles, (outside, 100.0 - outside))
    return Interval(float(np.median(values)), float(low), float(high))


def slope(x: Sequence[float] | F64, y: Sequence[float] | F64) -> float:
    """What y gains for each 1 of x: the median over all pairs (Theil and Sen), so that a few
    outliers change nothing. 0 where no two x differ."""
    across, up = np.asarray(x, np.float64), np.asarray(y, np.float64)
    first, second = np.triu_indices(len(across), 1)
    run, rise = across[second] - across[first], up[second] - up[first]
    apart = run != 0.0
    return float(np.median(rise[apart] / run[apart])) if apart.any() else 0.0


def exponent(x: Sequence[float], y: Sequence[float]) -> float:
    """e where y grows as x to the power of e: 1 is proportional, 0 no growth. All above 0."""
    return slope(np.log(np.asarray(x, np.float64)), np.log(np.asarray(y, np.float64)))
