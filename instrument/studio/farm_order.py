"""What a farm is asked to do, how patient it is, and what it says while and after doing it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from instrument.studio.farm_task import Reply, Task
from instrument.timebase import FrameRange


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient a farm is; times in seconds.

    A chunk that failed `tries` times ends the render. A node that failed `in_a_row` times rests
    for `rest`, twice as long each time. `sample` frames of every chunk are decoded again. What
    has run `straggler` times as long as a chunk usually does, and `patience`, is given to a
    second node. The render ends when for `alone` nobody could take a task.
    """

    tries: int = 6
    in_a_row: int = 3
    rest: float = 20.0
    sample: int = 3
    straggler: float = 3.0
    patience: float = 30.0
    alone: float = 60.0


@dataclass(frozen=True, slots=True)
class Order:
    """What a farm is to do: `chunks` by their numbers, of one film.

    `forget` takes away a finished chunk that is wrong. `judge` does a check where no doubt is
    possible; None where nobody can.
    """

    chunks: Mapping[int, FrameRange]
    forget: Callable[[int], None]
    judge: Callable[[Task], Reply] | None = None


@dataclass(frozen=True, slots=True)
class FarmProgress:
    """How far a farm is, `frames` of `total`; of each node in service its name and frames/s.

    `rendered` is the chunk that has just been rendered, None where it was checked.
    """

    frames: int
    total: int
    frames_a_second: float
    seconds_left: float
    nodes: tuple[tuple[str, float], ...]
    rendered: int | None = None


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What came of one node, and why it is not in service any more (empty: it is)."""

    name: str
    chunks: int
    frames: int
    frames_a_second: float
    failures: int
    trouble: str


@dataclass(frozen=True, slots=True)
class FarmReport:
    """What a farm did: `again` counts the chunks that had to be given out once more."""

    chunks: int
    frames: int
    again: int
    seconds: float
    nodes: tuple[NodeReport, ...]

    def to_json(self) -> dict[str, Any]:
        """The machine-readable summary."""
        return {
            "chunks": self.chunks,
            "frames": self.frames,
            "given_out_again": self.again,
            "wall_seconds": round(self.seconds, 3),
            "nodes": [
                {
                    "name": node.name, "chunks": node.chunks, "frames": node.frames,
                    "frames_a_second": round(node.frames_a_second, 3),
                    "failures": node.failures, "trouble": node.trouble,
                }
                for node in self.nodes
            ],
        }  # fmt: skip
