"""The loop's side of a take: never blocks, never raises while the show runs, counts its losses.

One queue, one writer thread: the loop appends, the thread writes and has the disk keep it.
Knows nothing of performers, pictures or screens.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from instrument import InstrumentError
from instrument.event import ControlEvent, event_to_line, is_address
from instrument.latent.space import F32
from instrument.take import layout
from instrument.take.derive import derive
from instrument.take.disk import RecordFile, reason_of, sync_folder
from instrument.take.header import TakeHeader
from instrument.take.writer import TakeWriter
from instrument.timebase import WallClock

# `kill -9` costs what is not flushed: at 60 fps 24 rows, 6 fewer than promised, for a late thread.
FLUSH_SECONDS = 0.4
SYNC_SECONDS = 0.8
_POLL_SECONDS = 0.04
QUEUE_SECONDS = 10.0
_QUEUE_BYTES = 256 << 20  # a queue of very large rows is shorter than ten seconds
_LARGEST_NUMBER = 1e12  # what a script may hold; see `instrument.event`
_LAST_NANOSECOND = (1 << 63) - 1  # an event may name a time no file of nanoseconds can
_PATIENCE_SECONDS = 60.0  # how long `close` waits for a disk that does not answer

_FLOAT = np.dtype("<f4")
_Item = tuple[str, int, int, Any, bytes]  # topic, row, nanoseconds, body, parameters


@dataclass(frozen=True, slots=True)
class Dropped:
    """What was offered to the recorder and is not in the take."""

    rows: int = 0
    stats: int = 0
    events: int = 0

    def __bool__(self) -> bool:
        return bool(self.rows or self.stats or self.events)


@dataclass(frozen=True, slots=True)
class TakeSummary:
    """What became of a take. `seconds` is its length; `error` one line, or None."""

    folder: Path
    rows: int
    seconds: float
    events: int
    dropped: Dropped
    error: str | None


class TakeRecorder:
    """Writes `folder`, by custom ``NAME.take``: `open`, `row` and `event` from one loop, `close`.

    `patient` is for a performance in steps, where nobody watches: `row` then waits for room
    in the queue instead of dropping. Times are seconds since the start of the take.
    """

    def __init__(
        self,
        folder: Path,
        header: TakeHeader,
        attachments: Mapping[str, bytes],
        *,
        patient: bool = False,
    ) -> None:
        self.folder = folder
        self.header = header
        self.error: str | None = None  # one line once the take can no longer be written
        self.seconds_left: float | None = None  # until the disk is full, once known
        self._shapes = header.spec.shape, (len(header.addresses),)
        self._attachments = dict(attachments)
        self._patient = patient
        by_bytes = _QUEUE_BYTES // header.row_bytes
        self._limit = max(2, min(header.rate.frames_in(QUEUE_SECONDS), by_bytes))
        self._queue: deque[_Item] = deque()
        self._offered = self._queued = self._taken = 0  # rows
        self._frames = 0  # the highest row offered, and one
        self._refused_rows = self._refused_stats = 0
        self._offered_events = 0
        self._accepting = False
        self._wake, self._room, self._closing = (threading.Event() for _ in range(3))
        self._clock = WallClock()
        self._summary: TakeSummary | None = None
        self._thread: threading.Thread | None = None
        self._file: RecordFile
        self._writer: TakeWriter

    def open(self) -> Self:
        """Create the take; when this returns, the disk has it, and the lamp may be lit.

        Raises InstrumentError when the folder cannot be written or holds anything already.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if any(self.folder.iterdir()):
                raise InstrumentError(f"{self.folder}: exists already, no take is written over")
            self._begin()
        except OSError as error:
            reason = reason_of(error)
            raise InstrumentError(f"{self.folder}: cannot be written ({reason})") from error
        self._accepting = True
        self._thread = threading.Thread(target=self._write, name="take", daemon=True)
        self._thread.start()
        return self

    def row(self, index: int, time: float, z: F32, parameters: F32) -> None:
        """Record frame `index`: `z F32[*shape]` and `parameters F32[P]`, both copied.

        Indices grow; one that is left out is a gap. Rows that cannot be kept are counted.
        """
        if (z.shape, parameters.shape) != self._shapes:
            raise ValueError(f"a row of {z.shape} and {parameters.shape} is none of this take")
        if index < self._frames:
            raise ValueError(f"row {index} comes after row {self._frames - 1}")
        self._frames = index + 1
        self._offered += 1
        if self._patient:
            self._wait_for_room()
        if not self._accepting or self._queued - self._taken >= self._limit:
            self._refused_rows += 1
            return
        self._queued += 1
        self._queue.append((layout.Z, index, _nanoseconds(time), _floats(z), _floats(parameters)))

    def event(self, event: ControlEvent) -> None:
        """Record `event` with its exact time and value. Kept however full the queue is.

        An event no script may hold (not finite, before the start) is counted as dropped.
        """
        self._offered_events += 1
        fits = 0 <= event.time <= _LARGEST_NUMBER and abs(event.value) <= _LARGEST_NUMBER
        if self._accepting and fits and is_address(event.address):
            exact = ControlEvent(event.address, float(event.value), float(event.time))
            self._queue.append((layout.EVENTS, 0, _nanoseconds(exact.time), exact, b""))

    def stats(self, fields: Mapping[str, Any]) -> None:
        """Record figures about the performance (JSON); the first to go when the disk is slow."""
        if not self._accepting or self._queued - self._taken >= self._limit // 2:
            self._refused_stats += 1
            return
        nanoseconds = _nanoseconds(self.header.rate.time_of(self._frames))
        self._queue.append((layout.STATS, 0, nanoseconds, dict(fields), b""))

    @property
    def dropped(self) -> Dropped:
        """What will be missing from the take, as far as it is known now."""
        if self._thread is None or (self._accepting and self.error is None):
            return Dropped(self._refused_rows, self._refused_stats)
        rows, events = self._writer.rows, self._writer.events
        return Dropped(self._offered - rows, self._refused_stats, self._offered_events - events)

    def close(self) -> TakeSummary:
        """Finish the take and derive its plain files. Never raises for the disk's sake.

        Takes as long as reading and writing the take once: a loop that goes on playing calls
        it from a thread of its own. A second call hands back the same summary.
        """
        if self._summary is not None:
            return self._summary
        if self._thread is None:
            raise RuntimeError("this take was never opened")
        self._accepting = False
        self._closing.set()
        self._wake.set()
        self._thread.join(_PATIENCE_SECONDS)
        if self._thread.is_alive():
            self.error = f"{self.folder}: the disk does not answer, the take is left as it is"
        elif self.error is None:
            try:
                derive(self.folder)
            except InstrumentError as error:
                self.error = str(error)
            self._file.close()
        seconds = self.header.rate.time_of(self._frames)
        self._summary = TakeSummary(
            self.folder, self._writer.rows, seconds, self._writer.events, self.dropped, self.error
        )
        return self._summary

    def __enter__(self) -> Self:
        return self if self._thread else self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _begin(self) -> None:
        with contextlib.ExitStack() as undo:  # what failed to begin leaves no folder behind
            undo.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self._file = RecordFile(self.folder / layout.RECORD)
            undo.callback(self._file.close)
            self._writer = TakeWriter(self._file, self.header)
            self._writer.begin(self._attachments)
            self._file.sync()
            sync_folder(self.folder)
            sync_folder(self.folder.parent)
            undo.pop_all()

    def _wait_for_room(self) -> None:
        while self._accepting and self._queued - self._taken >= self._limit:
            self._room.clear()
            self._wake.set()
            self._room.wait(_POLL_SECONDS)

    def _write(self) -> None:
        """The writer thread: the only one that touches the file."""
        finished = False
        try:
            self._write_until_closed()
            self._writer.finish(self._frames)
            sync_folder(self.folder)
            finished = True
        except OSError as error:
            self.error = f"{self.folder}: recording stopped ({reason_of(error)})"
            self._file.rewind()
        finally:  # also when a bug ends this thread: the loop must learn of it
            self._accepting = False
            if not finished:
                self.error = self.error or f"{self.folder}: recording stopped (the writer failed)"
                self._file.close()
            self._room.set()

    def _write_until_closed(self) -> None:
        flushed = synced = self._clock.now()
        while True:
            closing = self._closing.is_set()  # asked before draining, so that nothing is left
            self._drain()
            now = self._clock.now()
            if now - flushed >= FLUSH_SECONDS:
                self._writer.flush()
                flushed = now
                # Right after a flush nothing is held back while a slow disk takes its time.
                if now - synced >= SYNC_SECONDS:
                    self._file.sync()
                    self._measure_room()
                    synced = now
            if closing:
                return
            self._wake.wait(_POLL_SECONDS)
            self._wake.clear()

    def _drain(self) -> None:
        for _ in range(len(self._queue)):
            topic, index, nanoseconds, body, parameters = self._queue.popleft()
            if topic == layout.Z:
                self._taken += 1
                self._writer.row(index, nanoseconds, body, parameters)
                if self._patient:
                    self._room.set()
            elif topic == layout.EVENTS:
                self._writer.event(nanoseconds, event_to_line(body))
            else:
                self._write_stats(nanoseconds, body)
            if self._writer.full:
                self._writer.flush()

    def _write_stats(self, nanoseconds: int, fields: dict[str, Any]) -> None:
        try:
            self._writer.stats(nanoseconds, fields)
        except (TypeError, ValueError):  # no JSON: figures are not worth a take
            self._refused_stats += 1

    def _measure_room(self) -> None:
        seconds = self.header.rate.time_of(self._frames)
        if seconds > 0:
            free = shutil.disk_usage(self.folder).free
            self.seconds_left = free * seconds / max(1, self._file.tell())


def _nanoseconds(seconds: float) -> int:
    return min(max(0, round(seconds * 1e9)), _LAST_NANOSECOND)


def _floats(array: F32) -> bytes:
    return array.astype(_FLOAT, copy=False).tobytes()
