"""What makes the frames of a film from rows: in this very process, or in others (`worker_process`).

A worker is handed rows and gives finished frames, each with its SHA-256. It holds few batches at a
time, so memory does not grow with the length. This module knows neither sources nor encoders.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from instrument import InstrumentError
from instrument.latent.space import F32
from instrument.studio.film import Pixels
from instrument.studio.finishing import Frames
from instrument.timebase import Clock, FrameRange, WallClock

DIGEST = 32  # bytes of a SHA-256
_LITTLE = 0.03  # of the decoding: who takes no longer to finish needs no thread for it
_LOOKED_AT = 3  # batches, to find that out: the first is slow
_AHEAD = 8  # pictures made before they are asked for: measured, more gains nothing


_Decoded = tuple[Frames, Pixels, float]  # s that it took


class Failed(Exception):  # noqa: N818 - it is the model that failed
    """The model raised, for a reason in one line."""


class Lost(Exception):  # noqa: N818 - a worker is
    """The worker is gone, in words for how; whatever it held can be made by another."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Finished frames, and `DIGEST` bytes for each; `seconds` is how long decoding took.

    The pixels are whoever's until `release` is called, once: then they are overwritten.
    """

    frames: Sequence[Pixels]
    digests: bytes
    seconds: float
    release: Callable[[], None]


class Worker(Protocol):
    """Makes frames, one batch after another."""

    def ask(self, rows: FrameRange, z: F32, parameters: F32) -> Future[Batch]:
        """The frames `rows`, exposed to ``z F32[k, *shape]`` with ``parameters F32[k, P]``.

        The future may raise `Failed` or `Lost`, and InstrumentError where the model cannot be
        opened.
        """
        ...


class Crew(Protocol):
    """One worker or several."""

    def take(self) -> Worker | None:
        """One that can take a batch now; None while all hold as many as they may.

        Raises InstrumentError where there is none left.
        """
        ...

    def lost(self, worker: Worker, how: Lost | InstrumentError) -> None:
        """Be told that `worker` is gone, or cannot open its model.

        Raises InstrumentError where nobody could go on.
        """
        ...

    def delivered(self, frames: int) -> None:
        """Be told that so many frames more went into the film."""
        ...

    def rest(self) -> None:
        """Be told that nothing is wanted for now."""
        ...


class Here:
    """The only worker of a `Crew`, in two threads of this process: it decodes while it finishes.

    torch lets go of the interpreter while it computes; between its calls it does not, so more than
    one decoder in a process gains little, and a second thread costs: measured, .1 ms of finishing
    made 13 ms of decoding 1 ms longer. What is little is therefore done in the decoding thread.
    What is opened is opened there, too.
    """

    def __init__(
        self, open_: Callable[[], Frames], batch: int = 1, *, hashed: bool = True,
        clock: Clock | None = None,
    ) -> None:  # fmt: skip
        self._open = open_
        self._most = max(2, _AHEAD // batch)
        self._hashed = hashed
        self._clock = clock or WallClock()
        self._frames: Frames | None = None
        self._held = self._looked_at = 0
        self._little = False
        self._counting = threading.Lock()
        self._threads: tuple[ThreadPoolExecutor, ThreadPoolExecutor] | None = None

    @property
    def _pools(self) -> tuple[ThreadPoolExecutor, ThreadPoolExecutor]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(1, "decode"), ThreadPoolExecutor(1, "finish")
        return self._threads

    def open(self) -> Future[Frames]:
        """Open what decodes, in the background."""
        return self._pools[0].submit(self._opened)

    def ask(self, rows: FrameRange, z: F32, parameters: F32) -> Future[Batch]:
        """See `Worker.ask`."""
        decoding, finishing = self._pools
        with self._counting:
            self._held += 1
        if self._little:
            made = decoding.submit(
                self._make, rows, parameters, partial(self._decode, z, parameters)
            )
        else:
            decoded = decoding.submit(self._decode, z, parameters)
            made = finishing.submit(self._make, rows, parameters, decoded.result)
        made.add_done_callback(self._cancelled)
        return made

    def take(self) -> Worker | None:
        """See `Crew.take`."""
        return self if self._held < self._most else None

    def lost(self, worker: Worker, how: Lost | InstrumentError) -> None:
        """See `Crew.lost`: nobody else is there."""
        raise how

    def delivered(self, frames: int) -> None:
        """See `Crew.delivered`."""

    def rest(self) -> None:
        """See `Crew.rest`: the threads end."""
        for pool in self._threads or ():
            pool.shutdown(wait=True, cancel_futures=True)
        self._threads = None

    def _opened(self) -> Frames:
        if self._frames is None:
            self._frames = self._open()
        return self._frames

    def _decode(self, z: F32, parameters: F32) -> _Decoded:
        try:
            frames = self._opened()
        except InstrumentError as error:
            raise _Unopened(error) from error
        began = self._clock.now()
        pictures = frames.decode(z, parameters)
        return frames, pictures, self._clock.now() - began

    def _make(self, rows: FrameRange, parameters: F32, decoded: Callable[[], _Decoded]) -> Batch:
        with ExitStack() as unless_made:
            unless_made.callback(self._let_go)
            batch = self._finish(rows, parameters, decoded)
            unless_made.pop_all()
        return batch

    def _finish(self, rows: FrameRange, parameters: F32, decoded: Callable[[], _Decoded]) -> Batch:
        try:
            frames, pictures, seconds = decoded()
        except _Unopened as error:
            raise error.why from error
        except CancelledError:
            raise
        except Exception as error:
            raise Failed(reason(error)) from error
        began = self._clock.now()
        finished = [
            np.ascontiguousarray(frames.finish(picture, row, parameters[n * frames.samples]))
            for n, (row, picture) in enumerate(zip(rows, pictures, strict=True))
        ]
        digests = [hashlib.sha256(one.data).digest() for one in finished if self._hashed]
        self._look(self._clock.now() - began, seconds)
        return Batch(finished, b"".join(digests), seconds, self._let_go)

    def _look(self, finishing: float, decoding: float) -> None:
        """Whether finishing is little, from the first few batches."""
        self._looked_at += 1
        if self._looked_at == _LOOKED_AT:
            self._little = finishing <= _LITTLE * decoding

    def _let_go(self) -> None:
        with self._counting:
            self._held -= 1

    def _cancelled(self, made: Future[Batch]) -> None:
        if made.cancelled():
            self._let_go()


class _Unopened(Exception):  # noqa: N818 - see `why`
    """The model cannot be opened."""

    def __init__(self, why: InstrumentError) -> None:
        super().__init__(str(why))
        self.why = why


def reason(error: BaseException) -> str:
    """What went wrong in one line, its kind in front."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
