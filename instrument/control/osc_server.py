"""Open Sound Control: every parameter and trigger at its address, by UDP and by OSCQuery.

One thread owns the UDP socket. It shares the interpreter with the picture, so it works in slices:
a quarter of a millisecond at most, then a pause in which the picture may go on. What a flood
brings beyond that the kernel drops, and of what is read the last value of each address is played.
"""

from __future__ import annotations

import errno
import selectors
import socket
import threading
import time
from collections import deque
from types import TracebackType
from typing import Self

from instrument import InstrumentError
from instrument.control.device import Put
from instrument.control.mirror import Mirror
from instrument.control.osc_access import Access
from instrument.control.osc_feedback import Subscribers, told_by_osc
from instrument.control.osc_pending import Sender
from instrument.control.osc_receiver import Question, Receiver, Row
from instrument.control.osc_routes import Routes
from instrument.control.osc_wire import LONGEST, Refused, message
from instrument.control.tree import Tree
from instrument.timebase import Clock

PORT = 7770
_PORTS = 4  # this one, and the next three where it is taken
_BUFFER = 4 << 20  # bytes for what arrives while the picture has the interpreter
# Measured on two cores beside a loop of 60 ticks a second: without pauses a flood of 200,000
# messages a second delayed a tick by the interpreter's 5 ms; with these it did by less than one.
_SLICE = 64  # messages
_BREATH = 0.0004  # s between two slices while more is waiting
_ROUND = 0.001  # s between two looks into the socket while messages come
_DELIVERY = 0.002  # s between two deliveries, at least
_DELIVERY_EACH = 0.0005  # s of pause for each event delivered: what the performer may need for it
_IDLE = 0.25  # s
_RETRY = 2.0  # s until a port is tried again
_QUEUE = 1024  # datagrams from elsewhere (a WebSocket) that may wait


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
        if not 0 <= port <= 65535 - _PORTS:
            raise InstrumentError(f"OSC port {port}: allowed are 1 to {65535 - _PORTS}, 0 for any")
        self.access = access or Access()
        self.routes = Routes(tree)
        self._mirror = mirror
        self._put = put
        self._clock = clock
        self._wanted_port = port
        self._receiver = Receiver(self.routes, self.access)
        self._subscribers = Subscribers(tree, self._receiver.heard_since)
        self._udp: socket.socket | None = None
        self._wake: tuple[socket.socket, socket.socket] | None = None
        self._selector: selectors.BaseSelector | None = None
        self._inbound: deque[tuple[bytes, Sender]] = deque(maxlen=_QUEUE)
        self._notices: deque[str] = deque(maxlen=64)
        self._thread: threading.Thread | None = None
        self._closing = False
        self._retry_at = 0.0
        self._deliver_at = 0.0

    # What the stage asks.

    @property
    def port(self) -> int | None:
        """The UDP port that is open, if one is."""
        udp = self._udp
        return None if udp is None else int(udp.getsockname()[1])

    @property
    def heard(self) -> int:
        """How many messages came through the gate."""
        return self._receiver.heard

    @property
    def refused(self) -> Refused:
        """How many were not, by reason."""
        return self._receiver.refused.copy()

    @property
    def subscribers(self) -> int:
        """How many programs are told how the parameters stand."""
        return len(self._subscribers)

    def rows(self) -> list[Row]:
        """The last message of each sender, the newest first."""
        return self._receiver.rows()

    def notices(self) -> list[str]:
        """What the performer should know since the last asking."""
        notices = [self._notices.popleft() for _ in range(len(self._notices))]
        return notices + self._receiver.notices()

    def start(self) -> None:
        """Open the port and listen. Once only. A port that cannot be had is tried again later."""
        if self._thread is not None:
            raise RuntimeError("an OscServer starts once")
        self._wake = socket.socketpair()
        for end in self._wake:
            end.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake[0], selectors.EVENT_READ)
        self._open()
        self._thread = threading.Thread(target=self._serve, name="osc", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close the port and end the thread."""
        self._closing = True
        self._rouse()
        if self._thread is not None:
            self._thread.join(1.0)

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

    def hand_over(self, datagram: bytes, sender: Sender) -> None:
        """A datagram that came another way (by WebSocket). From any thread."""
        self._inbound.append((datagram, sender))
        self._rouse()

    def _rouse(self) -> None:
        if self._wake is not None:
            try:
                self._wake[1].send(b"!")
            except OSError:
                return  # closed, or it is awake already

    # The thread.

    def _serve(self) -> None:
        assert self._selector is not None and self._wake is not None
        try:
            while not self._closing:
                for key, _ in self._selector.select(self._patience()):
                    if key.fileobj is self._wake[0]:
                        self._wake[0].recv(4096)
                if self._udp is None and self._clock.now() >= self._retry_at:
                    self._open()
                taken, more = self._drain()
                self._deliver()
                self._tell()
                if taken and not self._closing:
                    time.sleep(_BREATH if more else _ROUND)
        finally:
            for one in (self._udp, *self._wake):
                if one is not None:
                    one.close()
            self._udp = None
            self._selector.close()

    def _patience(self) -> float:
        now = self._clock.now()
        patience = _IDLE
        if len(self._receiver):
            patience = min(patience, self._deliver_at - now)
        told = self._subscribers.patience(now)
        if told is not None:
            patience = min(patience, told)
        return max(patience, 0.0)

    def _drain(self) -> tuple[bool, bool]:
        """Take one slice of what has arrived: whether there was something, and whether is more."""
        taken = 0
        while taken < _SLICE:
            try:
                if self._inbound:
                    datagram, sender = self._inbound.popleft()
                elif self._udp is not None:
                    # One byte more than allowed: a longer datagram is cut, and seen to be longer.
                    datagram, sender = self._udp.recvfrom(LONGEST + 1)
                else:
                    return taken > 0, False
            except BlockingIOError:
                return taken > 0, False
            except OSError:  # Windows says here that somebody we answered has gone
                return taken > 0, False
            taken += self._receiver.receive(datagram, sender, self._clock.now(), time.time())
        return True, True

    def _deliver(self) -> None:
        now = self._clock.now()
        if now < self._deliver_at or not len(self._receiver):
            return
        events, questions = self._receiver.take()
        self._deliver_at = now + max(_DELIVERY, _DELIVERY_EACH * len(events))
        for event, sender in events:
            self._put(event)
            if len(self._subscribers):
                self._note(event.address, event.value, sender, now)
        for question in questions:
            self._answer(question, now)

    def _note(self, address: str, value: float, sender: Sender, now: float) -> None:
        route = self.routes.known(address)
        if route is not None and route.node is not None:
            self._subscribers.heard(sender, route.node.address, route.native(value), now)

    def _answer(self, question: Question, now: float) -> None:
        route, sender, port = question
        if not sender[1]:
            return  # it came another way, and has other ways to ask
        if route.kind == "subscribe":
            if not self._subscribers.add(sender, port, now):
                self._notices.append(f"OSC: no room for one more subscriber ({sender[0]})")
        elif route.kind == "unsubscribe":
            self._subscribers.remove(sender, port)
        elif route.node is not None:
            reflection = self._mirror.read()
            if route.kind == "trigger":
                value = float(route.address in reflection.lit)
            elif 0 <= route.node.column < len(reflection.values):
                value = float(reflection.values[route.node.column])
                value = value if route.kind == "raw" else told_by_osc(route.node, value)
            else:
                return  # nothing has been played yet
            self._send(message(route.address, value), sender)

    def _tell(self) -> None:
        for target, packet in self._subscribers.report(self._mirror, self._clock.now()):
            self._send(packet, target)

    def _send(self, packet: bytes, target: Sender) -> None:
        if self._udp is not None:
            try:
                self._udp.sendto(packet, target)
            except (OSError, OverflowError):
                return  # nobody is there, or the network is full: what is told is told anew

    # The port.

    def _open(self) -> None:
        last: OSError | None = None
        for port in range(self._wanted_port, self._wanted_port + _PORTS):
            try:
                self._udp = _bound(self.access.listen, port)
            except OSError as error:
                last = error
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    break
                continue
            assert self._selector is not None
            self._selector.register(self._udp, selectors.EVENT_READ)
            if port != self._wanted_port or self._retry_at:
                self._notices.append(f"OSC: listening on port {self.port}")
            return
        if not self._retry_at and last is not None:
            self._notices.append(
                f"OSC: {self.access.listen} port {self._wanted_port} to"
                f" {self._wanted_port + _PORTS - 1}: {last.strerror or last}; tried again"
            )
        self._retry_at = self._clock.now() + _RETRY


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    udp = socket.socket(family, socket.SOCK_DGRAM)
    try:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        udp.setblocking(False)
        udp.bind((host, port))
    except OSError:
        udp.close()
        raise
    return udp
