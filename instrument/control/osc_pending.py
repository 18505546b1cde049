"""Values on their way to the loop: of a flood, the last of each address, and every press.

The performer takes up to a quarter of a millisecond for one event, so what reaches it is limited
however much arrives. It knows no socket and no message.
"""

from __future__ import annotations

from typing import NamedTuple

from instrument.event import ControlEvent

Sender = tuple[str, int]  # host and port; port 0: cannot be answered

ADDRESSES = 1024  # that may wait at a time
_RUNS = 16  # values one address may leave between two deliveries
_PLANNED = 1024  # values with a time of their own
_PRESSED = 0.5  # from here on, as everywhere in the instrument, a value is a press


class Value(NamedTuple):
    """One value, when it is to take effect, and who sent it."""

    value: float
    time: float
    sender: Sender


class Pending:
    """Values that wait for the next delivery."""

    def __init__(self) -> None:
        self._runs: dict[str, list[Value]] = {}
        self._planned: list[tuple[str, Value]] = []

    def __len__(self) -> int:
        return len(self._runs) + len(self._planned)

    def add(self, address: str, value: Value) -> bool:
        """Let `value` wait; whether there was room.

        It takes the place of the last one at its address, unless one is a press and the other
        is none: a button that goes down and up within a delivery went down and up.
        """
        runs = self._runs.get(address)
        if runs is None:
            if len(self._runs) >= ADDRESSES:
                return False
            self._runs[address] = [value]
        elif len(runs) < _RUNS and (runs[-1][0] >= _PRESSED) != (value[0] >= _PRESSED):
            runs.append(value)
        else:
            runs[-1] = value
        return True

    def plan(self, address: str, value: Value) -> bool:
        """Let a `value` of a later time wait beside the others; whether there was room."""
        if len(self._planned) >= _PLANNED:
            return False
        self._planned.append((address, value))
        return True

    def take(self) -> list[tuple[ControlEvent, Sender]]:
        """Everything that waits, in order of time, and who sent it."""
        waiting = [(address, value) for address, runs in self._runs.items() for value in runs]
        waiting += self._planned
        self._runs, self._planned = {}, []
        waiting.sort(key=lambda one: one[1].time)
        return [(ControlEvent(address, v.value, v.time), v.sender) for address, v in waiting]
