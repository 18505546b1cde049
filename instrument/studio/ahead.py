"""Frames made before they are asked for, by whatever crew, in order all the same.

Rows are decoded in batches that lie on one grid for the whole source: row r is in batch r // size,
whoever asks for which rows. So a frame is the same whatever is rendered with it, and by how many.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple

from instrument import InstrumentError
from instrument.latent.space import F32
from instrument.studio.film import Pixels
from instrument.studio.shutter import Exposure
from instrument.studio.workers import DIGEST, Batch, Crew, Failed, Lost, Worker
from instrument.timebase import FrameRange

_MOST_LOSSES = 3  # workers that one batch may cost


class Finished(NamedTuple):
    """A frame as it goes into the film, and its SHA-256, if anybody wants it.

    The pixels are there until the next frame is asked for.
    """

    row: int
    frame: Pixels
    digest: bytes


@dataclass(slots=True)
class _Asked:
    """A batch, and which of its rows are wanted. What it is made from stays until it is made."""

    rows: FrameRange
    shown: FrameRange
    z: F32
    parameters: F32
    worker: Worker | None = None
    future: Future[Batch] | None = None
    losses: int = 0

    def ask(self, worker: Worker) -> None:
        self.worker, self.future = worker, worker.ask(self.rows, self.z, self.parameters)

    @property
    def asked_of(self) -> Worker:
        """Whom it was asked of."""
        assert self.worker is not None
        return self.worker

    def settle(self) -> BaseException | None:
        """Wait for what was asked, and want it no more; what went wrong."""
        assert self.future is not None
        if self.future.cancelled():
            return None
        error = self.future.exception()
        if error is None:
            self.future.result().release()
        return error


class DecodeAhead:
    """Makes frames of a source of `total` rows, `batch` together, at most a few in advance.

    They are exposed to `exposure`, whose rows are read in order. `name` is what an error calls the
    model.
    """

    def __init__(self, exposure: Exposure, crew: Crew, total: int, name: str, batch: int) -> None:
        self.name = name
        self._exposure = exposure
        self._crew = crew
        self._total = total
        self._batch = batch
        self._left: deque[_Asked] = deque()  # what somebody asked for and then went away
        self.decode_seconds = 0.0  # of all workers together

    def frames(self, wanted: Iterable[FrameRange]) -> Generator[Finished, None, None]:
        """Every row of `wanted`, which ascend. Close it, and nothing more is begun."""
        while self._left:
            self._left.popleft().settle()
        coming, asked = iter(self._spans(wanted)), deque[_Asked]()
        again = deque[_Asked]()
        self._ask(again, coming, asked)
        try:
            while asked:
                first = asked.popleft()
                assert first.future is not None
                error = first.future.exception()
                if isinstance(error, Lost | InstrumentError):
                    self._lose(first, error)
                    # Rare, so simply: whatever else is on its way is asked for once more, too.
                    for one in asked:
                        if isinstance(why := one.settle(), Lost | InstrumentError):
                            self._crew.lost(one.asked_of, why)
                    again.extendleft(reversed([first, *asked]))  # before what comes next
                    asked.clear()
                elif error is not None:
                    raise self._failure(first, asked, error) from error
                else:
                    self._ask(again, coming, asked)
                    yield from self._unpacked(first, first.future.result())
                self._ask(again, coming, asked)
        finally:
            self._crew.rest()
            self._left.extend(asked)

    def _ask(self, again: deque[_Asked], coming: Iterator[_Asked], asked: deque[_Asked]) -> None:
        """Keep everybody busy; what was lost comes first."""
        while one := again.popleft() if again else next(coming, None):
            worker = self._crew.take()
            if worker is None:
                again.appendleft(one)
                return
            one.ask(worker)
            asked.append(one)

    def _unpacked(self, one: _Asked, batch: Batch) -> Generator[Finished, None, None]:
        self.decode_seconds += batch.seconds
        try:
            for row in one.shown:
                at = row - one.rows.start
                digest = batch.digests[at * DIGEST : (at + 1) * DIGEST]
                yield Finished(row, batch.frames[at], digest)
        finally:
            batch.release()
        self._crew.delivered(len(one.shown))

    def _spans(self, wanted: Iterable[FrameRange]) -> Iterable[_Asked]:
        """Every batch that holds wanted rows, and which of its rows these are."""
        size = self._batch
        for rows in wanted:
            for start in range(rows.start // size * size, rows.stop, size):
                batch = FrameRange(start, min(start + size, self._total))
                shown = FrameRange(max(start, rows.start), min(batch.stop, rows.stop))
                yield _Asked(batch, shown, *self._exposure.rows(batch.start, batch.stop))

    def _lose(self, one: _Asked, how: Lost | InstrumentError) -> None:
        """Have it made by another, unless it has cost too many already."""
        self._crew.lost(one.asked_of, how)
        one.losses += 1
        if one.losses >= _MOST_LOSSES:
            raise InstrumentError(
                f"{_named(one.rows)}: {self.name} failed ({how}, {one.losses} times)"
            )

    def _failure(self, one: _Asked, others: deque[_Asked], error: BaseException) -> BaseException:
        """What to raise for a batch that failed: row by row shows which frame it is."""
        if not isinstance(error, Failed):
            return error
        if len(one.rows) == 1:
            return InstrumentError(f"{_named(one.rows)}: {self.name} failed ({error})")
        while others:
            others.popleft().settle()
        samples = self._exposure.samples
        for at, row in enumerate(one.rows):
            part = slice(at * samples, (at + 1) * samples)
            alone = _Asked(FrameRange(row, row + 1), one.shown, one.z[part], one.parameters[part])
            worker = self._crew.take()
            assert worker is not None  # nobody holds anything
            alone.ask(worker)
            if why := alone.settle():
                return InstrumentError(f"frame {row}: {self.name} failed ({why})")
        return InstrumentError(
            f"{_named(one.rows)}: {self.name} failed ({error}), though each alone decodes; try a "
            f"batch below {self._batch}"
        )


def _named(rows: FrameRange) -> str:
    return f"frame {rows.start}" if len(rows) == 1 else f"frames {rows.start}:{rows.stop}"
