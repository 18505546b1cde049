"""Where MIDI clock ticks would fall if they were even: found in a handful of ticks that are not.

Ticks arrive late and early, and some get lost. The likeliest even grid behind them is sought over
periods and phases; for each, the cheapest way to number the ticks is found step by step (Viterbi
1967): numbers must rise, a skipped one is a lost tick, and what lies off the grid costs as much as
a normal deviate would. Counting beside measuring is what tells a fast clock that loses ticks from
a slow one, for single ticks say little once they are out by half of their distance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from instrument.latent.space import F64

JITTERS = (0.001, 0.005)  # s: the standard deviations the search reckons with
_LOST = 2.3  # the cost of a lost tick: minus the logarithm of one in ten
_PHASES = 8  # tried for each period
_SLOWER, _FASTER = 1.04, 0.72  # periods tried, of the mean distance: up to a quarter may be lost
_OTHER = 0.025  # a share, from which a period is another one
_ROUNDS = 3  # of numbering anew and fitting anew, after the search


@dataclass(frozen=True, slots=True)
class Lattice:
    """Tick `number`, the last one seen, falls at `time`, and one follows each `period` seconds.

    `jitter` is the standard deviation of what was seen, in seconds; `lost` is the share of ticks
    that were not. `cost` is how unlikely it all is, for comparing; `margin` is how much less likely
    the best of the lattices of another period was.
    """

    time: float
    period: float
    number: int
    jitter: float
    lost: float
    cost: float
    margin: float


def find_lattice(ticks: F64, jitters: tuple[float, ...] = JITTERS) -> Lattice | None:
    """The lattice behind `ticks` ``F64[n]``, seconds in order, of which the first is number 0.

    None where there are too few, or they came all at once.
    """
    count = len(ticks)
    if count < 4 or ticks[-1] - ticks[0] < 1e-3:
        return None
    first = float(ticks[0])
    seen = ticks - first
    mean = float(seen[-1]) / (count - 1)
    steps = max(8, int(1.2 * count))
    periods = np.geomspace(_FASTER * mean, _SLOWER * mean, steps).repeat(_PHASES)
    phases = np.tile((np.arange(_PHASES) / _PHASES) - 0.5, steps) * periods
    found = [_likeliest(seen, periods, phases, jitter) for jitter in jitters]
    cost, chosen, margin = min(found, key=lambda one: one[0])
    period, phase = _fitted(seen, chosen)
    off = seen - (phase + period * chosen)
    number = int(chosen[-1] - chosen[0])
    return Lattice(
        first + phase + period * float(chosen[-1]),
        period,
        number,
        float(np.sqrt(np.sum(off * off) / (count - 2))),
        1.0 - (count - 1) / max(number, 1),
        cost,
        margin,
    )


def cost_of(ticks: F64, time: float, period: float) -> float:
    """How unlikely `ticks` are on a lattice of `period` with a tick at `time`: a `Lattice.cost`."""
    seen = ticks - ticks[0]
    one, phase = np.array([period]), np.array([time - float(ticks[0])])
    return min(float(_numbered(seen, one, phase, jitter)[0][0]) for jitter in JITTERS)


def _likeliest(seen: F64, periods: F64, phases: F64, jitter: float) -> tuple[float, F64, float]:
    """The lowest cost, the numbers ``F64[n]`` it is had with, and its margin."""
    costs, numbers = _numbered(seen, periods, phases, jitter)
    best = int(np.argmin(costs))
    cost, chosen = float(costs[best]), numbers[:, best]
    others = costs[np.abs(periods / periods[best] - 1.0) > _OTHER]
    for _ in range(_ROUNDS):
        period, phase = _fitted(seen, chosen)
        costs, numbers = _numbered(seen, np.array([period]), np.array([phase]), jitter)
        if costs[0] >= cost:
            break
        cost, chosen = float(costs[0]), numbers[:, 0]
    return cost, chosen, float(np.min(others, initial=np.inf)) - cost


def _fitted(seen: F64, numbers: F64) -> tuple[float, float]:
    """Period and phase of the straight line through numbered ticks: least squares."""
    away = numbers - numbers.mean()
    period = float(away @ seen / (away @ away))
    return period, float(seen.mean() - period * numbers.mean())


def _numbered(seen: F64, periods: F64, phases: F64, jitter: float) -> tuple[F64, F64]:
    """For each of c lattices the cost ``F64[c]`` and the numbers ``F64[n, c]`` of the ticks."""
    c, n = len(periods), len(seen)
    near = np.arange(-1.0, 2.0)
    places = (seen[:, None] - phases) / periods
    numbers = np.round(places)[:, :, None] + near  # (n, c, 3): each tick may be one of three
    off = (places[:, :, None] - numbers) * periods[:, None]
    off = 0.5 * (off / jitter) ** 2 + np.log(jitter)
    total = off[0]
    came = np.zeros((n, c, 3), np.intp)
    for k in range(1, n):
        skipped = numbers[k, :, :, None] - numbers[k - 1, :, None, :] - 1.0  # (c, to, from)
        ways = np.where(skipped < 0.0, np.inf, total[:, None, :] + _LOST * skipped)
        came[k] = np.argmin(ways, axis=2)
        total = np.min(ways, axis=2) + off[k]
    chosen = np.empty((n, c))
    here, rows = np.argmin(total, axis=1), np.arange(c)
    costs = total[rows, here]
    for k in range(n - 1, -1, -1):
        chosen[k] = numbers[k, rows, here]
        here = came[k, rows, here]
    return costs, chosen
