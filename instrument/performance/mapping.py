"""Mapping: what a knob does to a parameter.

A binding leads from a source (any control event's address) to a target (a parameter or trigger).
Everything here is in positions 0..1; what a binding remembers is a `Touch`, kept by the performer.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Literal

from instrument import InstrumentError
from instrument.event import is_address

Mode = Literal["jump", "pickup", "scale", "relative", "toggle", "momentary", "trigger"]
BindingCurve = Literal["linear", "slow", "fast"]
# A key is down or up; a note is down at any velocity above 0; a program change is never up.
SourceKind = Literal["control", "key", "note", "program"]

_EXPONENTS = {"linear": 1.0, "slow": 2.0, "fast": 0.5}
_PICKUP_REACH = 1.0 / 64.0  # a control this near has met the value: two steps of a 7-bit knob
_SAME = 1e-9  # positions that differ by less went to native units and back
_LONGEST_SMOOTHING = 60.0  # s
_KEY = re.compile(r"/key/.+|/mouse/(?:left|right|middle|button_\d+)")
_STRUCK = re.compile(r"/midi/[^/]+(?:/ch/\d+)?/(note|program)/[^/]+")


def source_kind(source: str) -> SourceKind:
    """What kind of control speaks at `source`, as far as its address tells."""
    if _KEY.fullmatch(source):
        return "key"
    struck = _STRUCK.fullmatch(source)
    if struck is None:
        return "control"
    return "note" if struck[1] == "note" else "program"


@dataclass(frozen=True, slots=True)
class Binding:
    """`source` steers `target` between `low` and `high` (positions 0..1; low > high inverts).

    Modes: ``jump`` follows at once; ``pickup`` follows once the control has met the value;
    ``scale`` brings the value nearer with every move, so that both reach an end together;
    ``relative`` adds every value, times `step`, to where the target is; ``toggle`` flips between
    low and high at every press; ``momentary`` is high while held; ``trigger`` sets high at every
    press. `smoothing` is a time constant in seconds: after it, 63 % of a change is done.
    """

    source: str
    target: str
    mode: Mode = "jump"
    low: float = 0.0
    high: float = 1.0
    curve: BindingCurve = "linear"
    smoothing: float = 0.0
    step: float = 1.0 / 64.0
    kind: SourceKind = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", source_kind(self.source))
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

    def is_press(self, touch: Touch | None, value: float) -> bool:
        """Whether `value` is the source going down, where `touch` is how it was."""
        if self.kind == "note":
            return value > 0.0 and (touch is None or touch.value <= 0.0)
        return is_press(None if self.kind == "program" else touch, value)

    def is_down(self, value: float) -> bool:
        """Whether `value` is the source being held."""
        return value > 0.0 if self.kind == "note" else value >= 0.5


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
    if binding.mode in ("toggle", "trigger"):
        if not binding.is_press(touch, value):
            return None
        if binding.mode == "trigger":
            return binding.high
        nearer_high = abs(current - binding.high) < abs(current - binding.low)
        return binding.low if nearer_high else binding.high
    if binding.mode == "momentary":
        return binding.high if binding.is_down(value) else binding.low
    if binding.mode == "scale":
        return None if touch is None else binding.map(_scaled(binding, touch, value, current))
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


def _scaled(binding: Binding, touch: Touch, value: float, current: float) -> float:
    """Where a control that went from `touch` to `value` would stand, had it met the target.

    What is left of the control's way to the end it moves to stands for what is left of the
    target's ("value scaling", as sequencers call it).
    """
    here, last = binding.unmap(current), min(max(touch.value, 0.0), 1.0)
    value = min(max(value, 0.0), 1.0)
    if value > last:
        return here + (1.0 - here) * ((value - last) / (1.0 - last))
    return here * (value / last) if value < last else here
