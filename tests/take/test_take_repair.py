"""Repair makes a take whole, keeps the original, and changes nothing the second time."""

from __future__ import annotations

import errno
import os
import random

import numpy as np
import pytest
from take_parts import CHUNK_ROWS, play_take

from instrument import InstrumentError
from instrument.latent.sequence import load_sequence
from instrument.take.disk import RecordFile
from instrument.take.reader import read_take
from instrument.take.recorder import TakeRecorder
from instrument.take.repair import repair


def _files(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _harm(intact: bytes, seed: int) -> bytes:
    dice = random.Random(seed)
    data = bytearray(intact)
    for _ in range(dice.randrange(1, 5)):
        at = dice.randrange(2000, len(data))
        data[at : at + 50] = dice.randbytes(50)
    return bytes(data[: dice.randrange(len(data) // 2, len(data))])


@pytest.mark.parametrize("seed", range(12))
def test_a_repair_salvages_all_there_is_and_is_done_once(intact, harmed, seed):
    data = _harm(intact, seed)
    folder = harmed(data)
    before = read_take(folder)
    report = repair(folder)
    assert (folder / "take.mcap.damaged").read_bytes() == data
    assert report.original == folder / "take.mcap.damaged"
    assert report.damage == before.damage and report.gaps == before.gaps
    assert (report.rows, report.recovered) == (len(before), int(before.present.sum()))

    after = read_take(folder)
    assert after.finished and after.header == before.header
    assert after.attachments == before.attachments
    assert after.z.tobytes() == before.z.tobytes()
    assert after.parameters.tobytes() == before.parameters.tobytes()
    assert (after.events, after.gaps) == (before.events, before.gaps)
    assert np.array_equal(load_sequence(folder / "z.npy").z, after.z)

    files = _files(folder)
    again = repair(folder)
    assert again.original is None
    assert _files(folder) == files


def test_a_whole_take_is_left_as_it_is(played, intact, harmed):
    folder = harmed(intact)
    report = repair(folder)
    assert (report.rows, report.recovered, report.gaps) == (600, 600, ())
    assert (report.damage, report.original) == ((), None)
    assert _files(folder) == _files(played.folder)  # the plain files came back


def test_the_repaired_array_is_the_beginning_of_the_intact_one(played, intact, harmed):
    folder = harmed(intact[: len(intact) * 2 // 3])
    rows = repair(folder).rows
    assert rows % CHUNK_ROWS == 0 and 300 < rows < 600
    assert np.load(folder / "z.npy").tobytes() == played.z[:rows].tobytes()


def test_two_damages_keep_two_originals(intact, harmed):
    folder = harmed(intact[:-5000])
    repair(folder)
    repaired = (folder / "take.mcap").read_bytes()
    (folder / "take.mcap").write_bytes(repaired[:-3000])
    report = repair(folder)
    assert report.original is not None and report.original.name == "take.mcap.damaged-2"
    assert (folder / "take.mcap.damaged").read_bytes() == intact[:-5000]


def test_a_lost_attachment_stays_named(intact, harmed):
    data = intact.replace(bytes(range(100, 110)), bytes(10), 1)
    folder = harmed(data)
    repair(folder)
    assert any("'bank.npy' is lost" in line for line in read_take(folder).damage)


def test_a_repair_that_was_cut_short_goes_on(played, intact, harmed):
    data = intact[:-9000]
    folder = harmed(data)
    (folder / "take.mcap").rename(folder / "take.mcap.damaged")  # between the two renames
    (folder / ".take.mcap.1.part").write_bytes(b"half")
    assert len(read_take(folder)) > 300
    report = repair(folder)
    assert report.original == folder / "take.mcap.damaged"
    assert (folder / "take.mcap.damaged").read_bytes() == data
    assert read_take(folder).finished
    assert not list(folder.glob(".*"))


def test_a_disk_without_links(intact, harmed, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    folder = harmed(intact[:-9000])
    monkeypatch.setattr(os, "link", refuse)
    repair(folder)
    assert (folder / "take.mcap.damaged").read_bytes() == intact[:-9000]
    assert read_take(folder).finished


def test_a_full_disk_leaves_the_damaged_take_as_it_was(intact, harmed, monkeypatch):
    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = harmed(intact[:-9000])
    before = _files(folder)
    monkeypatch.setattr(RecordFile, "write", full)
    with pytest.raises(InstrumentError, match="No space left"):
        repair(folder)
    assert _files(folder) == before


def test_a_take_that_is_being_recorded_is_not_repaired(tmp_path, played):
    pytest.importorskip("fcntl")
    with TakeRecorder(tmp_path / "now.take", played.header, {}) as recorder:
        with pytest.raises(InstrumentError, match="being recorded right now"):
            repair(recorder.folder)
    assert repair(recorder.folder).original is None


def test_what_is_no_take_is_not_touched(tmp_path):
    with pytest.raises(InstrumentError, match="not the folder of a take"):
        repair(tmp_path / "absent")
    with pytest.raises(InstrumentError, match="not a take"):
        repair(tmp_path)
    (tmp_path / "take.mcap").write_bytes(b"something else entirely")
    with pytest.raises(InstrumentError, match="not a take"):
        repair(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["take.mcap"]


def test_dropped_rows_stay_gaps_after_a_repair(tmp_path):
    played = play_take(tmp_path, 120)
    with TakeRecorder(tmp_path / "holes.take", played.header, {}) as recorder:
        for row in (*range(40), *range(60, 120)):
            recorder.row(row, row / 60, played.z[row], played.parameters[row])
    data = (tmp_path / "holes.take" / "take.mcap").read_bytes()
    (tmp_path / "holes.take" / "take.mcap").write_bytes(data[:-200])
    assert repair(tmp_path / "holes.take").gaps == ((40, 60),)
    assert read_take(tmp_path / "holes.take").gaps == ((40, 60),)
