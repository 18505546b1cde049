"""Retimings with keys: exact at the keys, straight between them, and cut anywhere the same."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.studio.keyed import Keyed, fraction_of, shifted, straight
from instrument.studio.retiming import Constant, Footage, Frozen
from instrument.timebase import FrameRate

RATE = FrameRate(30)
FOOTAGE = Footage(RATE, 300)
seconds = st.fractions(0, 8, max_denominator=60)


def test_a_ramp_is_straight_between_its_keys():
    keys = ((Fraction(0), Fraction(1)), (Fraction(1), Fraction(2)), (Fraction(2), Fraction(4)))
    ramp = Keyed(keys, RATE)
    shown = ramp.frames(np.arange(61), FOOTAGE)
    assert shown[:31].tolist() == list(range(30, 61))
    assert shown[31:].tolist() == list(range(62, 121, 2))
    assert np.allclose(ramp.positions(np.arange(61), FOOTAGE), shown)


def test_backwards_and_held():
    keys = ((Fraction(0), Fraction(1)), (Fraction(1), Fraction(0)), (Fraction(2), Fraction(0)))
    assert Keyed(keys, RATE).frames(np.array([0, 1, 29, 30, 45]), FOOTAGE).tolist() == [
        30, 29, 1, 0, 0,
    ]  # fmt: skip


@pytest.mark.parametrize(("floors", "shown"), [(False, [0, 1, 1, 2, 2]), (True, [0, 0, 1, 1, 2])])
def test_the_nearest_frame_or_the_one_that_began_last(floors, shown):
    half = Keyed(((Fraction(0), Fraction(0)), (Fraction(2), Fraction(1))), RATE, floors)
    assert half.frames(np.arange(5), FOOTAGE).tolist() == shown


@given(st.lists(st.tuples(seconds, seconds), min_size=2, max_size=6, unique_by=lambda k: k[0]))
def test_frames_are_the_positions_rounded(keys):
    ramp = Keyed(tuple(sorted(keys)), RATE)
    offsets = np.arange(-5, 250)
    places, shown = ramp.positions(offsets, FOOTAGE), ramp.frames(offsets, FOOTAGE)
    assert np.all(np.abs(np.maximum(places, 0.0) - shown) <= 0.5 + 1e-9)


@given(st.fractions(-2, 2, max_denominator=7), st.integers(-40, 40), st.integers(0, 90))
def test_what_is_shifted_is_what_was_there(speed, by, first):
    for retiming in (
        straight(Fraction(first, 30), speed, RATE, 50),
        Keyed(((Fraction(0), Fraction(1)), (Fraction(1), Fraction(2))), RATE),
        Frozen(7),
    ):
        offsets = np.arange(50)
        moved = shifted(shifted(retiming, by), 3)
        assert np.array_equal(
            moved.frames(offsets, FOOTAGE), retiming.frames(offsets + by + 3, FOOTAGE)
        )
        assert np.allclose(
            moved.positions(offsets, FOOTAGE), retiming.positions(offsets + by + 3, FOOTAGE)
        )


def test_footage_of_another_rate_is_the_same_seconds():
    line = straight(Fraction(2), Fraction(1), RATE, 30)
    assert isinstance(line, Constant)
    assert line.frames(np.array([0, 6, 12]), Footage(FrameRate(25), 250)).tolist() == [50, 55, 60]


@pytest.mark.parametrize("keys", [(), ((0, 0),), ((0, 0), (0, 1)), ((1, 0), (0, 1))])
def test_keys_that_are_none(keys):
    with pytest.raises(InstrumentError, match="two or more keys"):
        Keyed(tuple((Fraction(a), Fraction(b)) for a, b in keys), RATE)


@pytest.mark.parametrize(
    "text", ["1e30", "nan", "inf", "abc", "", "1" * 50, "1/0", "1e99999999", "2E-88888888"]
)
def test_numbers_that_no_edit_means(text):
    with pytest.raises((ValueError, OverflowError, ZeroDivisionError)):
        fraction_of(text)


def test_times_too_far():
    with pytest.raises(InstrumentError, match="too far"):
        straight(Fraction(1 << 50), Fraction(1), RATE, 10)
