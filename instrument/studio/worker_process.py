"""The film's side of a worker process: start it, ask it for frames, hear it, end it.

It starts no other and judges nothing: that is `crew`'s. It imports no torch.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from typing import Any, BinaryIO

from instrument import InstrumentError
from instrument.decoder import memory
from instrument.decoder.child import decoding_environment, describe_exit
from instrument.latent.space import F32
from instrument.studio.worker_wire import Slots, receive, send, send_rows
from instrument.studio.workers import Batch, Failed, Lost
from instrument.timebase import FrameRange

_PATIENCE = 0.5  # s from the end of its input to the kill


@dataclass(frozen=True, slots=True)
class Opening:
    """What a worker process is: the module that is run, and its order, JSON.

    `name` is what errors call what it opens.
    """

    module: str
    order: Mapping[str, Any]
    name: str


@dataclass(frozen=True, slots=True)
class Machine:
    """What frames are computed with, in words, and how many rows are best decoded together."""

    device: str
    batch: int


class WorkerProcess:
    """A running worker process. A `Worker`; everything but `_hear` is its owner's thread's.

    `machine` and `opened` (the seconds that took) are told by it; both may raise `Lost`, and
    InstrumentError where the model cannot be opened.
    """

    def __init__(self, opening: Opening) -> None:
        self.machine: Future[Machine] = Future()
        self.opened: Future[float] = Future()
        self._slots: Slots | None = None
        self._mapped: mmap | None = None
        self._path: Path | None = None
        self._free: list[int] = []
        self._asked: dict[int, Future[Batch]] = {}  # by slot; guarded, as is `_gone`
        self._lock = threading.Lock()
        self._gone: Lost | InstrumentError | None = None
        try:
            self._process = subprocess.Popen(
                # -P: a file named like a library in the performer's folder must not be imported.
                [sys.executable, "-P", "-m", opening.module],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                env=decoding_environment(), **_apart(),
            )  # fmt: skip
        except OSError as error:
            raise InstrumentError(f"{opening.name}: no process can be started ({error})") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input: BinaryIO = self._process.stdin  # type: ignore[assignment]
        self._output: BinaryIO = self._process.stdout  # type: ignore[assignment]
        self._reader = threading.Thread(target=self._read, name="worker answers", daemon=True)
        self._reader.start()
        self._say(opening.order)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def gone(self) -> Lost | InstrumentError | None:
        """Why it is of no use any more, if it is not."""
        with self._lock:
            return self._gone

    @property
    def room(self) -> int:
        """How many batches more it can take."""
        return len(self._free)

    @property
    def idle(self) -> bool:
        """Whether it holds nothing that anybody waits for."""
        return self._slots is None or self.room == self._slots.count

    def begin(self, slots: Slots) -> None:
        """Have it open its model, if it has not been told to, and share memory with it.

        Raises InstrumentError where there is no room.
        """
        if self._slots is not None:
            return
        size = slots.count * slots.bytes
        try:
            self._path, self._mapped = memory.create(size)
        except OSError as error:
            raise InstrumentError(
                f"no room for {size >> 20} MB of frames on their way ({error.strerror}); "
                f"try a batch below {slots.batch}"
            ) from error
        self._slots, self._free = slots, list(range(slots.count))
        self._say({**slots.to_json(), "memory": str(self._path)})

    def ask(self, rows: FrameRange, z: F32, parameters: F32) -> Future[Batch]:
        """See `Worker.ask`; only where there is `room`."""
        slot, made = self._free.pop(), Future[Batch]()
        with self._lock:
            if self._gone is None:
                self._asked[slot] = made
        if self._gone is not None:
            made.set_exception(self._gone)
            return made
        with contextlib.suppress(OSError):  # it has died: its reader says so in a moment
            send_rows(self._input, rows, slot, z, parameters)
        return made

    def close(self) -> None:
        """End the process: by the end of its input, else by force. Wait until it has ended."""
        self._lose(Lost("its process was ended"))
        with contextlib.suppress(OSError):
            self._input.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._reader is not threading.current_thread():
            self._reader.join(_PATIENCE)
        if self._path is not None:
            memory.forget(self._path)

    def _say(self, said: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):  # as above
            send(self._input, said)

    # In the reading thread.

    def _read(self) -> None:
        with self._output:
            while (answer := receive(self._output)) is not None:
                self._hear(*answer)
        try:
            code = self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            code = None
        self._lose(Lost(f"its process {describe_exit(code)}"))

    def _hear(self, said: dict[str, Any], payload: bytes) -> None:
        if "device" in said:
            _tell(self.machine, Machine(said["device"], said["batch"]))
        elif "opened" in said:
            _tell(self.opened, said["opened"])
        elif "unopened" in said:
            self._lose(InstrumentError(said["unopened"]))
        elif "failed" in said:
            slot = said["failed"]
            made = self._answered(slot)
            self._free.append(slot)
            if made:
                made.set_exception(Failed(said["reason"]))
        elif made := self._answered(said["made"]):
            made.set_result(self._batch(said, payload))

    def _answered(self, slot: int) -> Future[Batch] | None:
        with self._lock:
            return self._asked.pop(slot, None)

    def _batch(self, said: dict[str, Any], digests: bytes) -> Batch:
        assert self._slots is not None
        assert self._mapped is not None
        slot = said["made"]
        pixels = self._slots.frames(self._mapped, slot, said["frames"])
        pixels.flags.writeable = False
        return Batch(list(pixels), digests, said["seconds"], lambda: self._free.append(slot))

    def _lose(self, how: Lost | InstrumentError) -> None:
        """Nothing more comes: say so to all who wait."""
        with self._lock:
            self._gone = self._gone or how
            waiting = list(self._asked.values())
            self._asked.clear()
        told: list[Future[Any]] = [self.machine, self.opened, *waiting]
        for one in told:
            with contextlib.suppress(InvalidStateError):  # it has been told
                one.set_exception(self._gone)


def _tell(future: Future[Any], what: Any) -> None:
    with contextlib.suppress(InvalidStateError):
        future.set_result(what)


def _apart() -> dict[str, Any]:
    """Ctrl-C in a terminal goes to all processes of a group: a worker has one of its own."""
    if os.name == "posix":
        return {"process_group": 0}
    return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined,unused-ignore]
