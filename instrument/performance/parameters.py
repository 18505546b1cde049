"""Parameters: one tree, one address each.

``/spring/frequency`` is the OSC address, the preset key, the learn target and the name in the
take. A parameter's own address takes 0..1, along its curve; ``/raw`` + address takes its unit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from instrument import InstrumentError
from instrument.event import is_address
from instrument.latent.space import F64

Curve = Literal["linear", "exponential", "switch", "steps"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value one can steer: `low` to `high` in `unit`.

    `curve` says how 0..1 spreads over the range: ``linear``; ``exponential`` (equal steps are
    equal ratios, so `low` is above 0); ``switch`` (off below one half, on from there); ``steps``
    (the values in `steps` alone, each given the same room).
    What is `told` follows from other things: it is recorded and shown, and no hand sets it.
    """

    address: str
    low: float
    high: float
    default: float
    unit: str = ""
    curve: Curve = "linear"
    told: bool = False
    steps: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.low < self.high or not self.low <= self.default <= self.high:
            raise InstrumentError(f"{self.address}: needs low <= default <= high, low < high")
        if self.curve == "exponential" and self.low <= 0.0:
            raise InstrumentError(f"{self.address}: an exponential range starts above 0")
        ends = (self.steps[0], self.steps[-1]) if self.steps else None
        if self.curve == "steps" and (
            ends != (self.low, self.high) or list(self.steps) != sorted(set(self.steps))
        ):
            raise InstrumentError(f"{self.address}: steps rise from low to high")

    def map(self, position: float) -> float:
        """0..1 → native units. What lies outside is clamped. The reverse of `unmap`."""
        if self.curve == "switch":
            return self.high if position >= 0.5 else self.low
        if self.curve == "steps":
            last = len(self.steps) - 1
            return self.steps[math.floor(min(max(position, 0.0), 1.0) * last + 0.5)]
        if position <= 0.0:
            return self.low
        if position >= 1.0:
            return self.high
        if self.curve == "exponential":
            value = self.low * (self.high / self.low) ** position
        else:
            value = self.low + (self.high - self.low) * position
        return value if value < self.high else self.high  # a rounding may lead just past it

    def unmap(self, value: float) -> float:
        """Native units → 0..1. The reverse of `map`."""
        value = self.clamp(value)
        if self.curve == "exponential":
            return math.log(value / self.low) / math.log(self.high / self.low)
        if self.curve == "steps":
            return self.steps.index(value) / (len(self.steps) - 1)
        return (value - self.low) / (self.high - self.low)

    def allows(self, value: float) -> bool:
        """Whether a preset may ask for `value`, in native units."""
        return self.low <= value <= self.high and (not self.steps or value in self.steps)

    @property
    def allowed(self) -> str:
        """What `allows`, in words."""
        steps = ", ".join(f"{step:g}" for step in self.steps)
        unit = f" {self.unit}" if self.unit else ""
        return (steps or f"{self.low:g} to {self.high:g}") + unit

    def clamp(self, value: float) -> float:
        """`value` within the range; of a switch, the end it is nearer to; of steps, the nearest."""
        if self.curve == "switch":
            return self.high if value >= 0.5 * (self.low + self.high) else self.low
        if self.curve == "steps":
            return min(
                self.steps, key=lambda step: abs(step - min(max(value, self.low), self.high))
            )
        return self.low if value < self.low else self.high if value > self.high else value


@dataclass(frozen=True, slots=True)
class Trigger:
    """An address that does something once, or while it is held."""

    address: str
    does: str


@dataclass(frozen=True, slots=True, eq=False)
class ParameterSpace:
    """All parameters and triggers, each found by its address. Columns of a take keep this order."""

    parameters: tuple[Parameter, ...]
    triggers: tuple[Trigger, ...] = ()
    _index: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        seen: set[str] = set()
        addresses = [p.address for p in self.parameters] + [t.address for t in self.triggers]
        for address in addresses:
            if address in seen:
                raise InstrumentError(f"{address} is declared twice")
            seen.add(address)
        object.__setattr__(self, "_index", {p.address: i for i, p in enumerate(self.parameters)})

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    def __contains__(self, address: str) -> bool:
        return address in self._index

    @property
    def addresses(self) -> tuple[str, ...]:
        """The parameters' addresses, in order."""
        return tuple(parameter.address for parameter in self.parameters)

    def index(self, address: str) -> int:
        """The column of the parameter at `address`."""
        try:
            return self._index[address]
        except KeyError:
            raise InstrumentError(
                f"no parameter {address!r}, allowed are {', '.join(self.addresses)}"
            ) from None

    def find(self, address: str) -> int | None:
        """The column of the parameter at `address`, or None."""
        return self._index.get(address)

    def defaults(self) -> F64:
        """Every parameter's default in native units, ``F64[P]``."""
        return np.array([parameter.default for parameter in self.parameters])


RAW = "/raw"  # before an address: its value is in native units
# What the performer hands on: no matter of z.
STAGE_TRIGGERS = (
    "/take/record",
    "/take/toggle",
    "/display/fullscreen",
    "/display/hud",
    "/display/controller",
)
TEMPO_TRIGGERS = ("/tempo/tap", "/tempo/beat", "/tempo/start")
SLOWEST_PACE, FASTEST_PACE = 0.25, 4.0  # seconds of motion a second
PAD_AXES = ("x", "y", "z", "4", "5", "6", "7", "8")


def instrument_parameters(
    snapshots: int = 1, pad_axes: int = 2, models: int = 1
) -> tuple[Parameter, ...]:
    """What every performance has.

    `snapshots` is the most training snapshots a model has, `pad_axes` how many axes the pad has,
    `models` how many models there are.
    """
    if pad_axes > len(PAD_AXES):
        raise InstrumentError(f"pad: {pad_axes} axes, allowed are up to {len(PAD_AXES)}")
    axes = (Parameter(f"/pad/{axis}", 0.0, 1.0, 0.5) for axis in PAD_AXES[:pad_axes])
    newest = float(max(snapshots - 1, 1))
    return (
        Parameter("/spring/frequency", 0.01, 30.0, 0.25, "Hz", "exponential"),
        Parameter("/spring/damping_ratio", 0.05, 5.0, 0.8, "", "exponential"),
        Parameter("/glide/seconds", 0.02, 600.0, 2.0, "s", "exponential"),
        Parameter("/glide/beats", 0.0625, 256.0, 4.0, "beats", "exponential"),
        Parameter("/tempo/bpm", 40.0, 240.0, 120.0, "bpm"),
        *axes,
        Parameter("/noise/strength", 0.0, 90.0, 0.0, "degrees"),
        Parameter("/noise/rate", 0.01, 20.0, 0.2, "Hz", "exponential"),
        Parameter("/flick/strength", 0.0, 720.0, 90.0, "degrees/s"),
        Parameter("/model/snapshot", 0.0, newest, newest if snapshots > 1 else 0.0),
        Parameter("/model/truncation", 0.0, 1.0, 1.0),
        Parameter("/model/mix", 0.0, 1.0, 0.0),
        Parameter("/model/fade", 0.0, 30.0, 2.0, "s"),
        Parameter("/model/first", 0.0, float(models), 1.0, told=True),
        Parameter("/model/second", 0.0, float(models), 0.0, told=True),
        Parameter("/model/share", 0.0, 1.0, 0.0, told=True),
        Parameter("/master/gain", 0.0, 1.0, 1.0),
        Parameter("/display/freeze", 0.0, 1.0, 0.0, "", "switch"),
        Parameter("/display/blackout", 0.0, 1.0, 0.0),
    )


def direction_parameters(count: int, unit: str = "") -> tuple[Parameter, ...]:
    """How far z goes along each of `count` directions, in multiples of it."""
    return tuple(Parameter(f"/direction/{n}", -5.0, 5.0, 0.0, unit) for n in range(1, count + 1))


def launch_parameters() -> tuple[Parameter, ...]:
    """What a launch waits for: the next of every so many beats, and how long before it it goes."""
    beats = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
    return (
        Parameter("/launch/quantise", 0.0, 32.0, 0.0, "beats", "steps", steps=beats),
        Parameter("/launch/ahead", 0.0, 1.0, 0.0, "s"),
    )


def pace_parameters() -> tuple[Parameter, ...]:
    """How evenly pictures change, and how many seconds of motion go by in one of time.

    A glide of S seconds takes S seconds of motion: with ``/pace/rate`` at 0.5 twice as long. Cues,
    beats, oscillators and what smooths a hand keep to the performance's own time, since music and
    people do. Where ``/pace/even`` is above 0, a pacer that looks at the pictures sets the rate.
    """
    return (
        Parameter("/pace/even", 0.0, 1.0, 0.0),
        Parameter("/pace/rate", SLOWEST_PACE, FASTEST_PACE, 1.0, "x", "exponential"),
    )


def model_words(models: tuple[str, ...]) -> dict[str, int]:
    """How models are called in addresses → their numbers, from 1.

    `models` is the preset's list. A model is called by its number, and by the last part of its
    path where that can stand in an address, is no number, and is nobody else's.
    """
    names = [re.split(r"[/\\]", model.rstrip("/\\"))[-1] for model in models]
    words = {str(number): number for number in range(1, len(models) + 1)}
    for number, name in enumerate(names, start=1):
        if is_address(f"/model/{name}/load") and not name.isdigit() and names.count(name) == 1:
            words[name] = number
    return words


def instrument_triggers(
    waypoints: tuple[str, ...], models: tuple[str, ...] = ("",)
) -> tuple[Trigger, ...]:
    """What every performance can do.

    `waypoints` are the names of its bank, `models` the models of its preset.
    """
    numbered = (Trigger(f"/waypoint/{i + 1}/go", f"glide to {n}") for i, n in enumerate(waypoints))
    named = (Trigger(f"/waypoint/{n}/go", f"glide to {n}") for n in waypoints)
    return (
        *numbered,
        *named,
        *(Trigger(f"/model/{w}/load", "open the model, fade to it") for w in model_words(models)),
        *(Trigger(f"/model/{w}/join", "a second model, see /model/mix; 0 parts")
          for w in model_words(models)),
        Trigger("/performance/home", "glide to the home waypoint"),
        Trigger("/performance/hold", "stay where z is now; 0 goes on"),
        Trigger("/performance/flick", "push z on along its way"),
        Trigger("/performance/panic", "every value back to the preset's, and glide home"),
        Trigger("/tempo/tap", "a tap of the tempo, which is a beat"),
        Trigger("/tempo/beat", "a beat falls here, whichever is near"),
        Trigger("/tempo/start", "beat 0 is here"),
        Trigger("/score/play", "play the preset's cues from the start; 0 stops"),
        Trigger("/take/record", "start a take; 0 ends it"),
        Trigger("/take/toggle", "start a take, or end the one that runs"),
        Trigger("/display/fullscreen", "fill the screen, or leave it"),
        Trigger("/display/hud", "show the small display, or hide it"),
        Trigger("/display/controller", "show the virtual controller, or hide it"),
    )  # fmt: skip
