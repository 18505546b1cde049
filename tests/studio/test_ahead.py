"""Decoding ahead: on one grid, in order, whoever decodes."""

import threading
import time
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from studio_fakes import Barcodes, indexed, read_barcode

from instrument import InstrumentError
from instrument.frame import U8
from instrument.latent.space import F32
from instrument.studio.ahead import DecodeAhead
from instrument.studio.finishing import PlainFrames
from instrument.timebase import FrameRange, WallClock


class Noting(Barcodes):
    """Remembers which rows it was given together."""

    def __init__(self) -> None:
        super().__init__()
        self.together: list[list[int]] = []

    def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
        self.together.append([int(row) for row in z[:, 0]])
        return super().decode(z, parameters)


def ahead(decoders: list[Barcodes], total: int, batch: int) -> DecodeAhead:
    sequence = indexed(total)
    frames = [PlainFrames(sequence, one, None) for one in decoders]
    return DecodeAhead(frames, total, "barcodes", batch, WallClock())


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 4), st.data())
def test_whatever_is_wanted_comes_in_order_and_in_the_batches_of_the_grid(
    total: int, batch: int, decoders: int, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, total), min_size=2, max_size=6), "cuts"))
    wanted = [FrameRange(a, b) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    noting = [Noting() for _ in range(decoders)]
    given_out = list(ahead(noting, total, batch).pictures(wanted))
    rows = [row for one in wanted for row in one]
    assert [row for row, _ in given_out] == rows
    assert [read_barcode(picture) for _, picture in given_out] == rows
    for together in (batch_ for one in noting for batch_ in one.together):
        first = together[0]
        assert first % batch == 0
        assert together == list(range(first, min(first + batch, total)))


def test_several_decoders_work_at_once() -> None:
    working, most, lock = [0], [0], threading.Lock()

    class Slow(Barcodes):
        def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
            with lock:
                working[0] += 1
                most[0] = max(most[0], working[0])
            time.sleep(0.005)
            with lock:
                working[0] -= 1
            return super().decode(z, parameters)

    assert len(list(ahead([Slow(), Slow(), Slow()], 30, 1).pictures([FrameRange(0, 30)]))) == 30
    assert most[0] == 3


def test_it_runs_ahead_and_no_further() -> None:
    decoder = Barcodes()
    pictures = ahead([decoder], 1000, 2).pictures([FrameRange(0, 1000)])
    next(pictures)
    time.sleep(0.2)
    assert 2 <= sum(decoder.batches) <= 12
    pictures.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("decode")]


def test_the_frame_that_fails_is_named() -> None:
    class Broken(Barcodes):
        def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
            if 13 in z[:, 0]:
                raise RuntimeError("no memory")
            return super().decode(z, parameters)

    with pytest.raises(InstrumentError, match=r"^frame 13: barcodes failed \(RuntimeError: no mem"):
        list(ahead([Broken(), Broken()], 40, 4).pictures([FrameRange(0, 40)]))


def test_seconds_are_those_of_all_decoders() -> None:
    running = ahead([Barcodes(), Barcodes()], 20, 1)
    assert np.sum([1 for _ in running.pictures([FrameRange(0, 20)])]) == 20
    assert running.decode_seconds > 0
