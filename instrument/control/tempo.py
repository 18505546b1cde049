"""Tempo: which of several clocks leads, and the events that carry it to the performance.

Sources bring pulses from threads of their own: MIDI clock, Ableton Link, an ear. One of them leads
at a time; what the others say is noted. A tempo outside 40..240 bpm is held at the end it passes,
and no tempo jumps: it changes by a fifth within a beat at most. The performance counts the beats
itself (`instrument.performance.tempo`): it is told the tempo where that changes, and about once a
beat where the leading clock stands, a little ahead of time, so that no event comes late.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from instrument.control.device import Put
from instrument.control.heard_beat import HeardBeat
from instrument.control.midi_clock import Kind, MidiClock
from instrument.control.pulse import Pulse
from instrument.event import ControlEvent
from instrument.timebase import Clock

Source = Literal["tap", "midi", "audio", "link"]
Choice = Literal["auto", "tap", "midi", "audio", "link"]

SLOWEST, FASTEST = 40.0, 240.0  # bpm
_ORDER: tuple[Source, ...] = ("link", "midi", "audio")  # who leads where several could
_NAMES = {"tap": "tap", "midi": "MIDI clock", "audio": "what is heard", "link": "Ableton Link"}
_SAME_TAP = 1e-3  # s: a take that begins calls the time of a tap by other numbers
_TAP_HOLDS = 30.0  # s for which a tapped tempo stands against all clocks
_SILENT = 3.0  # s without a pulse: the source is gone
_AHEAD = 0.02  # s: events are of a moment to come, so that the tick they fall into is still open
_STEEPEST = 1.2  # the most a tempo is multiplied or divided by within a beat
_STEP = 0.125  # s between two steps of a tempo that is on its way
_SETTLED = 0.2  # s after which the performance stands where it was told to, or a hand moved it
_NEAR = 0.005  # a share of the tempo: beats are matched once the tempos are this near


@dataclass(frozen=True, slots=True)
class Row:
    """A source as a list of devices shows it: `state` is ``leads``, ``heard`` or ``silent``."""

    name: str
    state: Literal["leads", "heard", "silent"]
    says: str


class Conductor:
    """Takes pulses from any thread, and puts ``/raw/tempo/bpm``, ``/tempo/align`` and the like.

    `standing` gives the bpm of the performance as it stands now; `choice` names the source that
    leads, or ``auto``: then the last tap leads for half a minute, else Link where there are peers,
    else MIDI clock, else what is heard.
    """

    def __init__(
        self, put: Put, clock: Clock, standing: Callable[[], float], choice: Choice = "auto"
    ) -> None:
        self._put, self._clock, self._standing, self.choice = put, clock, standing, choice
        self._lock = Lock()
        self._midi: dict[str, MidiClock] = {}
        self._port = ""  # whose clock is followed
        self._port_heard = -math.inf
        self._heard = HeardBeat()
        self._pulses: dict[Source, Pulse] = {}
        self._tapped = -math.inf
        self._leader: Source | None = None
        self._bpm = SLOWEST  # what the performance was told last
        self._stepped = self._matched = -math.inf  # when; and when the beat was matched
        self._out_of_range = False
        self._said: list[str] = []

    # What arrives. Times are seconds of the clock.

    def tapped(self, time: float) -> None:
        """The last tap was at `time`: in ``auto``, clocks are left alone for a while.

        To be told again and again of the same tap does no harm.
        """
        with self._lock:
            if time - self._tapped < _SAME_TAP:
                return
            self._tapped = time
            if self.choice == "auto":
                self._follow_leader("tap")

    def midi(self, kind: Kind, time: float, position: int = 0, port: str = "") -> None:
        """A message of MIDI clock from `port`; of two clocks the one that came first counts."""
        with self._lock:
            if port != self._port and time - self._port_heard < _SILENT:
                return
            self._port, self._port_heard = port, max(time, self._port_heard)
            follower = self._midi.setdefault(port, MidiClock())
            pulse = follower.hear(kind, time, position)
            if kind == "start" and self._leads("midi", time):
                self._start(pulse, time)
            if pulse is not None and kind == "clock":
                self._take("midi", pulse)

    def audio(self, bpm: float, beat_time: float, confidence: float) -> None:
        """An ear hears `bpm`, and a beat of it at `beat_time`, which may lie ahead."""
        with self._lock:
            pulse = self._heard.hear(bpm, beat_time, confidence, self._clock.now())
            if pulse is not None:
                self._take("audio", pulse)

    def link(self, pulse: Pulse) -> None:
        """The session of Ableton Link, while there are peers in it."""
        with self._lock:
            if math.isfinite(pulse.bpm) and pulse.bpm > 0.0 and math.isfinite(pulse.beats):
                self._take("link", pulse)

    # Who leads.

    def _leads(self, source: Source, now: float) -> bool:
        return self._chosen(source, now) == source

    def _chosen(self, newest: Source | None, now: float) -> Source | None:
        """Who leads at `now`; `newest` has just been heard."""
        if self.choice != "auto":
            return self.choice
        if now - self._tapped < _TAP_HOLDS:
            return "tap"
        for source in _ORDER:
            pulse = self._pulses.get(source)
            if source == newest or (pulse is not None and now - pulse.time < _SILENT):
                return source
        return None

    def _take(self, source: Source, pulse: Pulse) -> None:
        self._pulses[source] = pulse
        if self._leads(source, pulse.time):
            self._follow_leader(source)
            self._conduct(pulse)

    def _follow_leader(self, leader: Source) -> None:
        if leader == self._leader:
            return
        self._leader = leader
        self._stepped = self._matched = -math.inf
        pulse = self._pulses.get(leader)
        tempo = "" if pulse is None else f", {pulse.bpm:.1f} bpm"
        self._said.append(f"tempo: {_NAMES[leader]} leads{tempo}")

    # What is put.

    def _conduct(self, pulse: Pulse) -> None:
        """Bring the performance nearer to `pulse`, the tempo first and then the beat."""
        aim = min(max(pulse.bpm, SLOWEST), FASTEST)
        self._complain(pulse.bpm)
        at = pulse.time + _AHEAD
        if pulse.time - self._stepped > _SETTLED:
            self._bpm = min(max(self._standing(), SLOWEST), FASTEST)
        beat = 60.0 / self._bpm
        far = abs(aim / self._bpm - 1.0) > _NEAR
        if pulse.time - self._stepped >= min(_STEP if far else beat, beat) * 0.99:
            self._step(aim, pulse, at, beat)
        ours = abs(self._bpm / pulse.bpm - 1.0) <= _NEAR
        if ours and pulse.time - self._matched >= 0.9 * beat:
            self._matched = pulse.time
            if pulse.bars:
                self._put(ControlEvent("/tempo/align", pulse.beats_at(at), at))
            else:
                self._put(ControlEvent("/tempo/beat", 1.0, pulse.next_beat(at)))

    def _step(self, aim: float, pulse: Pulse, at: float, beat: float) -> None:
        passed = min(pulse.time - self._stepped, _STEP)
        steepest = _STEEPEST ** (passed / beat)
        bpm = min(max(aim, self._bpm / steepest), self._bpm * steepest)
        self._stepped = pulse.time
        if abs(bpm - self._bpm) > pulse.tolerance:
            self._bpm = bpm
            self._put(ControlEvent("/raw/tempo/bpm", bpm, at))

    def _start(self, pulse: Pulse | None, time: float) -> None:
        """Beat 0 is at the tick to come; without a beat to reckon from, it is now."""
        at = time if pulse is None else time - min(pulse.beats, 0.0) * 60.0 / pulse.bpm
        self._put(ControlEvent("/tempo/start", 1.0, at))
        self._matched = time

    def _complain(self, bpm: float) -> None:
        outside = not SLOWEST * 0.99 <= bpm <= FASTEST * 1.01
        if outside and not self._out_of_range:
            self._said.append(f"tempo: {bpm:.0f} bpm is out of {SLOWEST:.0f}..{FASTEST:.0f}")
        self._out_of_range = outside

    # What is told.

    def notices(self) -> list[str]:
        """What the performer should know since the last asking."""
        with self._lock:
            now = self._clock.now()
            pulse = None if self._leader is None else self._pulses.get(self._leader)
            if self._leader is not None and pulse is not None and now - pulse.time > _SILENT:
                self._said.append(f"tempo: {_NAMES[self._leader]} is silent, going on alone")
                self._leader = None
            said, self._said = self._said, []
            return said

    def rows(self) -> list[Row]:
        """Every source, whoever leads first in `_ORDER`."""
        with self._lock:
            now = self._clock.now()
            return [self._row(source, now) for source in _ORDER]

    def _row(self, source: Source, now: float) -> Row:
        pulse = self._pulses.get(source)
        if pulse is None or now - pulse.time > _SILENT:
            return Row(_NAMES[source], "silent", "")
        leads = self._leads(source, now)
        return Row(_NAMES[source], "leads" if leads else "heard", f"{pulse.bpm:.1f} bpm")

    def close(self) -> None:
        """Nothing to let go of."""
