"""The process that hears OSC: the UDP socket and the gate, away from the picture.

Python's threads take turns. Heard in a thread of the stage on two busy cores, 50,000 messages a
second took a quarter of the stage's time, and half of them were lost in the kernel meanwhile; from
here the same flood cost it 3 % and was heard whole. A message is stamped when it arrives, not when
the picture lets go of the interpreter. The process lives as long as its input; of a parameter it
knows the range and no more.
"""

from __future__ import annotations

import errno
import os
import selectors
import signal
import socket
import sys
import threading
import time
from collections import deque
from typing import BinaryIO

import msgspec

from instrument.control.osc_access import Access
from instrument.control.osc_exchange import (
    Begin,
    Hand,
    Heard,
    Send,
    Status,
    ToChild,
    read_word,
    to_bytes,
)
from instrument.control.osc_pending import Sender
from instrument.control.osc_receiver import Receiver
from instrument.control.osc_routes import Routes
from instrument.control.osc_wire import LONGEST
from instrument.control.tree import Node, Tree

PORTS = 4  # the one that is wanted, and the next three where it is taken
_BUFFER = 4 << 20  # bytes for what arrives while this process waits for a processor
_SLICE = 512  # messages between two looks at the clock
_ROUND = 0.0005  # s between two looks into the socket while messages come
_DELIVERY = 0.002  # s between two deliveries, at least
_DELIVERY_EACH = 0.0005  # s of pause for each event delivered: what the performer may need for it
_LONGEST_PAUSE = 0.05  # s a press may have to wait in a flood
_IDLE = 0.25  # s
_STATUS = 0.1  # s between two words on how it goes
_RETRY = 2.0  # s until a port is tried again
_QUEUE = 1024  # datagrams from a WebSocket that may wait


class Listening:
    """The socket, the gate, and the way out."""

    def __init__(self, begin: Begin, out: BinaryIO) -> None:
        self._begin = begin
        self._out = out
        access = Access(begin.listen, begin.allow)
        self._receiver = Receiver(Routes(_tree(begin)), access)
        self._listen = access.listen
        self._udp: socket.socket | None = None
        self._selector = selectors.DefaultSelector()
        self._wake = socket.socketpair()
        for end in self._wake:
            end.setblocking(False)
        self._selector.register(self._wake[0], selectors.EVENT_READ)
        self._inbound: deque[tuple[bytes, Sender]] = deque(maxlen=_QUEUE)
        self._notices: list[str] = []
        self._closing = False
        self._retry_at = 0.0
        self._deliver_at = 0.0
        self._status_at = 0.0
        self._said: tuple[object, ...] = ()

    def serve(self) -> None:
        """Until the input ends."""
        self._open()
        while not self._closing:
            for key, _ in self._selector.select(self._patience()):
                if key.fileobj is self._wake[0]:
                    self._wake[0].recv(4096)
            now = time.perf_counter()
            if self._udp is None and now >= self._retry_at:
                self._open()
            taken, more = self._drain()
            self._deliver()
            if taken and not more and not self._closing:
                time.sleep(_ROUND)

    def obey(self, pipe: BinaryIO) -> None:
        """What the stage says, until it says no more. In a thread of its own; never waits."""
        decode = msgspec.msgpack.Decoder(ToChild).decode
        while (word := read_word(pipe)) is not None:
            said = decode(word)
            if isinstance(said, Send):
                self._send(said)
            elif isinstance(said, Hand):
                self._inbound.append((said.datagram, (said.host, 0)))
                self._rouse()
        self._closing = True
        self._rouse()

    def _rouse(self) -> None:
        try:
            self._wake[1].send(b"!")
        except OSError:
            return  # it is awake already

    def _send(self, said: Send) -> None:
        if self._udp is not None:
            try:
                self._udp.sendto(said.packet, (said.host, said.port))
            except (OSError, OverflowError):
                return  # nobody is there, or the network is full: what is told is told anew

    def _patience(self) -> float:
        if self._inbound:
            return 0.0
        waits = [_IDLE, self._status_at - time.perf_counter()]
        if len(self._receiver):
            waits.append(self._deliver_at - time.perf_counter())
        return max(min(waits), 0.0)

    def _drain(self) -> tuple[bool, bool]:
        """Take one slice of what has arrived: whether there was something, and whether is more."""
        taken, utc = 0, time.time()
        while taken < _SLICE:
            try:
                if self._inbound:
                    datagram, sender = self._inbound.popleft()
                elif self._udp is not None:
                    # One byte more than allowed: a longer datagram is cut, and seen to be longer.
                    datagram, sender = self._udp.recvfrom(LONGEST + 1)
                else:
                    return taken > 0, False
            except OSError:  # nothing more; Windows says so, too, when somebody we answered is gone
                return taken > 0, False
            taken += self._receiver.receive(datagram, sender, time.perf_counter(), utc)
        return True, True

    def _deliver(self) -> None:
        now = time.perf_counter()
        if now >= self._deliver_at and len(self._receiver):
            events, questions = self._receiver.take()
            pause = max(_DELIVERY, _DELIVERY_EACH * len(events))
            self._deliver_at = now + min(pause, _LONGEST_PAUSE)
            self._say(
                Heard(
                    [(e.address, e.value, e.time, s[0], s[1]) for e, s in events],
                    [(q.route.address, q.sender[0], q.sender[1], q.port) for q in questions],
                )
            )
        if now >= self._status_at:
            self._status_at = now + _STATUS
            self._report()

    def _report(self) -> None:
        receiver = self._receiver
        notices = self._notices + receiver.notices()
        port = None if self._udp is None else int(self._udp.getsockname()[1])
        state = (port, receiver.heard, receiver.refused.total())
        if state == self._said and not notices:
            return
        self._said, self._notices = state, []
        rows = [
            (row.sender[0], row.sender[1], row.address, row.value, row.time, row.messages)
            for row in receiver.rows()
        ]
        self._say(Status(port, receiver.heard, dict(receiver.refused), rows, notices))

    def _say(self, word: Heard | Status) -> None:
        try:
            self._out.write(to_bytes(word))
        except OSError:
            self._closing = True  # the stage is gone

    def _open(self) -> None:
        error: OSError | None = None
        first = self._begin.port
        for port in range(first, first + PORTS):
            try:
                self._udp = _bound(self._listen, port)
            except OSError as refusal:
                error = refusal
                if refusal.errno not in (errno.EADDRINUSE, errno.EACCES):
                    break
                continue
            self._selector.register(self._udp, selectors.EVENT_READ)
            if port != first or self._retry_at:
                self._notices.append(f"OSC: listening on port {port}")
            self._status_at = 0.0
            return
        if not self._retry_at and error is not None:
            reason = error.strerror or error
            last = first + PORTS - 1
            self._notices.append(
                f"OSC: {self._listen} port {first} to {last}: {reason}; tried again"
            )
        self._retry_at = time.perf_counter() + _RETRY


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


def _tree(begin: Begin) -> Tree:
    return Tree(
        tuple(
            Node(address, kind, low=low, high=high, told=told)
            for address, kind, low, high, told in begin.nodes
        )
    )  # fmt: skip


def main() -> None:
    """Hear what the first word of the input says, until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the stage's to answer
    begin = read_word(sys.stdin.buffer)
    if begin is None:
        return
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0) as out:
        listening = Listening(msgspec.msgpack.decode(begin, type=Begin), out)
        threading.Thread(target=listening.obey, args=(sys.stdin.buffer,), daemon=True).start()
        listening.serve()
    # The other thread may still hold the input, and Python would wait for it.
    os._exit(0)


if __name__ == "__main__":
    main()
