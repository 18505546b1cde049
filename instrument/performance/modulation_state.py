"""What modulation remembers between two events: phases, what sources said last, who was touched.

A value like the rest of a performance: every change is a new one, and time alone changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from instrument.performance.glide import ValueGlide


@dataclass(frozen=True, slots=True)
class Phase:
    """An oscillator had gone through `cycles` periods at `anchor` and goes on at `rate`.

    The clock is in seconds, or in beats for an oscillator that counts them.
    """

    anchor: float
    cycles: float
    rate: float

    def at(self, clock: float) -> float:
        """The phase at `clock`, in periods, never wrapped."""
        return self.cycles + self.rate * (clock - self.anchor)

    def retuned(self, clock: float, rate: float) -> Phase:
        """The same phase at `clock`, and another rate from there on."""
        return Phase(clock, self.at(clock), rate)


@dataclass(frozen=True, slots=True)
class ModulationState:
    """`phases` one an oscillator; `heard` what a routing's source said last, on its way through
    attack or release; `touched` when a hand last set a parameter, by column.

    `restless` says that what shapes the flight still moves, so the control grid must go on.
    """

    phases: tuple[Phase, ...] = ()
    heard: Mapping[int, ValueGlide] = field(default_factory=dict)
    touched: Mapping[int, float] = field(default_factory=dict)
    restless: bool = False

    def hearing(self, routing: int, glide: ValueGlide) -> ModulationState:
        """After the source of `routing` has spoken."""
        heard = {**self.heard, routing: glide}
        return ModulationState(self.phases, heard, self.touched, self.restless)

    def touching(self, column: int, time: float) -> ModulationState:
        """After a hand has set the parameter in `column`."""
        touched = {**self.touched, column: time}
        return ModulationState(self.phases, self.heard, touched, self.restless)

    def let_go(self) -> ModulationState:
        """With nothing heard and nothing touched: oscillators go on."""
        return ModulationState(self.phases, {}, {}, self.restless)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, every float in full. The reverse of `modulation_from_json`."""
        return {
            "phases": [[one.anchor, one.cycles, one.rate] for one in self.phases],
            "heard": [[n, g.start, g.aim, g.since, g.smoothing] for n, g in self.heard.items()],
            "touched": [[column, time] for column, time in self.touched.items()],
            "restless": self.restless,
        }


def modulation_from_json(fields: Any, time: float) -> ModulationState:
    """Read what `ModulationState.to_json` wrote of a performance at `time`.

    None, as in takes from before there was modulation, is nothing remembered. Raises KeyError,
    TypeError or ValueError on what no performance can hold.
    """
    if fields is None:
        return ModulationState()
    state = ModulationState(
        tuple(Phase(*map(float, one)) for one in fields["phases"]),
        {int(n): ValueGlide(*map(float, rest)) for n, *rest in fields["heard"]},
        {int(column): float(since) for column, since in fields["touched"]},
        fields["restless"],
    )
    glides = [n for g in state.heard.values() for n in (g.start, g.aim, g.smoothing)]
    paces = [number for one in state.phases for number in (one.anchor, one.cycles, one.rate)]
    since = [g.since for g in state.heard.values()] + [*state.touched.values()]
    if not all(map(math.isfinite, (*glides, *paces, *since))):
        raise ValueError("a modulation that is not finite")
    if any(one > time for one in since) or any(g.smoothing < 0.0 for g in state.heard.values()):
        raise ValueError("a modulation from the future")
    if type(state.restless) is not bool:
        raise ValueError(f"restless {state.restless!r}")
    return state
