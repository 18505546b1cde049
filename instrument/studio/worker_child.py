"""A worker process: opens what a film is painted with, then makes frames until its input ends.

Started by `worker_process` and never by hand. Whoever was killed leaves nothing behind: the end of
its pipe is the end of us. Ctrl-C is the film's to answer, and so is what systems send before they
kill: here both are ignored.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from instrument import InstrumentError
from instrument.decoder import memory
from instrument.studio.finishing import Frames
from instrument.studio.worker_wire import receive, rows_of, send, slots_from_json
from instrument.studio.workers import Batch, Failed, Here, reason
from instrument.timebase import WallClock

# What a machine or a performer can be blamed for: a line says it all. Else it is a bug.
_BLAMED = (InstrumentError, ImportError, OSError, RuntimeError, MemoryError, Failed)


class Painting(Protocol):
    """What a worker process is asked to open."""

    def machine(self) -> tuple[str, int]:
        """What it computes with, in words, and how many rows are best decoded together there."""
        ...

    def open(self, batch: int) -> Frames:
        """The frames, of which `batch` rows are decoded at a time. Raises InstrumentError."""
        ...


def work(read: Callable[[Mapping[str, Any]], Painting]) -> None:
    """Be a worker process, of what `read` makes of the order that comes first."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    asked, answers = sys.stdin.buffer, _own_stdout()
    order = receive(asked)
    if order is not None:
        try:
            painting = read(order[0])
        except InstrumentError as error:
            send(answers, {"unopened": str(error)})
        else:
            _Child(painting, answers).work(asked)
    os._exit(0)  # whatever is still computed is for nobody


def _own_stdout() -> BinaryIO:
    """The pipe to the film's process, for us alone: what libraries print goes to stderr."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


class _Child:
    """The main thread listens all the time, so that the end of the pipe is heard at once."""

    def __init__(self, painting: Painting, answers: BinaryIO) -> None:
        self._painting = painting
        self._answers = answers
        self._speaking = threading.Lock()
        self._clock = WallClock()
        self._started = self._clock.now()

    def work(self, asked: BinaryIO) -> None:
        looked = ThreadPoolExecutor(1, "looking").submit(self._painting.machine)
        looked.add_done_callback(self._say_machine)
        begin = receive(asked)
        if begin is None:
            return
        slots = slots_from_json(begin[0])
        mapped = memory.open_once(Path(begin[0]["memory"]), slots.count * slots.bytes)

        def opened() -> Frames:
            looked.result()  # one after the other: both import torch
            return self._painting.open(slots.batch)

        here = Here(opened, slots.batch)
        here.open().add_done_callback(self._say_opened)
        while (request := receive(asked)) is not None:
            slot = request[0]["slot"]
            place = partial(slots.frames, mapped, slot)
            here.ask(*rows_of(*request)).add_done_callback(partial(self._answer, slot, place))

    def _say_machine(self, known: Future[tuple[str, int]]) -> None:
        if error := known.exception():
            self._say({"unopened": self._why(error)})
        else:
            device, batch = known.result()
            self._say({"device": device, "batch": batch})

    def _say_opened(self, opened: Future[Frames]) -> None:
        if error := opened.exception():
            self._say({"unopened": self._why(error)})
        else:
            self._say({"opened": self._clock.now() - self._started})

    def _answer(self, slot: int, place: Callable[[int], Any], made: Future[Batch]) -> None:
        """Put the frames where they can be seen, and say so. In the thread that finished them."""
        if error := made.exception():
            self._say({"failed": slot, "reason": self._why(error)})
            return
        batch = made.result()
        pixels = place(len(batch.frames))
        for frame, finished in enumerate(batch.frames):
            pixels[frame] = finished
        batch.release()
        self._say({"made": slot, "frames": len(pixels), "seconds": batch.seconds}, batch.digests)

    def _say(self, said: Mapping[str, Any], payload: bytes = b"") -> None:
        # Where nobody is there any more the main thread hears of it, and ends what there is to end.
        with self._speaking, contextlib.suppress(OSError):
            send(self._answers, said, payload)

    def _why(self, error: BaseException) -> str:
        """In a line; of a bug, stderr gets the rest."""
        if not isinstance(error, _BLAMED):
            traceback.print_exception(error)
        return str(error) if isinstance(error, InstrumentError | Failed) else reason(error)
