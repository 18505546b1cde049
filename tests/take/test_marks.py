"""The moments of a take that have names, and takes sampled at any times."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from instrument import InstrumentError
from instrument.cli.sources import assemble
from instrument.event import ControlEvent
from instrument.performance.score import Cue, Score
from instrument.take import replay
from instrument.take.header import TakeHeader
from instrument.take.marks import _cues, marks_of
from instrument.take.reader import TakeRecord
from instrument.take.replay import attachments_of, play, resample, sample
from instrument.timebase import FrameRate

RATE = FrameRate(30)
ROWS = 60
EVENTS = (
    ControlEvent("/waypoint/2/go", 1.0, 0.21),
    ControlEvent("/waypoint/2/go", 0.0, 0.25),
    ControlEvent("/raw/glide/beats", 1.0, 0.3),
    ControlEvent("/preset/3/recall", 1.0, 0.9),
    ControlEvent("/preset/3/save", 1.0, 1.0),
    ControlEvent("/performance/home", 1.0, 1.37),
    ControlEvent("/score/play", 1.0, 1.5),
    ControlEvent("/score/play", 0.0, 1.8),
)


def record_of(events: tuple[ControlEvent, ...]) -> TakeRecord:
    programme = assemble("procedural", None, 5, "30")
    performer = programme.performer
    began = performer.begin()
    rows = list(play(performer, began, events, RATE, ROWS))
    header = TakeHeader(
        "dawn", RATE, performer.spec, performer.space.addresses, seed=performer.seed
    )
    return TakeRecord(
        Path("dawn.take"), header, attachments_of(performer, programme.preset, began),
        np.stack([z for z, _ in rows]), np.stack([v for _, v in rows]).astype(np.float32),
        np.ones(ROWS, bool), events, (), True, (),
    )  # fmt: skip


@pytest.fixture(scope="module")
def record() -> Iterator[TakeRecord]:
    yield record_of(EVENTS)


def test_what_was_called_has_a_name(record: TakeRecord) -> None:
    second = assemble("procedural", None, 5, "30").bank.waypoints[1].name
    marks = marks_of(record, "dawn")
    assert [m for m in marks if m[0] < 1.5] == [(0.21, second), (0.9, "Scene 3"), (1.37, "Home")]
    assert (1.5, "Score") in marks
    assert marks == sorted(marks, key=lambda mark: mark[0])
    named = ControlEvent(f"/waypoint/{second}/go", 1.0, 0.5)
    assert marks_of(replace(record, events=(named,)), "dawn") == [(0.5, second)]


def test_cues_count_while_the_score_plays() -> None:
    score = Score((Cue(0.0, "/waypoint/1/go"), Cue(0.4, "/waypoint/2/go")), loop=1.0)
    turns = (ControlEvent("/score/play", 1.0, 2.0), ControlEvent("/score/play", 0.0, 3.2))
    times = [round(event.time, 6) for event in _cues(turns, score, 10.0, None)]
    assert times == [2.0, 2.4, 3.0]
    again = (*turns[:1], ControlEvent("/score/play", 1.0, 2.3))
    assert [round(e.time, 6) for e in _cues(again, score, 3.0, None)] == [2.0, 2.3, 2.7]
    assert [round(e.time, 6) for e in _cues((), score, 0.5, -0.3)] == [-0.3, 0.1]
    assert list(_cues(turns, Score(), 10.0, 0.0)) == []


def test_a_damaged_take_is_said(record: TakeRecord) -> None:
    with pytest.raises(InstrumentError, match="dusk"):
        marks_of(replace(record, attachments={}), "dusk")


def test_a_take_is_sampled_at_any_times(record: TakeRecord) -> None:
    exact = [0.0, 0.0, 0.1, 0.21, 0.21000001, 1.0, 1.9]
    made = sample(record, exact, len(exact), "dawn")
    assert len(made) == 7
    assert np.array_equal(made.z[0], record.z[0])
    assert np.array_equal(made.z[1], record.z[0])
    assert np.array_equal(made.z[2], record.z[3])
    assert np.array_equal(made.z[5], record.z[30])
    finer = resample(record, FrameRate(240), "dawn")
    assert np.array_equal(finer.z[::8], record.z)
    assert (len(finer), finer.rate) == (ROWS * 8, FrameRate(240))


def test_what_is_large_lies_on_the_disk(
    record: TakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = resample(record, FrameRate(60), "dawn")
    monkeypatch.setattr(replay, "_IN_MEMORY", 1000)
    made = resample(record, FrameRate(60), "dawn")
    assert isinstance(made.z, np.memmap)
    assert np.array_equal(made.z, wanted.z)
    assert np.array_equal(made.parameters, wanted.parameters)
