"""The inbox: every event on its way to the performer, from whatever thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from instrument.event import ControlEvent


class Inbox:
    """Events with clock times, handed out when they are due.

    Devices `put` from their own threads: a deque's append is atomic, so nobody waits for a lock.
    """

    def __init__(self) -> None:
        self._arrived: deque[ControlEvent] = deque()
        self._waiting: list[ControlEvent] = []

    def put(self, event: ControlEvent) -> None:
        """Leave `event`, its time in clock seconds."""
        self._arrived.append(event)

    def put_all(self, events: Iterable[ControlEvent]) -> None:
        """Leave `events`."""
        self._arrived.extend(events)

    def take_due(self, until: float) -> list[ControlEvent]:
        """Everything up to the clock second `until`, in order of time; the rest stays."""
        while self._arrived:
            self._waiting.append(self._arrived.popleft())
        if not self._waiting:
            return []
        self._waiting.sort(key=lambda event: event.time)
        due = [event for event in self._waiting if event.time <= until]
        del self._waiting[: len(due)]
        return due


class Script:
    """Events with performance times, as a file holds them."""

    def __init__(self, events: Sequence[ControlEvent] = ()) -> None:
        self._events = events
        self._last = {event.address: number for number, event in enumerate(events)}
        self._next = 0
        self._offset = 0.0

    def take_due(self, until: float) -> list[ControlEvent]:
        """The events up to `until` performance seconds."""
        due = []
        while self._next < len(self._events):
            event = self._events[self._next]
            if event.time - self._offset > until:
                break
            due.append(ControlEvent(event.address, event.value, event.time - self._offset))
            self._next += 1
        return due

    def says(self, addresses: Iterable[str]) -> bool:
        """Whether one of `addresses` is still to come."""
        return any(self._last.get(address, -1) >= self._next for address in addresses)

    def rebase(self, seconds: float) -> None:
        """What was `seconds` is called 0 from now on."""
        self._offset += seconds


def in_performance_time(
    events: Iterable[ControlEvent], origin: float, open_from: float, until: float
) -> list[ControlEvent]:
    """Events of the clock as events of the performance, within [`open_from`, `until`].

    `origin` is the clock second at which the performance was at 0. An event that comes too late
    for its own time, because a thread slept or a row has been taken, gets the first moment that
    is still open: what the take records is what was played.
    """
    return [
        ControlEvent(e.address, e.value, min(max(e.time - origin, open_from), until))
        for e in events
    ]
