"""Steering: what spring, target, drift and beat follow from the values, while somebody plays.

Fixed laws, applied whenever something that shapes the flight has changed. `laws` says what there is
to steer by, `values` what every parameter is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from instrument.latent.pad import Pad
from instrument.latent.space import F64
from instrument.latent.spring import Spring
from instrument.performance.flight import Flight
from instrument.performance.state import Performance
from instrument.performance.styles import Styles
from instrument.performance.values import Values


class Steering(Values):
    """Makes a flight go with the values of its performance."""

    pad: Pad | None
    styles: Styles
    pace: int
    axes: Sequence[int]
    _places: Sequence[F64]
    _pointed: tuple[tuple[float, ...], F64] | None
    _leash: float
    _frequency: int
    _damping: int
    _seconds: int
    _beats: int
    _tempo: int
    _rate: int
    _spring_words: set[int]

    def anchored(self, p: Performance) -> Flight:
        """The flight read from now on; a leash keeps what is pushed again and again finite."""
        return p.flight.anchored(p.time).leashed(self._leash)

    def settle(self, p: Performance, passing: bool = True) -> None:
        """Make spring, drift, beat and target go with the values again.

        Not `passing` is a moment at which more may happen. What the pad's point is a blend of takes
        longer to find than all the rest, and nothing flies there before time goes on: until then
        the point is enough.
        """
        if p.stale:
            self._settle(p)
        if passing and p.pointed is not None:
            flight, (point, aim) = p.flight, p.pointed
            p.pointed = None
            target = self.styles.composed(self._blended(point), aim, self._places)
            p.flight = flight.steered(target, flight.spring, flight.drift_rate, flight.pace)

    def _settle(self, p: Performance) -> None:
        p.stale = False
        if self.matrix.acts:
            self.matrix.settle(self, p)
        p.tempo = p.tempo.paced(p.time, self.value_at(p, self._tempo))
        rate, pace = self.value_at(p, self._rate), self.value_at(p, self.pace)
        if p.aim.kind == "pad" and self.pad is not None:
            target, p.pointed = p.flight.target, (self._point(p), p.aim)
        else:
            target, p.pointed = self.target(p), None
        p.flight = p.flight.steered(target, self.spring(p), rate, pace)

    def target(self, p: Performance) -> F64:
        """Where `p` is heading, ``F64[shape]``."""
        target, aim = p.flight.target, p.aim
        if aim.kind == "waypoint":
            target = self.place(aim.waypoint)
        elif aim.kind == "pad" and self.pad is not None:
            target = self._blended(self._point(p))
        elif aim.place is not None:
            target = aim.place
        return self.styles.composed(target, aim, self._places)

    def _point(self, p: Performance) -> tuple[float, ...]:
        return tuple(self.value_at(p, axis) for axis in self.axes)

    def _blended(self, point: tuple[float, ...]) -> F64:
        """What the pad is a blend of at `point`. The mean of many places is sought in steps: what
        was found last is kept, since much else moves a flight while the pad rests."""
        known = self._pointed
        if known is None or known[0] != point:
            assert self.pad is not None
            found = self.pad.blend(np.array(point))
            found.flags.writeable = False
            self._pointed = known = (point, found)
        return known[1]

    def place(self, waypoint: int) -> F64:
        """Where waypoint `waypoint` (from 0) is, ``F64[shape]``."""
        return self._places[waypoint]

    def spring(self, p: Performance) -> Spring:
        """The spring the last word on it asked for; the other word is kept up to date."""
        damping = self.value_at(p, self._damping)
        if p.glide_rule == "frequency":
            # How long a glide takes is sought step by step: not worth it while a knob turns.
            if self.shaping.isdisjoint(p.gliding):
                base = Spring(self.base_at(p, self._frequency), self.base_at(p, self._damping))
                self._show(p, self._seconds, base.arrival_seconds)
                if self._spring_words.isdisjoint(self.derived):
                    return base
            return Spring(self.value_at(p, self._frequency), damping)
        seconds = self.value_at(p, self._seconds)
        if p.glide_rule == "beats":
            seconds = self.value_at(p, self._beats) * 60.0 / self.value_at(p, self._tempo)
            self._show(p, self._seconds, seconds)
        spring = Spring.arriving(seconds, damping)
        self._show(p, self._frequency, spring.frequency)
        if self._frequency not in self.derived:
            return spring
        moved = self.matrix.moved(self, p, self._frequency, spring.frequency)
        return Spring(moved, damping)

    def _show(self, p: Performance, index: int, value: float) -> None:
        if index not in p.gliding:
            p.values[index] = self.space.parameters[index].clamp(value)
