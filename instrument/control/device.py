"""What every device is: something that puts events into an inbox from threads of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from instrument.event import ControlEvent

Put = Callable[[ControlEvent], None]  # from any thread; event times are seconds on the Clock


class Device(Protocol):
    """A MIDI rig, an OSC server, an ear.

    What a device lacks (no backend, no port, a dead server) is a notice and a state, never an
    exception: the show goes on, and the device comes back by itself when it can.
    """

    def notices(self) -> list[str]:
        """What the performer should know since the last asking: short lines, no full stop."""
        ...

    def close(self) -> None:
        """Let go of ports and threads; at most a second."""
        ...
