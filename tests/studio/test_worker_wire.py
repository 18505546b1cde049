"""What a film and its workers say to each other arrives as it was said, or not at all."""

import io
import mmap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from instrument.studio.worker_wire import (
    Slots,
    receive,
    rows_of,
    send,
    send_rows,
    slots_from_json,
)
from instrument.timebase import FrameRange

JSON = st.dictionaries(st.text(max_size=9), st.integers() | st.text(max_size=20) | st.none())


@given(st.lists(st.tuples(JSON, st.binary(max_size=100)), max_size=4))
def test_what_is_said_arrives_in_order(all_of: list[tuple[dict[str, object], bytes]]) -> None:
    pipe = io.BytesIO()
    for said, payload in all_of:
        send(pipe, said, payload)
    pipe.seek(0)
    assert [receive(pipe) for _ in all_of] == all_of
    assert receive(pipe) is None


def test_what_is_cut_anywhere_is_the_end() -> None:
    pipe = io.BytesIO()
    send(pipe, {"made": 1}, b"digest")
    for end in range(len(pipe.getvalue())):
        assert receive(io.BytesIO(pipe.getvalue()[:end])) is None


@given(
    st.integers(0, 9), st.integers(0, 10**6), array_shapes(min_dims=2, max_dims=3),
    st.integers(0, 5), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_rows_arrive_bit_for_bit_and_may_be_written_to(
    slot: int, start: int, shape: tuple[int, ...], columns: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    z = random.standard_normal(shape).astype(np.float32)
    parameters = random.standard_normal((len(z), columns)).astype(np.float32)
    z.flags.writeable = False  # it may be a file's
    pipe, rows = io.BytesIO(), FrameRange(start, start + len(z))
    send_rows(pipe, rows, slot, z, parameters)
    pipe.seek(0)
    received = receive(pipe)
    assert received is not None
    there, z_there, parameters_there = rows_of(*received)
    assert (there, received[0]["slot"]) == (rows, slot)
    assert np.array_equal(z_there, z)
    assert z_there.shape == z.shape
    assert np.array_equal(parameters_there, parameters)
    assert parameters_there.shape == parameters.shape
    assert z_there.flags.writeable


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_slots_do_not_overlap(dtype: type) -> None:
    slots = Slots(3, (4, 5, 3), np.dtype(dtype))
    assert slots_from_json(slots.to_json()) == slots
    memory = mmap.mmap(-1, slots.count * slots.bytes)
    for slot in range(slots.count):
        slots.frames(memory, slot, 3)[:] = slot + 1
    for slot in range(slots.count):
        assert slots.frames(memory, slot, 2).shape == (2, 4, 5, 3)
        assert (slots.frames(memory, slot, 3) == slot + 1).all()


@given(st.integers(1, 8), st.integers(1, 4096), st.integers(1, 4096))
def test_large_frames_get_few_slots_and_small_ones_no_more_than_are_used(
    batch: int, height: int, width: int
) -> None:
    slots = Slots(batch, (height, width, 3), np.dtype(np.float32))
    assert 2 <= slots.count <= 4
    assert slots.count == 2 or slots.count * slots.bytes <= 1 << 28
