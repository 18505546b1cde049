"""What can be steered, as a device must know it: addresses, ranges, and what they mean.

Made by whoever composes the instrument; a device never sees a performer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Node:
    """A parameter or a trigger at `address`.

    Of a parameter, `low`, `high` and `default` are in `unit` (native units), `curve` names how 0..1
    spreads over them (see `instrument.performance.parameters`), `map` leads from 0..1 to native
    units and `unmap` back. `column` is where it stands in a row of values. What is `told` can be
    read and not set. Of a trigger only `address` and `does` mean anything.
    """

    address: str
    kind: Literal["parameter", "trigger"]
    does: str = ""
    column: int = -1
    low: float = 0.0
    high: float = 1.0
    default: float = 0.0
    unit: str = ""
    curve: str = "linear"
    told: bool = False
    map: Callable[[float], float] = float
    unmap: Callable[[float], float] = float


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """Every node, found by its address."""

    nodes: tuple[Node, ...]
    _by_address: dict[str, Node] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_address", {node.address: node for node in self.nodes})

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def find(self, address: str) -> Node | None:
        """The node at `address`, or None."""
        return self._by_address.get(address)
