"""What MIDI has said and nobody has been told yet: a flood shrinks here to what matters of it.

Continuous controls keep their newest value, and whether they crossed the middle on the way there;
encoders keep the sum of their steps; notes and program changes keep everything, up to a bound
beyond which new notes are refused and no release ever is. Bounded, whatever arrives. Pure.
"""

from __future__ import annotations

from collections import deque

from instrument.control.midi_messages import NOTE, PROGRAM, STEPS
from instrument.event import ControlEvent

MOST = 4096  # controls with something to say, and notes waiting
_CROSSINGS = 3  # values kept of one control: up, down, and where it is

_Value = tuple[float, float]  # value, time


class Pending:
    """Collects by address, hands out in order of time. `dropped` counts what was not kept."""

    def __init__(self) -> None:
        self.dropped = 0
        self._values: dict[str, list[_Value]] = {}
        self._steps: dict[str, _Value] = {}
        self._keys: deque[ControlEvent] = deque()
        self._sounding: dict[str, float] = {}  # the last velocity kept of each note
        self._programs: dict[str, ControlEvent] = {}  # by what stands before the number

    def __bool__(self) -> bool:
        return bool(self._values or self._steps or self._keys or self._programs)

    def add(self, kind: int, address: str, value: float, time: float) -> None:
        """One message said so, at `time` s."""
        if kind == NOTE:
            self._note(ControlEvent(address, value, time))
        elif kind == PROGRAM:
            self._program(ControlEvent(address, value, time))
        elif kind == STEPS:
            before = self._steps.get(address, (0.0, time))[0]
            self._steps[address] = (before + value, time)
            self._bound(self._steps)
        else:
            self._value(address, (value, time))

    def take(self, values: int, keys: int) -> list[ControlEvent]:
        """At most about `values` continuous events and `keys` notes and programs; the rest stays.

        What has waited longest comes first.
        """
        events = [self._keys.popleft() for _ in range(min(keys, len(self._keys)))]
        if not self._keys:  # a burst of programs beyond the bound: the last of each channel
            events += [event for press in self._programs.values() for event in _pulse(press)]
            self._programs.clear()
        for waiting in (self._steps, self._values):
            while waiting and values > 0:
                address = next(iter(waiting))
                said = waiting.pop(address)
                kept = said if isinstance(said, list) else [said]
                events += [ControlEvent(address, value, time) for value, time in kept]
                values -= len(kept)
        events.sort(key=lambda event: event.time)  # stable: a press before its release
        return events

    def _value(self, address: str, said: _Value) -> None:
        kept = self._values.get(address)
        if kept is None:
            self._values[address] = [said]
            self._bound(self._values)
        elif (kept[-1][0] < 0.5) == (said[0] < 0.5) or len(kept) >= _CROSSINGS:
            kept[-1] = said
        else:
            kept.append(said)  # a button that sends 127 and 0 has been pressed

    def _note(self, event: ControlEvent) -> None:
        full, sounding = len(self._keys) >= MOST, self._sounding.get(event.address, 0.0) > 0.0
        if full and (event.value > 0.0 or not sounding):
            self.dropped += 1
            return
        if event.value > 0.0:
            self._sounding[event.address] = event.value
        else:
            self._sounding.pop(event.address, None)
        self._keys.append(event)

    def _program(self, event: ControlEvent) -> None:
        channel = event.address.rpartition("/")[0]
        if len(self._keys) >= MOST:
            self.dropped += channel in self._programs
            self._programs[channel] = event
        else:
            self._keys.extend(_pulse(event))

    def _bound(self, waiting: dict[str, list[_Value]] | dict[str, _Value]) -> None:
        if len(waiting) > MOST:
            del waiting[next(iter(waiting))]
            self.dropped += 1


def _pulse(event: ControlEvent) -> tuple[ControlEvent, ControlEvent]:
    """A program change has no release of its own, and without one it could not come twice."""
    return event, ControlEvent(event.address, 0.0, event.time)
