"""What a farm hands to its machines and gets back: a few numbers and words, never a picture.

A *node* is one machine. It is asked three kinds of things: a ``probe`` (do you see the work
folder, and would you render the same film?), to ``render`` a chunk into the work folder, and to
``check`` frames of a chunk that another node has rendered, by decoding them again. This module
knows neither Ray nor decoders; `Pool` is what stands between a farm and its machines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["probe", "render", "check"]


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to ask of a node: `chunk` by its number, `frames` of the whole film to check."""

    kind: Kind
    chunk: int = -1
    frames: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What a node says to a task it could do.

    `same` answers a ``check``: whether every frame is what the chunk's record says. `seconds`
    is how long the task took there.
    """

    same: bool = True
    frames: int = 0
    seconds: float = 0.0


# What every node runs: (the work folder, what to do) → what came of it. It must be importable on
# every node by its name. Raises InstrumentError where a performer must know.
Unit = Callable[[str, Task], Reply]


@dataclass(frozen=True, slots=True)
class Node:
    """A machine that is there: `slots` tasks run on it side by side, on as many GPUs with `gpu`."""

    id: str
    name: str
    slots: int
    gpu: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """How the task with that `ticket` ended: with a `reply`, or for a `reason` without one."""

    ticket: int
    reply: Reply | None = None
    reason: str = ""


class Pool(Protocol):
    """Machines that take tasks."""

    def nodes(self) -> Sequence[Node]:
        """The machines that are there now."""
        ...

    def start(self, task: Task, node: Node) -> int:
        """Give `task` to `node`, and to no other; the ticket its answer will carry."""
        ...

    def answers(self, seconds: float) -> Sequence[Answer]:
        """What has ended, waiting up to `seconds` for the first of it. Each ticket comes once."""
        ...

    def stop(self) -> None:
        """End whatever still runs. What it has not finished is as if it never began."""
        ...
