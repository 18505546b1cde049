"""When the target of a spring leaps to the next key: as soon as z is near enough, or by time.

How long each leg takes is settled beforehand, in the spring's own phase ω·t, and holds for every
number of z and at every frame rate. This module knows neither seconds nor keys, only the places
(`stations`) that are aimed at one after the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from instrument import InstrumentError
from instrument.latent import geometry
from instrument.latent.space import F64
from instrument.latent.spring import (
    HIGHEST_DAMPING,
    LOWEST_DAMPING,
    Spring,
    SpringState,
    arrival_phase,
    step,
    step_matrix,
)

_AT_REST = 0.01  # the share of its way left where a spring that does not swing past counts as there
_SOONEST, _LATEST = 0.25, 2.0  # of the time the same way takes from rest
_GRID = 400


@dataclass(frozen=True, slots=True)
class Retargeting:
    """`damping` is the spring's ζ; the target leaps when `arrive` of the way to it is left.

    With `timed` it leaps at equal intervals instead, each as long as that takes from rest.
    """

    damping: float = 0.6
    arrive: float = 0.15
    timed: bool = False

    def __post_init__(self) -> None:
        if not LOWEST_DAMPING <= self.damping <= HIGHEST_DAMPING:
            raise InstrumentError(
                f"damping {self.damping}: allowed is {LOWEST_DAMPING} to {HIGHEST_DAMPING}"
            )
        if not 0.01 <= self.arrive <= 0.9:
            raise InstrumentError(f"arrive {self.arrive}: allowed is 0.01 to 0.9 of the way")

    @property
    def spring(self) -> Spring:
        """The spring whose phase is its time: ω = 1."""
        return Spring(1.0 / (2.0 * math.pi), self.damping)

    @property
    def from_rest(self) -> float:
        """The phase at which a spring released from rest has `arrive` of its way left."""
        return arrival_phase(self.damping, self.arrive)

    @property
    def landing(self) -> float:
        """The phase at which one comes to rest: where it turns back, or crawls."""
        crawls = arrival_phase(self.damping, _AT_REST)
        if self.damping >= 1.0:
            return crawls
        turns = math.pi / math.sqrt(1.0 - self.damping**2)
        return min(turns, crawls) if self.damping > 0.9 else turns


def leg_phases(stations: F64, weights: F64, law: Retargeting, closed: bool) -> F64:
    """How long each leg of a path through `stations F64[m + 1, d]` takes, ``F64[m]``.

    `weights F64[m]` is the share of a way between keys that each leg is. An open path starts from
    rest and ends with a landing; a closed one, whose last station is its first, is taken as it
    is after a lap.
    """
    if law.timed:
        return law.from_rest * weights
    finder = _Arrivals(law)
    state = SpringState(stations[0].copy(), np.zeros(stations.shape[1]))
    legs = len(stations) - 1
    phases = np.empty(legs)
    for _lap in range(2 if closed else 1):
        for leg in range(legs):
            way = float(geometry.length(stations[leg + 1] - stations[leg]))
            landing = not closed and leg == legs - 1
            phases[leg] = law.landing if landing else finder.phase(state, stations[leg + 1], way)
            state = step(state, stations[leg + 1], law.spring, float(phases[leg]))
    return phases


class _Arrivals:
    """Finds when a spring first comes near enough to its target."""

    def __init__(self, law: Retargeting) -> None:
        self._law = law
        self._grid = np.linspace(_SOONEST, _LATEST, _GRID) * law.from_rest
        matrices = [step_matrix(law.spring, phase) for phase in self._grid.tolist()]
        self._of_y = np.array([matrix.y_from_y for matrix in matrices])
        self._of_v = np.array([matrix.y_from_v for matrix in matrices])

    def phase(self, state: SpringState, target: F64, way: float) -> float:
        """The first phase at which `arrive` of `way` is left.

        A spring that rings swings past its key further off than that: it leaps where it is nearest.
        """
        left = state.position - target
        products = (
            math.fsum((left * left).tolist()),
            2.0 * math.fsum((left * state.velocity).tolist()),
            math.fsum((state.velocity * state.velocity).tolist()),
        )
        near = (self._law.arrive * way) ** 2
        left_over = _square(self._of_y, self._of_v, products)
        inside = left_over <= near
        if not inside.any():
            return float(self._grid[np.argmin(left_over)])
        first = int(np.argmax(inside))
        if first == 0:
            return float(self._grid[0])
        early, late = float(self._grid[first - 1]), float(self._grid[first])
        for _ in range(50):
            middle = 0.5 * (early + late)
            matrix = step_matrix(self._law.spring, middle)
            if _square(matrix.y_from_y, matrix.y_from_v, products) <= near:
                late = middle
            else:
                early = middle
        return late


def _square(of_y: F64 | float, of_v: F64 | float, products: tuple[float, float, float]) -> F64:
    """The squared way left, from the products of the way and the velocity at the start."""
    yy, yv, vv = products
    return np.asarray(of_y * of_y * yy + of_y * of_v * yv + of_v * of_v * vv)
