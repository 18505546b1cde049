"""The pacer in planted worlds: it halves what doubles, never swings, says little, and lets go."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import ALONG, World, waves

from instrument.frame import Frame
from instrument.live.pacer import Pacer, Row


def hill(period: float, depth: float):
    """Looks that change by 1 ± depth a step of the way, over and over."""
    turn = 2.0 * math.pi / period
    return lambda way: way - depth / turn * math.cos(turn * way)


def bent(at: float, factor: float):
    """Looks that change `factor` times as fast from `at` on."""
    return lambda way: way if way < at else at + factor * (way - at)


# What it is for.


@pytest.mark.parametrize("factor", [2.0, 0.5, 1.5])
def test_what_doubles_is_halved(factor: float) -> None:
    world = World(looks=bent(20.0, factor)).play(20.0)
    assert world.rate(5.0) == pytest.approx(1.0, abs=0.03)
    world.play(2.0)
    assert world.rate(0.5) == pytest.approx(1.0 / factor, rel=0.2)


@pytest.mark.parametrize("factor", [2.0, 0.5])
def test_a_spring_that_goes_faster_is_no_other_matter(factor: float) -> None:
    way = bent(20.0, factor)
    world = World(way=way).play(22.0)
    assert world.rate(0.5) == pytest.approx(1.0 / factor, rel=0.2)


def test_half_as_even_is_the_root_of_the_rate() -> None:
    world = World(looks=bent(20.0, 2.0)).play(22.0, 0.5)
    assert world.rate(0.5) == pytest.approx(0.5**0.5, rel=0.12)


@pytest.mark.parametrize("late", [1, 3, 8])
def test_hills_and_valleys_are_evened(late: int) -> None:
    rough = World(looks=hill(6.0, 0.5), late=late).play(40.0, 0.0)
    even = World(looks=hill(6.0, 0.5), late=late).play(40.0)
    half = World(looks=hill(6.0, 0.5), late=late).play(40.0, 0.5)
    assert rough.unevenness(10.0) == pytest.approx(0.5 / 2**0.5, rel=0.02)
    assert even.unevenness(10.0) < (0.4 if late < 8 else 0.5) * rough.unevenness(10.0)
    assert even.unevenness(10.0) < half.unevenness(10.0) < rough.unevenness(10.0)


def test_the_flight_takes_about_as_long_as_it_would() -> None:
    world = World(looks=hill(3.0, 0.7)).play(90.0)
    assert world.motion == pytest.approx(90.0, rel=0.15)


def test_a_new_pace_becomes_the_usual_one() -> None:
    world = World(way=bent(10.0, 2.5)).play(10.0)
    first = world.play(3.0).rate(1.0)
    later = world.play(60.0).rate(1.0)
    assert first < 0.6 and later == pytest.approx(1.0, abs=0.1)


def test_what_sways_the_rate_is_seen_and_not_fought() -> None:
    swayed, plain = (World(looks=hill(4.0, 0.6)).play(20.0, sway=s) for s in (1.3, 1.0))
    assert swayed.rate(10.0) == pytest.approx(plain.rate(10.0), rel=0.1)


# How it behaves.


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([12, 30, 60]), st.integers(0, 6))
def test_it_is_bounded_and_speaks_seldom_whatever_it_sees(seed, fps, late) -> None:
    random = np.random.default_rng(seed)
    jumps = np.cumsum(random.exponential(1.0, 400) ** 3)

    def looks(way: float) -> float:
        return float(np.interp(way * 8.0, np.arange(400), jumps))

    world = World(looks=looks, fps=fps, late=late).play(8.0)
    assert all(0.25 <= rate <= 4.0 for _, rate in world.said)
    times = [time for time, _ in world.said]
    assert all(b - a >= 0.1 - 1e-9 for a, b in itertools.pairwise(times))
    for (_, one), (_, other) in itertools.pairwise(world.said):
        assert other == 1.0 or abs(math.log(other / one)) >= 0.03


def test_an_even_flight_is_left_alone() -> None:
    world = World().play(30.0)
    assert len(world.said) == 0


def test_after_a_step_it_comes_to_its_rate_and_does_not_swing() -> None:
    world = World(looks=bent(20.0, 2.0), late=6).play(23.0)
    said = [rate for time, rate in world.said if time > 20.0]
    assert min(said) > 0.4  # it does not brake below what is asked for
    lowest = said.index(min(said))
    assert all(b >= a for a, b in itertools.pairwise(said[lowest:]))
    assert len(said) < 15


def test_the_same_show_is_paced_the_same() -> None:
    one, other = (World(looks=hill(2.0, 0.6)).play(5.0) for _ in range(2))
    assert one.said == other.said and one.said


# When it lets go.


def away(**more) -> World:
    """A world in which the rate has just been brought down."""
    world = World(looks=bent(10.0, 3.0), **more).play(11.5)
    assert world.base < 0.7
    return world


@pytest.mark.parametrize(
    "then",
    [{"even": 0.0}, {"steady": False}, {"blind": True}],
    ids=["switched off", "held or mixed", "a dead decoder"],
)
def test_it_goes_back_to_1_exactly_and_says_no_more(then) -> None:
    world = away()
    begun = world.base
    world.play(0.2, **then)
    assert world.base < 0.95, "gently"
    world.play(3.0, **then)
    assert world.base == 1.0 and begun < 1.0
    count = len(world.said)
    world.play(3.0, **then)
    assert len(world.said) == count


def test_at_rest_it_goes_back_to_1() -> None:
    world = World(way=lambda motion: min(3.0 * motion, 20.0)).play(6.0)
    world = World(way=lambda motion: 20.0 * -math.expm1(-motion)).play(2.0)
    assert world.base > 1.05, "the end of a glide is quickened"
    assert max(world.rates) < 4.0
    assert world.play(12.0).base == 1.0


def test_breathing_is_rest_and_the_flight_after_it_is_not_held_back() -> None:
    def way(motion: float) -> float:
        return max(motion - 20.0, 0.0)

    world = World(way=way, breath=0.05).play(20.0)
    assert not world.said
    assert all(rate == pytest.approx(1.0, abs=0.25) for _, rate in world.play(3.0).said)


def test_it_takes_up_again_after_a_pause() -> None:
    world = away().play(3.0, steady=False)
    assert world.base == 1.0
    assert world.play(1.5).base < 0.7


def test_what_a_hand_has_set_while_it_is_off_stays() -> None:
    world = World(looks=hill(2.0, 0.5))
    world.base = 0.4
    world.play(2.0, 0.0)
    assert world.base == 0.4 and not world.said
    world.play(1.0, 1.0)
    assert world.said and world.said[0][1] < 0.6, "it goes on from where a hand was"


def test_a_hand_between_is_where_it_goes_on() -> None:
    world = away()
    world.base = 3.0
    world.play(0.3)
    later = [rate for time, rate in world.said if time > 11.5]
    assert world.base < 2.0 and later == sorted(later, reverse=True)
    assert later[0] > 1.0, "from there, and not from where it was"
    world = away()
    world.base = 3.0  # and as it is switched off, what a hand set stays
    world.play(2.0, 0.0)
    assert world.base == 3.0


# What may go wrong.


@pytest.mark.parametrize(
    "picture",
    [
        lambda _: np.zeros((32, 32, 4), np.uint8),
        lambda _: waves(0.3),
        lambda _: np.zeros((1, 1, 4), np.uint8),
        lambda _: np.full((2, 500, 4), 255, np.uint8),
    ],
    ids=["black", "always the same", "one pixel", "a strip"],
)
def test_pictures_that_do_not_change_leave_the_rate_at_1(picture) -> None:
    world = World(picture=picture).play(5.0)
    assert not world.said
    world = away()
    world.picture = picture
    assert world.play(4.0).base == 1.0


def test_one_picture_says_nothing() -> None:
    world = World(decode=10**6, looks=hill(1.0, 0.9)).play(5.0)
    assert not world.said


@pytest.mark.parametrize("fps", [1, 24, 60])
def test_a_decoder_of_one_picture_a_second_is_too_slow_to_go_by(fps: int) -> None:
    world = World(fps=fps, late=1, decode=fps, looks=hill(2.0, 0.9)).play(20.0)
    assert not world.said


def test_a_slow_decoder_will_do() -> None:
    rough = World(decode=6, late=6, looks=hill(6.0, 0.5)).play(30.0, 0.0)
    even = World(decode=6, late=6, looks=hill(6.0, 0.5)).play(30.0)
    assert even.unevenness(10.0) < 0.5 * rough.unevenness(10.0)


def test_pictures_of_another_scene_or_size_are_not_compared() -> None:
    world = World().play(10.0)
    world.looks = lambda way: way + 40.0  # another snapshot: all looks different at once
    world.play(0.5, scene=("another",))
    assert not world.said
    world.picture = lambda phase: waves(phase, 16)
    world.play(0.5, scene=("another",))
    assert all(0.85 < rate < 1.15 for _, rate in world.said), "edges are steeper there, no more"


def test_no_number_it_is_given_can_break_it() -> None:
    pacer, wrong = Pacer(), [math.nan, -math.nan, 3e38, 1e30, 0.0]
    random = np.random.default_rng(1)
    for index in range(400):
        z = np.float32(index / 60.0) * ALONG
        if index % 7 == 0:
            z = z + np.float32(wrong[index % 5])
        picture = Frame(index, random.integers(0, 256, (9, 9, 4), dtype=np.uint8))
        word = pacer.follow(Row(index, index / 60.0, z, np.float64(z), 1.0, 1.0, 1.0), picture)
        assert word is None or 0.25 <= word <= 4.0


def test_pictures_of_no_row_and_rows_that_were_left_out() -> None:
    pacer = Pacer()
    for index in range(0, 600, 7):
        z = np.float32(index / 60.0) * ALONG
        frame = Frame(index + 3 if index % 2 else index, waves(index / 60.0))
        assert (
            pacer.follow(Row(index, index / 60.0, z, np.float64(z), 1.0, 1.0, 1.0), frame) is None
        )
    assert len(pacer._rows) < 30, "what nobody asks for again is forgotten"
