"""Modulation as a preset declares it: oscillators, and routings from sources to parameters.

A routing adds to a parameter's position without touching the parameter: what hands, bindings and
glides say stays the base, so a fader and an oscillator live together. Here is what may be said;
`matrix` does it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from instrument import InstrumentError
from instrument.event import is_address
from instrument.performance.mapping import BindingCurve, shaped
from instrument.performance.modulators import Lfo
from instrument.performance.parameters import RAW, Parameter, ParameterSpace, Trigger

FADE = 0.5  # s: how long modulation takes to come back after a hand let go
_LONGEST = 60.0  # s
# One spring, three words for it: what is said in one is shown in the others.
_SPRING, _WORDS = "/spring/frequency", ("/glide/seconds", "/glide/beats")
_TEMPO = "/tempo/bpm"


@dataclass(frozen=True, slots=True)
class Routing:
    """`source` moves `target` by up to `depth`, in positions 0..1 of the target.

    The source is an oscillator, another parameter (its position), or the address of any event. Its
    0..1 goes through `curve`; `bipolar` makes it -1..1, so that it moves the target either way.
    What events say rises within `attack` and falls within `release`, time constants in seconds. A
    hand on the target has it to itself for `grace` seconds; 0 lets both act at once.
    """

    source: str
    target: str
    depth: float
    curve: BindingCurve = "linear"
    bipolar: bool = False
    attack: float = 0.0
    release: float = 0.0
    grace: float = 1.0
    name: str = ""

    def __post_init__(self) -> None:
        for key, address in (("source", self.source), ("target", self.target)):
            if not is_address(address):
                raise InstrumentError(f"{key} {address!r}: must look like /spring/frequency")
            if address.startswith(RAW + "/"):
                bare = address[len(RAW) :]
                raise InstrumentError(f"{key} {address}: name the parameter itself, {bare}")
        if not -1.0 <= self.depth <= 1.0:
            raise InstrumentError(f"depth {self.depth}: must lie in -1..1")
        for key in ("attack", "release", "grace"):
            seconds = getattr(self, key)
            if not 0.0 <= seconds <= _LONGEST:
                raise InstrumentError(f"{key} {seconds}: must lie in 0..{_LONGEST:g} s")
        if self.name and ("/" in self.name or not is_address(f"/modulation/{self.name}")):
            raise InstrumentError(f"name {self.name!r}: no word that can stand in an address")
        if self.name.isdigit():
            raise InstrumentError(f"name {self.name!r}: a number is what those without name have")

    def share(self, level: float) -> float:
        """How much of the depth a source at `level` 0..1 asks for: 0..1, bipolar -1..1."""
        swing = 2.0 * level - 1.0 if self.bipolar else level
        if self.curve == "linear":
            return swing
        return math.copysign(shaped(abs(swing), self.curve), swing)

    @property
    def rest(self) -> float:
        """The level at which nothing moves."""
        return 0.5 if self.bipolar else 0.0

    def weight(self, time: float, touched: float | None) -> float:
        """How much of it acts at `time` after a hand `touched` the target, 0..1."""
        if touched is None or self.grace == 0.0 or time >= self.back_at(touched):
            return 1.0
        back = max((time - touched - self.grace) / FADE, 0.0)
        return min(back * back * (3.0 - 2.0 * back), 1.0)

    def back_at(self, touched: float) -> float:
        """When it acts in full again after a hand `touched` the target."""
        return touched + self.grace + FADE


@dataclass(frozen=True, slots=True)
class Modulation:
    """Everything a preset says of it. Routings count from 1."""

    lfos: tuple[Lfo, ...] = ()
    routings: tuple[Routing, ...] = ()

    def __post_init__(self) -> None:
        names = [lfo.name for lfo in self.lfos]
        for number, name in enumerate(names, start=1):
            if name in names[: number - 1]:
                raise InstrumentError(f"lfo {number} name {name!r}: stands there twice")
        names = [routing.name for routing in self.routings]
        for number, name in enumerate(names, start=1):
            if name and name in names[: number - 1]:
                raise InstrumentError(f"modulation {number} name {name!r}: stands there twice")

    def depth_address(self, number: int) -> str:
        """The parameter that is the depth of routing `number`, counted from 0."""
        return f"/modulation/{self.routings[number].name or number + 1}/depth"

    def parameters(self) -> Iterator[Parameter]:
        """What a performance with it has beside its other parameters."""
        for lfo in self.lfos:
            yield lfo.pace
            yield Parameter(lfo.address, 0.0, 1.0, 0.5, told=True)
        for number, routing in enumerate(self.routings):
            yield Parameter(self.depth_address(number), -1.0, 1.0, routing.depth)

    def triggers(self) -> Iterator[Trigger]:
        """What a performance with it can do beside the rest."""
        for lfo in self.lfos:
            again = "from its phase" if lfo.beats is None else "in step with the beat"
            yield Trigger(lfo.restart, f"{lfo.name} begins anew, {again}")

    # Whether it can be played.

    def check(self, space: ParameterSpace) -> None:
        """Raises InstrumentError, which begins "modulation N KEY", on what `space` cannot play."""
        leads: dict[str, set[str]] = {}
        for lfo in self.lfos:
            leads.setdefault(lfo.pace.address, set()).add(lfo.address)
            if lfo.beats is not None:
                leads.setdefault(_TEMPO, set()).add(lfo.address)
        for cause in (_TEMPO, "/spring/damping_ratio"):
            leads.setdefault(cause, set()).add(_SPRING)
        for number, routing in enumerate(self.routings):
            where = f"modulation {number + 1}"
            self._check_target(routing.target, space, where)
            self._check_source(routing, space, where)
            causes = [_one_word(routing.source), self.depth_address(number)]
            target = _one_word(routing.target)
            for cause in causes:
                leads.setdefault(cause, set()).add(target)
            if way := _way(leads, target, causes):
                circle = " → ".join((*way, target))
                raise InstrumentError(f"{where} target {routing.target}: moves itself, {circle}")

    def _check_target(self, target: str, space: ParameterSpace, where: str) -> None:
        column = space.find(target)
        if column is None:
            if target in {trigger.address for trigger in space.triggers}:
                raise InstrumentError(
                    f"{where} target {target}: is a trigger; only a parameter can be modulated, "
                    "a trigger takes a [[binding]]"
                )
            free = ", ".join(parameter.address for parameter in space if not parameter.told)
            raise InstrumentError(f"{where} target {target}: no such parameter, allowed are {free}")
        if space.parameters[column].told:
            raise InstrumentError(f"{where} target {target}: follows from what is played")

    def _check_source(self, routing: Routing, space: ParameterSpace, where: str) -> None:
        source, oscillators = routing.source, [lfo.address for lfo in self.lfos]
        column = space.find(source)
        if source not in oscillators:
            if source.startswith("/lfo/") and column is None:
                known = ", ".join(oscillators) or "none: it takes an [[lfo]]"
                raise InstrumentError(f"{where} source {source}: no such lfo, allowed are {known}")
            if column is not None and space.parameters[column].told:
                raise InstrumentError(f"{where} source {source}: is told, and never speaks itself")
        if column is not None:
            for key in ("attack", "release"):
                if getattr(routing, key):
                    reason = f"{where} {key}: only of events; {source} moves by itself"
                    raise InstrumentError(reason)


def _one_word(address: str) -> str:
    return _SPRING if address in _WORDS else address


def _way(leads: dict[str, set[str]], start: str, ends: list[str]) -> list[str]:
    """The addresses that lead from `start` to one of `ends`, both included; empty: none do."""
    came_from = {start: ""}
    ahead = [start]
    while ahead:
        here = ahead.pop()
        if here in ends:
            way = [here]
            while came_from[way[0]]:
                way.insert(0, came_from[way[0]])
            return way
        for there in sorted(leads.get(here, ())):
            if there not in came_from:
                came_from[there] = here
                ahead.append(there)
    return []
