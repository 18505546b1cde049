"""What a farm knows of its machines: who is in service, who rests and who is left out, and why.

A node that fails some times in a row rests, longer each time, and is then tried with one task.
A node whose pictures are not those of the film is left out for good. This module is told what
happened and when; it knows no clock, and no chunk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from instrument.studio.farm_task import Node

State = Literal["new", "probing", "serving", "resting", "refused", "gone"]
_MOST_RESTS = 6  # the longest rest is 2**6 times the first


@dataclass(slots=True)
class Standing:
    """One node, and what came of what it was given. A rest ends at `until`, in seconds."""

    node: Node
    state: State = "new"
    trouble: str = ""
    in_a_row: int = 0
    rests: int = 0
    until: float = 0.0
    chunks: int = 0
    frames: int = 0
    failures: int = 0
    seconds: float = 0.0

    @property
    def frames_a_second(self) -> float:
        """How fast the whole node renders, 0 before its first chunk."""
        return self.frames / self.seconds * self.node.slots if self.seconds > 0 else 0.0

    @property
    def slots(self) -> int:
        """How many tasks it may have now: one at a time after a rest, until it does well."""
        return 1 if self.rests else self.node.slots


class Ledger:
    """The standings of all nodes that ever were there, in the order in which they came."""

    def __init__(self, most_in_a_row: int, rest: float) -> None:
        self._most = most_in_a_row
        self._rest = rest
        self._standings: dict[str, Standing] = {}

    def __getitem__(self, node: str) -> Standing:
        return self._standings[node]

    def __iter__(self) -> Iterator[Standing]:
        return iter(self._standings.values())

    def call(self, nodes: Sequence[Node]) -> list[Standing]:
        """Take note of who is there now; the standings of those that have just gone."""
        present = {node.id for node in nodes}
        for node in nodes:
            self._standings.setdefault(node.id, Standing(node))
        left = [one for one in self if one.state != "gone" and one.node.id not in present]
        for one in left:
            one.state, one.trouble = "gone", one.trouble or "went away"
        return left

    def among(self, *states: State) -> list[Standing]:
        """Those in one of these states."""
        return [one for one in self if one.state in states]

    def serving(self, now: float) -> list[Standing]:
        """Those that may be given something; who has rested enough is among them again."""
        for one in self.among("resting"):
            if now >= one.until:
                one.state, one.trouble = "serving", ""
        return self.among("serving")

    def did_well(self, node: str, frames: int, seconds: float) -> None:
        """A chunk is rendered."""
        one = self[node]
        one.in_a_row = one.rests = 0
        one.frames += frames
        one.seconds += seconds
        one.chunks += 1

    def failed(self, node: str, reason: str, now: float) -> bool:
        """A task was not done; whether the node rests from now on because of it."""
        one = self[node]
        one.failures += 1
        one.in_a_row += 1
        if one.state != "serving" or one.in_a_row < self._most:
            return False
        one.state, one.trouble, one.until = "resting", reason, now + self._rest * 2**one.rests
        one.rests = min(one.rests + 1, _MOST_RESTS)
        return True

    def refuse(self, node: str, reason: str) -> None:
        """Leave it out for good."""
        self[node].state, self[node].trouble = "refused", reason

    def troubles(self) -> str:
        """Why nobody serves, in one line."""
        words = [f"{one.node.name}: {one.trouble or one.state}" for one in self]
        return "; ".join(words) or "no node is there"
