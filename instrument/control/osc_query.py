"""The tree as OSCQuery describes it, so that other programs need not be told a single address.

Source: Vidvox, *OSCQuery Proposal* (github.com/Vidvox/OSCQueryProposal); units after its units.md.
Pure: from a tree and a reflection to what JSON can hold. It knows no server.
"""

from __future__ import annotations

from typing import Any

from instrument.control.mirror import Reflection
from instrument.control.osc_routes import RAW
from instrument.control.tree import Node, Tree

# Everything but LISTEN and HOST_INFO is an attribute that can be asked for by itself.
ATTRIBUTES = frozenset(
    "FULL_PATH CONTENTS TYPE ACCESS VALUE RANGE DESCRIPTION CLIPMODE UNIT".split()
)
_READ, _READ_AND_WRITE = 1, 3
_UNITS = {
    "Hz": "time.hz",
    "s": "time.second",
    "bpm": "time.bpm",
    "degrees": "angle.degree",
}


class Namespace:
    """What stands at every path of `tree`: parameters twice, 0..1 and under ``/raw``."""

    def __init__(self, tree: Tree) -> None:
        self._methods: dict[str, tuple[Node, bool]] = {}  # and whether its values are native
        self._contents: dict[str, list[str]] = {"": []}  # of a container, the paths below it
        for node in tree:
            self._add(node.address, node, False)
            if node.kind == "parameter":
                self._add(RAW + node.address, node, True)

    def _add(self, path: str, node: Node, native: bool) -> None:
        self._methods[path] = node, native
        while path:
            above = path.rpartition("/")[0]
            below = self._contents.setdefault(above, [])
            if path in below:
                return
            below.append(path)
            path = above

    def find(self, path: str) -> tuple[Node, bool] | None:
        """The node at `path`, and whether its values there are in native units."""
        return self._methods.get(path)

    def describe(self, path: str, reflection: Reflection) -> dict[str, Any] | None:
        """What stands at `path` (``/`` is the root) and below it; None where nothing does."""
        path = path.rstrip("/")
        if path not in self._methods and path not in self._contents:
            return None
        described: dict[str, Any] = {"FULL_PATH": path or "/"}
        if path in self._methods:
            described |= _method(*self._methods[path], reflection)
        elif not path:
            described["DESCRIPTION"] = "latent-instrument"
        if path in self._contents:
            described["CONTENTS"] = {
                below.rpartition("/")[2]: self.describe(below, reflection)
                for below in self._contents[path]
            }
        return described


def _method(node: Node, native: bool, reflection: Reflection) -> dict[str, Any]:
    if node.kind == "trigger":
        return {
            "TYPE": "T",  # and F: on, and off again
            "ACCESS": _READ_AND_WRITE,
            "VALUE": [node.address in reflection.lit],
            "DESCRIPTION": node.does,
        }
    low, high = (node.low, node.high) if native else (0.0, 1.0)
    described: dict[str, Any] = {
        "TYPE": "f",
        "ACCESS": _READ if node.told else _READ_AND_WRITE,
        "RANGE": [{"MIN": low, "MAX": high}],
        "CLIPMODE": ["both"],
        "DESCRIPTION": description(node),
    }
    if 0 <= node.column < len(reflection.values):
        value = float(reflection.values[node.column])
        described["VALUE"] = [value if native else node.unmap(value)]
    if native and node.unit in _UNITS:
        described["UNIT"] = [_UNITS[node.unit]]
    return described


def description(node: Node) -> str:
    """What a parameter is, in one line."""
    span = f"{node.low:g} to {node.high:g} {node.unit}".rstrip()
    if node.curve != "linear":
        span += f", {node.curve}"
    return f"{node.does} ({span})" if node.does else span


def host(name: str, ip: str, osc_port: int | None, port: int) -> dict[str, Any]:
    """HOST_INFO: where OSC is heard, and which parts of the proposal are spoken."""
    spoken = [*sorted(ATTRIBUTES - {"FULL_PATH", "CONTENTS"}), "LISTEN"]
    described: dict[str, Any] = {
        "NAME": name,
        "OSC_TRANSPORT": "UDP",
        "OSC_IP": ip,
        "WS_IP": ip,
        "WS_PORT": port,
        "EXTENSIONS": dict.fromkeys(spoken, True),
    }
    if osc_port is not None:
        described["OSC_PORT"] = osc_port
    return described
