"""The performer: from events and a time to z, exactly.

A performance is a function of time and a frame only samples it. `advance` moves to the exact time
of each event, applies it there and goes on; between events everything has a closed form read from
the anchor, so no frame rate leaves a trace. What shapes the flight continuously (a smoothed knob
on the spring, on the pad, on the drift's rate) acts on a fixed grid of performance time instead.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable
from dataclasses import replace

import numpy as np

from instrument import InstrumentError
from instrument.event import ControlEvent, is_finite
from instrument.latent import geometry
from instrument.latent.noise import Drift
from instrument.latent.pad import Pad
from instrument.latent.space import F32, F64
from instrument.latent.spring import Spring
from instrument.latent.waypoints import WaypointBank
from instrument.performance.flight import Flight, along, aside, at_rest
from instrument.performance.mapping import Binding, Touch, is_press, respond
from instrument.performance.parameters import (
    PAD_AXES,
    ParameterSpace,
    instrument_parameters,
    instrument_triggers,
)
from instrument.performance.score import Cue, Score
from instrument.performance.state import Aim, GlideRule, Performance, ValueGlide

CONTROL_GRID = 240  # Hz: at 60 frames a second the path has four corners a frame, none visible
_LEASH = 1e3  # shells: nothing one sees lies out there, and nothing grows until it is infinite
_GLIDE_RULES: dict[str, GlideRule] = {
    "/spring/frequency": "frequency",
    "/glide/seconds": "seconds",
    "/glide/beats": "beats",
}
_RAW = "/raw"
_STAGE_TRIGGERS = ("/take/record", "/take/toggle", "/display/fullscreen", "/display/hud")


class Performer:
    """The laws of one performance: what its parameters, bindings, bank, pad and score do."""

    def __init__(
        self,
        bank: WaypointBank,
        *,
        values: dict[str, float] | None = None,
        bindings: tuple[Binding, ...] = (),
        pad: Pad | None = None,
        score: Score | None = None,
        home: str = "1",
        seed: int = 1,
        snapshots: int = 1,
    ) -> None:
        """`values` (native units) stand in for the parameters' defaults.

        Raises InstrumentError naming an address, binding or waypoint that does not exist.
        """
        self.bank, self.spec, self.bindings = bank, bank.spec, bindings
        self.pad, self.score = pad, score or Score()
        self.seed, self.snapshots = seed, snapshots
        self.space = ParameterSpace(
            instrument_parameters(snapshots, pad.axes if pad else 2),
            instrument_triggers(tuple(waypoint.name for waypoint in bank)),
        )
        self._home = bank.index(home)
        self._drift = Drift(bank.spec, seed)
        self._triggers = {trigger.address for trigger in self.space.triggers}
        self._start = self._starting_values(values or {})
        # The last word wins in a preset, too.
        words = [rule for address in values or {} if (rule := _GLIDE_RULES.get(address))]
        self._start_rule: GlideRule = words[-1] if words else "frequency"
        self._by_source: dict[str, list[int]] = {}
        for number, binding in enumerate(bindings):
            self.check_address(binding.target)
            self._by_source.setdefault(binding.source, []).append(number)
        for cue in self.score.cues:
            self.check_cue(cue)

        find = self.space.index
        self._frequency, self._damping = find("/spring/frequency"), find("/spring/damping_ratio")
        self._seconds, self._beats = find("/glide/seconds"), find("/glide/beats")
        self._tempo, self._rate = find("/tempo/bpm"), find("/noise/rate")
        self._strength, self._flick = find("/noise/strength"), find("/flick/strength")
        axes = [self.space.find(f"/pad/{axis}") for axis in PAD_AXES]
        self._axes = [index for index in axes if index is not None]
        self._shaping = {self._frequency, self._damping, self._seconds, self._beats}
        self._shaping |= {self._tempo, self._rate, *self._axes}
        self._glide_rules = {find(address): rule for address, rule in _GLIDE_RULES.items()}
        furthest = max(float(np.max(geometry.length(w.z.astype(np.float64)))) for w in bank)
        self._leash = _LEASH * max(furthest, self.spec.radius or 1.0)

    @property
    def home(self) -> str:
        """The name of the waypoint everything starts from."""
        return self.bank.waypoints[self._home].name

    # Reading: a frame looks at a performance, and nothing changes.

    def z(self, performance: Performance) -> F32:
        """Where z is at `performance.time`, ``F32[shape]``: on the shell, drift included."""
        place = performance.flight.on_shell(performance.time, self.spec.radius)
        strength = self._value(performance, self._strength)
        if strength > 0.0:
            phase = performance.flight.phase(performance.time)
            place = self._drift.disturb(place, math.radians(strength), phase)
        return place.astype(np.float32)

    def values(self, performance: Performance) -> F64:
        """Every parameter at `performance.time` in native units, ``F64[P]``."""
        values = performance.values.copy()
        for index in performance.gliding:
            values[index] = self._value(performance, index)
        return values

    def value(self, performance: Performance, address: str) -> float:
        """One parameter at `performance.time` in native units."""
        return self._value(performance, self.space.index(address))

    # Moving on in time.

    def begin(self) -> Performance:
        """At time 0, at rest at the home waypoint."""
        place = self.bank.waypoints[self._home].z.astype(np.float64)
        aim = Aim("waypoint", self._home)
        flight = at_rest(place, Spring(1.0, 1.0))
        performance = Performance(0.0, flight, aim, self._start.copy(), stale=True)
        performance.glide_rule = self._start_rule
        self._settle(performance)
        return performance

    def advance(
        self, performance: Performance, until: float, events: Iterable[ControlEvent] = ()
    ) -> Performance:
        """The performance at `until` seconds, after every event given.

        `events` are in order of time, none before `performance.time`, none after `until`.
        Raises ValueError where they are not: what an event changed cannot be changed before it.
        """
        if not performance.time <= until < math.inf:
            raise ValueError(f"no way from {performance.time} to {until}")
        moved = performance.copy()
        for event in events:
            if not moved.time <= event.time <= until:
                raise ValueError(f"event at {event.time} outside {moved.time}..{until}")
            self._pass_instants(moved, event.time)
            moved.time = event.time
            if is_finite(event):
                self._apply(moved, event)
        self._pass_instants(moved, until)
        moved.time = until
        self._land(moved, self._shaping)
        return moved

    def rebased(self, performance: Performance) -> Performance:
        """The same moment, with its time called 0: where a take begins."""
        moved = performance.copy()
        now = moved.time
        moved.flight = replace(moved.flight.anchored(now), anchor=0.0)
        moved.time = 0.0
        moved.gliding = {
            index: ValueGlide(glide.at(now), glide.aim, 0.0, glide.smoothing)
            for index, glide in moved.gliding.items()
        }
        if moved.score_since is not None:
            moved.score_since -= now
        return moved

    def _pass_instants(self, p: Performance, until: float) -> None:
        """Go through every cue and grid point up to `until`, each at its own time."""
        while True:
            self._settle(p)
            grid, cue = self._next_grid_point(p), self._next_cue_time(p)
            # The grid first where both fall together: the next grid point lies after p.time.
            if grid <= until and grid <= cue:
                p.time = grid
                p.flight = self._anchored(p)
                self._land(p)
                p.stale = True
            elif cue <= until:
                p.time = max(cue, p.time)
                p.next_cue += 1
                due = self.score.cues[p.next_cue - 1]
                self._apply(p, ControlEvent(due.address, due.value, p.time))
            else:
                return

    def _next_grid_point(self, p: Performance) -> float:
        if not p.gliding or self._shaping.isdisjoint(p.gliding):
            return math.inf
        tick = math.floor(p.time * CONTROL_GRID)
        while tick / CONTROL_GRID <= p.time:
            tick += 1
        return tick / CONTROL_GRID

    def _next_cue_time(self, p: Performance) -> float:
        if p.score_since is None or p.next_cue >= len(self.score):
            return math.inf
        return p.score_since + self.score.cues[p.next_cue].at

    def _land(self, p: Performance, kept: Container[int] = ()) -> None:
        """Forget the glides that have arrived, but those in `kept`: they land on the grid."""
        for index in [i for i, glide in p.gliding.items() if glide.is_done(p.time)]:
            if index not in kept:
                del p.gliding[index]

    # Where things are.

    def _anchored(self, p: Performance) -> Flight:
        """The flight read from now on; a leash keeps what is pushed again and again finite."""
        return p.flight.anchored(p.time).leashed(self._leash)

    def _value(self, p: Performance, index: int) -> float:
        glide = p.gliding.get(index)
        if glide is None or glide.is_done(p.time):
            return float(p.values[index])
        return self.space.parameters[index].map(glide.at(p.time))

    def _heading(self, p: Performance, index: int) -> float:
        """The position 0..1 a parameter is at, or on its way to."""
        glide = p.gliding.get(index)
        if glide is not None and not glide.is_done(p.time):
            return glide.aim
        return self.space.parameters[index].unmap(float(p.values[index]))

    def _settle(self, p: Performance) -> None:
        """Make spring, drift and target go with the values again."""
        if not p.stale:
            return
        p.stale = False
        target, aim = p.flight.target, p.aim
        if aim.kind == "waypoint":
            target = self._place(aim.waypoint)
        elif aim.kind == "pad" and self.pad is not None:
            target = self.pad.blend(np.array([self._value(p, axis) for axis in self._axes]))
        elif aim.place is not None:
            target = aim.place
        rate = self._value(p, self._rate)
        p.flight = replace(p.flight, target=target, spring=self._spring(p), drift_rate=rate)

    def _place(self, waypoint: int) -> F64:
        return self.bank.waypoints[waypoint].z.astype(np.float64)

    def _spring(self, p: Performance) -> Spring:
        """The spring the last word on it asked for; the other word is kept up to date."""
        damping = self._value(p, self._damping)
        if p.glide_rule == "frequency":
            spring = Spring(self._value(p, self._frequency), damping)
            self._show(p, self._seconds, spring.arrival_seconds)
            return spring
        seconds = self._value(p, self._seconds)
        if p.glide_rule == "beats":
            seconds = self._value(p, self._beats) * 60.0 / self._value(p, self._tempo)
            self._show(p, self._seconds, seconds)
        spring = Spring.arriving(seconds, damping)
        self._show(p, self._frequency, spring.frequency)
        return spring

    def _show(self, p: Performance, index: int, value: float) -> None:
        if index not in p.gliding:
            p.values[index] = self.space.parameters[index].clamp(value)

    # What events do.

    def _apply(self, p: Performance, event: ControlEvent) -> None:
        address, raw = event.address, event.address.startswith(_RAW + "/")
        index = self.space.find(address[len(_RAW) :] if raw else address)
        if index is not None:
            parameter = self.space.parameters[index]
            value = parameter.clamp(event.value) if raw else parameter.map(event.value)
            self._set(p, index, value)
        elif address in self._triggers:
            self._fire(p, address, event.value)
        for number in self._by_source.get(address, ()):
            self._follow(p, number, event.value)

    def _follow(self, p: Performance, number: int, value: float) -> None:
        binding, touch = self.bindings[number], p.touches.get(number)
        index = self.space.find(binding.target)
        if index is None:
            p.touches[number] = Touch(value)
            self._pull(p, binding, touch, value)
            return
        position = respond(binding, touch, value, self._heading(p, index))
        if position is not None:
            parameter = self.space.parameters[index]
            position = parameter.unmap(parameter.map(position))  # a switch knows 0 and 1 alone
            self._move(p, index, position, binding.smoothing)
        # A control that asks for nothing has let go: it must meet the value anew.
        p.touches[number] = Touch(value, position)

    def _pull(self, p: Performance, binding: Binding, touch: Touch | None, value: float) -> None:
        """A binding on a trigger: at the press, and with ``momentary`` at the release too."""
        if is_press(touch, value):
            holding = binding.target == "/performance/hold" and p.aim.kind == "hold"
            playing = binding.target == "/score/play" and p.score_since is not None
            off = binding.mode == "toggle" and (holding or playing)
            self._fire(p, binding.target, 0.0 if off else 1.0)
        elif binding.mode == "momentary" and value < 0.5:
            self._fire(p, binding.target, 0.0)

    def _set(self, p: Performance, index: int, value: float) -> None:
        """A parameter takes `value` (native units) at once."""
        self._touch_flight(p, index)
        p.gliding.pop(index, None)
        p.values[index] = value

    def _move(self, p: Performance, index: int, position: float, smoothing: float) -> None:
        """A parameter heads for `position`."""
        parameter = self.space.parameters[index]
        if smoothing <= 0.0:
            self._set(p, index, parameter.map(position))
            return
        start = parameter.unmap(self._value(p, index))
        self._touch_flight(p, index)
        p.gliding[index] = ValueGlide(start, position, p.time, smoothing)
        p.values[index] = parameter.map(position)

    def _touch_flight(self, p: Performance, index: int) -> None:
        if index not in self._shaping:
            return
        p.flight = self._anchored(p)
        p.stale = True
        p.glide_rule = self._glide_rules.get(index, p.glide_rule)
        if index in self._axes and self.pad is not None:
            p.aim, p.resumes = Aim("pad"), None

    def _fire(self, p: Performance, address: str, value: float) -> None:
        pressed = value >= 0.5
        if address in _STAGE_TRIGGERS:
            p.requests = (*p.requests, (address, value))
        elif address == "/performance/hold":
            self._hold(p, pressed)
        elif address == "/score/play":
            p.score_since, p.next_cue = (p.time if pressed else None), 0
        elif not pressed:
            return
        elif address == "/performance/home":
            self._go(p, self._home)
        elif address == "/performance/panic":
            self._panic(p)
        elif address == "/performance/flick":
            self._push(p)
        else:
            self._go(p, self.bank.index(address.split("/")[2]))

    def _go(self, p: Performance, waypoint: int) -> None:
        p.flight = self._anchored(p)
        p.aim, p.resumes, p.stale = Aim("waypoint", waypoint), None, True
        if self.spec.radius is not None:
            swing = aside(p.flight.motion, self._place(waypoint), self._spring(p), self.spec.radius)
            p.flight = p.flight.pushed(swing)
        snapshot = self.bank.waypoints[waypoint].snapshot
        if snapshot is not None:
            index = self.space.index("/model/snapshot")
            self._set(p, index, self.space.parameters[index].clamp(snapshot))

    def _hold(self, p: Performance, pressed: bool) -> None:
        if pressed and p.aim.kind != "hold":
            p.flight = self._anchored(p)
            p.resumes, p.aim, p.stale = p.aim, Aim("hold", place=p.flight.motion.position), True
        elif not pressed and p.aim.kind == "hold" and p.resumes is not None:
            p.flight = self._anchored(p)
            p.aim, p.resumes, p.stale = p.resumes, None, True

    def _push(self, p: Performance) -> None:
        """Add velocity along the way z is flying; at rest, in a direction of the drift's own."""
        flight = self._anchored(p)
        speed = math.radians(self._value(p, self._flick))
        p.flight = flight.pushed(along(flight.motion, self._drift.at(float(p.flicks)), speed))
        p.flicks += 1

    def _panic(self, p: Performance) -> None:
        """Back to the preset's values, every control let go, and home."""
        p.flight = self._anchored(p)
        p.values = self._start.copy()
        p.gliding.clear()
        p.touches.clear()
        p.glide_rule = self._start_rule
        p.score_since, p.next_cue = None, 0
        self._go(p, self._home)

    # What may be asked for.

    def check_value(self, address: str, value: float) -> None:
        """Raises InstrumentError unless `value` (native units) is allowed at `address`."""
        parameter = self.space.parameters[self.space.index(address)]
        if not parameter.low <= value <= parameter.high:
            unit = f" {parameter.unit}" if parameter.unit else ""
            raise InstrumentError(
                f"{address} = {value}: allowed is {parameter.low:g} to {parameter.high:g}{unit}"
            )

    def check_address(self, address: str) -> None:
        """Raises InstrumentError unless there is a parameter or trigger at `address`."""
        if address not in self.space and address not in self._triggers:
            every = (*self.space.addresses, *sorted(self._triggers))
            raise InstrumentError(f"no {address!r}, allowed are {', '.join(every)}")

    def check_cue(self, cue: Cue) -> None:
        """Raises InstrumentError unless a score may say `cue`."""
        if cue.address.startswith(_RAW + "/"):
            self.space.index(cue.address[len(_RAW) :])
        else:
            self.check_address(cue.address)
        heard = [self.bindings[number].target for number in self._by_source.get(cue.address, ())]
        if "/score/play" in heard:
            raise InstrumentError(f"{cue.address} plays the score: a score cannot play itself")

    def _starting_values(self, given: dict[str, float]) -> F64:
        values = self.space.defaults()
        for address, value in given.items():
            self.check_value(address, value)
            index = self.space.index(address)
            values[index] = self.space.parameters[index].clamp(value)
        return values
