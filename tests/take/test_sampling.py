"""A take is sampled at any times, in any order: each is as if all before had been played."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument.cli.sources import assemble
from instrument.event import ControlEvent
from instrument.latent.sequence import load_sequence, save_sequence
from instrument.take import sampling
from instrument.take.header import TakeHeader
from instrument.take.reader import TakeRecord
from instrument.take.replay import attachments_of, performer_of, play
from instrument.take.sampling import Sampling, resample
from instrument.timebase import FrameRange, FrameRate

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


def reference(record: TakeRecord, times: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Every time one after the other, nothing left out."""
    performer, performance = performer_of(record.attachments, "dawn")
    z, parameters, played = [], [], 0
    for now in times:
        begin = played
        while played < len(record.events) and record.events[played].time <= now:
            played += 1
        performance = performer.advance(performance, now, record.events[begin:played])
        z.append(performer.z(performance))
        parameters.append(performer.values(performance).astype(np.float32))
    return np.stack(z), np.stack(parameters)


def test_a_take_is_sampled_at_any_times(record: TakeRecord) -> None:
    z, _ = Sampling(record, "dawn").at([0.0, 0.0, 0.1, 0.21, 0.21000001, 1.0, 1.9])
    assert len(z) == 7
    assert np.array_equal(z[0], record.z[0])
    assert np.array_equal(z[1], record.z[0])
    assert np.array_equal(z[2], record.z[3])
    assert np.array_equal(z[5], record.z[30])
    finer = resample(record, FrameRate(240), "dawn")
    assert np.array_equal(finer.z[::8], record.z)
    assert (len(finer), finer.rate) == (ROWS * 8, FrameRate(240))


HANDS = st.lists(
    st.tuples(
        st.sampled_from([
            "/waypoint/2/go", "/waypoint/3/go", "/raw/glide/seconds", "/raw/spring/damping_ratio",
            "/pad/x", "/pad/y", "/raw/noise/strength", "/raw/noise/rate", "/tempo/tap",
            "/raw/launch/quantise", "/preset/3/save", "/preset/3/recall", "/score/play",
            "/display/freeze", "/master/gain", "/performance/home", "/performance/hold",
        ]),
        st.floats(0.0, 1.0), st.floats(0.0, 2.0),
    ),
    max_size=20,
)  # fmt: skip
ASKED = st.lists(st.tuples(st.integers(0, 479), st.integers(1, 40)), min_size=1, max_size=12)
FINE = [number / 240 for number in range(480)]


@settings(max_examples=40, deadline=None)
@given(HANDS, ASKED, st.sampled_from([0.1, 0.7, 10.0]))
def test_whoever_asks_for_what_gets_what_all_in_order_would_give(
    hands: list[tuple[str, float, float]], asked: list[tuple[int, int]], every: float
) -> None:
    events = tuple(sorted((ControlEvent(*hand) for hand in hands), key=lambda e: e.time))
    played = record_of(events)
    z, parameters = reference(played, FINE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, "_EVERY", every)
        patch.setattr(sampling, "_KEPT", 4)
        patch.setattr(sampling, "_LATEST", 2)
        performed = Sampling(played, "dawn")
        for start, count in asked:
            found = performed.at(FINE[start : start + count])
            assert found[0].tobytes() == z[start : start + count].tobytes()
            assert found[1].tobytes() == parameters[start : start + count].tobytes()


def test_what_is_kept_does_not_grow_with_the_take(
    record: TakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "_EVERY", 0.01)
    performed = Sampling(record, "dawn")
    for second in range(0, 600, 7):
        performed.at([float(second), second + 0.5])
    kept, latest = performed._kept, performed._latest
    assert 16 <= len(kept) <= sampling._KEPT and len(latest) <= sampling._LATEST
    gaps = np.diff([moment.time for moment in kept])
    assert 5 < gaps.min() and gaps.max() < 60  # spread over what was played, not bunched


def test_a_far_moment_is_reached_from_a_near_one(
    record: TakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    performed = Sampling(record, "dawn")
    performed.at([1000.0])
    begun = []
    advance = type(performed._performer).advance
    monkeypatch.setattr(
        type(performed._performer), "advance",
        lambda self, p, until, events=(): begun.append(p.time) or advance(self, p, until, events),
    )  # fmt: skip
    performed.at([900.0])
    assert min(begun) >= 900.0 - performed._every


def test_rows_of_another_rate_are_made_when_they_are_asked_for(record: TakeRecord) -> None:
    rate = FrameRate(24000, 1001)
    made = resample(record, rate, "dawn")
    z, parameters = reference(record, [rate.time_of(row) for row in range(len(made))])
    assert np.asarray(made.z).tobytes() == z.tobytes()
    assert np.asarray(made.parameters).tobytes() == parameters.tobytes()
    assert np.array_equal(made.z[[9, 3, 3, -1]], z[[9, 3, 3, -1]])
    assert np.array_equal(made.column("/master/gain"), parameters[:, made.addresses.index(
        "/master/gain")])  # fmt: skip
    part = made.cut(FrameRange(5, 11))
    assert np.array_equal(np.array(part.z, np.float32), z[5:11])
    assert np.array_equal(part.parameters[2], parameters[7])


def test_an_export_is_a_file_as_numpy_writes_it(record: TakeRecord, tmp_path: Path) -> None:
    made = resample(record, FrameRate(50), "dawn")
    save_sequence(tmp_path / "made.npy", made)
    np.save(tmp_path / "wanted.npy", np.asarray(made.z))
    assert (tmp_path / "made.npy").read_bytes() == (tmp_path / "wanted.npy").read_bytes()
    assert np.array_equal(load_sequence(tmp_path / "made.npy").parameters, made.parameters)


def test_threads_side_by_side_get_the_same(record: TakeRecord) -> None:
    made = resample(record, FrameRate(120), "dawn")
    z = np.asarray(resample(record, FrameRate(120), "dawn").z)
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda row: np.array(made.z[row : row + 3]), range(len(z))))
    assert all(np.array_equal(part, z[row : row + 3]) for row, part in enumerate(parts))
