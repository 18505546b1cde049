"""Where an OSC address leads: to a parameter, a trigger, a verb, or into ``/osc/...``.

An address is looked up exactly as it came; nothing from the network is ever a pattern.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from instrument.control.tree import Node, Tree
from instrument.event import is_address

Kind = Literal["value", "raw", "trigger", "foreign", "subscribe", "unsubscribe"]

RAW = "/raw"  # before an address: its value is in native units
FOREIGN = "/osc"  # before an address of somebody else's
_REMEMBERED = 4096  # foreign addresses
_ROOM = 3  # for the number of an argument


@dataclass(frozen=True, slots=True)
class Route:
    """Where a message goes: events at `address`, of values `low` to `high`.

    `node` is the parameter or trigger, which may be `settable`; foreign addresses and verbs have
    none.
    """

    kind: Kind
    address: str
    node: Node | None = None
    low: float = 0.0
    high: float = 1.0
    settable: bool = False

    def native(self, value: float) -> float:
        """A value for this address of a parameter, in the parameter's unit."""
        if self.node is None or self.kind == "raw":
            return value
        return self.node.map(value)


class Routes:
    """Every address of a tree, and the others as they come."""

    def __init__(self, tree: Tree) -> None:
        self._known: dict[bytes, Route] = {
            b"/subscribe": Route("subscribe", "/subscribe"),
            b"/unsubscribe": Route("unsubscribe", "/unsubscribe"),
        }
        for node in tree:
            kind: Kind = "trigger" if node.kind == "trigger" else "value"
            self._known[node.address.encode()] = Route(
                kind, node.address, node, settable=not node.told
            )
            if node.kind == "parameter":
                raw = RAW + node.address
                self._known[raw.encode()] = Route(
                    "raw", raw, node, node.low, node.high, not node.told
                )
        self._foreign: dict[bytes, Route | None] = {}

    def known(self, address: str) -> Route | None:
        """The route of an address of the instrument's own; None for all others."""
        return self._known.get(address.encode())

    def find(self, address: bytes) -> Route | None:
        """The route of an address; None for what is no address of an event."""
        route = self._known.get(address)
        if route is not None:
            return route
        if address not in self._foreign:
            if len(self._foreign) >= _REMEMBERED:
                self._foreign.clear()
            self._foreign[address] = _foreign(address)
        return self._foreign[address]


def _foreign(address: bytes) -> Route | None:
    text = FOREIGN + address.decode("ascii", "replace")
    return Route("foreign", text) if is_address(text + "/" + "9" * (_ROOM - 1)) else None
