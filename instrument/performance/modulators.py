"""Low-frequency oscillators: values 0..1 that come and go by themselves.

Closed form in their phase. A phase counts periods and never wraps, so chance needs no memory: what
an oscillator draws in period 1000 follows from its seed and the number 1000 alone. Knows no time.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from instrument import InstrumentError
from instrument.event import is_address
from instrument.performance.parameters import Parameter

Shape = Literal["sine", "triangle", "ramp", "square", "hold", "smooth"]

SLOWEST, FASTEST = 0.001, 30.0  # Hz
SHORTEST, LONGEST = 0.0625, 256.0  # beats
_LARGEST_SEED = (1 << 63) - 1
_WORD = (1 << 64) - 1
_KEPT_DRAWS = 64
_ROOT_TWO = math.sqrt(2.0)


@dataclass(frozen=True, slots=True)
class Lfo:
    """An oscillator as a preset declares it: `rate` in Hz, or one period every so many `beats`.

    ``sine`` and ``triangle`` begin at one half and rise; ``ramp`` rises from 0; ``square`` is 1 for
    the first `width` of its period; ``hold`` draws a new value every period and ``smooth`` wanders.
    `phase`, in periods, is where it begins. Without a `seed` it grows from the performance's.
    """

    name: str
    shape: Shape = "sine"
    rate: float | None = None
    beats: float | None = None
    phase: float = 0.0
    width: float = 0.5
    seed: int | None = None

    def __post_init__(self) -> None:
        if "/" in self.name or not is_address(self.address):
            raise InstrumentError(f"name {self.name!r}: no word that can stand in an address")
        if (self.rate is None) == (self.beats is None):
            raise InstrumentError("rate: give either rate, in Hz, or beats a period")
        _check_within("rate", self.rate, SLOWEST, FASTEST, " Hz")
        _check_within("beats", self.beats, SHORTEST, LONGEST)
        _check_within("phase", self.phase, 0.0, 1.0)
        _check_within("width", self.width, 0.01, 0.99)
        _check_within("seed", self.seed, 0, _LARGEST_SEED)

    @property
    def address(self) -> str:
        """Where its value is told, and what a modulation names as its source."""
        return f"/lfo/{self.name}"

    @property
    def restart(self) -> str:
        """The trigger that lets it begin anew."""
        return f"{self.address}/restart"

    @property
    def pace(self) -> Parameter:
        """The parameter that says how fast it goes."""
        if self.beats is not None:
            address, low, high, unit = "beats", SHORTEST, LONGEST, "beats"
        else:
            address, low, high, unit = "rate", SLOWEST, FASTEST, "Hz"
        start = self.beats if self.beats is not None else self.rate
        assert start is not None
        return Parameter(f"{self.address}/{address}", low, high, start, unit, "exponential")

    def frequency(self, pace: float) -> float:
        """Periods a second, or a beat, at a `pace` in the unit of its parameter."""
        return pace if self.beats is None else 1.0 / pace


def wave(lfo: Lfo, seed: int) -> Callable[[float], float]:
    """The value 0..1 of `lfo` as a function of its phase in periods.

    `seed` is what its chance grows from where it names no seed of its own.
    """
    shapes: dict[Shape, Callable[[float], float]] = {
        "sine": _sine,
        "triangle": _triangle,
        "ramp": _within,
        "square": functools.partial(_square, width=lfo.width),
    }
    if lfo.shape in shapes:
        return shapes[lfo.shape]
    seed = seed if lfo.seed is None else lfo.seed
    # Four neighbours serve a whole period: drawn once, kept while they are near.
    draw = functools.lru_cache(maxsize=_KEPT_DRAWS)(functools.partial(drawn, seed))
    if lfo.shape == "hold":
        return lambda phase: draw(math.floor(phase))
    normal = NormalDist()
    place = functools.lru_cache(maxsize=_KEPT_DRAWS)(lambda step: normal.inv_cdf(draw(step)))
    return functools.partial(_wander, place)


def drawn(seed: int, step: int) -> float:
    """A number evenly spread over 0..1, both ends excluded: the same for the same seed and step.

    SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators"), jumped
    to: its state after `step` steps is a product, so none of those before it need be made.
    """
    state = _mixed(seed) + step * 0x9E3779B97F4A7C15
    # 52 bits and a half: exact, and neither 0 nor 1.
    return ((_mixed(state) >> 12) + 0.5) * 2.0**-52


def _mixed(word: int) -> int:
    word &= _WORD
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 & _WORD
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB & _WORD
    return word ^ (word >> 31)


def _within(phase: float) -> float:
    return phase - math.floor(phase)


def _sine(phase: float) -> float:
    return 0.5 + 0.5 * math.sin(2.0 * math.pi * _within(phase))


def _triangle(phase: float) -> float:
    return abs(2.0 * _within(phase + 0.75) - 1.0)


def _square(phase: float, width: float) -> float:
    return 1.0 if _within(phase) < width else 0.0


def _wander(place: Callable[[int], float], phase: float) -> float:
    """A cubic B-spline through the air between Gaussian places, as the drift's (`latent.noise`).

    Divided by the length of its weights it is Gaussian with variance 1 at every phase, and the
    normal distribution's own integral then makes it evenly spread over 0..1. Twice continuously
    differentiable, and it never rests at the whole phases.
    """
    whole = math.floor(phase)
    t = phase - whole
    u = 1.0 - t
    first, last = u * u * u, t * t * t
    second = 3.0 * last - 6.0 * t * t + 4.0
    third = 3.0 * first - 6.0 * u * u + 4.0
    length = math.sqrt(first * first + second * second + third * third + last * last)
    total = first * place(whole) + second * place(whole + 1)
    total += third * place(whole + 2) + last * place(whole + 3)
    return 0.5 * (1.0 + math.erf(total / (_ROOT_TWO * length)))


def _check_within(key: str, number: float | None, low: float, high: float, unit: str = "") -> None:
    if number is not None and not low <= number <= high:
        raise InstrumentError(f"{key} {number}: must lie in {low:g}..{high:g}{unit}")
