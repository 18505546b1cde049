"""What the loop hands over is on the disk exactly, and no disk can stop the loop."""

from __future__ import annotations

import errno
import subprocess
import threading
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from take_parts import ATTACHMENTS, CHUNK_ROWS, assert_honest, header_of, play_take, rows_of

from instrument import InstrumentError
from instrument.event import ControlEvent, read_events
from instrument.latent.sequence import load_sequence
from instrument.take import recorder as recorder_module
from instrument.take.disk import RecordFile
from instrument.take.reader import read_take
from instrument.take.recorder import TakeRecorder

numbers = st.floats(min_value=-1e12, max_value=1e12, allow_nan=False)
times = st.floats(min_value=0.0, max_value=1e12, allow_nan=False)


@pytest.mark.parametrize("shape", [(16,), (18, 32), (1,)])
def test_a_take_comes_back_bit_for_bit(tmp_path, shape):
    played = play_take(tmp_path, 100, header_of(shape=shape))
    record = read_take(played.folder)
    assert_honest(record, played)
    assert (len(record), record.finished, record.damage) == (100, True, ())
    assert record.present.all()
    assert record.header == played.header
    assert record.attachments == ATTACHMENTS
    assert record.events == played.events
    assert record.sequence.addresses == played.header.addresses


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(numbers, times), max_size=40))
def test_every_float_of_every_event_survives(tmp_path_factory, pairs):
    folder = tmp_path_factory.mktemp("events") / "x.take"
    events = [ControlEvent("/midi/nano/cc/16", value, at) for value, at in pairs]
    with TakeRecorder(folder, header_of("x"), {}) as recorder:
        for event in events:
            recorder.event(event)
    exact = [(e.value.hex(), e.time.hex()) for e in events]
    assert [(e.value.hex(), e.time.hex()) for e in read_take(folder).events] == exact
    script = read_events(folder / "events.jsonl")
    assert script == sorted(events, key=lambda event: event.time)


def test_the_disk_has_header_and_attachments_once_open_returns(tmp_path):
    recorder = TakeRecorder(tmp_path / "x.take", header_of("x"), ATTACHMENTS).open()
    try:
        record = read_take(recorder.folder)  # what a crash right now would leave
        assert (record.header, record.attachments) == (recorder.header, ATTACHMENTS)
        assert not record.finished and len(record) == 0
    finally:
        summary = recorder.close()
    assert (summary.rows, summary.error) == (0, None)
    assert recorder.close() is summary


def test_what_is_recorded_is_on_the_disk_half_a_second_later(tmp_path):
    header = header_of("x")
    z, parameters = rows_of(header, 1)
    event = ControlEvent("/key/space", 1.0, 0.01)
    with TakeRecorder(tmp_path / "x.take", header, {}) as recorder:
        recorder.row(0, 0.0, z[0], parameters[0])
        recorder.event(event)  # far fewer than would fill a chunk
        deadline = time.perf_counter() + 5.0
        while recorder.seconds_left is None and time.perf_counter() < deadline:
            time.sleep(0.02)
        record = read_take(recorder.folder)
        assert (len(record), record.events) == (1, (event,))
        assert recorder.seconds_left is not None and recorder.seconds_left > 0


def test_an_existing_take_is_left_alone(played, intact):
    with pytest.raises(InstrumentError, match="exists already"):
        TakeRecorder(played.folder, played.header, {}).open()
    assert played.record.read_bytes() == intact


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InstrumentError, match="cannot be written"):
        TakeRecorder(tmp_path / "file" / "x.take", header_of("x"), {}).open()


def test_any_empty_folder_can_become_a_take_and_no_other(tmp_path):
    (tmp_path / "empty").mkdir()
    with TakeRecorder(tmp_path / "empty", header_of("x"), {}) as recorder:
        assert (recorder.folder / "take.mcap").exists()
    before = sorted((tmp_path / "empty").iterdir())
    with pytest.raises(InstrumentError, match="exists already"):
        TakeRecorder(tmp_path / "empty", header_of("x"), {}).open()
    assert sorted((tmp_path / "empty").iterdir()) == before


def test_a_disk_that_fails_at_the_start_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(RecordFile, "write", _full_after(100))
    with pytest.raises(InstrumentError, match="No space left") as caught:
        TakeRecorder(tmp_path / "x.take", header_of("x"), ATTACHMENTS).open()
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["take.json", "", "x" * 300])
def test_attachment_names_that_cannot_be(tmp_path, name):
    with pytest.raises(InstrumentError, match="attachment"):
        TakeRecorder(tmp_path / "x.take", header_of("x"), {name: b""}).open()
    assert list(tmp_path.iterdir()) == []


def test_a_row_costs_the_loop_next_to_nothing(tmp_path):
    header = header_of("x", (512,))
    z, parameters = rows_of(header, 1)
    costs = []
    with TakeRecorder(tmp_path / "x.take", header, {}) as recorder:
        for index in range(500):
            before = time.perf_counter()
            recorder.row(index, index / 60, z[0], parameters[0])
            costs.append(time.perf_counter() - before)
    assert np.median(costs) < 20e-6


def test_the_row_is_copied(tmp_path):
    header = header_of("x")
    z, parameters = np.zeros(16, np.float32), np.zeros(3, np.float32)
    with TakeRecorder(tmp_path / "x.take", header, {}) as recorder:
        for index in range(50):
            z[:] = index
            recorder.row(index, index / 60, z, parameters)
    assert np.array_equal(read_take(tmp_path / "x.take").z[:, 0], np.arange(50))


def test_rows_that_are_none_of_this_take(tmp_path):
    header = header_of("x")
    z, parameters = rows_of(header, 1)
    with TakeRecorder(tmp_path / "x.take", header, {}) as recorder:
        recorder.row(3, 0.05, z[0], parameters[0])
        with pytest.raises(ValueError, match="after row 3"):
            recorder.row(3, 0.05, z[0], parameters[0])
        with pytest.raises(ValueError, match="none of this take"):
            recorder.row(4, 0.05, z[0, :5], parameters[0])
    record = read_take(tmp_path / "x.take")
    assert record.gaps == ((0, 3),)
    assert record.damage == ("rows 0 to 2 never written",)


def test_what_no_script_may_hold_is_counted_and_harms_nothing(tmp_path):
    odd = [(float("nan"), 0.0), (1e300, 0.0), (1.0, -1.0), (1.0, float("inf"))]
    with TakeRecorder(tmp_path / "x.take", header_of("x"), {}) as recorder:
        for value, at in odd:
            recorder.event(ControlEvent("/osc/a", value, at))
        recorder.event(ControlEvent("no address", 1.0, 0.0))
        recorder.event(ControlEvent("/osc/a", np.float32(0.5), 0))
        recorder.stats({"object": object()})
        recorder.stats({"figure": float("nan")})
        recorder.stats({"endless": "x" * 1_000_000})
        recorder.stats({"fps": 60.0})
    summary = recorder.close()
    assert (summary.error, summary.events) == (None, 1)
    assert (summary.dropped.events, summary.dropped.stats) == (5, 3)
    assert read_take(summary.folder).events == (ControlEvent("/osc/a", 0.5, 0.0),)


def test_rows_that_are_not_finite_are_held_and_named(tmp_path):
    header = header_of("x")
    z, parameters = rows_of(header, 60)
    z[20, 3] = np.nan
    parameters[40, 1] = np.inf
    with TakeRecorder(tmp_path / "x.take", header, {}) as recorder:
        for index in range(60):
            recorder.row(index, index / 60, z[index], parameters[index])
    record = read_take(tmp_path / "x.take")
    assert record.gaps == ((20, 21), (40, 41))
    assert any("not finite" in line for line in record.damage)
    assert len(load_sequence(tmp_path / "x.take" / "z.npy")) == 60


def test_a_disk_that_stalls_for_two_seconds_costs_nothing(tmp_path, monkeypatch):
    write, calls = RecordFile.write, []

    def stalling(self, data):
        calls.append(len(data))
        if len(calls) == 20:
            time.sleep(2.0)
        return write(self, data)

    monkeypatch.setattr(RecordFile, "write", stalling)
    header = header_of("x")
    z, parameters = rows_of(header, 150)
    slowest = 0.0
    with TakeRecorder(tmp_path / "x.take", header, {}) as recorder:
        for index in range(150):
            before = time.perf_counter()
            recorder.row(index, index / 60, z[index], parameters[index])
            slowest = max(slowest, time.perf_counter() - before)
            time.sleep(1 / 60)
    summary = recorder.close()
    assert len(calls) > 20, "the stall never happened"
    assert slowest < 0.2
    assert (summary.rows, bool(summary.dropped), summary.error) == (150, False, None)
    assert read_take(summary.folder).z.tobytes() == z.tobytes()


def test_a_full_queue_drops_stats_first_then_rows_and_never_events(tmp_path, monkeypatch):
    write, gate = RecordFile.write, threading.Event()
    gate.set()
    monkeypatch.setattr(RecordFile, "write", lambda self, data: (gate.wait(), write(self, data))[1])
    monkeypatch.setattr(recorder_module, "QUEUE_SECONDS", 1.0)
    header = header_of("x")
    z, parameters = rows_of(header, 200)
    recorder = TakeRecorder(tmp_path / "x.take", header, {}).open()
    gate.clear()
    stats_dropped_at = None
    for index in range(200):
        recorder.row(index, index / 60, z[index], parameters[index])
        recorder.event(ControlEvent("/key/space", float(index), index / 60))
        recorder.stats({"frame": index})
        if stats_dropped_at is None and recorder.dropped.stats:
            stats_dropped_at = (index, recorder.dropped.rows)
    gate.set()
    summary = recorder.close()
    assert stats_dropped_at is not None and stats_dropped_at[1] == 0
    # A chunk may have been taken from the queue before the disk stood still.
    assert 60 <= summary.rows <= 60 + 2 * CHUNK_ROWS
    assert (summary.dropped.rows, summary.dropped.events) == (200 - summary.rows, 0)
    record = read_take(summary.folder)
    assert (len(record), len(record.events)) == (200, 200)
    assert int(record.present.sum()) == summary.rows
    assert record.z[record.present].tobytes() == z[record.present].tobytes()
    assert any("never written" in line for line in record.damage)


def _full_after(room: int):
    """A `RecordFile.write` of a disk that takes half of the last write and then no more."""
    write, left = RecordFile.write, [room]

    def limited(self, data):
        if len(data) > left[0]:
            write(self, bytes(data)[: left[0] // 2])
            left[0] = 0
            raise OSError(errno.ENOSPC, "No space left on device")
        left[0] -= len(data)
        return write(self, data)

    return limited


def _play_until_full(folder) -> tuple[TakeRecorder, np.ndarray]:
    header = header_of("x", (256,))
    z, parameters = rows_of(header, 4000)
    recorder = TakeRecorder(folder, header, ATTACHMENTS, patient=True).open()
    for index in range(4000):  # the show goes on, whatever the disk says
        recorder.row(index, index / 60, z[index], parameters[index])
        recorder.event(ControlEvent("/key/space", 1.0, index / 60))
    return recorder, z


def _assert_kept(recorder: TakeRecorder, z: np.ndarray, used: int) -> None:
    summary = recorder.close()
    assert summary.error is not None and "No space left" in summary.error
    assert "\n" not in summary.error
    assert 0 < summary.rows < 4000
    assert summary.dropped.rows == 4000 - summary.rows
    record = read_take(summary.folder)
    assert not record.finished and record.gaps == ()
    assert len(record.damage) == 1, "half a chunk was left behind"
    assert len(record) == summary.rows
    assert record.z.tobytes() == z[: len(record)].tobytes()
    # Nothing that could have been kept is lost: at most one chunk beside what the disk took.
    assert len(record) * 1024 > used - (CHUNK_ROWS + 6) * 1200 - len(record) * 170


def test_a_full_disk_keeps_what_it_has_and_the_show_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(RecordFile, "write", _full_after(1_000_000))
    recorder, z = _play_until_full(tmp_path / "x.take")
    _assert_kept(recorder, z, 1_000_000)


def test_a_really_full_disk(tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("no small disk can be mounted here")
    try:
        recorder, z = _play_until_full(place / "x.take")
        _assert_kept(recorder, z, 2 << 20)
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_bug_in_the_writer_is_told_to_the_loop(tmp_path, monkeypatch):
    def broken(self, data):
        raise RuntimeError("a bug")

    monkeypatch.setattr(threading, "excepthook", lambda told: None)
    header = header_of("x")
    z, parameters = rows_of(header, 100)
    recorder = TakeRecorder(tmp_path / "x.take", header, {}).open()
    monkeypatch.setattr(RecordFile, "write", broken)
    for index in range(100):
        recorder.row(index, index / 60, z[index], parameters[index])
    summary = recorder.close()
    assert summary.error is not None and summary.dropped.rows == 100
