"""What a node of a farm does with a task: render one chunk, or decode frames of one again.

It works in the folder all nodes share, with a `Job` that was opened here. Whether Ray, a queue or
a person at a command line asked for it is all the same.
"""

from __future__ import annotations

import hashlib

import numpy as np

from instrument import InstrumentError
from instrument.studio.chunks import Job, Watch, render_chunks
from instrument.studio.farm_task import Reply, Task
from instrument.studio.workplace import ChunkRecord
from instrument.timebase import WallClock


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
    same = record is not None and all(_same(job, record, row) for row in task.frames)
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


def _same(job: Job, record: ChunkRecord, row: int) -> bool:
    """Whether `row`, decoded here with its batch, is what was encoded."""
    if not record.rows.start <= row < record.rows.stop:
        raise InstrumentError(
            f"frame {row}: not in the chunk {record.rows.start}:{record.rows.stop}"
        )
    batch, frames = job.manifest.batch, job.frames[0]
    start = row // batch * batch
    pictures = frames.decode(start, min(start + batch, job.manifest.total))
    finished = np.ascontiguousarray(frames.finish(pictures[row - start], row))
    return hashlib.sha256(finished.data).hexdigest() == record.pictures[row - record.rows.start]
