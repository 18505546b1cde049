"""MIDI clock: 24 ticks a beat that come early, late or not at all, made into an even beat.

First the ticks are gathered until an even lattice behind them is found (`tick_lattice`). Then a
phase-locked loop follows it: the time of the newest tick and the period are the two states of a
Kalman filter (Kalman 1960), whose measurement is each tick's arrival. Its memory is long while
the tempo is steady and opens when the ticks keep coming on one side of where they should. Ticks
that are missing are counted over; when all are, the beat coasts. Knows no port and no clock.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Literal

import numpy as np

from instrument.control.pulse import Pulse
from instrument.control.tick_lattice import JITTERS, Lattice, cost_of, find_lattice
from instrument.latent.space import F64

Kind = Literal["clock", "start", "stop", "continue", "songpos"]

PER_BEAT = 24
_SIXTEENTH = 6  # ticks: what a song position counts in
_ATTEMPTS = (12, 24, 36)  # ticks after which an even clock is recognised
_PATIENCE = 43  # ticks after which an uneven one is: two beats of which a tenth is lost
_WINDOW = 72  # ticks kept for seeking the lattice
_DOUBTED = 48  # the newest of them, that may be of another; and how often that is asked
_MARGIN = 6.0  # how much likelier a lattice must be than the best of another tempo
_EVEN = 0.12  # jitter, as a share of the period, below which a clock is even
_SHARP = 0.03  # below it, nothing else comes into question
_HOPELESS = 0.6  # above it, ticks say nothing at all
_STEADY = 2e-6  # variance the period gains a tick, against the jitter's: three beats of memory
_LOWEST_JITTER = 2e-4  # s
_HIGHEST_JITTER = 8e-3  # s
_ONE_SIDED = 4.5  # standard deviations of the mean lag before the memory opens
_LAG = 1.0 / 6.0  # what the newest tick counts in the mean lag
_STRAIN = 0.15  # jitter, as a share of the period, from which the lattice is sought anew
_BETTER = 15.0  # how much likelier it must be than the one that is followed
_AMISS = 4.0  # standard deviations off, from which a tick may be the first of another tempo
_CERTAIN = 8  # ticks after which it is decided
_SPARSE = 6  # ticks in a row with gaps between them: no loss, but half the tempo
_LONGEST_GAP = 10.0  # s
_SLOWEST, _FASTEST = 15.0, 400.0  # bpm that a clock is believed to mean


class MidiClock:
    """One clock, tick after tick. Everything it says follows from the times it is given."""

    def __init__(self) -> None:
        self._ticks: deque[float] = deque(maxlen=_WINDOW)
        self._since_sought = 0
        self._locked = False
        # The newest tick's number and time, the period, and the covariance of the last two.
        self._number = 0
        self._time = self._period = 0.0
        self._a = self._b = self._c = 0.0
        self._jitter = _LOWEST_JITTER
        self._lag = 0.0
        self._amiss = 0  # ticks since one came where none should
        self._fine = 0  # ticks since then that came where they should
        self._sparse = 0  # ticks in a row, newest last, with a gap before them
        self._zero = 0  # the number of the tick that is beat 0
        self._stopped_at = 0  # ticks into the song
        self._begins: tuple[float, int] | None = None  # told when, ticks: where the song goes on

    @property
    def locked(self) -> bool:
        """Whether there is a beat to follow."""
        return self._locked

    def hear(self, kind: Kind, time: float, position: int = 0) -> Pulse | None:
        """Take one message that arrived at `time`. What is known of the tempo, if anything is.

        `position` is that of a song position, in sixteenth notes.
        """
        if kind == "clock":
            return self._tick(time)
        if kind == "start":
            self._begin(time, 0)
        elif kind == "continue":
            self._begin(time, self._stopped_at)
        elif kind == "songpos":
            self._stopped_at = position * _SIXTEENTH
        elif self._locked:
            self._stopped_at = max(round(self._place(time)), 0)
        return self._pulse(time) if self._locked else None

    def _begin(self, time: float, ticks: int) -> None:
        """The next tick is so many `ticks` into the song."""
        if self._locked:
            here = self._number + (time - self._time) / self._period
            self._zero = math.ceil(here - 0.3) - ticks  # it may come a little after its tick
            self._begins = None
        else:
            self._begins = time, ticks

    def _place(self, time: float) -> float:
        """Ticks since beat 0."""
        return self._number - self._zero + (time - self._time) / self._period

    def _pulse(self, time: float) -> Pulse:
        bpm = 60.0 / (PER_BEAT * self._period)
        wavers = 2.0 * bpm * math.sqrt(max(self._c, 0.0)) / self._period
        return Pulse(time, bpm, self._place(time) / PER_BEAT, max(0.02, wavers))

    # From tick to tick.

    def _tick(self, time: float) -> Pulse | None:
        if self._ticks and (time <= self._ticks[-1] or time - self._ticks[-1] > _LONGEST_GAP):
            if time <= self._ticks[-1]:
                return self._pulse(time) if self._locked else None  # the same one again
            self._ticks.clear()
        self._ticks.append(time)
        self._since_sought += 1
        if not self._locked or self._lost_at(time):
            self._acquire()
        else:
            self._follow(time)
            if self._amiss > _CERTAIN:
                self._jump(self._amiss)
            elif self._sparse >= _SPARSE:
                self._jump(self._sparse)
            elif self._since_sought >= _DOUBTED and self._jitter > _STRAIN * self._period:
                self._doubt()
        return self._pulse(time) if self._locked else None

    def _lost_at(self, time: float) -> bool:
        """Whether the ticks have been away for so long that nobody can tell them apart."""
        missed = (time - self._time) / self._period
        spread = self._a + missed * (2.0 * self._b + missed * self._c)
        return len(self._ticks) == 1 or spread > (0.25 * self._period) ** 2

    def _follow(self, time: float) -> None:
        steps = round((time - self._time) / self._period)
        noise = self._jitter * self._jitter
        self._a += steps * (2.0 * self._b + steps * self._c)
        self._b += steps * self._c
        self._c += abs(steps) * _STEADY * noise
        self._number += steps
        self._time += steps * self._period
        off = time - self._time
        even = self._jitter < _EVEN * self._period
        far = off * off > _AMISS * _AMISS * (self._a + noise)
        self._sparse = self._sparse + 1 if steps > 1 else 0
        if self._is_amiss(even and (far or steps < 1)):
            return  # wait and see: whether a tick went astray, or the tempo is another
        self._open_to(off, noise)
        total = self._a + noise
        first, second = self._a / total, self._b / total
        self._time += first * off
        self._period += second * off
        self._c -= second * self._b
        self._b *= 1.0 - first
        self._a *= 1.0 - first
        seen = max(off * off - self._a, 0.0)
        weight = 1.0 / 48.0
        noise += weight * (min(seen, 25.0 * noise) - noise)
        self._jitter = min(max(math.sqrt(noise), _LOWEST_JITTER), _HIGHEST_JITTER)

    def _is_amiss(self, amiss: bool) -> bool:
        if amiss:
            self._fine = 0
        elif self._amiss:
            self._fine += 1
        if self._fine >= _CERTAIN // 2:
            self._amiss = self._fine = 0
        elif self._amiss or amiss:
            self._amiss += 1
        return self._amiss > 0

    def _jump(self, count: int) -> None:
        """The tempo jumped, so many ticks ago: from the last one in its place, count them out."""
        ticks = np.array(self._ticks)[-count - 1 :]
        before = self._number - round((self._time - float(ticks[0])) / self._period)
        lattice = find_lattice(ticks)
        self._amiss = self._fine = self._sparse = 0
        if lattice is not None and lattice.jitter < _EVEN * lattice.period:
            self._lock(lattice)
            self._number = before + lattice.number
            self._ticks = deque(ticks.tolist(), maxlen=_WINDOW)

    def _open_to(self, off: float, noise: float) -> None:
        """Ticks that keep coming on one side are no jitter: the tempo is another."""
        self._lag += _LAG * (off - self._lag)
        spread = (self._a + noise) * _LAG / (2.0 - _LAG)
        if self._lag * self._lag > _ONE_SIDED * _ONE_SIDED * spread:
            self._a += self._lag * self._lag
            self._c += (self._lag / 12.0) ** 2
            self._lag *= 0.5

    # The lattice, at first and where it is in doubt.

    def _acquire(self) -> None:
        count = len(self._ticks)
        if count not in _ATTEMPTS and (count < _PATIENCE or self._since_sought < _ATTEMPTS[0]):
            return
        lattice = self._sought(np.array(self._ticks), JITTERS)
        if lattice is None:
            return
        jitter = lattice.jitter / lattice.period
        sure = lattice.margin > _MARGIN or jitter < _SHARP or count == _WINDOW
        if sure and jitter < (_EVEN if count < _PATIENCE else _HOPELESS):
            self._lock(lattice)

    def _doubt(self) -> None:
        """The ticks are far from where they should be: perhaps they are of another lattice."""
        ticks = np.array(self._ticks)[-_DOUBTED:]
        lattice = self._sought(ticks, JITTERS[-1:])
        if lattice is None or lattice.jitter > _HOPELESS * lattice.period:
            return
        better = cost_of(ticks, self._time, self._period) - lattice.cost
        if better > _BETTER and lattice.margin > _MARGIN:
            self._lock(lattice)

    def _sought(self, ticks: F64, jitters: tuple[float, ...]) -> Lattice | None:
        self._since_sought = 0
        lattice = find_lattice(ticks, jitters)
        if lattice is None or not _SLOWEST < 60.0 / (PER_BEAT * lattice.period) < _FASTEST:
            return None
        return lattice

    def _lock(self, lattice: Lattice) -> None:
        """Follow `lattice`, and count on as near as can be to what was counted before."""
        if self._locked:
            self._number += round((lattice.time - self._time) / self._period)
        count, noise = len(self._ticks), max(lattice.jitter, _LOWEST_JITTER) ** 2
        self._time, self._period, self._jitter = lattice.time, lattice.period, math.sqrt(noise)
        # What a straight line through so many points leaves open at its end.
        self._a = 4.0 * noise / count
        self._b = 6.0 * noise / count**2
        self._c = 12.0 * noise / count**3
        self._lag, self._locked = 0.0, True
        if self._begins is not None:
            time, ticks = self._begins
            self._begin(time, ticks)
