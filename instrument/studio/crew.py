"""Worker processes that make a film together: started when they are worth it, replaced when lost.

How many there are is `crew_size`'s to say. Frames are the same whoever makes them.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from instrument import InstrumentError
from instrument.studio.crew_size import CrewSize
from instrument.studio.worker_process import Machine, Opening, WorkerProcess
from instrument.studio.worker_wire import Slots
from instrument.studio.workers import Lost, Worker

_REPLACED = 3  # workers lost in a film; then those that are left must do,
_MOST_LOSSES = 8  # and where none is left, more

Tell = Callable[[str], None]


class WorkerCrew:
    """Processes as `opening` says. A `Crew`; use it as a context manager, in one thread.

    `tell` is told in a line what went wrong and could be mended.
    """

    def __init__(self, opening: Opening, tell: Tell) -> None:
        self._opening = opening
        self._tell = tell
        self._workers: list[WorkerProcess] = []
        self._size: CrewSize | None = None
        self._slots: Slots | None = None
        self._losses = 0
        self._machine: Machine | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def begun(self) -> bool:
        """Whether `begin` was called."""
        return self._size is not None

    @property
    def at_work(self) -> int:
        """How many make frames."""
        return self._size.at_work if self._size else 0

    @property
    def pids(self) -> list[int]:
        """The numbers of the processes."""
        return [worker.pid for worker in self._workers]

    def start(self) -> None:
        """Have the first process started, if it is not; wait for nothing."""
        if not self._workers:
            self._workers.append(WorkerProcess(self._opening))

    def machine(self) -> Machine:
        """What computes here. Raises InstrumentError where that cannot be found out."""
        while self._machine is None:
            self.start()
            first = self._workers[0]
            try:
                self._machine = first.machine.result()
            except Lost as how:
                self.lost(first, how)
        return self._machine

    def begin(self, slots: Slots, size: CrewSize) -> None:
        """Be ready for frames as they lie in `slots`; once only. `size` says how many are at it.

        No model is opened before a worker is taken.
        """
        self._slots, self._size = slots, size

    def take(self) -> Worker | None:
        """See `Crew.take`."""
        self._tend()
        assert self._size is not None
        # The first may be asked while it opens its model; others would keep the film waiting.
        able = self._open or self._workers[:1]
        chosen = max(able[: self._size.at_work], key=lambda worker: worker.room)
        return chosen if chosen.room else None

    def lost(self, worker: Worker, how: Lost | InstrumentError) -> None:
        """See `Crew.lost`; another takes its place, if it was not one too many."""
        if worker not in self._workers:
            return  # one of several batches that it held
        assert isinstance(worker, WorkerProcess)
        if isinstance(how, InstrumentError):
            self._do_without(worker, how)
            return
        self._dismiss(worker)
        self._losses += 1
        most = _MOST_LOSSES if self._size is not None else 1  # it did not even begin
        if self._losses > most and not self._workers:
            raise InstrumentError(f"{self._opening.name}: {how}, {self._losses} times in this film")
        if self._losses > _REPLACED and self._workers and self._size is not None:
            self._size.limit(len(self._workers))
        rest = "what it held is made again" if self._size is not None else "another is started"
        self._tell(f"{self._opening.name}: {how}; {rest}")

    def delivered(self, frames: int) -> None:
        """See `Crew.delivered`."""
        if self._size is not None:
            self._size.delivered(frames)

    def rest(self) -> None:
        """See `Crew.rest`: they wait, which costs nothing."""

    def close(self) -> None:
        """End them all."""
        while self._workers:
            self._dismiss(self._workers[-1])

    def _tend(self) -> None:
        """Have as many as there should be."""
        assert self._size is not None
        assert self._slots is not None
        for worker in list(self._workers):
            if (how := worker.gone) is not None:
                self.lost(worker, how)
        while len(self._workers) < self._size.loaded:
            self._workers.append(WorkerProcess(self._opening))
        for worker in self._workers:
            worker.begin(self._slots)
        if opened := self._open:
            self._size.ready(len(opened), opened[0].opened.result())
        for worker in self._workers[self._size.loaded :]:
            if worker.idle:  # else it is dismissed when what it holds is in the film
                self._dismiss(worker)

    @property
    def _open(self) -> list[WorkerProcess]:
        return [w for w in self._workers if w.opened.done() and not w.opened.exception()]

    def _do_without(self, worker: WorkerProcess, how: InstrumentError) -> None:
        """One could open its model, and one more cannot: for want of memory, most likely."""
        if not any(other is not worker for other in self._open):
            raise how
        self._dismiss(worker)
        assert self._size is not None
        self._size.limit(len(self._workers))
        self._tell(f"no more than {len(self._workers)} at work ({how})")

    def _dismiss(self, worker: WorkerProcess) -> None:
        self._workers.remove(worker)
        worker.close()
