"""How even a film's pace is, in numbers: what the steps between its pictures say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from instrument.latent.space import F64
from instrument.timebase import FrameRate

_STALLED = 0.25  # of the mean step: slower than this is standing still


@dataclass(frozen=True, slots=True)
class Evenness:
    """`cv` is the steps' standard deviation over their mean: 0 is even, and a walk has about .3.

    `speed` is how much changes in a second, in the unit of the ruler. `widest` is the largest
    step over the median, `spread` the 95th percentile over the 5th; None where that is nothing.
    `longest_stall` is how many seconds at a stretch steps stay below a quarter of the mean.
    """

    steps: int
    speed: float
    cv: float | None
    widest: float | None
    spread: float | None
    longest_stall: float

    @classmethod
    def of(cls, steps: F64, rate: FrameRate) -> Evenness:
        """Judge `steps` ``F64[n]``, one a frame; those that are NaN belong to cuts."""
        steps = steps[np.isfinite(steps)]
        mean = float(steps.mean()) if len(steps) else 0.0
        stall = rate.time_of(_longest_run(steps < _STALLED * mean))
        if mean <= 0.0:
            return cls(len(steps), 0.0, None, None, None, rate.time_of(len(steps)))
        low, middle, high = np.percentile(steps, (5, 50, 95)).tolist()
        return cls(
            len(steps), mean * rate.num / rate.den, float(steps.std()) / mean,
            _over(float(steps.max()), middle), _over(high, low), stall,
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """The numbers of a report."""
        return {
            "steps": self.steps,
            "speed": _short(self.speed),
            "cv": _short(self.cv),
            "max_over_median": _short(self.widest),
            "p95_over_p5": _short(self.spread),
            "longest_stall_s": _short(self.longest_stall),
        }

    def __str__(self) -> str:
        if self.cv is None:
            return "nothing moves"
        widest = "-" if self.widest is None else f"{self.widest:.2f}"
        spread = "-" if self.spread is None else f"{self.spread:.1f}"
        return (
            f"CV {self.cv:.3f}, max/median {widest}, p95/p5 {spread}, "
            f"longest stall {self.longest_stall:.2f} s"
        )


def _over(number: float, base: float) -> float | None:
    return number / base if base > 0.0 else None


def _short(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.6g}")


def _longest_run(slow: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
    """How many in a row are true at most."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], slow, [False]))))
    return int((edges[1::2] - edges[0::2]).max(initial=0))
