"""What others are told: how the parameters stand, only differences, and nobody their own words.

A `Listener` remembers what one program knows. `Subscribers` are the programs that asked for it by
UDP; they are forgotten when nothing is heard of them any more. Neither knows a socket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from instrument.control.mirror import Mirror, Reflection
from instrument.control.osc_pending import Sender
from instrument.control.osc_wire import bundles, message
from instrument.control.tree import Node, Tree

PERIOD = 1.0 / 30.0  # s between two reports
QUIET = 0.05  # s in which a host that set a value is not told it
LEASE = 60.0  # s a subscription lives after the last message of its host
MOST_SUBSCRIBERS = 16
_SAME = 1e-6  # of a range: 32-bit floats cannot tell more


class Listener:
    """What one program was told of `nodes`, and what is news to it."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        nodes = tuple(nodes)
        self._parameters = [node for node in nodes if node.kind == "parameter"]
        self._triggers = {node.address: node for node in nodes if node.kind == "trigger"}
        self._place = {node.address: i for i, node in enumerate(self._parameters)}
        self._columns = np.array([node.column for node in self._parameters], dtype=np.intp)
        spans = np.array([node.high - node.low for node in self._parameters])
        self._tolerance = spans * _SAME
        self._told = np.full(len(spans), np.nan)  # native units; NaN: nothing yet
        self._quiet_until = np.full(len(spans), -np.inf)
        self._lit: frozenset[str] = frozenset()
        self._untold = set(self._triggers)

    def hush(self, address: str, now: float) -> None:
        """Say nothing of `address` for a while: this host has just set it."""
        place = self._place.get(address)
        if place is not None:
            self._quiet_until[place] = now + QUIET

    def knows(self, address: str, native: float) -> None:
        """This very program has just set `address` to `native`."""
        place = self._place.get(address)
        if place is not None:
            self._told[place] = native

    def forget(self, address: str) -> None:
        """`address` is to be told anew."""
        place = self._place.get(address)
        if place is not None:
            self._told[place] = np.nan
        elif address in self._triggers:
            self._untold.add(address)

    def news(self, reflection: Reflection, now: float) -> list[tuple[Node, float]]:
        """What is other than it was told, parameters in native units, triggers 1 or 0.

        Whoever calls this tells it: the next time it is no news.
        """
        news: list[tuple[Node, float]] = []
        if len(self._columns) and len(reflection.values) > self._columns.max():
            values = reflection.values[self._columns]
            same = np.abs(values - self._told) <= self._tolerance  # never, while told nothing
            for place in np.flatnonzero(
                ~same & np.isfinite(values) & (self._quiet_until <= now)
            ).tolist():
                self._told[place] = values[place]
                news.append((self._parameters[place], float(values[place])))
        lit = frozenset(reflection.lit & self._triggers.keys())
        changed = sorted((lit ^ self._lit) | self._untold)
        news += [(self._triggers[address], float(address in lit)) for address in changed]
        self._lit, self._untold = lit, set()
        return news


def told_by_osc(node: Node, value: float) -> float:
    """What the message of a node holds: 0..1 of a parameter in native units; a trigger as it is."""
    return node.unmap(value) if node.kind == "parameter" else value


@dataclass(slots=True)
class _Subscription:
    asked_by: Sender
    listener: Listener
    until: float


class Subscribers:
    """Programs that want to know. `heard_since(host, time)` says whether one still speaks."""

    def __init__(self, tree: Tree, heard_since: Callable[[str, float], bool]) -> None:
        self._tree = tree
        self._heard_since = heard_since
        self._by_target: dict[Sender, _Subscription] = {}
        self._next = 0.0

    def __len__(self) -> int:
        return len(self._by_target)

    def add(self, sender: Sender, port: int, now: float) -> bool:
        """Tell the host of `sender` from now on, at `port` (0: where it asked from).

        Everything first, even where it asked before. Whether there was room.
        """
        target = (sender[0], port or sender[1])
        if target not in self._by_target and len(self._by_target) >= MOST_SUBSCRIBERS:
            return False
        self._by_target[target] = _Subscription(sender, Listener(self._tree), now + LEASE)
        return True

    def remove(self, sender: Sender, port: int) -> None:
        """Tell it no more."""
        self._by_target.pop((sender[0], port or sender[1]), None)

    def heard(self, sender: Sender, address: str, native: float, now: float) -> None:
        """`sender` has set the parameter at `address`."""
        for (host, _), subscription in self._by_target.items():
            if host == sender[0]:
                subscription.listener.hush(address, now)
            if subscription.asked_by == sender:
                subscription.listener.knows(address, native)

    def patience(self, now: float) -> float | None:
        """Seconds until the next report; None while nobody wants one."""
        return max(self._next - now, 0.0) if self._by_target else None

    def report(self, mirror: Mirror, now: float) -> list[tuple[Sender, bytes]]:
        """What to send, and where to: nothing more often than every `PERIOD`."""
        if now < self._next or not self._by_target:
            return []
        self._next = now + PERIOD
        reflection = mirror.read()
        packets = []
        for target, subscription in list(self._by_target.items()):
            if now >= subscription.until:
                if not self._heard_since(target[0], now - LEASE):
                    del self._by_target[target]
                    continue
                subscription.until = now + 1.0  # it lives; asked again a second later
            messages = [
                message(node.address, told_by_osc(node, value))
                for node, value in subscription.listener.news(reflection, now)
            ]
            packets += [(target, packet) for packet in bundles(messages)]
        return packets
