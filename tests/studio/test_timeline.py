"""Timelines and retimings: what they hold, and what they refuse."""

from fractions import Fraction

import numpy as np
import pytest
from edit_fakes import RATE, clip, media, timeline
from hypothesis import given
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.studio.retiming import Constant, Footage, Frozen, Later
from instrument.studio.timeline import LONGEST, Timeline, Track
from instrument.timebase import FrameRange, FrameRate

FOOTAGE = Footage(RATE, 100)
RATES = st.sampled_from([FrameRate(24), FrameRate(25), FrameRate(30), FrameRate(30000, 1001)])


@given(
    start=st.fractions(0, 500, max_denominator=8),
    speed=st.fractions(-4, 4, max_denominator=12),
    rates=st.tuples(RATES, RATES, RATES),
    n=st.integers(1, 50),
)
def test_a_constant_speed_is_reckoned_in_whole_numbers(start, speed, rates, n):
    own, record, counted = rates
    retiming = Constant(start, record, speed, counted)
    footage = Footage(own, 100)
    exact = [
        start * Fraction(own.num, own.den) / Fraction(counted.num, counted.den)
        + speed * offset * Fraction(own.num, own.den) / Fraction(record.num, record.den)
        for offset in range(n)
    ]
    offsets = np.arange(n)
    halves_up = [max((place + Fraction(1, 2)) // 1, 0) for place in exact]
    assert retiming.frames(offsets, footage).tolist() == halves_up
    assert np.allclose(retiming.positions(offsets, footage), [float(e) for e in exact])
    later = Later(retiming, 3)
    assert later.frames(offsets, footage).tolist()[: max(0, n - 3)] == halves_up[3:]
    assert np.allclose(later.positions(offsets, footage)[: max(n - 3, 0)],
                       [float(e) for e in exact[3:]])  # fmt: skip


def test_a_speed_that_leads_beyond_all_counting_is_one_line():
    fast = Constant(Fraction(0), RATE, Fraction(10**30))
    with pytest.raises(InstrumentError, match="too far to count"):
        fast.frames(np.arange(10), FOOTAGE)


def test_a_frozen_clip_stands():
    assert Frozen(7).frames(np.arange(3), FOOTAGE).tolist() == [7, 7, 7]
    assert Frozen(7).positions(np.arange(3), FOOTAGE).tolist() == [7.0, 7.0, 7.0]


def test_footage_is_listed_once_however_often_and_deep_it_is_used():
    inner = timeline([clip("b", 0, 2), clip("a", 2, 2)])
    edit = timeline([clip("a", 0, 2), clip(inner, 2, 4), clip(inner, 6, 4), clip(None, 10, 1)])
    assert [m.name for m in edit.media()] == ["a", "b"]
    assert [t is inner for t in edit.nested()] == [False, True]


def test_hidden_footage_is_not_listed():
    hidden = Track("", (clip("b", 0, 2),), hidden=True)
    inner = timeline(hidden, [clip("c", 0, 2)])
    assert [m.name for m in timeline([clip(inner, 0, 2)], hidden).media()] == ["c"]


def test_listing_what_doubles_at_every_level_does_not_take_for_ever():
    many = timeline([clip("a", 0, 1)])
    for _ in range(200):
        many = timeline([clip(many, 0, 1), clip(many, 1, 1)], length=2)
    assert [m.name for m in many.media()] == ["a"]


@pytest.mark.parametrize("length", [-1, LONGEST + 1])
def test_a_length_without_end_is_refused(length):
    with pytest.raises(InstrumentError, match="allowed are 0 to"):
        Timeline("x", RATE, (), length)


def test_a_clip_lies_within_its_timeline():
    with pytest.raises(InstrumentError, match="clip 'a' ends at frame 10, the edit at 9"):
        timeline([clip("a", 0, 10)], length=9)


@pytest.mark.parametrize("what", ["opacity", "gain"])
@pytest.mark.parametrize(
    ("curve", "says"),
    [
        (np.ones(9), "of (9,) for 10 frames"),
        (np.ones((10, 1)), "for 10 frames"),
        (np.full(10, 1.1), "must stay within 0 and 1"),
        (np.full(10, -0.1), "must stay within 0 and 1"),
        (np.full(10, np.nan), "must stay within 0 and 1"),
    ],
)
def test_a_curve_fits_its_clip(what, curve, says):
    with pytest.raises(InstrumentError) as caught:
        clip("a", 0, 10, **{what: curve})
    assert says in str(caught.value)
    assert what in str(caught.value)


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_a_cut_has_the_length_of_its_range_and_cuts_of_cuts_add_up(a, b, c):
    edit = timeline([clip("a", 2, 10, first=5)], length=20)
    start, stop = sorted((a, b))
    part = edit.cut(FrameRange(start, stop))
    assert (part.length, part.start) == (stop - start, start)
    inner = FrameRange(min(c, part.length), part.length)
    one, other = part.cut(inner), edit.cut(FrameRange(start + inner.start, stop))
    assert [c.record for c in one.visible()] == [c.record for c in other.visible()]
    for left, right in zip(one.visible(), other.visible(), strict=True):
        offsets = np.arange(len(left.record))
        assert np.array_equal(left.retiming.frames(offsets, FOOTAGE),
                              right.retiming.frames(offsets, FOOTAGE))  # fmt: skip
        assert left.media == media()
