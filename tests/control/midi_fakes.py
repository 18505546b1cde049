"""A backend whose ports come, go, refuse and lie when a test says so, and a desk with lamps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from instrument.control.midi_address import Control
from instrument.control.midi_backend import Receive
from instrument.control.midi_profile import Lamp, Profile
from instrument.control.midi_roster import Port

DESK = Profile(
    "desk",
    "Desk",
    ("Desk",),
    (),
    {"button": Control("cc", 1), "motor": Control("cc", 2), "encoder": Control("cc", 3)},
    {"cc/1": Lamp(Control("cc", 1)), "cc/2": Lamp(Control("cc", 2), follows=True)},
    {"cc/3": "twos-complement"},
)


class FakeBackend:
    """`plug` and `unplug` by key; `say` as the device of that key. `loopback` echoes every send."""

    def __init__(self, name: str = "FAKE") -> None:
        self.name = name
        self.plugged: list[Port] = []
        self.outputs: list[Port] = []
        self.listeners: dict[str, Receive] = {}
        self.sent: list[tuple[str, bytes]] = []
        self.opened = 0
        self.broken = ""
        self.refusing = False
        self.deaf = False  # sending fails
        self.loopback = False
        self.closed = False

    def plug(self, name: str, key: str, life: str = "1", output: bool = True) -> None:
        index = len(self.plugged)
        self.plugged.append(Port(name, key, self.name, life, f"{name} {index}:0"))
        if output:
            self.outputs.append(Port(name, key, self.name, life, f"{name} out {index}:0"))

    def unplug(self, key: str) -> None:
        self.plugged = [port for port in self.plugged if port.key != key]
        self.outputs = [port for port in self.outputs if port.key != key]
        self.listeners.pop(key, None)

    def say(self, key: str, *message: int) -> None:
        if key in self.listeners:
            self.listeners[key](list(message))

    def ports(self) -> tuple[list[Port], list[Port]]:
        if self.broken:
            raise OSError(self.broken)
        return list(self.plugged), list(self.outputs)

    def open_input(self, port: Port, receive: Receive) -> Callable[[], None]:
        if self.refusing:
            raise OSError("busy")
        self.opened += 1
        self.listeners[port.key] = receive

        def close() -> None:
            if self.listeners.get(port.key) is receive:
                del self.listeners[port.key]

        return close

    def open_output(self, port: Port) -> FakeOutput:
        if self.refusing:
            raise OSError("busy")
        return FakeOutput(self, port.key)

    def close(self) -> None:
        self.closed = True


class FakeOutput:
    def __init__(self, backend: FakeBackend, key: str) -> None:
        self.backend = backend
        self.key = key

    def send(self, message: bytes) -> None:
        if self.backend.deaf:
            raise OSError("no such device")
        self.backend.sent.append((self.key, message))
        if self.backend.loopback:
            self.backend.say(self.key, *message)

    def close(self) -> None:
        if self.backend.deaf:
            raise OSError("no such device")


class HandClock:
    """A clock a test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def wait_until(self, seconds: float) -> None:
        self.seconds = max(self.seconds, seconds)


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Wait until `condition` holds; False where it never does. A busy machine only waits longer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        threading.Event().wait(0.01)
    return condition()
