"""The way of a message from a port's thread to the performance: stamped, read, thinned out, told.

A port's thread may be the audio server's own, so all it does is to note the message and its time.
Another thread calls `drain`, which tells what matters of it. Under a flood that thread would fall
behind; then the ports' threads help it reading, and nothing grows.
"""

from __future__ import annotations

import threading
from collections import deque
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
_VALUES, _KEYS = 32, 256  # events told a drain: 8 000 a second of knobs, 64 000 of keys
_LEADER_RESTS = 2.0  # s without its clock, after which another device may lead


class Line:
    """A device that is open: how its messages are read, and what it said last."""

    def __init__(self, slug: str, decoder: Decoder, lamps: Lamps | None = None) -> None:
        self.slug = slug
        self.decoder = decoder
        self.lamps = lamps
        self.last: ControlEvent | None = None


class Arrivals:
    """Where all ports' messages come together. `generic` are controls that count on any device."""

    def __init__(self, clock: Clock, put: Put, transport: Transport | None = None) -> None:
        self.generic: frozenset[str] = frozenset()
        self.arrived = threading.Event()
        self.messages = 0
        self._clock = clock
        self._put = put
        self._transport = transport
        self._unread: deque[tuple[Line, Sequence[int], float]] = deque()
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
        self._unread.append((line, message, self._clock.now()))
        if len(self._unread) > _MOST_UNREAD:
            self._read()
        elif not self.arrived.is_set():
            self.arrived.set()

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
            for _ in range(len(self._unread)):
                line, message, time = self._unread.popleft()
                self.messages += 1
                if message and message[0] >= 0xF0:
                    self._clocked(line, message, time)
                    continue
                for said in line.decoder.decode(message, time):
                    self._told(line, said, time)

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
