"""Watches all MIDI ports: opens what comes, lets go of what left, knows again what returns.

Nothing here raises for what a device does: a missing one is a row that says so, and a notice.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from instrument.control.midi_address import family, slug_of
from instrument.control.midi_arrivals import Arrivals, Line
from instrument.control.midi_backend import Backend, Output
from instrument.control.midi_lamps import Lamps
from instrument.control.midi_listening import GENERIC, VIRTUAL, Listening
from instrument.control.midi_messages import Decoder
from instrument.control.midi_profile import Profile
from instrument.control.midi_roster import Port, Roster, Seat
from instrument.control.midi_system import spoken_name

_MOST_NOTICES = 50
_WAKES = 0.25  # s before a device that was just opened is sent anything: JACK drops it, some boot


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list of devices. `last` is the address of its last message, `time` when it
    came, in seconds on the Clock; `slug` is empty for a backend."""

    name: str
    slug: str
    live: bool
    state: str
    last: str = ""
    value: float = 0.0
    time: float | None = None


@dataclass(slots=True)
class _Opened:
    seat: Seat
    port: Port
    line: Line
    close_input: Callable[[], None]
    output: Output | None = None
    sending: bool = False
    awake: float = 0.0  # the clock second from which it is sent anything


class Watch:
    """`look` at the ports about once a second, from one thread; the rest may be asked from any."""

    def __init__(
        self, backends: list[Backend], profiles: tuple[Profile, ...], arrivals: Arrivals
    ) -> None:
        self._backends = backends
        self._profiles = profiles
        self._arrivals = arrivals
        self._listening = Listening()
        self._roster = Roster(self._called)
        self._opened: dict[int, _Opened] = {}  # by the seat's identity
        self._states: dict[str, str] = {backend.name: "" for backend in backends}
        self._refused: dict[str, str] = {}  # why a port does not open, by slug
        self._notices: deque[str] = deque(maxlen=_MOST_NOTICES)
        self._shown: list[tuple[str, str, str, Line | None]] = []
        self._lock = threading.RLock()

    def listen(self, listening: Listening) -> None:
        """Read messages as this preset needs them. Waits for nobody."""
        self._listening = listening  # before the lines: one that opens meanwhile has it as well
        self._arrivals.generic = listening.generic
        for opened in list(self._opened.values()):
            slug = opened.line.slug
            opened.line.decoder.reading = listening.reading(slug, self._profile(opened.seat))

    def look(self) -> None:
        """What is here now? Open it; close what is gone."""
        with self._lock:
            outputs: list[Port] = []
            inputs: list[Port] = []
            for backend in self._backends:
                try:
                    found = backend.ports()
                except OSError as error:
                    self._states[backend.name] = str(error) or "does not answer"
                    continue
                self._states[backend.name] = ""
                inputs += found[0]
                outputs += found[1]
            self._roster.update(inputs)
            for seat in self._roster.seats:
                self._settle(seat, outputs)
            self._show()

    def send_lamps(self, wanted: Mapping[str, float], time: float) -> int:
        """Show `wanted` positions, by source address, on every device that can; how many messages.

        A device's own address counts before the generic one.
        """
        with self._lock:
            awake = [o for o in self._opened.values() if o.sending and time >= o.awake]
        sent = 0
        for opened in awake:
            lamps, output = opened.line.lamps, opened.output
            if lamps is None or output is None:
                continue
            here = _wanted_of(wanted, GENERIC) | _wanted_of(wanted, opened.line.slug)
            sent += self._send(opened, output, lamps.due(here, time))
        return sent

    def swap(self, first: str, second: str) -> bool:
        """Exchange the names of two devices; False where one of them has never been here."""
        with self._lock:
            if not self._roster.swap(first, second):
                return False
            for opened in self._opened.values():
                opened.line.slug = opened.seat.slug
                if opened.line.lamps:  # it shows what the other one should
                    opened.line.lamps = Lamps(self._lit(opened.seat))
            self.listen(self._listening)
            self._show()
            self._notices.append(f"{first} and {second} have changed names")
            return True

    def rows(self) -> list[Row]:
        """Every device that is or was here, that the preset waits for, and every silent backend.

        Waits for nobody: what the last look found.
        """
        rows = [_row(*shown) for shown in self._shown]
        here = {row.slug for row in rows}
        for slug in sorted(self._listening.devices.keys() - here - {GENERIC, VIRTUAL}):
            title = next((p.title for p in self._profiles if p.slug == family(slug)), slug)
            rows.append(Row(title, slug, False, "missing"))
        silent = [(name, state) for name, state in self._states.items() if state]
        return rows + [Row(f"MIDI by {name}", "", False, state) for name, state in silent]

    def notices(self) -> list[str]:
        """What happened since the last asking."""
        told: list[str] = []
        while self._notices:
            told.append(self._notices.popleft())
        return told

    def close(self) -> None:
        """Put out the lamps, and let go of everything."""
        with self._lock:
            for opened in list(self._opened.values()):
                if opened.output is not None and opened.line.lamps is not None:
                    self._send(opened, opened.output, opened.line.lamps.dark())
                self._let_go(opened)
            for backend in self._backends:
                backend.close()

    def _settle(self, seat: Seat, outputs: list[Port]) -> None:
        opened, port = self._opened.get(id(seat)), seat.port
        if opened is not None and (port is None or _moved(port, opened.port)):
            self._let_go(opened)
            if port is None:
                self._notices.append(f"{seat.slug} is gone")
            opened = None
        if opened is None and port is not None:
            self._open(seat, port, outputs)
        elif opened is not None and not opened.sending and opened.line.lamps:
            self._open_output(opened, outputs)  # it refused before

    def _open(self, seat: Seat, port: Port, outputs: list[Port]) -> None:
        profile = self._profile(seat)
        reading = self._listening.reading(seat.slug, profile)
        lamps = Lamps(profile) if profile and profile.lamps else None
        line = Line(seat.slug, Decoder(reading), lamps)
        try:
            receive = partial(self._arrivals.receive, line)
            close = self._backend(port).open_input(port, receive)
        except OSError as error:
            if self._refused.get(seat.slug) != str(error):
                self._refused[seat.slug] = str(error)
                self._notices.append(f"{seat.slug} does not open ({error})")
            return
        self._refused.pop(seat.slug, None)
        opened = self._opened[id(seat)] = _Opened(seat, port, line, close)
        self._notices.append(f"{seat.slug} is here")
        if lamps:
            self._open_output(opened, outputs)

    def _open_output(self, opened: _Opened, outputs: list[Port]) -> None:
        if opened.output is not None:
            self._close_quietly(opened.output)
            opened.output = None
        port = self._output_of(opened, outputs)
        if port is None:
            return
        try:
            opened.output = self._backend(port).open_output(port)
        except OSError:
            return  # played all the same; tried again at the next look
        opened.line.lamps = Lamps(self._lit(opened.seat))
        opened.awake = self._arrivals.now() + _WAKES
        opened.sending = True

    def _output_of(self, opened: _Opened, outputs: list[Port]) -> Port | None:
        """The output that belongs to an input: of its socket, its name and order, or its kind."""
        port = opened.seat.port
        assert port is not None
        here = [output for output in outputs if output.backend == port.backend]
        alike = [seat.port for seat in self._roster.seats if seat.port is not None]
        of_name = sorted((o for o in here if o.name == port.name), key=lambda o: o.key)
        for output in of_name:
            if output.key == port.key:
                return output
        profile = self._profile(opened.seat)
        of_kind = [o for o in here if profile is not None and profile.owns(o.name)]
        for outs in (of_name, sorted(of_kind, key=lambda o: o.key)):
            same = sorted((p for p in alike if p.name == port.name), key=lambda p: p.key)
            if len(outs) > (place := same.index(port)):
                return outs[place]
        return None

    def _send(self, opened: _Opened, output: Output, messages: list[bytes]) -> int:
        for count, message in enumerate(messages):
            try:
                output.send(message)
            except OSError:
                opened.sending = False  # the next look opens it again, and everything is sent
                return count
        return len(messages)

    def _let_go(self, opened: _Opened) -> None:
        del self._opened[id(opened.seat)]
        try:
            opened.close_input()
        except OSError:
            pass  # gone is gone
        if opened.output is not None:
            self._close_quietly(opened.output)

    def _close_quietly(self, output: Output) -> None:
        try:
            output.close()
        except OSError:
            pass

    def _show(self) -> None:
        shown: list[tuple[str, str, str, Line | None]] = []
        for seat in self._roster.seats:
            opened = self._opened.get(id(seat))
            state = "live" if opened else self._refused.get(seat.slug, "missing")
            shown.append((seat.name, seat.slug, state, opened.line if opened else None))
        self._shown = shown

    def _backend(self, port: Port) -> Backend:
        return next(backend for backend in self._backends if backend.name == port.backend)

    def _profile(self, seat: Seat) -> Profile | None:
        return next((profile for profile in self._profiles if profile.owns(seat.name)), None)

    def _lit(self, seat: Seat) -> Profile:
        profile = self._profile(seat)
        assert profile is not None  # nothing else has lamps
        return profile

    def _called(self, name: str) -> str:
        profile = next((profile for profile in self._profiles if profile.owns(name)), None)
        return profile.slug if profile else slug_of(spoken_name(name))


def _row(name: str, slug: str, state: str, line: Line | None) -> Row:
    last = line.last if line else None
    told = (last.address, last.value, last.time) if last else ("", 0.0, None)
    return Row(name, slug, line is not None, state, *told)


def _moved(here: Port, opened: Port) -> bool:
    return (here.key, here.life, here.spelling) != (opened.key, opened.life, opened.spelling)


def _wanted_of(wanted: Mapping[str, float], device: str) -> dict[str, float]:
    start = f"/midi/{device}/"
    return {
        source.removeprefix(start): value
        for source, value in wanted.items()
        if source.startswith(start)
    }
