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
from instrument.latent.space import F32, F64
from instrument.latent.spring import Spring
from instrument.performance.flight import at_rest
from instrument.performance.laws import Laws
from instrument.performance.response import apply, launch
from instrument.performance.state import Aim, Performance
from instrument.performance.teaching import witness
from instrument.performance.timekeeping import launch_time

CONTROL_GRID = 240  # Hz: at 60 frames a second the path has four corners a frame, none visible


class Performer(Laws):
    """Plays: reads a performance, and moves it through time."""

    # Reading: a frame looks at a performance, and nothing changes.

    def z(self, performance: Performance) -> F32:
        """Where z is at `performance.time`, ``F32[shape]``: on the shell, drift included.

        Directions come last, so what is recorded is what is decoded, and row i is frame i.
        """
        place = performance.flight.on_shell(performance.time, self.spec.radius)
        strength = self.value_at(performance, self.strength)
        if strength > 0.0:
            phase = performance.flight.phase(performance.time)
            place = self.drift.disturb(place, math.radians(strength), phase)
        if self.ways:
            amounts = [self.value_at(performance, way) for way in self.ways]
            place = self.directions.added(place, amounts, self.spec.radius)
        return place.astype(np.float32)

    def values(self, performance: Performance) -> F64:
        """Every parameter at `performance.time` in native units, ``F64[P]``."""
        values = performance.values.copy()
        for index in performance.gliding:
            values[index] = self.value_at(performance, index)
        for index in self.derived:
            values[index] = self.value_at(performance, index)
        return values

    def value(self, performance: Performance, address: str) -> float:
        """One parameter at `performance.time` in native units."""
        return self.value_at(performance, self.space.index(address))

    # Moving on in time.

    def begin(self) -> Performance:
        """At time 0, at rest at the home waypoint."""
        place = self.bank.waypoints[self.home_index].z.astype(np.float64)
        aim = Aim("waypoint", self.home_index)
        flight = at_rest(place, Spring(1.0, 1.0))
        performance = Performance(0.0, flight, aim, self.start.copy(), stale=True)
        performance.glide_rule = self.start_rule
        self.settle(performance)
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
                apply(self, moved, event)
                witness(self, moved, event)
        self._pass_instants(moved, until)
        self.settle(moved)
        moved.time = until
        self._land(moved, self.shaping)
        return moved

    def rebased(self, performance: Performance) -> Performance:
        """The same moment, with its time called 0: where a take begins."""
        moved = performance.copy()
        now = moved.time
        moved.flight = replace(moved.flight.anchored(now), anchor=0.0)
        moved.time = 0.0
        moved.gliding = {index: glide.rebased(now) for index, glide in moved.gliding.items()}
        if moved.score_since is not None:
            moved.score_since -= now
        moved.models = moved.models.rebased(now)
        moved.learning = moved.learning.rebased(now)
        moved.tempo = moved.tempo.rebased(now)
        moved.modulation = self.matrix.rebased(moved.modulation, now)
        return moved

    def completed(self, performance: Performance) -> Performance:
        """A performance of an earlier version, with the parameters that have come since.

        They stand last, and at what they start from. Raises InstrumentError where the count is
        none these laws ever had.
        """
        known = len(performance.values)
        if not self.quantise <= known <= len(self.space):  # the first of those that came later
            raise InstrumentError(
                f"holds {known} parameters, this version of the instrument plays {len(self.space)}"
            )
        if known == len(self.space):
            return performance
        whole = performance.copy()
        whole.values = np.concatenate([performance.values, self.start[known:]])
        whole.tempo = whole.tempo.paced(whole.time, self.value(whole, "/tempo/bpm"))
        return whole

    def _pass_instants(self, p: Performance, until: float) -> None:
        """Go through every cue, launch, grid point and end of a fade, each at its time."""
        while True:
            self.settle(p, passing=until > p.time)
            grid = self._next_grid_point(p)
            cue = math.inf if p.score_since is None else self._next_cue_time(p, p.score_since)
            fade = math.inf if p.models.fade is None else p.models.fade.over_at
            beat = math.inf if p.tempo.pending is None else launch_time(self, p)
            # The grid first where all fall together: the next grid point lies after p.time.
            if grid <= until and grid <= min(cue, fade, beat):
                p.time = grid
                p.flight = p.flight.anchored(grid)
                self._land(p)
                p.stale = True
            elif fade <= until and fade <= min(cue, beat):
                p.time = max(fade, p.time)
                p.models = p.models.arrived(self.now(p))
            elif beat <= until and beat <= cue and p.tempo.pending is not None:
                p.time = max(beat, p.time)
                launch(self, p, p.tempo.pending.address)
            elif cue <= until:
                p.time = max(cue, p.time)
                p.next_cue += 1
                due = self.score.cues[(p.next_cue - 1) % len(self.score)]
                apply(self, p, ControlEvent(due.address, due.value, p.time))
            else:
                return

    def _next_grid_point(self, p: Performance) -> float:
        glides = p.gliding and not self.shaping.isdisjoint(p.gliding)
        if not glides and not p.modulation.restless:
            return math.inf
        tick = math.floor(p.time * CONTROL_GRID)
        while tick / CONTROL_GRID <= p.time:
            tick += 1
        return tick / CONTROL_GRID

    def _next_cue_time(self, p: Performance, since: float) -> float:
        return since + self.score.time_of(p.next_cue)

    def _land(self, p: Performance, kept: Container[int] = ()) -> None:
        """Forget the glides that have arrived, but those in `kept`: they land on the grid."""
        time = p.time
        for index in [i for i, glide in p.gliding.items() if glide.is_done(time)]:
            if index not in kept:
                del p.gliding[index]
