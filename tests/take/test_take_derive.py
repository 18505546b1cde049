"""The plain files hold exactly what the record holds, however long it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from take_parts import header_of, play_take

from instrument import InstrumentError
from instrument.event import read_events
from instrument.latent.sequence import load_sequence, save_sequence
from instrument.take.derive import derive
from instrument.take.header import TakeHeader
from instrument.take.reader import read_take
from instrument.take.recorder import TakeRecorder

FILES = ("z.npy", "z.params.npy", "z.json", "events.jsonl")
ROOT = Path(__file__).resolve().parents[2]


def test_the_plain_files_are_a_z_sequence(played):
    sequence = load_sequence(played.folder / "z.npy")
    assert sequence.z.tobytes() == played.z.tobytes()
    assert sequence.parameters.tobytes() == played.parameters.tobytes()
    assert (sequence.rate, sequence.spec) == (played.header.rate, played.header.spec)
    assert (sequence.addresses, sequence.model) == (played.header.addresses, played.header.model)
    assert (sequence.seed, sequence.source) == (7, "take dawn")
    assert tuple(read_events(played.folder / "events.jsonl")) == played.events
    assert json.loads((played.folder / "z.json").read_text())["gaps"] == []
    assert {path.name for path in played.folder.iterdir()} == {"take.mcap", *FILES}


def test_the_bytes_are_those_of_save_sequence(played, tmp_path):
    save_sequence(tmp_path / "z.npy", read_take(played.folder).sequence)
    for name in ("z.npy", "z.params.npy"):
        assert (tmp_path / name).read_bytes() == (played.folder / name).read_bytes()
    sidecar = json.loads((played.folder / "z.json").read_text())
    del sidecar["gaps"]
    assert json.loads((tmp_path / "z.json").read_text()) == sidecar


def test_gaps_are_held_and_listed(harmed, intact, played):
    data = bytearray(intact)
    data[len(data) // 2] ^= 1
    folder = harmed(bytes(data))
    derived = derive(folder)
    record = read_take(folder)
    ((start, stop),) = record.gaps
    sequence = load_sequence(folder / "z.npy")
    assert json.loads((folder / "z.json").read_text())["gaps"] == [[start, stop]]
    assert derived.held == stop - start and derived.rows == len(sequence) == 600
    assert sequence.z.tobytes() == record.z.tobytes()
    assert sequence.parameters.tobytes() == record.parameters.tobytes()
    assert np.array_equal(sequence.z[stop - 1], played.z[start - 1])


def test_without_parameters_there_is_no_file_of_them(tmp_path):
    header = header_of("bare")
    bare = TakeHeader("bare", header.rate, header.spec)
    with TakeRecorder(tmp_path / "bare.take", bare, {}) as recorder:
        for row in range(10):
            z = np.full(16, row, np.float32)
            recorder.row(row, row / 60, z, np.zeros(0, np.float32))
    assert not (tmp_path / "bare.take" / "z.params.npy").exists()
    assert load_sequence(tmp_path / "bare.take" / "z.npy").z[9, 0] == 9
    assert len(read_take(tmp_path / "bare.take")) == 10


def test_a_take_without_a_row(tmp_path):
    played = play_take(tmp_path, 0)
    assert np.load(played.folder / "z.npy").shape == (0, 16)
    assert read_take(played.folder).damage == ()


def test_a_disk_that_says_no_leaves_the_record(played, intact, harmed, monkeypatch):
    folder = harmed(intact)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InstrumentError, match="No space left"):
        derive(folder)
    assert [path.name for path in folder.iterdir()] == ["take.mcap"]


# 20 minutes at 60 frames a second, in a process of its own so that its memory is its own.
LONG = """
import resource, sys
from pathlib import Path
import numpy as np
from take_parts import header_of
from instrument.take.recorder import TakeRecorder
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "linux" else 1 << 20)
header, rows = header_of("long", (512,)), 72_000
pool = np.random.default_rng(0).standard_normal((64, 512), np.float32)
recorder = TakeRecorder(Path(sys.argv[1]), header, {}, patient=True).open()
parameters = np.zeros(3, np.float32)
for row in range(rows):
    z = pool[row % 64]
    z[0] = row
    recorder.row(row, row / 60, z, parameters)
    if row == 3000:
        settled = peak()
summary = recorder.close()
assert summary.rows == rows and summary.error is None, summary
print(peak() - settled)
"""  # noqa: E501


@pytest.mark.skipif(sys.platform == "win32", reason="memory is asked for in another way there")
def test_twenty_minutes_take_no_memory(tmp_path):
    path = os.pathsep.join((str(ROOT), str(Path(__file__).parent)))
    command = [sys.executable, "-c", LONG, str(tmp_path / "long.take")]
    environment = {**os.environ, "PYTHONPATH": path}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) < 24  # MiB, where the rows are 147 of them
    z = np.load(tmp_path / "long.take" / "z.npy", mmap_mode="r")
    assert z.shape == (72_000, 512)
    assert np.array_equal(z[::1000, 0], np.arange(0, 72_000, 1000))
