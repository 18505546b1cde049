"""Laws of medians, intervals, slopes and turns."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument.bench.statistics import exponent, median_interval, quartiles, slope
from instrument.bench.turns import in_turn, processor, wall

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)
SCALES = st.floats(0.01, 100.0)


@settings(deadline=None)
@given(NUMBERS)
def test_quartiles_stand_in_order_and_within(samples):
    low, middle, high = quartiles(samples)
    assert min(samples) <= low <= middle <= high <= max(samples)


@settings(deadline=None)
@given(NUMBERS, st.randoms())
def test_quartiles_know_no_order(samples, random):
    shuffled = list(samples)
    random.shuffle(shuffled)
    assert quartiles(samples) == quartiles(shuffled)


@settings(deadline=None, max_examples=25)
@given(NUMBERS)
def test_an_interval_holds_its_median_and_lies_within(samples):
    interval = median_interval(samples)
    assert interval.middle == np.median(samples)
    assert min(samples) <= interval.low <= interval.middle <= interval.high <= max(samples)
    assert median_interval(samples) == interval, "the same samples, the same verdict"


@settings(deadline=None, max_examples=25)
@given(NUMBERS, SCALES)
def test_an_interval_scales_with_its_samples(samples, scale):
    one, other = median_interval(samples), median_interval([scale * s for s in samples])
    assert other.low == pytest.approx(scale * one.low, rel=1e-9, abs=1e-6)
    assert other.high == pytest.approx(scale * one.high, rel=1e-9, abs=1e-6)


def test_an_interval_holds_the_truth_about_as_often_as_it_says():
    """Bootstrap of a median is a little bold where samples are few; not much."""
    random = np.random.default_rng(3)
    held = 0
    for _ in range(400):
        interval = median_interval(random.lognormal(0.0, 0.3, 10).tolist())
        held += interval.low <= 1.0 <= interval.high
    assert 0.9 < held / 400 < 0.99


def test_more_samples_make_it_narrower():
    random = np.random.default_rng(4)

    def width(count: int) -> float:
        widths = [median_interval(random.normal(1.0, 0.1, count).tolist()) for _ in range(40)]
        return float(np.mean([one.high - one.low for one in widths]))

    assert width(64) < 0.5 * width(8)


def test_of_nothing_nothing_is_said():
    for of in (quartiles, median_interval):
        with pytest.raises(ValueError, match="no samples"):
            of([])


@settings(deadline=None)
@given(st.floats(-100, 100), st.floats(-100, 100), st.integers(2, 30))
def test_the_slope_of_a_line_is_its_own(rise, start, count):
    x = np.arange(count, dtype=float)
    assert slope(x, start + rise * x) == pytest.approx(rise, abs=1e-9)


@settings(deadline=None)
@given(st.floats(-10, 10), st.integers(0, 29), st.floats(-1e9, 1e9))
def test_one_outlier_bends_no_slope(rise, where, wild):
    x = np.arange(30, dtype=float)
    y = rise * x
    y[where] = wild
    assert slope(x, y) == pytest.approx(rise, abs=0.01 + 0.02 * abs(rise))


def test_no_slope_where_nothing_moves_on():
    assert slope([3.0, 3.0, 3.0], [1.0, 2.0, 5.0]) == 0.0
    assert slope([3.0], [1.0]) == 0.0


@settings(deadline=None)
@given(st.floats(0.1, 3.0), SCALES)
def test_the_exponent_of_a_power_is_its_own(power, scale):
    x = [1.0, 2.0, 8.0, 64.0]
    assert exponent(x, [scale * one**power for one in x]) == pytest.approx(power)


# --- taking turns


@settings(deadline=None)
@given(st.integers(0, 7), st.integers(1, 4))
def test_works_take_turns_forwards_and_backwards(rounds, count):
    order: list[str] = []

    def work(name: str) -> float:
        order.append(name)
        return float(len(order))

    names = [str(n) for n in range(count)]
    said = in_turn({name: (lambda name=name: work(name)) for name in names}, rounds)
    assert list(said) == names and all(len(taken) == rounds for taken in said.values())
    for number in range(rounds):
        one = order[number * count : (number + 1) * count]
        assert one == (names if number % 2 == 0 else names[::-1])
    places = sorted(place for taken in said.values() for place in taken)
    assert places == [float(n + 1) for n in range(rounds * count)]


@settings(deadline=None)
@given(st.integers(1, 20))
def test_a_steady_drift_of_the_machine_cancels(pairs):
    """Two equal works on a machine that gets slower all the time: over A B B A they come out."""
    now = 0

    def work() -> float:
        nonlocal now
        now += 1
        return float(now)

    said = in_turn({"a": work, "b": work}, 2 * pairs)
    assert sum(said["a"]) == sum(said["b"])


def test_processor_time_is_that_of_work_alone():
    import time

    waiting = processor(lambda: time.sleep(0.2))()
    working = processor(lambda: sum(range(2_000_000)))()
    assert waiting < working
    assert wall(lambda: time.sleep(0.2))() >= 0.2
