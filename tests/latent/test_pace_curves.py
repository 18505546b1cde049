"""Curves of pace, and times made even along a length."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.latent.pacing import EVEN, NAMED, Curve, Lengths, retimed

SHARES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20).map(np.array)
STEPS = st.lists(st.floats(0.0, 5.0), min_size=1, max_size=40).map(np.array)
WRITTEN = st.sampled_from([*NAMED, "breathe:9", "0:1,0.5:2,1:1", "0:0,1:1", "0.2:3,0.21:0.1"])


@given(WRITTEN, SHARES)
def test_when_is_the_reverse_of_covered(text, times) -> None:
    curve = Curve.parse(text)
    assert curve.when(curve.covered(times)) == pytest.approx(times, abs=1e-6)


@given(WRITTEN)
def test_the_way_only_grows_and_ends_whole(text) -> None:
    times = np.linspace(0.0, 1.0, 500)
    way = Curve.parse(text).covered(times)
    assert (np.diff(way) >= 0.0).all()
    assert way[0] == 0.0
    assert way[-1] == pytest.approx(1.0, abs=1e-12)


def test_points_are_relative_speeds() -> None:
    curve = Curve.parse("0:1,0.5:3,1:1")
    way = curve.covered(np.array([0.25, 0.5, 0.75]))
    assert way == pytest.approx([0.1875, 0.5, 0.8125])  # (1 + 2) / 2 · .25 / 2, and so on
    assert Curve.parse("0.5:7") == Curve("0.5:7", (0.0, 0.5, 1.0), (7.0, 7.0, 7.0))


def test_a_rest_is_waited_out() -> None:
    curve = Curve.parse("0:1,0.4:1,0.4001:0,0.6:0,0.6001:1,1:1")
    way = curve.covered(np.array([0.45, 0.5, 0.55]))
    assert np.ptp(way) < 1e-12


@pytest.mark.parametrize("name", NAMED)
def test_named_curves_never_stop(name) -> None:
    curve = Curve.parse(name)
    assert min(curve.speeds) > 0.0
    slowest = {"ease": 0.25, "ease-in": 0.25, "ease-out": 0.25, "swell": 0.25, "breathe": 0.25}
    assert min(curve.speeds) / max(curve.speeds) == pytest.approx(slowest.get(name, 1.0), rel=1e-6)


@pytest.mark.parametrize(
    "text",
    ["", "fast", "0:1,0.5", "0:1,0:2", "0.5:1,0.2:1", "-0.1:1", "0:1,1.1:1", "0:-1,1:1", "0:0,1:0",
     "0:nan,1:1", "0:inf,1:1", "nan:1", "0:1e9", "even:3", "breathe:0", "breathe:-1", "a:b,c:d"],
)  # fmt: skip
def test_what_is_no_curve_is_said_in_one_line(text) -> None:
    with pytest.raises(InstrumentError, match="curve") as said:
        Curve.parse(text)
    assert "\n" not in str(said.value)


def lengths_of(steps) -> Lengths:
    return Lengths.of_steps(np.arange(len(steps) + 1.0), np.asarray(steps, np.float64))


@settings(deadline=None)
@given(STEPS, st.integers(2, 90), WRITTEN, st.floats(0.0, 1.0), st.booleans())
def test_time_never_goes_backwards(steps, count, text, strength, closed) -> None:
    found = retimed(lengths_of(steps), count, Curve.parse(text), strength, closed)
    assert len(found) == count
    assert (np.diff(found) >= 0.0).all()
    assert found[0] == 0.0
    assert 0.0 <= found.min() <= found.max() <= len(steps)
    if not closed:
        assert found[-1] == len(steps)


@given(st.integers(1, 400), st.booleans())
def test_what_is_even_stays_as_it_is(count, closed) -> None:
    lengths = lengths_of(np.full(count, 0.3))
    frames = count if closed else count + 1
    found = retimed(lengths, frames, closed=closed)
    assert found.tolist() == list(range(frames))  # to the bit: rows are copied, not made


@given(STEPS, WRITTEN)
def test_strength_0_changes_nothing(steps, text) -> None:
    found = retimed(lengths_of(steps), len(steps) + 1, Curve.parse(text), 0.0)
    assert found.tolist() == list(range(len(steps) + 1))


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 5.0), min_size=2, max_size=40), st.integers(3, 60), WRITTEN)
def test_the_curve_is_kept(steps, count, text) -> None:
    lengths, curve = lengths_of(steps), Curve.parse(text)
    found = retimed(lengths, count, curve)
    way = np.interp(found, lengths.positions, lengths.far) / lengths.whole
    wanted = curve.covered(np.arange(count) / (count - 1))
    # A place within 1e-7 of a row is that row, which moves it by no more of the way.
    assert way == pytest.approx(wanted, abs=1e-6)


def test_strength_lies_between() -> None:
    lengths = lengths_of([1.0, 1.0, 8.0, 1.0, 1.0])
    spread = [
        np.std(lengths.between(retimed(lengths, 6, EVEN, strength)))
        for strength in (0.0, 0.3, 0.6, 0.9, 1.0)
    ]
    assert spread == sorted(spread, reverse=True)
    assert spread[-1] < 1e-9 < spread[-2]


def test_a_still_path_is_not_divided_by() -> None:
    found = retimed(lengths_of(np.zeros(9)), 19)
    assert found == pytest.approx(np.linspace(0, 9, 19))


@settings(deadline=None)
@given(STEPS, st.lists(st.floats(0.0, 1.0), min_size=2, max_size=12, unique=True), st.data())
def test_a_correction_is_what_was_measured_and_nothing_else(steps, places, data) -> None:
    lengths = lengths_of(steps)
    positions = np.unique(np.round(np.array(sorted(places)) * len(steps), 3))
    if len(positions) < 2:
        return
    told = st.lists(st.floats(0.01, 3.0), min_size=len(positions) - 1, max_size=len(positions) - 1)
    measured = np.array(data.draw(told))
    measured[0] = np.nan if data.draw(st.booleans()) else measured[0]
    found = lengths.corrected(positions, measured)
    known = np.isfinite(measured)
    assert found.between(positions)[known] == pytest.approx(measured[known])
    assert found.between(positions)[~known] == pytest.approx(lengths.between(positions)[~known])
    outside = float(positions[0])
    assert found.between(np.array([0.0, outside])) == pytest.approx(
        lengths.between(np.array([0.0, outside]))
    )
