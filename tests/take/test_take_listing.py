"""A list of takes says how each one is, and reads none of them whole."""

from __future__ import annotations

import time

import pytest
from take_parts import header_of, play_take

from instrument import InstrumentError
from instrument.take.listing import list_takes
from instrument.take.recorder import TakeRecorder
from instrument.take.repair import repair
from instrument.timebase import FrameRate


@pytest.fixture
def shelf(tmp_path, intact):
    """A folder with takes in every state."""
    play_take(tmp_path, 90, header_of("whole", fps=30))
    for name, data in {
        "cut": intact[: len(intact) // 2],
        "destroyed": bytes(5000),
        "empty": b"",
        "footless": intact[:-60] + b"\0" * 52 + intact[-8:],
        "zeros": intact[:-50_000] + bytes(50_000),
    }.items():
        (tmp_path / f"{name}.take").mkdir()
        (tmp_path / f"{name}.take" / "take.mcap").write_bytes(data)
    (tmp_path / "nothing.take").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "stray.take").write_text("a file")
    return tmp_path


def test_every_state(shelf, played):
    entries = {entry.folder.stem: entry for entry in list_takes(shelf)}
    states = {name: entry.state for name, entry in entries.items()}
    assert states == {
        "cut": "unfinished",
        "destroyed": "damaged",
        "empty": "damaged",
        "footless": "damaged",
        "nothing": "damaged",
        "whole": "whole",
        "zeros": "unfinished",
    }
    whole = entries["whole"]
    assert (whole.name, whole.rows, whole.seconds) == ("whole", 90, 3.0)
    assert (whole.rate, whole.model) == (FrameRate(30), header_of().model)
    assert entries["cut"].name == "dawn" and entries["cut"].rows in range(240, 331, 30)
    assert entries["footless"].rows == 600
    assert "not a take" in entries["destroyed"].reason and entries["destroyed"].rate is None


def test_the_list_after_a_repair(shelf):
    repair(shelf / "cut.take")
    entry = next(entry for entry in list_takes(shelf) if entry.folder.stem == "cut")
    assert entry.state == "whole" and entry.rows > 200


def test_a_take_under_way_is_unfinished(tmp_path):
    with TakeRecorder(tmp_path / "now.take", header_of("now"), {}):
        (entry,) = list_takes(tmp_path)
    assert (entry.state, entry.rows, entry.name) == ("unfinished", 0, "now")


def test_rows_are_not_read(tmp_path):
    play_take(tmp_path, 6000, header_of("long", (512,)))
    before = time.perf_counter()
    (entry,) = list_takes(tmp_path)
    assert (entry.rows, entry.state) == (6000, "whole")
    assert time.perf_counter() - before < 0.1


def test_no_such_folder(tmp_path):
    with pytest.raises(InstrumentError, match="cannot be read"):
        list_takes(tmp_path / "absent")
    assert list_takes(tmp_path) == []
