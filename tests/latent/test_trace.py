"""Traces: saved, loaded, cut, and led back a step."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.latent.sequence import ZSequence, load_sequence, save_sequence, sidecar_of
from instrument.latent.space import LatentSpec
from instrument.latent.trace import (
    Origin,
    Trace,
    blended,
    copied,
    load_trace,
    origin_of,
    rows_behind,
    trace_of,
    trace_to_json,
)
from instrument.timebase import FrameRange, FrameRate

A, B = Origin("a.npy", "aa", 10), Origin("b.npy", "bb", 20)


def made(rows) -> Trace:
    return Trace((A, B), np.array(rows, np.float64))


def sequence(trace: Trace | None, n: int = 3) -> ZSequence:
    return ZSequence(np.ones((n, 4), np.float32), FrameRate(25), LatentSpec((4,)), trace=trace)


def test_a_copied_row_has_one_origin():
    assert copied(A, np.array([7, 3])).rows.tolist() == [[0, 7, -1, -1, 0], [0, 3, -1, -1, 0]]


def test_a_blended_row_has_two_unless_one_weighs_nothing():
    trace = blended((A,), np.array([1, 2]), np.array([5, 6]), np.array([0.25, 0.0]))
    assert trace.rows.tolist() == [[0, 1, 0, 5, 0.25], [0, 2, -1, -1, 0]]


@pytest.mark.parametrize("shape", [(3,), (3, 4), (3, 6), (1, 3, 5)])
def test_a_trace_has_five_columns(shape):
    with pytest.raises(InstrumentError, match=r"must be \[frames, 5\]"):
        Trace((A,), np.zeros(shape))


@pytest.mark.parametrize("number", [2.0, -2.0, 1e9])
@pytest.mark.parametrize("column", [0, 2])
def test_a_trace_names_only_origins_it_lists(number, column):
    rows = np.zeros((2, 5))
    rows[1, column] = number
    with pytest.raises(InstrumentError, match="trace: names origin"):
        Trace((A, B), rows)


def test_a_trace_goes_with_as_many_rows():
    with pytest.raises(InstrumentError, match="trace of 2 rows does not go with 3 frames"):
        sequence(copied(A, np.arange(2)))


def test_it_is_cut_with_its_sequence():
    cut = sequence(copied(A, np.array([4, 5, 6]))).cut(FrameRange(1, 3))
    assert cut.trace is not None
    assert cut.trace.rows[:, 1].tolist() == [5, 6]


def test_what_is_saved_comes_back_and_paths_are_seen_from_the_folder(tmp_path):
    source = tmp_path / "show" / "a.npy"
    source.parent.mkdir()
    save_sequence(source, sequence(None))
    origin = origin_of(source)
    trace = blended((origin,), np.array([0, 0.5, 2]), np.array([1, 1, 1]), np.array([0.25, 0, 0]))
    path = tmp_path / "show" / "made.npy"
    save_sequence(path, sequence(trace))
    assert json.loads(sidecar_of(path).read_text())["trace"]["origins"][0]["path"] == "a.npy"
    loaded = load_sequence(path).trace
    assert loaded is not None
    assert loaded.origins == (origin,)
    assert np.array_equal(loaded.rows, trace.rows)
    # Carried elsewhere whole, it still leads to what came along.
    (tmp_path / "show").rename(tmp_path / "gone")
    moved = load_sequence(tmp_path / "gone" / "made.npy").trace
    assert moved is not None
    assert origin_of(tmp_path / "gone" / "a.npy").sha256 == moved.origins[0].sha256
    assert moved.origins[0].path == str(tmp_path / "gone" / "a.npy")


def test_a_trace_that_was_left_behind_is_none(tmp_path):
    path = tmp_path / "made.npy"
    save_sequence(path, sequence(copied(A, np.arange(3))))
    trace_of(path).unlink()
    assert load_sequence(path).trace is None


@pytest.mark.parametrize(
    "origins", [None, 3, [3], [{}], [{"path": "a", "sha256": "b"}],
                [{"path": "a", "sha256": "b", "frames": True}],
                [{"path": 1, "sha256": "b", "frames": 1}]]
)  # fmt: skip
def test_a_garbled_sidecar_is_one_line(tmp_path, origins):
    path = tmp_path / "made.npy"
    save_sequence(path, sequence(copied(A, np.arange(3))))
    with pytest.raises(InstrumentError, match=r"trace\.origins: must be a list"):
        load_trace(path, {"origins": origins})


@pytest.mark.parametrize("garbage", ["cut", "nan", "short", "origin"])
def test_a_damaged_trace_names_its_file(tmp_path, garbage):
    path = tmp_path / "made.npy"
    save_sequence(path, sequence(copied(A, np.arange(3))))
    file, rows = trace_of(path), copied(A, np.arange(3)).rows
    if garbage == "cut":
        file.write_bytes(file.read_bytes()[:-9])
    elif garbage == "short":
        np.save(file, rows[:2])
    else:
        rows[1, 0] = np.nan if garbage == "nan" else 5
        np.save(file, rows)
    with pytest.raises(InstrumentError, match=r"made(\.trace)?\.npy") as caught:
        load_sequence(path)
    assert "\n" not in str(caught.value)


def test_an_origin_that_is_none_names_its_file(tmp_path):
    (tmp_path / "text.npy").write_text("hello")
    for name in ("text.npy", "missing.npy"):
        with pytest.raises(InstrumentError, match=name):
            origin_of(tmp_path / name)


def test_a_trace_of_nothing_can_be_told(tmp_path):
    empty = Trace((), np.zeros((0, 5)))
    assert len(empty) == 0
    assert trace_to_json(empty, tmp_path)["origins"] == []


def test_a_row_leads_back_to_what_it_was_made_of():
    trace = made([[0, 3, -1, -1, 0], [0, 4, 1, 7.5, 0.25], [1, 9, -1, -1, 0]])
    assert rows_behind(trace, 0) == [(A, 3.0, 1.0)]
    assert rows_behind(trace, 1) == [(A, 4.0, 0.75), (B, 7.5, 0.25)]
    assert rows_behind(trace, 1.5) == [(A, 4.0, 0.375), (B, 7.5, 0.125), (B, 9.0, 0.5)]


def test_a_row_of_no_origin_leads_nowhere():
    assert rows_behind(made([[-1, -1, -1, -1, 0]]), 0) == []


@given(row=st.floats(0, 3), weight=st.floats(0, 1))
def test_shares_are_whole(row, weight):
    trace = made([[0, 3, 1, 2, weight]] * 4)
    assert sum(share for _, _, share in rows_behind(trace, row)) == pytest.approx(1.0)
