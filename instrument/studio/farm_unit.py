"""What a node of a farm does with a task: render one chunk, or decode frames of one again.

It works in the folder all nodes share, with a `Job` that was opened here. Whether Ray, a queue or
a person at a command line asked for it is all the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from instrument import InstrumentError
from instrument.studio.chunks import Job, Watch, render_chunks
from instrument.studio.farm_task import Reply, Task
from instrument.studio.workplace import ChunkRecord
from instrument.timebase import FrameRange, WallClock


def perform(job: Job, task: Task) -> Reply:
    """Do what `task` asks for. Raises InstrumentError where this machine cannot."""
    agree(job)
    if task.kind == "probe":
        return Reply()
    if not 0 <= task.chunk < len(job.manifest.chunks):
        raise InstrumentError(
            f"chunk {task.chunk}: allowed are 0 to {len(job.manifest.chunks) - 1}"
        )
    chunk = job.manifest.chunks[task.chunk]
    clock = WallClock()
    began = clock.now()
    if task.kind == "render":
        tally = render_chunks(job, [chunk], Watch())
        return Reply(frames=tally.rendered, seconds=clock.now() - began)
    record = job.work.finished(job.manifest, chunk)
    same = record is not None and _same(job, record, task.frames)
    return Reply(same=same, seconds=clock.now() - began)


def agree(job: Job) -> None:
    """See that what this machine would render is what lies in the shared folder.

    Raises InstrumentError naming the folder that cannot be seen, or the first difference.
    """
    there = job.work.read()
    if there is None:
        raise InstrumentError(
            f"does not see {job.work.manifest_path}: the film must lie on storage all nodes share"
        )
    if difference := there.difference(job.manifest):
        raise InstrumentError(f"would render another film: {difference}")


def _same(job: Job, record: ChunkRecord, rows: Sequence[int]) -> bool:
    """Whether `rows`, made here, are what was encoded."""
    for row in rows:
        if not record.rows.start <= row < record.rows.stop:
            raise InstrumentError(
                f"frame {row}: not in the chunk {record.rows.start}:{record.rows.stop}"
            )
    wanted = (FrameRange(row, row + 1) for row in sorted(rows))
    with contextlib.closing(job.ahead.frames(wanted)) as frames:
        return all(digest == record.digest(row) for row, _, digest in frames)
