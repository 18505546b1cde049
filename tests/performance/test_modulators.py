"""Oscillators: what each shape is, and that chance follows from seed and period alone."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.performance.modulators import Lfo, _mixed, drawn, wave

LAW = settings(deadline=None, derandomize=True, max_examples=200)
SHAPES = ("sine", "triangle", "ramp", "square", "hold", "smooth")
PERIODIC = SHAPES[:4]
shapes = st.sampled_from(SHAPES)
phases = st.floats(-1e6, 1e6)
seeds = st.integers(0, 2**62)


def lfo(shape="sine", **more) -> Lfo:
    return Lfo("x", shape, **({"rate": 1.0} | more))


def at(shape: str, phase: float, seed: int = 1, **more) -> float:
    return wave(lfo(shape, **more), seed)(phase)


@LAW
@given(shapes, phases, seeds)
def test_every_value_lies_in_0_to_1(shape, phase, seed) -> None:
    assert 0.0 <= at(shape, phase, seed) <= 1.0


@LAW
@given(st.sampled_from(PERIODIC), st.integers(0, 1023), st.integers(-1000, 1000))
def test_one_period_is_like_the_next(shape, step, periods) -> None:
    within = step / 1024  # exact however many periods are added
    assert at(shape, periods + within) == at(shape, within)


@pytest.mark.parametrize(
    ("shape", "quarters"),
    [
        ("sine", [0.5, 1.0, 0.5, 0.0]),
        ("triangle", [0.5, 1.0, 0.5, 0.0]),
        ("ramp", [0.0, 0.25, 0.5, 0.75]),
        ("square", [1.0, 1.0, 0.0, 0.0]),
    ],
)
def test_where_each_shape_stands_at_the_quarters(shape: str, quarters: list[float]) -> None:
    assert [at(shape, n / 4) for n in range(4)] == pytest.approx(quarters, abs=1e-15)


@pytest.mark.parametrize("width", [0.01, 0.25, 0.5, 0.9])
def test_the_mean_of_a_period(width: float) -> None:
    grid = [(n + 0.5) / 4000 for n in range(4000)]
    for shape in ("sine", "triangle", "ramp"):
        assert np.mean([at(shape, phase) for phase in grid]) == pytest.approx(0.5, abs=1e-9)
    square = wave(lfo("square", width=width), 1)
    assert np.mean([square(phase) for phase in grid]) == pytest.approx(width, abs=1e-3)


def test_a_sine_is_one_and_a_triangle_is_straight() -> None:
    for phase in np.linspace(0.0, 3.0, 301).tolist():
        assert at("sine", phase) == pytest.approx(0.5 + 0.5 * math.sin(2 * math.pi * phase))
        straight = 0.5 + math.asin(math.sin(2 * math.pi * phase)) / math.pi
        assert at("triangle", phase) == pytest.approx(straight, abs=1e-7)


# Chance.


def test_the_numbers_are_splitmix64() -> None:
    """Its first outputs from the state 1234567, as published with it."""
    gamma = 0x9E3779B97F4A7C15
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert [_mixed(1234567 + n * gamma) for n in (1, 2, 3)] == published


@LAW
@given(seeds, st.integers(-(10**9), 10**9))
def test_a_draw_is_never_0_or_1(seed, step) -> None:
    assert 0.0 < drawn(seed, step) < 1.0


def test_hold_stands_still_for_a_period_and_draws_evenly() -> None:
    hold = wave(lfo("hold"), 3)
    steps = [hold(float(n)) for n in range(20_000)]
    for n in (0, 1, 77, 19_999):
        assert {hold(n + part) for part in (0.0, 0.3, 0.999)} == {steps[n]}
    assert distance_from_even(steps) < 0.015
    # One draw says nothing about the next.
    assert abs(np.corrcoef(steps[:-1], steps[1:])[0, 1]) < 0.03


def distance_from_even(values: list[float]) -> float:
    """The largest distance between their distribution and that of even numbers (Kolmogorov)."""
    ranks = (np.arange(len(values)) + 0.5) / len(values)
    return float(np.max(np.abs(np.sort(values) - ranks)))


@pytest.mark.parametrize("within", [0.0, 0.25, 0.5, 0.9])
def test_smooth_is_even_at_every_phase(within: float) -> None:
    """Not only near the middle, as plain sums of draws would be, and alike within a period."""
    smooth = wave(lfo("smooth"), 3)
    # Neighbours overlap: every fourth period is drawn independently.
    values = [smooth(4 * n + within) for n in range(10_000)]
    assert distance_from_even(values) < 0.02
    assert np.mean(values) == pytest.approx(0.5, abs=0.01)
    assert np.var(values) == pytest.approx(1 / 12, abs=0.003)


def test_smooth_bends_without_a_corner() -> None:
    """First and second differences from the left and from the right meet at the whole phases."""
    smooth, h = wave(lfo("smooth"), 8), 1e-3
    slopes = []
    for knot in range(200):
        left = [smooth(knot - n * h) for n in range(4)]
        right = [smooth(knot + n * h) for n in range(4)]

        def slope(v: list[float]) -> float:  # one-sided, error h²
            return (-3 * v[0] + 4 * v[1] - v[2]) / (2 * h)

        def bend(v: list[float]) -> float:  # one-sided, error h²
            return (2 * v[0] - 5 * v[1] + 4 * v[2] - v[3]) / (h * h)

        assert slope(right) == pytest.approx(-slope(left), abs=1e-3)
        assert bend(right) == pytest.approx(bend(left), abs=0.2)
        slopes.append(abs(slope(right)))
    assert np.median(slopes) > 0.1, "it rests at the whole phases"


@pytest.mark.parametrize("shape", ["hold", "smooth"])
def test_chance_follows_from_the_seed_alone(shape: str) -> None:
    grid = np.linspace(0.0, 300.0, 901).tolist()
    forwards = [at(shape, phase, 5) for phase in grid]
    one = wave(lfo(shape), 5)
    assert [one(phase) for phase in reversed(grid)] == forwards[::-1]
    other = wave(lfo(shape), 6)
    assert abs(np.corrcoef(forwards, [other(phase) for phase in grid])[0, 1]) < 0.2
    own = wave(lfo(shape, seed=5), 99)
    assert [own(phase) for phase in grid] == forwards


# What may be declared.


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"name": "a/b"}, "name 'a/b'"),
        ({"name": ""}, "name ''"),
        ({"name": "é"}, "name"),
        ({"rate": None}, "rate: give either"),
        ({"beats": 4.0}, "rate: give either"),
        ({"rate": 0.0}, r"rate 0.0: must lie in 0.001..30 Hz"),
        ({"rate": 31.0}, "rate 31.0"),
        ({"rate": math.nan}, "rate nan"),
        ({"rate": None, "beats": 0.01}, r"beats 0.01: must lie in 0.0625..256"),
        ({"phase": 1.5}, r"phase 1.5: must lie in 0..1"),
        ({"width": 0.0}, "width 0.0"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_oscillators_nobody_can_play(wrong: dict, says: str) -> None:
    with pytest.raises(InstrumentError, match=f"^{says}"):
        Lfo(**({"name": "x", "rate": 1.0} | wrong))


def test_the_pace_is_a_parameter_in_hertz_or_in_beats() -> None:
    hertz, beats = Lfo("a", rate=0.5), Lfo("b", beats=4.0)
    assert (hertz.pace.address, hertz.pace.unit, hertz.pace.default) == ("/lfo/a/rate", "Hz", 0.5)
    assert (beats.pace.address, beats.pace.unit, beats.pace.default) == ("/lfo/b/beats", "beats", 4)
    assert hertz.frequency(0.5) == 0.5
    assert beats.frequency(4.0) == 0.25
