"""The chunks of one film and how far each is: waiting, running, rendered, done.

A chunk is done when some of its frames were checked after it was last rendered. This module
knows nodes by their ids alone, and no clock: it is told what happened and when.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from instrument.studio.farm_task import Task
from instrument.timebase import FrameRange

Stage = Literal["waiting", "running", "rendered", "done"]


@dataclass(slots=True)
class Chunk:
    """One chunk: which node rendered it last and when, and on which nodes it failed."""

    number: int
    frames: FrameRange
    stage: Stage = "waiting"
    by: str = ""
    since: float = 0.0
    failures: int = 0
    failed_on: set[str] = field(default_factory=set)


class Board:
    """All chunks, in the order of the film; `sample` frames of each are checked."""

    def __init__(self, chunks: Mapping[int, FrameRange], sample: int) -> None:
        self._chunks = {number: Chunk(number, chunks[number]) for number in sorted(chunks)}
        self._sample = sample
        self.again = 0  # chunks that had to be given out once more

    def __getitem__(self, number: int) -> Chunk:
        return self._chunks[number]

    def __iter__(self) -> Iterator[Chunk]:
        return iter(self._chunks.values())

    @property
    def finished(self) -> bool:
        """Whether every chunk is done."""
        return all(chunk.stage == "done" for chunk in self)

    def frames(self, *stages: Stage) -> int:
        """How many frames the chunks hold that are so far; with no stage, all chunks."""
        return sum(len(one.frames) for one in self if not stages or one.stage in stages)

    def to_render(self, node: str, others: Iterable[str]) -> Task | None:
        """The first waiting chunk for `node`: not where it failed, while `others` may do better."""
        hopeful = set(others) - {node}
        for chunk in self:
            if chunk.stage == "waiting":
                if node not in chunk.failed_on or not hopeful - chunk.failed_on:
                    chunk.stage = "running"
                    return Task("render", chunk.number)
        return None

    def to_check(self, node: str, under_check: Iterable[int], since: float | None) -> Task | None:
        """A rendered chunk for `node` to check: another node's, or its own where nobody else is.

        `since` None: there is nobody else. Otherwise its own that were rendered before `since`.
        """
        busy = set(under_check)
        for chunk in self:
            own = chunk.by == node and since is not None and chunk.since > since
            if chunk.stage == "rendered" and chunk.number not in busy and not own:
                return Task("check", chunk.number, self._frames_to_check(chunk))
        return None

    def rendered(self, number: int, by: str, now: float) -> None:
        """`by` has written the chunk: what was there before is no longer."""
        chunk = self[number]
        chunk.stage, chunk.by, chunk.since = "rendered", by, now

    def failed(self, number: int, node: str) -> None:
        """A task about the chunk failed on `node`."""
        self[number].failures += 1
        self[number].failed_on.add(node)

    def put_back(self, number: int) -> None:
        """The chunk is to be rendered once more."""
        self[number].stage = "waiting"
        self.again += 1

    def _frames_to_check(self, chunk: Chunk) -> tuple[int, ...]:
        chance = np.random.Generator(np.random.Philox(key=[chunk.number, self.again]))
        size = min(self._sample, len(chunk.frames))
        picked = chance.choice(len(chunk.frames), size, replace=False)
        return tuple(sorted(chunk.frames.start + int(frame) for frame in picked))
