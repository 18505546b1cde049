"""MIDI: every port there is, as control events; and lamps that show how things stand.

`midi_address` how controls are written · `midi_profile` what they are called on a controller ·
`midi_messages` from bytes to values · `midi_pending` what is left of a flood · `midi_roster` which
device is which · `midi_backend` the system's ports · `midi_watch` who is here · `midi_lamps` what
is sent back. This module holds the threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

from instrument.control.device import Put
from instrument.control.midi_arrivals import Arrivals, Transport
from instrument.control.midi_backend import Backend, backends
from instrument.control.midi_lamps import RATE
from instrument.control.midi_listening import Listening
from instrument.control.midi_profile import Profile
from instrument.control.midi_watch import Row, Watch
from instrument.timebase import Clock

Wanted = Callable[[], Mapping[str, float]]  # source address → position 0..1 its lamp should show

_LOOK = 0.5  # s between two looks at the ports
_PAUSE = 0.004  # s between two drains: 250 a second, as fine as the performance samples anything
_JOIN = 0.5  # s a thread is given to end


class MidiRig:
    """All MIDI devices of the machine, from `open` to `close`.

    `put` gets the events, `transport` the messages of a clock, `wanted` is asked 30 times a second
    for what the lamps should show; all three from threads of the rig. `present` are the backends,
    by default those of the machine.
    """

    def __init__(
        self,
        put: Put,
        clock: Clock,
        profiles: Iterable[Profile] = (),
        *,
        transport: Transport | None = None,
        wanted: Wanted | None = None,
        present: Callable[[], list[Backend]] = backends,
    ) -> None:
        self._clock = clock
        self._wanted = wanted
        self._missing = ""
        try:
            found = present()
        except OSError as error:
            found, self._missing = [], str(error)
        self._unsaid = [f"no MIDI: {self._missing}"] if self._missing else []
        self._arrivals = Arrivals(clock, put, transport)
        self._watch = Watch(found, tuple(profiles), self._arrivals)
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []

    def open(self) -> MidiRig:
        """Start to watch and listen."""
        loops: dict[str, Callable[[], None]] = {"midi look": self._look, "midi drain": self._drain}
        if self._wanted is not None:
            loops["midi lamps"] = self._shine
        for name, loop in loops.items():
            self._threads.append(threading.Thread(target=loop, name=name, daemon=True))
        for thread in self._threads:
            thread.start()
        return self

    def __enter__(self) -> MidiRig:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    def listen(self, sources: Iterable[str]) -> None:
        """Read messages as a preset that listens to `sources` needs them (see `resolve`)."""
        self._watch.listen(Listening.to(sources))

    def swap(self, first: str, second: str) -> bool:
        """Exchange the names of two devices; False where one of them has never been here."""
        return self._watch.swap(first, second)

    def rows(self) -> list[Row]:
        """Every device that is, was or should be here, and every backend that is not."""
        absent = [Row("MIDI", "", False, self._missing)] if self._missing else []
        return [*self._watch.rows(), *absent]

    def notices(self) -> list[str]:
        """What the performer should know since the last asking."""
        unsaid, self._unsaid = self._unsaid, []
        return unsaid + self._watch.notices()

    @property
    def messages(self) -> int:
        """How many messages have come."""
        return self._arrivals.messages

    @property
    def dropped(self) -> int:
        """How many of them a flood has cost: overtaken values and repeated notes."""
        return self._arrivals.dropped

    def close(self) -> None:
        """End the threads, put out the lamps, let go of the ports."""
        self._closing.set()
        self._arrivals.arrived.set()
        for thread in self._threads:
            thread.join(_JOIN)
        self._threads.clear()
        self._watch.close()

    def _look(self) -> None:
        while not self._closing.is_set():
            self._watch.look()
            self._closing.wait(_LOOK)

    def _drain(self) -> None:
        arrived = self._arrivals.arrived
        while not self._closing.is_set():
            arrived.wait()
            arrived.clear()
            if self._arrivals.drain():
                arrived.set()
            self._closing.wait(_PAUSE)

    def _shine(self) -> None:
        assert self._wanted is not None
        while not self._closing.wait(1.0 / RATE):
            self._watch.send_lamps(self._wanted(), self._clock.now())
