"""Mapping: what a knob does to a parameter.

A binding leads from a source (any control event's address) to a target (a parameter or trigger).
Everything here is in positions 0..1; what a binding remembers is a `Touch`, kept by the performer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from instrument import InstrumentError
from instrument.event import is_address

Mode = Literal["jump", "pickup", "relative", "toggle", "momentary"]
BindingCurve = Literal["linear", "slow", "fast"]

_EXPONENTS = {"linear": 1.0, "slow": 2.0, "fast": 0.5}
_PICKUP_REACH = 1.0 / 64.0  # a control this near has met the value: two steps of a 7-bit knob
_SAME = 1e-9  # positions that differ by less went to native units and back
_LONGEST_SMOOTHING = 60.0  # s


@dataclass(frozen=True, slots=True)
class Binding:
    """`source` steers `target` between `low` and `high` (positions 0..1; low > high inverts).

    Modes: ``jump`` follows at once; ``pickup`` follows once the control has met the value;
    ``relative`` adds every value, times `step`, to where the target is; ``toggle`` flips between
    low and high at every press; ``momentary`` is high while held. `smoothing` is a time constant
    in seconds: after it, 63 % of a change is done.
    """

    source: str
    target: str
    mode: Mode = "jump"
    low: float = 0.0
    high: float = 1.0
    curve: BindingCurve = "linear"
    smoothing: float = 0.0
    step: float = 1.0 / 64.0

    def __post_init__(self) -> None:
        for name, address in (("source", self.source), ("target", self.target)):
            if not is_address(address):
                raise InstrumentError(f"{name} {address!r}: must look like /spring/frequency")
        for name, position in (("low", self.low), ("high", self.high)):
            if not 0.0 <= position <= 1.0:
                raise InstrumentError(f"{name} {position}: must lie in 0..1")
        if self.low == self.high:
            raise InstrumentError(f"low and high are both {self.low}: the binding does nothing")
        if not 0.0 <= self.smoothing <= _LONGEST_SMOOTHING:
            raise InstrumentError(
                f"smoothing {self.smoothing}: must lie in 0..{_LONGEST_SMOOTHING:g} s"
            )
        if not math.isfinite(self.step):
            raise InstrumentError(f"step {self.step}: must be a finite number")

    def map(self, value: float) -> float:
        """A control's 0..1 → the target's position. The reverse of `unmap`."""
        shaped: float = min(max(value, 0.0), 1.0) ** _EXPONENTS[self.curve]
        return self.low + (self.high - self.low) * shaped

    def unmap(self, position: float) -> float:
        """Where the control would stand for the target to be at `position`."""
        shaped = (position - self.low) / (self.high - self.low)
        return float(min(max(shaped, 0.0), 1.0) ** (1.0 / _EXPONENTS[self.curve]))


@dataclass(frozen=True, slots=True)
class Touch:
    """What a binding remembers: the last value of its source, and the position it last set."""

    value: float
    position: float | None = None


def respond(binding: Binding, touch: Touch | None, value: float, current: float) -> float | None:
    """The position `binding` asks for when its source sends `value`, or None.

    `current` is the position the target is heading for. None also means "not picked up yet".
    """
    if binding.mode == "relative":
        bottom, top = sorted((binding.low, binding.high))
        return min(max(current + value * binding.step, bottom), top)
    if binding.mode == "toggle":
        if not is_press(touch, value):
            return None
        nearer_high = abs(current - binding.high) < abs(current - binding.low)
        return binding.low if nearer_high else binding.high
    if binding.mode == "momentary":
        return binding.high if value >= 0.5 else binding.low
    if binding.mode == "pickup" and not _picked_up(binding, touch, value, current):
        return None
    return binding.map(value)


def shaped(value: float, curve: BindingCurve) -> float:
    """`value` 0..1 along `curve`: slowly or fast at first, with the same ends."""
    return float(value ** _EXPONENTS[curve])


def is_press(touch: Touch | None, value: float) -> bool:
    """Whether `value` rises over one half: a key going down."""
    return value >= 0.5 and (touch is None or touch.value < 0.5)


def _picked_up(binding: Binding, touch: Touch | None, value: float, current: float) -> bool:
    if touch is not None and touch.position is not None and abs(touch.position - current) < _SAME:
        return True  # nobody else has moved the target since this control did
    here = binding.unmap(current)
    if abs(value - here) <= _PICKUP_REACH:
        return True
    return touch is not None and (touch.value - here) * (value - here) < 0.0
