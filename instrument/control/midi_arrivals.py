"""The way of a message from a port's thread to the performance: stamped, read, thinned out, told.

A port's thread may be the audio server's own, so all it does is to note the message and its time,
over the one before it where a plain knob only moved on. Another thread calls `drain`, which reads
and tells. Where it falls behind, the ports' threads help it reading, and nothing grows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from instrument.control.device import Put
from instrument.control.midi_lamps import Lamps
from instrument.control.midi_messages import Decoder, Said, transport
from instrument.control.midi_pending import Pending
from instrument.event import ControlEvent
from instrument.timebase import Clock

# "clock", "start", "continue", "stop" or "songpos"; the clock second it came at; of songpos the
# sixteenths since the beginning, else 0.
Transport = Callable[[str, float, int], None]

_MOST_UNREAD = 4096  # messages; a twelfth of a second of the largest flood
_TURNS = 2  # down, up, and where it is
_VALUES, _KEYS = 32, 256  # events told a drain: 8 000 a second of knobs, 64 000 of keys
_LEADER_RESTS = 2.0  # s without its clock, after which another device may lead


class _Unread:
    """A message that waits to be read, or the newest of several alike."""

    __slots__ = ("line", "message", "time", "turn")

    def __init__(self, line: Line, message: Sequence[int], time: float, turn: int = 0) -> None:
        self.line = line
        self.message = message
        self.time = time
        self.turn = turn  # how often its knob has crossed the middle, this time


class Line:
    """A device that is open: how its messages are read, and what it said last."""

    def __init__(self, slug: str, decoder: Decoder, lamps: Lamps | None = None) -> None:
        self.slug = slug
        self.decoder = decoder
        self.lamps = lamps
        self.last: ControlEvent | None = None
        self.unread: dict[int, _Unread] = {}  # of plain controllers, by status and number


class Arrivals:
    """Where all ports' messages come together. `generic` are controls that count on any device."""

    def __init__(self, clock: Clock, put: Put, transport: Transport | None = None) -> None:
        self.generic: frozenset[str] = frozenset()
        self.arrived = threading.Event()
        self.messages = 0
        self._clock = clock
        self._put = put
        self._transport = transport
        self._unread: list[_Unread] = []
        self._noting = threading.Lock()  # held for a moment, by ports' threads as well
        self._reading = threading.Lock()
        self._pending = Pending()
        self._leader: tuple[Line, float] | None = None

    @property
    def dropped(self) -> int:
        """How many messages of a flood were not worth keeping."""
        return self._pending.dropped

    def now(self) -> float:
        """Seconds on the clock that arrivals are stamped with."""
        return self._clock.now()

    def receive(self, line: Line, message: Sequence[int]) -> None:
        """A whole message came in on `line`: from any thread, at this very moment."""
        if len(message) > 3:
            return  # SysEx, which the ports are asked to keep to themselves
        with self._noting:
            self.messages += 1
            self._note(line, message, self._clock.now())
            full = len(self._unread) > _MOST_UNREAD
        if full:
            self._read()
        elif not self.arrived.is_set():
            self.arrived.set()

    def _note(self, line: Line, message: Sequence[int], time: float) -> None:
        if len(message) != 3 or not line.decoder.is_plain(message[0], message[1]):
            self._unread.append(_Unread(line, message, time))
            return
        key = message[0] << 7 | message[1]
        before = line.unread.get(key)
        if before is None:
            line.unread[key] = unread = _Unread(line, message, time)
            self._unread.append(unread)
        elif (before.message[2] < 64) == (message[2] < 64) or before.turn >= _TURNS:
            before.message, before.time = message, time
        else:  # a button's other half: pressing and letting go are two things
            line.unread[key] = unread = _Unread(line, message, time, before.turn + 1)
            self._unread.append(unread)

    def drain(self) -> bool:
        """Tell what has come; True where something still waits for the next time."""
        self._read()
        with self._reading:
            events = self._pending.take(_VALUES, _KEYS)
            more = bool(self._pending)
        for event in events:
            self._put(event)
        return more

    def _read(self) -> None:
        with self._reading:
            with self._noting:
                unread, self._unread = self._unread, []
                for one in unread:
                    one.line.unread.clear()
            for one in unread:
                if one.message and one.message[0] >= 0xF0:
                    self._clocked(one.line, one.message, one.time)
                    continue
                for said in one.line.decoder.decode(one.message, one.time):
                    self._told(one.line, said, one.time)

    def _told(self, line: Line, said: Said, time: float) -> None:
        address = f"/midi/{line.slug}/{said.control}"
        line.last = ControlEvent(address, said.value, time)
        self._pending.add(said.kind, address, said.value, time)
        if said.control in self.generic:
            self._pending.add(said.kind, f"/midi/generic/{said.control}", said.value, time)
        if line.lamps is not None:
            line.lamps.heard(said.control, said.value, time)

    def _clocked(self, line: Line, message: Sequence[int], time: float) -> None:
        """One device leads at a time: two clocks would be neither."""
        told = transport(message)
        if told is None or self._transport is None:
            return
        leader = self._leader
        if leader is None or leader[0] is line or time - leader[1] > _LEADER_RESTS:
            self._leader = (line, time)
            self._transport(told[0], time, told[1])
