"""The loop. Wait, perform, ask for the picture, show the newest, again.

The order within a tick was measured: first wait for the tick's own time, then read what hands
did, then sample z, then decode and show. Sampling before the wait costs one more period, every
queued picture another. The row of a tick is due at i/N exactly; a late loop takes the rows it
owes first and shows only the newest, so the record never drops a row.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from instrument.event import ControlEvent
from instrument.latent.space import F32
from instrument.live.calm import Housekeeping, undisturbed
from instrument.live.captions import Captions
from instrument.live.decks import Rehearsal
from instrument.live.inbox import Inbox, Script, in_performance_time
from instrument.live.meters import Meters
from instrument.live.pacing import Pacing
from instrument.live.projection import Projection, Screen
from instrument.live.rig import NoRig, Rig, reflection_of
from instrument.live.tape import Tape
from instrument.performance.crossfade import Models
from instrument.performance.performer import Performer
from instrument.performance.response import EVENED
from instrument.performance.teaching import WRITE, news
from instrument.timebase import Clock, FrameRate

_log = logging.getLogger(__name__)

_LONGEST_STALL = 30.0  # s: after more, the machine slept; the performance did too


@dataclass(slots=True)
class Show:
    """What one run of the loop is made of. Times of `script` are performance seconds.

    Where there is no screen, nothing is decoded, and `rehearsal` answers for the models.
    """

    performer: Performer
    rate: FrameRate
    clock: Clock
    tape: Tape
    inbox: Inbox = field(default_factory=Inbox)
    script: Sequence[ControlEvent] = ()
    rig: Rig = field(default_factory=NoRig)
    screen: Screen | None = None
    rehearsal: Rehearsal = field(default_factory=Rehearsal)
    seconds: float | None = None
    record: bool = False


class Loop:
    """Plays a `Show` until it is over, closed or stopped."""

    def __init__(self, show: Show) -> None:
        self._show = show
        self._performer, self._clock = show.performer, show.clock
        self._script = Script(show.script)
        self._performance = self._performer.begin()
        self._z = self._performer.z(self._performance)
        self._values = self._performer.values(self._performance)
        self.meters = Meters(show.rate.period)
        self._decks = show.rehearsal if show.screen is None else show.screen.decks
        self._captions = Captions(self._performer, self.meters, show.tape, show.rig)
        self._projection = self._pacing = None
        if show.screen is not None:
            self._projection = Projection(
                show.screen, self._performer.space, self._clock, self.meters, show.rate
            )
            if not self._script.says([EVENED]):  # one that was a take says by itself what was said
                self._pacing = Pacing(self._performer, show.rate)
        self._followed = self._performance.models  # what the decks were told last
        self._origin = 0.0  # the clock second at which performance time was 0
        self._frame = 0  # the row that is due next, since the origin
        self._index = 0  # the same since the loop began: what a picture is called
        self._taken_index = -1  # the newest row that was handed to the tape
        self._elsewhere = 0.0  # s of this tick that decoder, driver and screen took
        self._housekeeping = Housekeeping(show.clock)
        self._causes: set[tuple[type[BaseException], str]] = set()
        self._stopping = False

    @property
    def z(self) -> F32:
        """Where z was in the newest row."""
        return self._z

    @property
    def models(self) -> Models:
        """Which models play, and which is on its way."""
        return self._performance.models

    def stop(self) -> None:
        """Finish the tick, end the take, return from `run`. From any thread or signal."""
        self._stopping = True

    def run(self) -> None:
        """Play. Returns when the time is over, the window is closed or `stop` was called."""
        show = self._show
        total = None if show.seconds is None else show.rate.frames_in(show.seconds)
        self._origin = self._clock.now()
        if show.record and not show.tape.start(self._performance):
            return  # somebody counts on this take: better no show than one without it
        if self._projection is not None:
            self._projection.begin()
        with undisturbed():
            while not self._stopping and (total is None or self._index < total):
                self._clock.wait_until(self._origin + show.rate.time_of(self._frame))
                try:
                    self._tick()
                except Exception as error:  # noqa: BLE001 - the one place: the show goes on
                    self._hold(error)
                self._frame += 1
                self._index += 1
        show.tape.close()

    def _tick(self) -> None:
        begun = self._clock.now()
        due = self._show.rate.time_of(self._frame)
        lateness = begun - self._origin - due
        if lateness > _LONGEST_STALL:
            self._origin += lateness
            lateness = 0.0
        self.meters.tick(lateness)
        self._elsewhere = 0.0
        asked = self._perform(due)
        if self._show.screen is None or self._projection is None or not asked:
            pass
        elif not self._projection.lets_pass(self._origin + due, self._next_tick):
            self._present(self._show.screen, self._projection)
            self._origin += self._projection.align(self._index, self._origin + due, begun)
        spent = self._clock.now() - begun
        self.meters.overhead.add(spent - self._elsewhere)
        self._housekeeping.tick(self._next_tick)

    # From events to a row.

    @property
    def _next_tick(self) -> float:
        return self._origin + self._show.rate.time_of(self._frame + 1)

    def _perform(self, due: float) -> bool:
        """Move on to `due`; whether its picture was asked for: not where the next row is due.

        What is asked is asked as soon as z is known: all else is done while it is decoded.
        """
        show, tape = self._show, self._show.tape
        if show.screen is not None:
            show.inbox.put_all(show.screen.surface.poll())
        arrived = show.inbox.take_due(self._origin + due)
        # A row is the state after every event up to its time: once taken, that time is closed.
        open_from = math.nextafter(self._performance.time, math.inf) if self._index else 0.0
        events = in_performance_time(arrived, self._origin, open_from, due)
        reports = self._reports(due)  # first: it asks what the script has still to say
        events = [*self._script.take_due(due), *events, *reports]
        events.sort(key=lambda event: event.time)
        for event in arrived:
            # No hand waits for what the pacer says, nor for light before there is any.
            if event.address != EVENED and (self._projection is None or self._projection.is_lit):
                self.meters.event(self._index, event.time)
        before = self._performance
        self._performance = self._performer.advance(before, due, events)
        for event in events:
            tape.event(event)
        if learnt := news(before, self._performance):
            self._captions.say(learnt, self._clock.now())
        self._answer(self._performance.requests)
        self._follow()
        self._z = self._performer.z(self._performance)
        self._values = self._performer.values(self._performance)
        asked = self._projection is not None and self._clock.now() < self._next_tick
        if self._projection is not None and asked:
            self._projection.ask(self._index, self._z, self._values)
        self._take_row(self._performance.time)
        seen = reflection_of(self._performer, self._performance, self._values, tape.is_running)
        show.rig.follow(self._performance, seen, self._clock.now())
        return asked

    def _take_row(self, time: float) -> None:
        self._show.tape.row(time, self._z, self._values.astype(np.float32))
        self._taken_index = self._index

    # Models come and go: what the performance wants, the decks do, and what became of it is an
    # event like any other, played and recorded with its time.

    def _follow(self) -> None:
        models = self._performance.models
        if models is not self._followed:
            self._decks.follow(models.wanted)
            self._followed = models

    def _reports(self, due: float) -> list[ControlEvent]:
        """What the decks tell of the model that is being prepared, as an event at `due`."""
        models = self._performance.models
        if not models.incoming or models.waits:
            return []
        news = self._decks.news(models.incoming)
        if news is None:
            return []
        # A script that was a take tells by itself when its models were ready; what cannot be
        # opened here cannot be shown, whatever it says.
        words = ("ready", "failed") if news.word == "ready" else ("failed",)
        if self._script.says(f"/model/{models.incoming}/{word}" for word in words):
            return []
        self._captions.say(news.text, self._clock.now())
        if news.word == "failed":
            _log.error("%s", news.text)
        return [ControlEvent(f"/model/{models.incoming}/{news.word}", 1.0, due)]

    def _answer(self, requests: Sequence[tuple[str, float]]) -> None:
        """Do what the performance asked of the stage."""
        tape, screen = self._show.tape, self._show.screen
        for address, value in requests:
            pressed = value >= 0.5
            if address == "/take/record":
                self._record(pressed)
            elif address == "/take/toggle" and pressed:
                self._record(not tape.is_running)
            elif address == WRITE and not self._show.script:  # a script that was a take is kept
                self._show.rig.keep(self._performance)
            elif address == "/display/fullscreen" and pressed and screen is not None:
                screen.surface.toggle_fullscreen()
            elif address == "/display/hud" and pressed and screen is not None:
                screen.hud = not screen.hud
            elif address == "/display/controller" and pressed and screen is not None:
                screen.toggle_controller()

    def _record(self, wanted: bool) -> None:
        tape = self._show.tape
        if not wanted:
            tape.stop()
        elif not tape.is_running:
            now = self._performance.time
            rebased = self._performer.rebased(self._performance)
            if tape.start(rebased):
                self._performance = rebased
                self._origin += now
                self._script.rebase(now)
                self._frame = 0

    # From a row to light.

    def _present(self, screen: Screen, projection: Projection) -> None:
        # All that can be done while the picture is decoded: nothing comes between it and light.
        self._collect_messages(screen)
        now = self._clock.now()
        hud = self._captions.hud(screen, projection, self._performance, self._values, now)
        projection.prepare(hud)
        self._elsewhere = projection.receive(self._values, self._next_tick)
        self._pace(projection)
        self._elsewhere += projection.draw(self._values, hud)
        self._stopping = self._stopping or screen.surface.closed

    def _pace(self, projection: Projection) -> None:
        """Let the pacer look; what it says goes the way of whatever a hand says."""
        if self._pacing is None:
            return
        now = self._performance
        rate = self._pacing.look(self._index, now, self._z, self._values, projection)
        if rate is not None:
            self._show.inbox.put(ControlEvent(EVENED, rate, self._clock.now()))

    def _collect_messages(self, screen: Screen) -> None:
        tape = self._show.tape
        said = [*screen.surface.notices(), *self._show.rig.notices()]
        if tape.message is not None:
            said.append(tape.message)
            tape.message = None
        if said:
            self._captions.say("  ·  ".join(said), self._clock.now())

    def _hold(self, error: Exception) -> None:
        """Something failed that should not: say so once, keep the picture, keep the record."""
        cause = (type(error), str(error))
        if cause not in self._causes:
            self._causes.add(cause)
            _log.error("held the picture: %s", error, exc_info=error)
        due = self._show.rate.time_of(self._frame)
        self._captions.say(f"held: {error}", self._clock.now())
        if self._taken_index < self._index:  # it failed before its row: the last z stands in
            if self._performance.time < due:
                self._performance = self._performer.advance(self._performance, due)
            self._take_row(due)
