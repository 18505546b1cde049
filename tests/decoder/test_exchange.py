"""The shared memory and the words on the pipes."""

import gc
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument.decoder import exchange
from instrument.decoder import memory as shared
from instrument.decoder.exchange import (
    REQUESTS,
    SLOTS,
    Exchange,
    Message,
    Picture,
    Request,
    Word,
)
from instrument.decoder.protocol import DecoderSpec
from instrument.latent.space import LatentSpec

SPEC = DecoderSpec("card", LatentSpec((3, 5), "w"), (17, 23), "0" * 64)


@pytest.fixture
def both_sides():
    """The stage's and the decoder's view of one memory."""
    path, memory = exchange.create_memory(SPEC)
    yield Exchange(memory, SPEC), Exchange(exchange.open_memory(path, SPEC), SPEC)
    path.unlink(missing_ok=True)


def test_requests_cross_whole_and_stay_apart(both_sides):
    stage, decoder = both_sides
    z = np.arange(15, dtype=np.float32).reshape(3, 5)
    for number in range(REQUESTS):
        stage.write_request(number, Request(7 + number, -3, z + number, b'{"/a":%d}' % number))
    for number in range(REQUESTS):
        request = decoder.read_request(number)
        assert (request.sequence, request.index) == (7 + number, -3)
        assert request.parameters == b'{"/a":%d}' % number
        assert np.array_equal(request.z, z + number)


def test_pictures_cross_opaque_and_stay_apart(both_sides):
    stage, decoder = both_sides
    pictures = np.random.default_rng(0).integers(0, 256, (SLOTS, 17, 23, 3), np.uint8)
    for slot, rgb in enumerate(pictures):
        decoder.write_picture(slot, rgb, Picture(slot, 10 * slot, 0.5, 9.0))
    for slot, rgb in enumerate(pictures):
        assert np.array_equal(stage.slots[slot][..., :3], rgb)
        assert (stage.slots[slot][..., 3] == 255).all()
        assert stage.read_picture(slot) == Picture(slot, 10 * slot, 0.5, 9.0)


def test_the_file_has_no_name_once_both_have_it(both_sides, tmp_path):
    path, memory = exchange.create_memory(SPEC)
    assert path.exists()
    exchange.open_memory(path, SPEC).close()
    memory.close()
    assert not path.exists()


def test_a_picture_outlives_the_exchange():
    path, memory = exchange.create_memory(SPEC)
    stage = Exchange(memory, SPEC)
    path.unlink()
    stage.slots[1][:] = 77
    pixels = stage.slots[1]
    del stage, memory
    gc.collect()
    assert (pixels == 77).all()


def test_without_room_in_shared_memory_a_temp_file_serves(monkeypatch, tmp_path):
    real = shared._create_in
    tried = []

    def full(folder, size):
        tried.append(folder)
        if len(tried) == 1:
            raise OSError(28, "No space left on device")
        return real(tmp_path, size)

    monkeypatch.setattr(shared, "_create_in", full)
    if shared.Path("/dev/shm").is_dir():
        path, _ = exchange.create_memory(SPEC)
        assert path.parent == tmp_path


@given(st.none() | st.integers(0, REQUESTS - 1), st.sets(st.integers(0, SLOTS - 1), max_size=SLOTS))
def test_a_turn_is_one_byte_and_read_as_written(request_number, slots):
    (byte,) = exchange.encode_turn(request_number, slots)
    assert exchange.decode_turn(byte) == (request_number, sorted(slots))


@given(
    st.sampled_from(list(Word)), st.integers(0, 255), st.text(max_size=50),
    st.integers(0, 2**64 - 1),
)  # fmt: skip
def test_messages_are_read_as_written(word, slot, text, sequence):
    text = text.encode("utf-8", "replace").decode()
    pipe = io.BytesIO()
    exchange.write_message(pipe, Message(word, slot, text, sequence))
    pipe.seek(0)
    assert exchange.read_message(pipe) == Message(word, slot, text, sequence)
    assert exchange.read_message(pipe) is None


def test_a_message_cut_anywhere_is_the_end():
    pipe = io.BytesIO()
    exchange.write_message(pipe, Message(Word.ERROR, 1, "what went wrong"))
    for end in range(len(pipe.getvalue())):
        assert exchange.read_message(io.BytesIO(pipe.getvalue()[:end])) is None


def test_parameters_cross():
    values = exchange.decode_parameters(
        exchange.encode_parameters({"/model/snapshot": 3, "/model/truncation": 0.7})
    )
    assert values["/model/snapshot"] == np.array([3], np.float32)
    assert values["/model/truncation"].dtype == np.float32
    with pytest.raises(ValueError, match="16384"):
        exchange.encode_parameters({f"/p/{i}": 0.1 for i in range(3000)})
