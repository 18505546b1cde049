"""The stage's side of OSC by UDP: events in, answers and feedback out, a process that may die.

`osc_child` hears and judges; what it lets through arrives here in batches. One thread reads them,
another tells subscribers. Should the process end, a new one takes over within a second.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from types import TracebackType
from typing import Self

from instrument import InstrumentError
from instrument.control.device import Put
from instrument.control.mirror import Mirror
from instrument.control.osc_access import Access
from instrument.control.osc_child import PORTS
from instrument.control.osc_exchange import (
    Begin,
    FromChild,
    Hand,
    Send,
    Status,
    ToChild,
)
from instrument.control.osc_feedback import Subscribers, told_by_osc
from instrument.control.osc_pending import Sender
from instrument.control.osc_process import HearingProcess
from instrument.control.osc_receiver import Row
from instrument.control.osc_routes import Routes
from instrument.control.osc_wire import message
from instrument.control.tree import Tree
from instrument.event import ControlEvent
from instrument.timebase import Clock

PORT = 7770
_FIRST_WORD = 5.0  # s the stage waits for the process when it starts
_PAUSES = (0.1, 0.5, 2.0)  # s before a new life, longer each time; from then on the last
_HEALTHY = 10.0  # s of life after which earlier trouble is forgotten
_MOST_HOSTS = 1024  # whose last word is remembered
_EMPTY = Status(None, 0, {}, [], [])


class OscServer:
    """Puts what is sent by OSC into `put`, answers questions, and tells subscribers.

    `access` says where to listen and to whom; `port` is tried, then the next three. Raises
    InstrumentError on a port that cannot be.
    """

    def __init__(
        self,
        tree: Tree,
        mirror: Mirror,
        put: Put,
        clock: Clock,
        port: int = PORT,
        access: Access | None = None,
    ) -> None:
        if not 0 <= port <= 65535 - PORTS:
            raise InstrumentError(f"OSC port {port}: allowed are 1 to {65535 - PORTS}, 0 for any")
        self.access = access or Access()
        self.routes = Routes(tree)
        self._mirror = mirror
        self._put = put
        self._clock = clock
        nodes = [(n.address, n.kind, n.low, n.high, n.told) for n in tree]
        self._begin = Begin(self.access.listen, list(self.access.allow), port, nodes)
        self._subscribers = Subscribers(tree, self._heard_since)
        self._telling = threading.Condition()  # guards the subscribers
        self._process: HearingProcess | None = None
        self._status = _EMPTY
        self._spoke: dict[str, float] = {}  # host → when it was heard last, on the Clock
        self._first_word = threading.Event()
        self._notices: deque[str] = deque(maxlen=64)
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()

    # What the stage asks.

    @property
    def port(self) -> int | None:
        """The UDP port that is open, if one is."""
        return self._status.port

    @property
    def pid(self) -> int | None:
        """The process that hears, if one does."""
        return None if self._process is None else self._process.pid

    @property
    def heard(self) -> int:
        """How many messages came through the gate of this process."""
        return self._status.heard

    @property
    def refused(self) -> dict[str, int]:
        """How many did not, by reason."""
        return dict(self._status.refused)

    @property
    def subscribers(self) -> int:
        """How many programs are told how the parameters stand."""
        return len(self._subscribers)

    def rows(self) -> list[Row]:
        """The last message of each sender, the newest first."""
        ahead = self._ahead()
        return [
            Row((host, port), address, value, at + ahead, messages)
            for host, port, address, value, at, messages in self._status.rows
        ]

    def notices(self) -> list[str]:
        """What the performer should know since the last asking."""
        return [self._notices.popleft() for _ in range(len(self._notices))]

    def start(self) -> None:
        """Start hearing; returns when the port is open, or cannot be. Once only.

        A port that cannot be had, and a process that ends, are tried again.
        """
        if self._threads:
            raise RuntimeError("an OscServer starts once")
        self._threads = [
            threading.Thread(target=self._live, name="osc", daemon=True),
            threading.Thread(target=self._tell, name="osc-feedback", daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        self._first_word.wait(_FIRST_WORD)

    def close(self) -> None:
        """Close the port, end process and threads."""
        self._closing.set()
        with self._telling:
            self._telling.notify_all()
        if self._process is not None:
            self._process.end()
        for thread in self._threads:
            thread.join(1.0)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def hand_over(self, datagram: bytes, host: str) -> None:
        """A datagram of `host` that came by another way (a WebSocket). From any thread."""
        self._say(Hand(datagram, host))

    # The thread that keeps a process alive, and hears it.

    def _live(self) -> None:
        troubles = 0
        while not self._closing.is_set():
            begun = time.perf_counter()
            try:
                self._process = HearingProcess()
            except OSError as error:
                self._notices.append(f"OSC: cannot be started ({error.strerror or error})")
            else:
                if not self._closing.is_set():
                    self._process.say(self._begin)
                    for word in self._process.words():
                        self._take(word)
                self._process.end()
            if self._closing.is_set():
                return
            self._status = _EMPTY
            troubles = 0 if time.perf_counter() - begun > _HEALTHY else troubles
            if troubles == 0:
                self._notices.append("OSC: stopped, is started again")
            self._closing.wait(_PAUSES[min(troubles, len(_PAUSES) - 1)])
            troubles += 1

    def _take(self, said: FromChild) -> None:
        ahead = self._ahead()
        if isinstance(said, Status):
            self._status = said
            self._notices.extend(said.notices)
            if len(self._spoke) > _MOST_HOSTS:
                self._spoke.clear()
            for host, _, _, _, at, _ in said.rows:
                self._spoke[host] = at + ahead
            self._first_word.set()
            return
        for address, value, at, host, port in said.events:
            self._put(ControlEvent(address, value, at + ahead))
            if len(self._subscribers):
                self._note(address, value, (host, port))
        for address, host, port, asked in said.questions:
            self._answer(address, (host, port), asked)

    def _ahead(self) -> float:
        """What the Clock shows beyond the machine's own; with a `WallClock` nothing."""
        ahead = self._clock.now() - time.perf_counter()
        return 0.0 if abs(ahead) < 1e-3 else ahead

    def _say(self, word: ToChild) -> None:
        if self._process is not None:
            self._process.say(word)

    # Answers and feedback.

    def _note(self, address: str, value: float, sender: Sender) -> None:
        route = self.routes.known(address)
        if route is not None and route.node is not None:
            with self._telling:
                self._subscribers.heard(
                    sender, route.node.address, route.native(value), self._clock.now()
                )

    def _answer(self, address: str, sender: Sender, asked: int) -> None:
        route = self.routes.known(address)
        if route is None or not sender[1]:
            return  # a WebSocket has other ways to ask
        if route.kind == "subscribe":
            with self._telling:
                if not self._subscribers.add(sender, asked, self._clock.now()):
                    self._notices.append(f"OSC: no room for one more subscriber ({sender[0]})")
                self._telling.notify_all()
        elif route.kind == "unsubscribe":
            with self._telling:
                self._subscribers.remove(sender, asked)
        elif route.node is not None:
            reflection = self._mirror.read()
            if route.kind == "trigger":
                value = float(route.address in reflection.lit)
            elif 0 <= route.node.column < len(reflection.values):
                value = float(reflection.values[route.node.column])
                value = value if route.kind == "raw" else told_by_osc(route.node, value)
            else:
                return  # nothing has been played yet
            self._say(Send(message(route.address, value), *sender))

    def _heard_since(self, host: str, time: float) -> bool:
        return self._spoke.get(host, -1.0) > time

    def _tell(self) -> None:
        while not self._closing.is_set():
            with self._telling:
                self._telling.wait(self._subscribers.patience(self._clock.now()))
                packets = self._subscribers.report(self._mirror, self._clock.now())
            for target, packet in packets:
                self._say(Send(packet, *target))
