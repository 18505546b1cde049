"""The printed list of addresses: what can be sent, and what it means."""

from __future__ import annotations

from dataclasses import dataclass

from instrument.control.osc_query import description
from instrument.control.osc_routes import RAW
from instrument.control.tree import Node, Tree


@dataclass(frozen=True, slots=True)
class AddressRow:
    """One line: an address, what it `takes`, what the same is in native units, what it does."""

    address: str
    takes: str
    native: str
    does: str


_VERBS = (
    AddressRow("/ADDRESS ?", "", "", "answers with the value; so does an address without a value"),
    AddressRow("/subscribe", "[port]", "", "tell me what changes, for 60 s after my last message"),
    AddressRow("/unsubscribe", "[port]", "", "tell me no more"),
)


def address_list(tree: Tree) -> list[AddressRow]:
    """Every address of `tree` in its order, and after them what else is understood."""
    return [_row(node) for node in tree] + list(_VERBS)


def _row(node: Node) -> AddressRow:
    if node.kind == "trigger":
        return AddressRow(node.address, "1, 0 or nothing", "", node.does)
    takes = "read only" if node.told else "0..1"
    span = f"{RAW}{node.address} {node.low:g}..{node.high:g} {node.unit}".rstrip()
    return AddressRow(node.address, takes, span, description(node))
