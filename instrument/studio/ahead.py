"""Frames decoded before they are asked for, by any number of decoders, in order all the same.

Rows are decoded in batches that lie on one grid for the whole source: row r is in batch r // size,
whoever asks for which rows. So a frame is the same whatever is rendered with it, and by how many.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from queue import SimpleQueue

from instrument import InstrumentError
from instrument.studio.film import Pixels
from instrument.studio.finishing import Frames
from instrument.timebase import Clock, FrameRange

_AHEAD = 8  # pictures decoded before they are asked for: measured, more gains nothing


class DecodeAhead:
    """Decodes rows of a source of `total` rows, `batch` together, at most a few in advance.

    Each of `frames` has a decoder of its own and works in a thread of its own: torch lets go of
    the interpreter while it computes. `name` is what an error calls the model.
    """

    def __init__(
        self, frames: Sequence[Frames], total: int, name: str, batch: int, clock: Clock
    ) -> None:
        self._frames = frames
        self._total = total
        self._name = name
        self._batch = batch
        self._clock = clock
        self._free: SimpleQueue[Frames] = SimpleQueue()
        for one in frames:
            self._free.put(one)
        self._counting = threading.Lock()
        self.decode_seconds = 0.0  # of all decoders together

    def pictures(self, wanted: Iterable[FrameRange]) -> Generator[tuple[int, Pixels], None, None]:
        """Every row of `wanted`, which ascend, and its picture; closing this stops the threads."""
        spans = iter(self._spans(wanted))
        pool = ThreadPoolExecutor(len(self._frames), "decode")
        pending: deque[tuple[FrameRange, FrameRange, Future[Pixels]]] = deque()

        def submit(batch: FrameRange, shown: FrameRange) -> None:
            pending.append((batch, shown, pool.submit(self._decode, batch)))

        try:
            for span in islice(spans, max(1 + len(self._frames), _AHEAD // self._batch)):
                submit(*span)
            while pending:
                batch, shown, future = pending.popleft()
                if error := future.exception():
                    raise self._failure(pool, batch, error) from error
                for after in islice(spans, 1):
                    submit(*after)
                pictures = future.result()
                yield from ((row, pictures[row - batch.start]) for row in shown)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _spans(self, wanted: Iterable[FrameRange]) -> Iterable[tuple[FrameRange, FrameRange]]:
        """Every batch that holds wanted rows, and which of its rows these are."""
        size = self._batch
        for rows in wanted:
            for start in range(rows.start // size * size, rows.stop, size):
                batch = FrameRange(start, min(start + size, self._total))
                yield batch, FrameRange(max(start, rows.start), min(batch.stop, rows.stop))

    def _decode(self, rows: FrameRange) -> Pixels:
        frames = self._free.get()
        try:
            began = self._clock.now()
            pictures = frames.decode(rows.start, rows.stop)
            seconds = self._clock.now() - began
        finally:
            self._free.put(frames)
        with self._counting:
            self.decode_seconds += seconds
        return pictures

    def _failure(
        self, pool: ThreadPoolExecutor, rows: FrameRange, error: BaseException
    ) -> BaseException:
        """What to raise for a batch that failed: row by row shows which frame it is."""
        if not isinstance(error, Exception):
            return error
        name = self._name
        if len(rows) == 1:
            return InstrumentError(f"frame {rows.start}: {name} failed ({_reason(error)})")
        for row in rows:
            alone = pool.submit(self._decode, FrameRange(row, row + 1)).exception()
            if alone:
                return InstrumentError(f"frame {row}: {name} failed ({_reason(alone)})")
        return InstrumentError(
            f"frames {rows.start}:{rows.stop}: {name} failed ({_reason(error)}), though each alone "
            f"decodes; try a batch below {self._batch}"
        )


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
