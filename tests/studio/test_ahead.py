"""Making frames ahead: on one grid, in order, whoever makes them, and whoever is lost."""

import hashlib
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from studio_fakes import Barcodes, Repeated, barcode, indexed, read_barcode

from instrument import InstrumentError
from instrument.frame import U8
from instrument.latent.space import F32
from instrument.studio.ahead import DecodeAhead
from instrument.studio.finishing import PlainFrames
from instrument.studio.shutter import Instant
from instrument.studio.workers import Batch, Failed, Here, Lost, Worker
from instrument.timebase import FrameRange


class Noting(Barcodes):
    """Remembers which rows it was given together."""

    def __init__(self) -> None:
        super().__init__()
        self.together: list[list[int]] = []

    def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
        self.together.append([int(row) for row in z[:, 0]])
        return super().decode(z, parameters)


def ahead(decoder: Barcodes, total: int, batch: int, samples: int = 1) -> DecodeAhead:
    here = Here(lambda: PlainFrames((), decoder, None), batch)
    return DecodeAhead(Repeated(indexed(total * samples), samples), here, total, "barcodes", batch)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 60), st.integers(1, 9), st.data())
def test_whatever_is_wanted_comes_in_order_and_in_the_batches_of_the_grid(
    total: int, batch: int, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, total), min_size=2, max_size=6), "cuts"))
    wanted = [FrameRange(a, b) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    noting = Noting()
    made = list(ahead(noting, total, batch).frames(wanted))
    rows = [row for one in wanted for row in one]
    assert [row for row, _, _ in made] == rows
    assert [read_barcode(frame) for _, frame, _ in made] == rows
    assert all(digest == hashlib.sha256(frame.data).digest() for _, frame, digest in made)
    for together in noting.together:
        assert together[0] % batch == 0
        assert together == list(range(together[0], min(together[0] + batch, total)))


def test_it_runs_ahead_and_no_further() -> None:
    decoder = Barcodes()
    frames = ahead(decoder, 1000, 2).frames([FrameRange(0, 1000)])
    next(frames)
    time.sleep(0.2)
    assert 2 <= sum(decoder.batches) <= 12
    frames.close()
    assert not [t for t in threading.enumerate() if t.name.startswith(("decode", "finish"))]


def test_who_goes_away_may_come_back() -> None:
    running = ahead(Barcodes(), 100, 1)
    for _ in range(3):
        frames = running.frames([FrameRange(0, 100)])
        assert [next(frames).row for _ in range(5)] == list(range(5))
        frames.close()
    assert [row for row, _, _ in running.frames([FrameRange(90, 100)])] == list(range(90, 100))


def test_the_frame_that_fails_is_named() -> None:
    class Broken(Barcodes):
        def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
            if 13 in z[:, 0]:
                raise RuntimeError("no memory")
            return super().decode(z, parameters)

    with pytest.raises(InstrumentError, match=r"^frame 13: barcodes failed \(RuntimeError: no mem"):
        list(ahead(Broken(), 40, 4).frames([FrameRange(0, 40)]))


def test_what_cannot_be_opened_is_said_as_it_is() -> None:
    def missing() -> PlainFrames:
        raise InstrumentError("weights.safetensors: no such file")

    running = DecodeAhead(Instant(indexed(9)), Here(missing), 9, "barcodes", 1)
    with pytest.raises(InstrumentError, match=r"^weights.safetensors: no such file$"):
        list(running.frames([FrameRange(0, 9)]))


def test_what_is_no_error_of_the_model_is_not_called_one() -> None:
    class Interrupted(Barcodes):
        def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
            raise KeyboardInterrupt

    def finish(picture: U8, values: Mapping[str, float]) -> U8:
        raise ZeroDivisionError("a bug of ours")

    with pytest.raises(KeyboardInterrupt):
        list(ahead(Interrupted(), 4, 1).frames([FrameRange(0, 4)]))
    here = Here(lambda: PlainFrames((), Barcodes(), finish))
    with pytest.raises(ZeroDivisionError):
        list(DecodeAhead(Instant(indexed(4)), here, 4, "b", 1).frames([FrameRange(0, 4)]))


def test_seconds_are_counted() -> None:
    running = ahead(Barcodes(), 20, 1)
    assert np.sum([1 for _ in running.frames([FrameRange(0, 20)])]) == 20
    assert running.decode_seconds > 0


class Scripted:
    """A crew of so many workers, each answering at once, and lost, or failing, as it is told to.

    A worker holds two batches at most. `slots` counts what is held: all is let go in the end.
    """

    class One:
        def __init__(self, crew: "Scripted") -> None:
            self.crew = crew
            self.held = 0
            self.gone = False

        def ask(self, rows: FrameRange, z: F32, parameters: F32) -> Future[Batch]:
            made: Future[Batch] = Future()
            self.crew.asked.append((rows.start, rows.stop))
            self.held += 1
            if self.gone or (rows.start in self.crew.losing and self.crew.losing[rows.start] > 0):
                self.crew.losing[rows.start] = self.crew.losing.get(rows.start, 0) - 1
                self.gone = True
                made.set_exception(Lost("its process was killed (Killed)"))
                return made
            if self.crew.failing & set(rows):
                self._let_go()
                made.set_exception(Failed("RuntimeError: too hot"))
                return made
            pictures = [barcode(int(row)) for row in z[:, 0]]
            digests = b"".join(hashlib.sha256(p.data).digest() for p in pictures)
            made.set_result(Batch(pictures, digests, 0.25, self._let_go))
            return made

        def _let_go(self) -> None:
            self.held -= 1

    def __init__(self, size: int, losing: dict[int, int], failing: set[int]) -> None:
        self.losing, self.failing = dict(losing), failing
        self.asked: list[tuple[int, int]] = []
        self.frames = self.losses = 0
        self.workers = [self.One(self) for _ in range(size)]

    def take(self) -> Worker | None:
        return next((one for one in self.workers if one.held < 2), None)

    def lost(self, worker: Worker, how: Lost) -> None:
        if worker in self.workers:
            self.losses += 1
            self.workers.remove(worker)  # type: ignore[arg-type]
            self.workers.append(self.One(self))

    def delivered(self, frames: int) -> None:
        self.frames += frames

    def rest(self) -> None: ...


@settings(deadline=None, max_examples=100)
@given(
    st.integers(1, 4),
    st.integers(1, 40),
    st.integers(1, 5),
    st.dictionaries(st.integers(0, 39), st.integers(1, 2), max_size=6),
)
def test_what_lost_workers_held_is_made_again_and_nothing_twice(
    size: int, total: int, batch: int, losing: dict[int, int]
) -> None:
    crew = Scripted(size, losing, set())
    running = DecodeAhead(Instant(indexed(total)), crew, total, "barcodes", batch)
    made = list(running.frames([FrameRange(0, total)]))
    assert [row for row, _, _ in made] == list(range(total))
    assert [read_barcode(frame) for _, frame, _ in made] == list(range(total))
    assert crew.frames == total
    assert all(one.held == 0 for one in crew.workers)
    assert (crew.losses > 0) == any(row % batch == 0 and row < total for row in losing)


def test_a_batch_that_costs_worker_after_worker_is_named() -> None:
    crew = Scripted(2, {12: 99}, set())
    running = DecodeAhead(Instant(indexed(40)), crew, 40, "barcodes", 4)
    made: list[int] = []
    with pytest.raises(
        InstrumentError,
        match=r"^frames 12:16: barcodes failed \(its process was killed \(Killed\), 3 times\)$",
    ):
        made.extend(row for row, _, _ in running.frames([FrameRange(0, 40)]))
    assert made == list(range(12))
    assert crew.frames == 12
    assert crew.losses == 3


def test_a_failure_is_looked_for_row_by_row_when_all_others_have_settled() -> None:
    crew = Scripted(2, {}, {14})
    running = DecodeAhead(Instant(indexed(40)), crew, 40, "barcodes", 4)
    with pytest.raises(InstrumentError, match=r"^frame 14: barcodes failed \(RuntimeError: too"):
        list(running.frames([FrameRange(0, 40)]))
    assert crew.asked[-3:] == [(12, 13), (13, 14), (14, 15)]
    assert all(one.held == 0 for one in crew.workers)
