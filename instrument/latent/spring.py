"""A damped spring, stepped exactly.

x'' = ω² (target - x) - 2 ζ ω x',  ω = 2π·frequency. While the target stands still the motion has a
closed form for every damping, so a step of any length is exact and two half-steps are one step.
What moves a spring is an event; this module knows none of them.

Source: the textbook solution of the damped harmonic oscillator, with y = x - target, a = ζω,
q = ω²(1 - ζ²), C = cos(√q·t), S = sin(√q·t)/√q, and cosh, sinh of √(-q)·t where ζ > 1:

    y(t) = e^(-at) [(C + aS) y + S v]
    v(t) = e^(-at) [-ω² S y + (C - aS) v]
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from instrument import InstrumentError
from instrument.latent.space import F64

LOWEST_FREQUENCY, HIGHEST_FREQUENCY = 1e-4, 30.0  # Hz
LOWEST_DAMPING, HIGHEST_DAMPING = 0.05, 5.0
ARRIVAL = 0.05  # a glide of S seconds has this share of its way left after S seconds


@dataclass(frozen=True, slots=True)
class Spring:
    """`frequency` in Hz, undamped; `damping_ratio` ζ: below 1 it swings past, at 1 it just not."""

    frequency: float
    damping_ratio: float

    def __post_init__(self) -> None:
        if not LOWEST_FREQUENCY <= self.frequency <= HIGHEST_FREQUENCY:
            raise InstrumentError(
                f"spring frequency {self.frequency} Hz: allowed is "
                f"{LOWEST_FREQUENCY} to {HIGHEST_FREQUENCY}"
            )
        if not LOWEST_DAMPING <= self.damping_ratio <= HIGHEST_DAMPING:
            raise InstrumentError(
                f"spring damping ratio {self.damping_ratio}: allowed is "
                f"{LOWEST_DAMPING} to {HIGHEST_DAMPING}"
            )

    @classmethod
    def arriving(cls, seconds: float, damping_ratio: float) -> Spring:
        """The spring that, from rest, first comes within `ARRIVAL` of its way after `seconds`.

        Clamped to the frequencies a spring may have.
        """
        if not seconds > 0.0:
            raise InstrumentError(f"a glide of {seconds} s: must be longer than 0")
        frequency = arrival_phase(damping_ratio) / (2.0 * math.pi * seconds)
        return cls(min(max(frequency, LOWEST_FREQUENCY), HIGHEST_FREQUENCY), damping_ratio)

    @property
    def arrival_seconds(self) -> float:
        """How long a glide from rest takes. The reverse of `arriving`."""
        return arrival_phase(self.damping_ratio) / (2.0 * math.pi * self.frequency)


@dataclass(frozen=True, slots=True, eq=False)
class SpringState:
    """`position F64[...]` and `velocity F64[...]` per second."""

    position: F64
    velocity: F64


@dataclass(frozen=True, slots=True)
class StepMatrix:
    """The 2×2 matrix that takes (y, v) over a fixed time; y is the way left to the target."""

    y_from_y: float
    y_from_v: float
    v_from_y: float
    v_from_v: float


def step_matrix(spring: Spring, seconds: float) -> StepMatrix:
    """The exact step over `seconds` ≥ 0."""
    return StepMatrix(*_coefficients(spring.frequency, spring.damping_ratio, seconds))


def _coefficients(
    frequency: float, zeta: float, seconds: float
) -> tuple[float, float, float, float]:
    """The numbers of a `StepMatrix`. Bare ones, for this runs at every frame and grid point.

    Nothing is kept: seconds since an anchor hardly ever come twice, and to ask a cache took as
    long as to work it out.
    """
    omega = 2.0 * math.pi * frequency
    a = zeta * omega
    q = omega * omega * (1.0 - zeta) * (1.0 + zeta)
    root = math.sqrt(abs(q))
    phase = root * seconds
    decay = math.exp(-a * seconds)
    if q > 0.0:
        c, s = decay * math.cos(phase), decay * math.sin(phase) / root
    elif phase == 0.0:
        c, s = decay, decay * seconds
    elif phase < 1.0:
        c, s = decay * math.cosh(phase), decay * math.sinh(phase) / root
    else:  # cosh overflows long before its product with the decay does
        slow, fast = math.exp((root - a) * seconds), math.exp((-root - a) * seconds)
        c, s = 0.5 * (slow + fast), 0.5 * (slow - fast) / root
    return c + a * s, s, -omega * omega * s, c - a * s


def position_after(state: SpringState, target: F64, spring: Spring, seconds: float) -> F64:
    """Where the spring is `seconds` later, without its velocity: what a frame reads."""
    y_from_y, y_from_v, _, _ = _coefficients(spring.frequency, spring.damping_ratio, seconds)
    position = state.position - target
    position *= y_from_y
    position += y_from_v * state.velocity
    position += target
    return position


def step(state: SpringState, target: F64, spring: Spring, seconds: float) -> SpringState:
    """The state `seconds` ≥ 0 later, exact for any length of step.

    Term by term into arrays of its own: a third of the time the formula as one line takes.
    """
    y_from_y, y_from_v, v_from_y, v_from_v = _coefficients(
        spring.frequency, spring.damping_ratio, seconds
    )
    velocity = state.position - target
    position = velocity * y_from_y
    share = y_from_v * state.velocity
    position += share
    position += target
    velocity *= v_from_y
    np.multiply(state.velocity, v_from_v, out=share)
    velocity += share
    return SpringState(position, velocity)


@functools.lru_cache(maxsize=256)
def arrival_phase(damping_ratio: float, share: float = ARRIVAL) -> float:
    """ω·t at which a spring released from rest first has `share` of its way left.

    1.68, 2.69, 3.89, 4.74 for shares of .5, .25, .1, .05 under critical damping. Until then the
    way left only falls, so there is one crossing; Newton's steps on its logarithm, which is
    nearly straight, find it in a handful, and halving the interval catches those that stray.
    """
    unit = 1.0 / (2.0 * math.pi)  # Hz: ω = 1
    early, late, phase, wanted = 0.0, math.inf, 2.0 + 4.0 * damping_ratio, math.log(share)
    if damping_ratio < 1.0:  # the way left is 0 for the first time after this phase
        late = (math.pi - math.acos(damping_ratio)) / math.sqrt(1.0 - damping_ratio**2)
        phase = 0.9 * late
    for _ in range(100):
        left, _, slope, _ = _coefficients(unit, damping_ratio, phase)
        early, late = (phase, late) if left > share else (early, phase)
        follow = phase - (math.log(left) - wanted) * left / slope if left > 0.0 else early
        if not early < follow < late:
            follow = 0.5 * (early + late) if late < math.inf else 2.0 * phase
        if abs(follow - phase) <= 1e-12 * phase:
            break
        phase = follow
    return phase
