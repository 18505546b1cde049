"""Chunks of a film, each rendered and encoded alone: decode, finish, encode and seal side by side.

Workers make frames ahead, this thread encodes, and another closes the chunk before. All that is on
its way is bounded, so memory does not grow with the length; decoding never pauses between chunks.
Whatever happens, finished chunks stay.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from instrument import InstrumentError
from instrument.studio.ahead import DecodeAhead, Finished
from instrument.studio.film import FilmWriter, Pixels
from instrument.studio.render import Progress
from instrument.studio.render_manifest import Manifest
from instrument.studio.workplace import ChunkRecord, Workplace
from instrument.timebase import FrameRange, WallClock

_COUNTED_EVERY = 0.5  # s between two looks at how much is on the disk


class Stopped(Exception):  # noqa: N818 - nothing is wrong
    """Somebody asked to stop, and the chunk that was being made is finished. `done` frames are."""

    def __init__(self, done: int, total: int) -> None:
        super().__init__(f"stopped after {done} of {total} frames")
        self.done = done
        self.total = total


@dataclass(frozen=True, slots=True)
class Job:
    """A render that is ready to go.

    `ahead` makes the frames, `open_chunk` begins the film of one chunk.
    """

    work: Workplace
    manifest: Manifest
    ahead: DecodeAhead
    open_chunk: Callable[[Path], FilmWriter]


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told of progress, frames, finished chunks and damaged ones; and who may say stop."""

    progress: Callable[[Progress], None] = lambda _: None
    see: Callable[[int, Pixels], None] = lambda _row, _picture: None
    chunk: Callable[[ChunkRecord], None] = lambda _: None
    damaged: Callable[[Path], None] = lambda _: None
    stop: Callable[[], bool] = lambda: False


@dataclass(slots=True)
class Tally:
    """What a render came to: records of all wanted chunks, and which this process made."""

    records: dict[FrameRange, ChunkRecord] = field(default_factory=dict)
    made: set[FrameRange] = field(default_factory=set)
    decode_seconds: float = 0.0
    encode_seconds: float = 0.0

    @property
    def kept(self) -> int:
        """Frames that were there before."""
        return sum(len(rows) for rows in self.records if rows not in self.made)

    @property
    def rendered(self) -> int:
        """Frames that this process made."""
        return sum(len(rows) for rows in self.made)


def render_chunks(job: Job, wanted: Sequence[FrameRange], watch: Watch) -> Tally:
    """Make the chunks among `wanted` that are not there, or are not what their record says.

    Raises InstrumentError for what goes wrong, saying what is kept, and Stopped.
    """
    tally = Tally()
    for chunk in wanted:
        record = job.work.finished(job.manifest, chunk)
        if record is not None:
            tally.records[chunk] = record
        elif job.work.path_of(chunk).exists():
            watch.damaged(job.work.path_of(chunk))
    missing = [chunk for chunk in wanted if chunk not in tally.records]
    total = sum(map(len, wanted))
    try:
        if missing:
            with job.work.stage() as stage:
                _Rendering(job, watch, tally, stage, total).run(missing)
    except InstrumentError as error:
        done = sum(map(len, tally.records))
        more = f"; {done} of {total} frames are kept, and the same command goes on from there"
        raise InstrumentError(f"{error}{more if done else ''}") from error
    return tally


class _Rendering:
    """One run through the chunks that are missing."""

    def __init__(self, job: Job, watch: Watch, tally: Tally, stage: Path, total: int) -> None:
        self._job = job
        self._watch = watch
        self._tally = tally
        self._stage = stage
        self._total = total
        self._clock = WallClock()
        self._began = self._clock.now()
        self._kept = tally.kept
        self._written = 0
        self._counted, self._bytes = -_COUNTED_EVERY, 0

    def run(self, missing: Sequence[FrameRange]) -> None:
        """Make them all, or as many as there are before somebody says stop."""
        ahead = self._job.ahead
        before = ahead.decode_seconds
        with contextlib.ExitStack() as stack:
            closing = stack.enter_context(ThreadPoolExecutor(1, "closing"))
            frames = stack.enter_context(contextlib.closing(ahead.frames(missing)))
            last: Future[None] | None = None
            for chunk in missing:
                if self._watch.stop():
                    break
                writer, hashes = self._encode(chunk, frames)
                if last and (error := last.exception()):
                    writer.abort()
                    raise error
                last = closing.submit(self._close, chunk, writer, hashes)
            if last:
                last.result()
        self._tally.decode_seconds = ahead.decode_seconds - before
        if any(chunk not in self._tally.records for chunk in missing):
            raise Stopped(sum(map(len, self._tally.records)), self._total)

    def _encode(
        self, chunk: FrameRange, frames: Iterator[Finished]
    ) -> tuple[FilmWriter, list[bytes]]:
        """Write the frames of `chunk` into a film of its own, still to be closed."""
        place = self._stage / self._job.work.path_of(chunk).name
        writer, hashes = self._job.open_chunk(place), list[bytes]()
        with contextlib.ExitStack() as undo:
            undo.callback(writer.abort)
            for wanted, (row, frame, digest) in zip(chunk, frames, strict=False):
                assert row == wanted
                begun = self._clock.now()
                writer.write(frame)
                self._tally.encode_seconds += self._clock.now() - begun
                hashes.append(digest)
                self._watch.see(row, frame)
                self._tell()
            undo.pop_all()
        return writer, hashes

    def _close(self, chunk: FrameRange, writer: FilmWriter, hashes: list[bytes]) -> None:
        """Finish the film of a chunk, seal it and put it in its place."""
        writer.close()
        record = self._job.work.keep(self._job.manifest, writer.path, chunk, b"".join(hashes))
        self._tally.records[chunk] = record
        self._tally.made.add(chunk)
        self._watch.chunk(record)

    def _tell(self) -> None:
        self._written += 1
        now = self._clock.now()
        if now - self._counted > _COUNTED_EVERY:
            self._counted, self._bytes = now, self._on_disk()
        done = self._kept + self._written
        seconds = now - self._began
        self._watch.progress(Progress.after(done, self._total, seconds, self._kept, self._bytes))

    def _on_disk(self) -> int:
        """Bytes of all that is encoded so far."""
        whole = sum(record.bytes for record in list(self._tally.records.values()))
        begun = 0
        for file in self._stage.rglob("*"):
            with contextlib.suppress(OSError):  # it may be moved at this very moment
                begun += file.stat().st_size if file.is_file() else 0
        return whole + begun
