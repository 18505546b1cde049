"""A take is sampled at any times, and the rows of a long one lie on the disk."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from instrument.cli.sources import assemble
from instrument.event import ControlEvent
from instrument.take import replay
from instrument.take.header import TakeHeader
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
