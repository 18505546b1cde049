"""Whatever happens to the bytes: what is read is right, and what is missing is named."""

from __future__ import annotations

import random
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import zstandard
from mcap.writer import Writer
from take_parts import ADDRESSES, ATTACHMENTS, CHUNK_ROWS, assert_honest, header_of, play_take

from instrument import InstrumentError
from instrument.take.disk import RecordFile
from instrument.take.header import header_to_bytes
from instrument.take.layout import CHUNK_MARK, MEDIA_TYPE
from instrument.take.reader import read_take
from instrument.take.writer import TakeWriter

FLIPS = 150


def _chunks(data: bytes) -> list[tuple[int, int]]:
    """Where the chunks of an intact take lie, ``[start, stop)``."""
    found, at = [], data.find(CHUNK_MARK)
    while at >= 0:
        start = at - 37
        if data[start] == 6:
            stop = start + 9 + struct.unpack_from("<Q", data, start + 1)[0]
            found.append((start, stop))
            at = stop
        at = data.find(CHUNK_MARK, at + 1)
    return found


def test_what_the_damage_tests_stand_on(played, intact):
    record = read_take(played.folder)
    assert_honest(record, played)
    assert record.finished and record.damage == () and len(record) == 600
    assert len(_chunks(intact)) == 1 + 600 // CHUNK_ROWS + 1  # channels, rows, last word


def test_a_record_anywhere_can_be_read(played, intact, tmp_path):
    lonely = tmp_path / "somewhere.mcap"
    lonely.write_bytes(intact)
    assert read_take(lonely).z.tobytes() == played.z.tobytes()


def test_cut_at_any_byte(played, intact, harmed):
    random.seed(1)
    cuts = [*range(2000), *random.sample(range(2000, len(intact)), 40)]
    chunks = _chunks(intact)
    refused = 0
    for cut in cuts:
        folder = harmed(intact[:cut])
        try:
            record = read_take(folder)
        except InstrumentError as error:
            assert cut < chunks[0][0] and "\n" not in str(error) and str(folder) in str(error)
            refused += 1
            continue
        whole = sum(stop <= cut for _, stop in chunks)
        assert len(record) == min(600, CHUNK_ROWS * max(0, whole - 1))
        assert record.gaps == () and record.damage and not record.finished
        assert_honest(record, played)
    assert 0 < refused < 2000


def test_one_flipped_bit_costs_at_most_its_chunk(played, intact, harmed):
    random.seed(2)
    chunks = _chunks(intact)
    lost = []
    for _ in range(FLIPS):
        at, bit = random.randrange(len(intact)), random.randrange(8)
        data = bytearray(intact)
        data[at] ^= 1 << bit
        record = read_take(harmed(bytes(data)))
        assert_honest(record, played)
        assert record.damage, f"byte {at} bit {bit} went unseen"
        missing = 600 - int(record.present.sum())
        inside = any(start <= at < stop for start, stop in chunks)
        assert missing <= (CHUNK_ROWS if inside else 0), f"byte {at} bit {bit}"
        lost.append(missing)
    assert max(lost) == CHUNK_ROWS


def test_a_flipped_bit_at_the_start_costs_no_row(played, intact, harmed):
    random.seed(3)
    first = _chunks(intact)[0][0]
    for at in range(0, first, 7):
        data = bytearray(intact)
        data[at] ^= 1 << random.randrange(8)
        record = read_take(harmed(bytes(data)))
        assert record.present.all() and len(record) == 600
        assert record.header == played.header and record.damage


def test_both_lengths_of_a_chunk_are_not_needed(played, intact, harmed):
    start, _ = _chunks(intact)[5]
    for at in (start, start + 1, start + 7, start + 45, start + 51):
        data = bytearray(intact)
        data[at] ^= 0x10
        record = read_take(harmed(bytes(data)))
        assert record.present.all()
        assert record.damage


def test_the_last_rows_rot_and_the_length_is_still_known(played, intact, harmed):
    start, stop = _chunks(intact)[-2]
    data = bytearray(intact)
    data[(start + stop) // 2] ^= 1
    record = read_take(harmed(bytes(data)))
    assert len(record) == 600 and record.gaps == ((570, 600),)
    assert np.array_equal(record.z[599], played.z[569])
    (line,) = record.damage
    assert f"bytes {start} to" in line and "chunk 21" in line and "rows 570 to 599 lost" in line


def test_the_first_rows_rot_and_are_held_from_the_first_left(played, intact, harmed):
    start, stop = _chunks(intact)[1]
    record = read_take(harmed(intact[: start + 60] + b"\0" * 40 + intact[start + 100 :]))
    assert record.gaps == ((0, 30),) and len(record) == 600
    assert np.array_equal(record.z[0], played.z[30])
    assert stop > start + 100


@pytest.mark.parametrize("chunk", [3, 10, 21])
def test_a_chunk_cut_out_or_overwritten(played, intact, harmed, chunk):
    start, stop = _chunks(intact)[chunk]
    for data in (
        intact[:start] + intact[stop:],
        intact[:start] + bytes(stop - start) + intact[stop:],
        intact[: start + 5] + intact[stop - 5 :],
        intact[:start] + random.Random(4).randbytes(9999) + intact[stop:],
    ):
        record = read_take(harmed(data))
        assert_honest(record, played)
        assert 600 - int(record.present.sum()) == (0 if chunk == 21 else CHUNK_ROWS)
        assert record.damage


@pytest.mark.parametrize("tail", [64 << 10, 20_000, 1])
def test_a_tail_of_zeros(played, intact, harmed, tail):
    keep = max(0, len(intact) - tail)
    record = read_take(harmed(intact[:keep] + bytes(len(intact) - keep)))
    whole = sum(stop <= keep for _, stop in _chunks(intact))
    assert len(record) == min(600, CHUNK_ROWS * (whole - 1))
    assert_honest(record, played)
    assert record.damage and not record.finished


def test_zeros_behind_a_finished_take(played, intact, harmed):
    record = read_take(harmed(intact + bytes(1 << 16)))
    assert record.present.all() and len(record) == 600 and record.damage


def test_a_lost_attachment_is_named_and_the_rest_kept(played, intact, harmed):
    at = intact.find(ATTACHMENTS["bank.npy"])
    data = bytearray(intact)
    data[at + 20] ^= 4
    record = read_take(harmed(bytes(data)))
    assert record.attachments == {"preset.toml": ATTACHMENTS["preset.toml"]}
    assert record.present.all()
    assert any("'bank.npy' is lost" in line for line in record.damage)


def test_both_headers_destroyed(intact, harmed):
    data = intact.replace(b'"take/1"', b'"tape/1"')
    folder = harmed(data)
    with pytest.raises(InstrumentError, match="header is destroyed") as caught:
        read_take(folder)
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"hello", bytes(1 << 21), random.Random(5).randbytes(3 << 20)]
)
def test_what_is_no_take(harmed, data):
    with pytest.raises(InstrumentError, match="not a take"):
        read_take(harmed(data))


def test_places_without_a_take(tmp_path):
    with pytest.raises(InstrumentError, match="no such take"):
        read_take(tmp_path / "absent.take")
    (tmp_path / "empty.take").mkdir()
    with pytest.raises(InstrumentError, match=r"no take\.mcap in it"):
        read_take(tmp_path / "empty.take")


def test_a_foreign_mcap_is_no_take(tmp_path):
    path = tmp_path / "other.mcap"
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start()
        channel = writer.register_channel("/imu", "json", writer.register_schema("", "", b""))
        writer.add_message(channel, 0, b"{}", 0)
        writer.finish()
    with pytest.raises(InstrumentError, match=r"no take\.json in it|header is destroyed"):
        read_take(path)


# Files made to do harm.


def _record(tmp_path, act, header=None):
    """A take whose rows are written by `act(writer)`, every checksum right."""
    path = tmp_path / "hostile.mcap"
    file = RecordFile(path)
    writer = TakeWriter(file, header or header_of())
    writer.begin({})
    act(writer)
    writer.flush()
    writer.finish(0)
    file.close()
    return path


def _chunk(body: bytes, packed: bytes | None = None, size: int | None = None) -> bytes:
    packed = zstandard.compress(body) if packed is None else packed
    size = len(packed) if size is None else size
    fields = struct.pack("<QQQI", 0, 0, len(body), zlib.crc32(body)) + CHUNK_MARK
    return (
        struct.pack("<BQ", 6, (44 + size) % (1 << 64)) + fields + struct.pack("<Q", size) + packed
    )


def _row(index: int, size: int = 64) -> tuple[bytes, bytes]:
    return np.full(size // 4, index, "<f4").tobytes(), np.zeros(len(ADDRESSES), "<f4").tobytes()


@pytest.mark.parametrize("index", [10_000_000, (1 << 32) - 1])
def test_an_absurd_row_index_makes_no_absurd_take(tmp_path, index):
    def act(writer):
        writer.row(0, 0, *_row(0))
        writer.row(index, 1, *_row(1))
        writer.flush()
        writer.row(1, 2, *_row(1))

    record = read_take(_record(tmp_path, act))
    assert len(record) == 2
    assert any("place or size they cannot have" in line for line in record.damage)


def test_rows_of_the_wrong_size_or_order_are_left_out(tmp_path):
    def act(writer):
        writer.row(0, 0, *_row(0))
        writer.row(1, 0, b"short", _row(1)[1])
        writer.message("/z", 2, 0, _row(2)[0])  # and no parameters
        writer.row(3, 0, *_row(3))
        writer.flush()
        writer.row(2, 0, *_row(9))

    record = read_take(_record(tmp_path, act))
    assert record.z[:, 0].tolist() == [0, 0, 0, 3]
    assert record.gaps == ((1, 3),)
    assert any(line.startswith("3 rows claim") for line in record.damage)


def test_events_that_are_none_are_counted(tmp_path):
    def act(writer):
        writer.event(0, '{"time": 0.5, "address": "/a", "value": 1}')
        writer.event(0, '{"time": NaN, "address": "/a", "value": 1}')
        writer.event(0, "[" * 10_000)
        writer.message("/events", 3, 0, b"\xff\xfe")

    record = read_take(_record(tmp_path, act))
    assert len(record.events) == 1
    assert "3 events cannot be read" in record.damage


@pytest.mark.parametrize("size", [1 << 60, (1 << 64) - 1, 1 << 40])
def test_declared_sizes_are_not_believed(intact, harmed, size):
    start = _chunks(intact)[0][0]
    length = struct.pack("<Q", size)
    attachment = b"\x09" + length + bytes(16) + struct.pack("<I", 1) + b"x"
    attachment += len(MEDIA_TYPE).to_bytes(4, "little") + MEDIA_TYPE.encode() + length
    for opcode in range(16):
        data = intact[:start] + bytes([opcode]) + length + intact[start:]
        assert read_take(harmed(data)).present.all()
    for bad in (attachment, _chunk(b"", b"abc", size), _chunk(b"x" * 99, None, size)):
        record = read_take(harmed(intact[:start] + bad + intact[start:]))
        assert len(record) == 600 and record.present.all() and record.damage


def test_a_bomb_is_not_unpacked(intact, harmed):
    start = _chunks(intact)[3][0]
    compressor = zstandard.ZstdCompressor().compressobj(size=1 << 30)
    bomb = b"".join(compressor.compress(bytes(1 << 24)) for _ in range(64)) + compressor.flush()
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1 << 26))
    # A frame that claims 2^62 bytes: allocating what it says would end the process.
    liar = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 1 << 62) + bomb[13:]
    for packed in (bomb, unsized, liar):
        folder = harmed(intact[:start] + _chunk(b"", packed) + intact[start:])
        tracemalloc.start()
        record = read_take(folder)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert record.present.all() and record.damage
        assert peak < 64 << 20


def test_many_small_bombs_are_bounded_together(intact, harmed):
    start = _chunks(intact)[3][0]
    bomb = _chunk(b"", zstandard.compress(bytes(4 << 20)))
    folder = harmed(intact[:start] + bomb * 300 + intact[start:])
    record = read_take(folder)
    assert len(record) in (60, 600)  # all of it, or up to where patience ended
    assert record.damage


def test_a_header_that_asks_for_too_much(tmp_path):
    body = header_to_bytes(header_of(), ())
    path = tmp_path / "x.mcap"
    for bad in (
        body.replace(b"16", b"99999999999999999999"),
        body.replace(b'"seed": 7', b'"seed": ' + b"9" * 5000),
        b"[" * 100_000,
        b'{"format": "take/1"}',
    ):
        with path.open("wb") as file:
            writer = Writer(file)
            writer.start()
            writer.add_attachment(0, 0, "take.json", MEDIA_TYPE, bad)
            writer.finish()
        with pytest.raises(InstrumentError, match=r"take\.json") as caught:
            read_take(path)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize("seed", range(25))
def test_garbage_in_many_places(played, intact, harmed, seed):
    dice = random.Random(seed)
    data = bytearray(intact)
    for _ in range(dice.randrange(1, 30)):
        at = dice.randrange(len(data))
        data[at : at + dice.choice((1, 8, 200))] = dice.randbytes(dice.choice((1, 8, 200)))
    try:
        record = read_take(harmed(bytes(data)))
    except InstrumentError as error:
        assert "\n" not in str(error)
        return
    assert_honest(record, played)


def test_large_rows_pass_too(tmp_path):
    played = play_take(tmp_path, 70, header_of("large", (18, 512)))
    record = read_take(played.folder)
    assert_honest(record, played)
    assert record.present.all() and record.damage == ()
