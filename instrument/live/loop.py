"""The loop. Wait, perform, ask for the picture, show the newest, again.

The order within a tick was measured: first wait for the tick's own time, then read what hands
did, then sample z, then decode and show. Sampling before the wait costs one more period, every
queued picture another. The row of a tick is due at i/N exactly; a late loop takes the rows it
owes first and shows only the newest, so the record never drops a row.
"""

from __future__ import annotations

import gc
import logging
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from instrument.decoder.process import DecoderProcess
from instrument.display.hud import Hud
from instrument.display.look import Fit, Look
from instrument.display.presenter import Presenter
from instrument.display.surface import Surface
from instrument.event import ControlEvent
from instrument.frame import U8
from instrument.latent.space import F32
from instrument.live.inbox import Inbox, Script, in_performance_time
from instrument.live.meters import Meters
from instrument.live.tape import Tape
from instrument.performance.performer import Performer
from instrument.timebase import Clock, FrameRate

_log = logging.getLogger(__name__)

_LONGEST_STALL = 30.0  # s: after more, the machine slept; the performance did too
_SPARE = 0.002  # s a tick keeps free before the next one
_TOAST = 4.0  # s a message stays
_COLLECT_EVERY = 600  # ticks
_MODEL_ADDRESSES = ("/model/snapshot", "/model/truncation", "/model/mix")


class Device(Protocol):
    """Whatever puts events into the inbox from its own thread."""

    def notices(self) -> list[str]:
        """What the performer should know since the last asking."""
        ...


@dataclass(slots=True)
class Screen:
    """Where pictures go: an open surface, its presenter, and what is shown before the first."""

    surface: Surface
    presenter: Presenter
    decoder: DecoderProcess
    fit: Fit = "fit"
    first_picture: U8 | None = None
    hud: bool = True
    hint: str | None = None


@dataclass(slots=True)
class Show:
    """What one run of the loop is made of. Times of `script` are performance seconds."""

    performer: Performer
    rate: FrameRate
    clock: Clock
    tape: Tape
    inbox: Inbox = field(default_factory=Inbox)
    script: Sequence[ControlEvent] = ()
    devices: Sequence[Device] = ()
    screen: Screen | None = None
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
        self._model_columns = [(a, self._performer.space.index(a)) for a in _MODEL_ADDRESSES]
        self._gain, self._blackout, self._freeze = (
            self._performer.space.index(a)
            for a in ("/master/gain", "/display/blackout", "/display/freeze")
        )
        self._origin = 0.0  # the clock second at which performance time was 0
        self._frame = 0  # the row that is due next, since the origin
        self._index = 0  # the same since the loop began: what a picture is called
        self._taken_index = -1  # the newest row that was handed to the tape
        self._shown_index = -1
        self._waited = self._swapped = 0.0
        self._message: tuple[str, float] | None = None
        self._causes: set[tuple[type[BaseException], str]] = set()
        self._stopping = False

    @property
    def z(self) -> F32:
        """Where z was in the newest row."""
        return self._z

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
        if show.screen is not None and show.screen.first_picture is not None:
            show.screen.presenter.upload(show.screen.first_picture)
        with _undisturbed():
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
        self._waited = self._swapped = 0.0
        self._perform(due)
        behind = self._clock.now() >= self._origin + self._show.rate.time_of(self._frame + 1)
        if self._show.screen is not None and not behind:
            self._present(self._show.screen)
        spent = self._clock.now() - begun
        self.meters.overhead.add(spent - self._waited - self._swapped)
        if self.meters.ticks % _COLLECT_EVERY == 0 and spent < 0.5 * self._show.rate.period:
            gc.collect(1)

    # From events to a row.

    def _perform(self, due: float) -> None:
        show, tape = self._show, self._show.tape
        if show.screen is not None:
            show.inbox.put_all(show.screen.surface.poll())
        arrived = show.inbox.take_due(self._origin + due)
        # A row is the state after every event up to its time: once taken, that time is closed.
        open_from = math.nextafter(self._performance.time, math.inf) if self._index else 0.0
        events = in_performance_time(arrived, self._origin, open_from, due)
        events = sorted([*self._script.take_due(due), *events], key=lambda e: e.time)
        for event in arrived:
            self.meters.event(self._index, event.time)
        self._performance = self._performer.advance(self._performance, due, events)
        for event in events:
            tape.event(event)
        self._answer(self._performance.requests)
        self._z = self._performer.z(self._performance)
        self._values = self._performer.values(self._performance)
        self._take_row(self._performance.time)

    def _take_row(self, time: float) -> None:
        self._show.tape.row(time, self._z, self._values.astype(np.float32))
        self._taken_index = self._index

    def _answer(self, requests: Sequence[tuple[str, float]]) -> None:
        """Do what the performance asked of the stage."""
        tape, screen = self._show.tape, self._show.screen
        for address, value in requests:
            pressed = value >= 0.5
            if address == "/take/record":
                self._record(pressed)
            elif address == "/take/toggle" and pressed:
                self._record(not tape.is_running)
            elif address == "/display/fullscreen" and pressed and screen is not None:
                screen.surface.toggle_fullscreen()
            elif address == "/display/hud" and pressed and screen is not None:
                screen.hud = not screen.hud

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

    def _present(self, screen: Screen) -> None:
        clock, meters = self._clock, self.meters
        parameters = {a: float(self._values[i]) for a, i in self._model_columns}
        screen.decoder.post(self._index, self._z, parameters)
        begun = clock.now()
        frame = screen.decoder.newest(self._shown_index, self._patience(screen, begun))
        self._waited = clock.now() - begun
        if frame is not None and self._values[self._freeze] < 0.5:
            screen.presenter.upload(frame.pixels)
            self._shown_index = frame.index
            meters.new_picture(clock.now())
        surface = screen.surface
        look = Look(
            float(self._values[self._gain]), float(self._values[self._blackout]), screen.fit
        )
        size = surface.framebuffer_size
        drawing = clock.now()
        surface.picture_area = screen.presenter.area(size, look)
        screen.presenter.draw(surface.framebuffer, size, look, self._hud(screen))
        drew = clock.now() - drawing
        self._swapped = surface.swap()
        meters.shows(self._shown_index, drew, self._swapped, clock.now())
        self._stopping = self._stopping or surface.closed

    def _patience(self, screen: Screen, now: float) -> float:
        """How long this tick may wait for its own picture: not at all where it cannot come."""
        next_tick = self._origin + self._show.rate.time_of(self._frame + 1)
        room = next_tick - now - self.meters.draw_seconds - _SPARE
        if screen.decoder.state != "ready" or screen.decoder.decode_seconds > room:
            return 0.0
        return max(0.0, room)

    def _hud(self, screen: Screen) -> Hud:
        show, meters = self._show, self.meters
        self._collect_messages(screen)
        message = self._message[0] if self._message else None
        if not screen.hud:
            return Hud((), show.tape.lamp, None)
        latency = meters.last_latency()
        lines = (
            f"pictures\t{meters.shown_rate:.0f} /s",
            f"decode\t{1e3 * screen.decoder.decode_seconds:.1f} ms",
            f"hand to light\t{'-' if latency is None else f'{1e3 * latency:.0f} ms'}",
            f"going to\t{self._performer.destination(self._performance)}",
        )
        return Hud(lines, show.tape.lamp, message)

    def _collect_messages(self, screen: Screen) -> None:
        now = self._clock.now()
        tape = self._show.tape
        said = [*screen.surface.notices(), *(n for d in self._show.devices for n in d.notices())]
        if tape.message is not None:
            said.append(tape.message)
            tape.message = None
        if said:
            self._message = ("  ·  ".join(said), now + _TOAST)
        elif self._message and now > self._message[1]:
            self._message = None
        if self._message is None and screen.decoder.state != "ready":
            self._message = (screen.decoder.message, now)
        if self._message is None and screen.hint:
            self._message, screen.hint = (screen.hint, now + 3.0 * _TOAST), None

    def _hold(self, error: Exception) -> None:
        """Something failed that should not: say so once, keep the picture, keep the record."""
        cause = (type(error), str(error))
        if cause not in self._causes:
            self._causes.add(cause)
            _log.error("held the picture: %s", error, exc_info=error)
        due = self._show.rate.time_of(self._frame)
        self._message = (f"held: {error}", self._clock.now() + _TOAST)
        if self._taken_index < self._index:  # it failed before its row: the last z stands in
            if self._performance.time < due:
                self._performance = self._performer.advance(self._performance, due)
            self._take_row(due)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No garbage collection within a tick, and threads that yield within a millisecond."""
    interval = sys.getswitchinterval()
    gc.collect()
    gc.freeze()
    gc.disable()
    sys.setswitchinterval(0.001)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        gc.enable()
        gc.unfreeze()
