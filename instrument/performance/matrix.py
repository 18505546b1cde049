"""The modulation matrix: what every routing adds to its target, at any time.

Between two events it is a closed form of the performance's time: oscillators are read from their
phase, what events said from the time they said it. What shapes the flight is looked at on the
control grid instead, as is the pace of an oscillator that is itself moved; what shapes that shapes,
too. Values of the performance itself are read through `Readings`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from instrument import InstrumentError
from instrument.performance.glide import ValueGlide
from instrument.performance.modulation import Modulation, Routing
from instrument.performance.modulation_state import ModulationState, Phase
from instrument.performance.modulators import drawn, wave
from instrument.performance.parameters import ParameterSpace
from instrument.performance.state import Performance

_NO_HANDS = ("/audio/", "/tempo/")  # sources that never let go: they do not keep modulation away


class Readings(Protocol):
    """What the matrix must know of the laws it is a part of."""

    space: ParameterSpace

    def base_at(self, p: Performance, index: int) -> float:
        """Parameter `index` as hands and glides have it, in native units."""
        ...

    def value_at(self, p: Performance, index: int) -> float:
        """Parameter `index`, modulated."""
        ...

    def beat_at(self, p: Performance, time: float) -> float:
        """The count of beats."""
        ...


@dataclass(frozen=True, slots=True)
class _Route:
    """A routing found in the tree: columns of its target, depth and source; or which lfo that is.

    With neither column nor lfo it hears events.
    """

    number: int
    routing: Routing
    target: int
    depth: int
    column: int | None
    lfo: int | None


class Matrix:
    """The fixed part of modulation; the changing part is a `ModulationState`."""

    def __init__(
        self, modulation: Modulation, space: ParameterSpace, shaping: set[int], seed: int
    ) -> None:
        """`shaping` are the columns that shape the flight; `seed` is the performance's.

        Raises InstrumentError as `Modulation.check` does.
        """
        modulation.check(space)
        self.lfos = modulation.lfos
        self._waves = [
            wave(lfo, int(drawn(seed, number) * 2.0**52)) for number, lfo in enumerate(self.lfos)
        ]
        self._counts = [lfo.beats is not None for lfo in self.lfos]
        self._paces = [space.index(lfo.pace.address) for lfo in self.lfos]
        self._begin = tuple(
            Phase(0.0, lfo.phase, lfo.frequency(lfo.pace.default)) for lfo in self.lfos
        )
        self.told = {space.index(lfo.address): n for n, lfo in enumerate(self.lfos)}
        self.restarts = {lfo.restart: n for n, lfo in enumerate(self.lfos)}
        self._routes = tuple(
            _route(modulation, number, space, self.told)
            for number in range(len(modulation.routings))
        )
        self._towards: dict[int, list[_Route]] = {}
        self.hears: dict[str, list[_Route]] = {}
        for route in self._routes:
            self._towards.setdefault(route.target, []).append(route)
            if route.column is None and route.lfo is None:
                self.hears.setdefault(route.routing.source, []).append(route)
        self.targets = frozenset(self._towards)
        self.shaping = self._all_that_shapes(shaping)
        self._shapers = [route for route in self._routes if route.target in self.shaping]
        self.acts = bool(self._routes or self.lfos)
        self._unmoved_paces = self.targets.isdisjoint(self._paces)
        # What was worked out last, while what it follows from is the same: (clock, phase, value)
        # of every oscillator, and the phases whose rates are those the paces asked for.
        self._levels: list[tuple[float, Phase, float] | None] = [None] * len(self.lfos)
        self._paced: tuple[tuple[Phase, ...], bytes] | None = None

    def _all_that_shapes(self, shaping: set[int]) -> set[int]:
        every = shaping | set(self._paces)
        while True:
            led = [route for route in self._routes if route.target in every]
            causes = {route.depth for route in led}
            causes |= {route.column for route in led if route.column is not None}
            if causes <= every:
                return every
            every |= causes

    # Reading.

    def lfo_value(self, laws: Readings, p: Performance, number: int) -> float:
        """Where oscillator `number` is at `p.time`, 0..1."""
        phase = (p.modulation.phases or self._begin)[number]
        clock = laws.beat_at(p, p.time) if self._counts[number] else p.time
        known = self._levels[number]
        if known is None or known[0] != clock or known[1] is not phase:
            known = self._levels[number] = clock, phase, self._waves[number](phase.at(clock))
        return known[2]

    def offset(self, laws: Readings, p: Performance, column: int) -> float:
        """What all routings together add to the position of the parameter in `column`."""
        total, touched = 0.0, p.modulation.touched.get(column)
        for route in self._towards.get(column, ()):
            weight = 1.0 if touched is None else route.routing.weight(p.time, touched)
            if weight and (depth := laws.value_at(p, route.depth)):
                total += weight * depth * route.routing.share(self._level(laws, p, route))
        return total

    def moved(self, laws: Readings, p: Performance, column: int, base: float) -> float:
        """The parameter in `column` where it is modulated and would else be at `base`, in units."""
        offset = self.offset(laws, p, column)
        if offset == 0.0:
            return base  # exactly what a hand has set
        parameter = laws.space.parameters[column]
        return parameter.map(parameter.unmap(base) + offset)

    def _level(self, laws: Readings, p: Performance, route: _Route) -> float:
        if route.lfo is not None:
            return self.lfo_value(laws, p, route.lfo)
        if route.column is not None:
            return laws.space.parameters[route.column].unmap(laws.value_at(p, route.column))
        heard = p.modulation.heard.get(route.number)
        return route.routing.rest if heard is None else heard.at(p.time)

    # What events do.

    def hear(self, laws: Readings, p: Performance, address: str, value: float) -> bool:
        """The source at `address` has spoken. Whether that shapes the flight."""
        level, shapes = min(max(value, 0.0), 1.0), False
        for route in self.hears.get(address, ()):
            before = p.modulation.heard.get(route.number)
            if before is not None and before.aim == level:
                continue  # on its way there already
            here = self._level(laws, p, route)
            seconds = route.routing.attack if level > here else route.routing.release
            glide = ValueGlide(here, level, p.time, seconds)
            p.modulation = p.modulation.hearing(route.number, glide)
            shapes = shapes or route.target in self.shaping
        return shapes

    def touch(self, p: Performance, column: int) -> None:
        """A hand has set the parameter in `column`."""
        if column in self.targets:
            p.modulation = p.modulation.touching(column, p.time)

    def departure(self, laws: Readings, p: Performance, column: int, source: str) -> float:
        """The position a parameter's glide begins at, so that what is seen does not jump.

        `source` is who moves it, and may have touched it.
        """
        base = laws.space.parameters[column].unmap(laws.base_at(p, column))
        if column not in self.targets:
            return base
        before = self.offset(laws, p, column)
        self.touched_by(source, p, column)
        after = self.offset(laws, p, column)
        if before == after:
            return base
        seen = min(max(base + before, 0.0), 1.0)
        return min(max(seen - after, 0.0), 1.0)

    def touched_by(self, source: str, p: Performance, column: int) -> None:
        """A binding from `source` has set the parameter in `column`: a touch if it has a hand."""
        if column in self.targets and not source.startswith(_NO_HANDS):
            self.touch(p, column)

    def restart(self, p: Performance, address: str) -> None:
        """The oscillator whose trigger is `address` begins anew; one of beats is in step again."""
        number = self.restarts[address]
        phases = list(p.modulation.phases)
        anchor = 0.0 if self._counts[number] else p.time
        phases[number] = replace(self._begin[number], anchor=anchor, rate=phases[number].rate)
        p.modulation = replace(p.modulation, phases=tuple(phases))

    # What time does: at events, and at every point of the grid.

    def settle(self, laws: Readings, p: Performance) -> None:
        """Make the oscillators go at their pace, and see whether the grid must go on.

        Where nothing of it `acts` there is nothing to settle.
        """
        state, restless = p.modulation, any(self._moves(laws, p, route) for route in self._shapers)
        phases = self._at_their_pace(laws, p, state.phases or self._begin)
        if phases is not state.phases or restless != state.restless:
            p.modulation = ModulationState(phases, state.heard, state.touched, restless)

    def _at_their_pace(
        self, laws: Readings, p: Performance, phases: tuple[Phase, ...]
    ) -> tuple[Phase, ...]:
        if not self._unmoved_paces or not p.gliding.keys().isdisjoint(self._paces):
            return self._retuned(laws, p, phases)
        asked = p.values[self._paces].tobytes()
        known = self._paced
        if known is not None and known[0] is phases and known[1] == asked:
            return phases  # as nearly always, 240 times a second
        phases = self._retuned(laws, p, phases)
        self._paced = phases, asked
        return phases

    def _retuned(
        self, laws: Readings, p: Performance, phases: tuple[Phase, ...]
    ) -> tuple[Phase, ...]:
        rates = [
            lfo.frequency(laws.value_at(p, column))
            for lfo, column in zip(self.lfos, self._paces, strict=True)
        ]
        if rates == [phase.rate for phase in phases]:
            return phases
        return tuple(
            phase
            if rate == phase.rate
            else phase.retuned(laws.beat_at(p, p.time) if counts else p.time, rate)
            for counts, phase, rate in zip(self._counts, phases, rates, strict=True)
        )

    def _moves(self, laws: Readings, p: Performance, route: _Route) -> bool:
        """Whether what `route` adds can change before the next event.

        Its depth, or a parameter it goes by, may be on its way as well: those are shaping
        themselves, and asked for where they move.
        """
        touched = p.modulation.touched.get(route.target)
        if touched is not None and p.time < route.routing.back_at(touched):
            return True
        if route.lfo is not None:
            return laws.value_at(p, route.depth) != 0.0
        heard = p.modulation.heard.get(route.number)
        return heard is not None and not heard.is_done(p.time)

    # For takes.

    def rebased(self, state: ModulationState, now: float) -> ModulationState:
        """The same moment, with the time `now` called 0; beats are counted on."""
        phases = (
            phase if counts else replace(phase, anchor=phase.anchor - now)
            for counts, phase in zip(self._counts, state.phases, strict=True)
        )
        heard = {number: glide.rebased(now) for number, glide in state.heard.items()}
        touched = {column: time - now for column, time in state.touched.items()}
        return ModulationState(tuple(phases), heard, touched, state.restless)

    def check(self, state: ModulationState) -> None:
        """Raises InstrumentError where `state` is another matrix's."""
        events = {route.number for routes in self.hears.values() for route in routes}
        fits = len(state.phases) == len(self.lfos) and set(state.heard) <= events
        if not fits or not set(state.touched) <= self.targets:
            raise InstrumentError("performance: its modulation is not what the preset says")


def _route(
    modulation: Modulation, number: int, space: ParameterSpace, told: dict[int, int]
) -> _Route:
    routing = modulation.routings[number]
    column = space.find(routing.source)
    lfo = None if column is None else told.get(column)
    return _Route(
        number,
        routing,
        space.index(routing.target),
        space.index(modulation.depth_address(number)),
        column if lfo is None else None,
        lfo,
    )
