"""MIDI clock against clocks whose beat is known: jitter, loss, jumps, stops."""

import math

import numpy as np
import pytest
from clocks import beats_at, ticks_of
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument.control.midi_clock import MidiClock
from instrument.control.pulse import Pulse
from instrument.control.tick_lattice import cost_of, find_lattice

LAW = settings(deadline=None, derandomize=True, max_examples=30)


def follow(
    arrived: np.ndarray, due: np.ndarray, clock: MidiClock | None = None
) -> tuple[MidiClock, list[tuple[float, Pulse]]]:
    """The clock after all ticks, and (true beats, pulse) at each that told something."""
    if clock is None:
        clock = MidiClock()
        assert clock.hear("start", 1.0 - 0.001) is None
    told = []
    for time in arrived.tolist():
        pulse = clock.hear("clock", time)
        if pulse is not None:
            told.append((beats_at(due, time), pulse))
    return clock, told


def seconds_off(told: list[tuple[float, Pulse]], after: float) -> np.ndarray:
    """How far the beat is off, in seconds, at each pulse after so many beats."""
    return np.array([abs(p.beats - true) * 60.0 / p.bpm for true, p in told if true > after])


@pytest.mark.parametrize("bpm", [40.0, 87.3, 120.0, 174.0, 240.0])
def test_an_even_clock_is_known_after_half_a_beat(bpm: float) -> None:
    _, told = follow(*ticks_of([(8, bpm)], jitter=1e-4))
    assert told[0][0] <= 0.5
    assert told[-1][1].bpm == pytest.approx(bpm, rel=1e-3)
    assert seconds_off(told, 0.5).max() < 0.0005


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("bpm", "lost"), [(90.0, 0.1), (120.0, 0.0), (120.0, 0.1)])
def test_five_milliseconds_of_jitter(bpm: float, lost: float, seed: int) -> None:
    _, told = follow(*ticks_of([(40, bpm)], jitter=0.005, lost=lost, seed=seed))
    assert told[0][0] <= 2.5
    off = seconds_off(told, 2.5)
    assert np.percentile(off, 99) < 0.010
    assert off.max() < 0.012  # and no tick was counted twice or never
    bpms = [p.bpm for true, p in told if true > 4.0]
    assert np.median(bpms) == pytest.approx(bpm, abs=0.3)


@pytest.mark.parametrize("bpm", [60.0, 128.0, 200.0])
def test_lost_ticks_are_counted_over(bpm: float) -> None:
    _, told = follow(*ticks_of([(60, bpm)], jitter=0.001, lost=0.1, seed=5))
    assert told[-1][1].beats == pytest.approx(60.0, abs=0.02)
    assert seconds_off(told, 2.5).max() < 0.003


@pytest.mark.parametrize("after", [126.0, 140.0, 100.0, 180.0, 240.0, 60.0])
def test_a_jump_is_followed_within_a_beat_and_no_tick_is_lost(after: float) -> None:
    arrived, due = ticks_of([(16, 120.0), (16, after)], jitter=2e-4)
    _, told = follow(arrived, due)
    assert all(abs(p.bpm / after - 1.0) < 0.01 for true, p in told if true > 17.0)
    assert seconds_off(told, 18.0).max() < 0.001


@pytest.mark.parametrize("jitter", [2e-4, 1e-3])
def test_a_tempo_that_is_turned_up_is_followed(jitter: float) -> None:
    turned = [(1, 100.0 + n) for n in range(40)]
    _, told = follow(*ticks_of([(8, 100.0), *turned, (8, 140.0)], jitter=jitter))
    assert np.percentile(seconds_off(told, 4.0), 99) < 0.010


def test_what_is_out_of_place_once_changes_little() -> None:
    arrived, due = ticks_of([(20, 120.0)], jitter=1e-4)
    arrived[300] += 0.009
    _, told = follow(arrived, due)
    assert seconds_off(told, 2.0).max() < 0.010
    assert all(abs(p.bpm / 120.0 - 1.0) < 0.02 for true, p in told if true > 2.0)


def test_it_coasts_over_a_hole_and_takes_up_the_same_beat() -> None:
    arrived, due = ticks_of([(40, 120.0)], jitter=0.001, seed=3)
    beats = (arrived - 1.0) * 2.0
    holed = arrived[(beats < 10.0) | (beats > 16.0)]
    _, told = follow(holed, due)
    assert seconds_off(told, 2.0).max() < 0.006


def test_after_a_long_silence_it_begins_anew() -> None:
    arrived, due = ticks_of([(8, 120.0)])
    clock, _ = follow(arrived, due)
    later = arrived + 100.3
    told = [clock.hear("clock", float(time)) for time in later]
    assert told[-1] is not None
    assert told[-1].bpm == pytest.approx(120.0, rel=1e-6)


# Start, stop, continue, song position.


def test_start_is_beat_0_whenever_it_comes() -> None:
    arrived, _ = ticks_of([(20, 120.0)])
    clock = MidiClock()
    for number, time in enumerate(arrived.tolist()):
        if number == 100:
            clock.hear("start", time - 0.004)
        pulse = clock.hear("clock", time)
        if number >= 100:
            assert pulse is not None
            assert pulse.beats == pytest.approx((number - 100) / 24.0, abs=1e-6)


@pytest.mark.parametrize("position", [None, 0, 13])
def test_continue_goes_on_from_where_it_stopped_or_is_told(position: int | None) -> None:
    arrived, _ = ticks_of([(20, 120.0)])
    clock = MidiClock()
    clock.hear("start", 0.999)
    for number, time in enumerate(arrived.tolist()):
        if number == 97:
            clock.hear("stop", time - 0.001)
        if number == 200:
            if position is not None:
                clock.hear("songpos", time - 0.003, position)
            clock.hear("continue", time - 0.001)
        pulse = clock.hear("clock", time)
    begun = 97 if position is None else 6 * position
    assert pulse is not None
    assert pulse.beats == pytest.approx((begun + len(arrived) - 1 - 200) / 24.0, abs=1e-6)


def test_a_lost_first_tick_does_not_move_the_beat() -> None:
    arrived, due = ticks_of([(12, 120.0)], jitter=2e-4)
    _, told = follow(arrived[2:], due)
    assert seconds_off(told, 1.0).max() < 0.001


# Whatever comes.

messages = st.lists(
    st.tuples(
        st.sampled_from(["clock"] * 12 + ["start", "stop", "continue", "songpos"]),
        st.one_of(st.just(0.02), st.just(0.0), st.floats(0.0, 0.1), st.floats(0.0, 30.0)),
        st.integers(0, 16383),
    ),
    max_size=200,
)


@LAW
@given(messages)
def test_nothing_that_arrives_breaks_it(told) -> None:
    clock, time = MidiClock(), 0.0
    for kind, gap, position in told:
        time += gap
        pulse = clock.hear(kind, time, position)
        if pulse is not None:
            assert clock.locked
            assert all(map(math.isfinite, (pulse.bpm, pulse.beats, pulse.tolerance)))
            assert 1.0 < pulse.bpm < 1e4


@pytest.mark.parametrize("gap", [0.0, 1e-7, 0.5])
def test_what_is_no_clock_has_no_beat(gap: float) -> None:
    clock = MidiClock()
    assert all(clock.hear("clock", n * gap) is None for n in range(100))


# The lattice.


@pytest.mark.parametrize("seed", range(5))
def test_the_lattice_tells_lost_ticks_from_a_slow_clock(seed: int) -> None:
    """240 bpm with a tenth lost has as many ticks as 216: only where they fall tells."""
    arrived, _ = ticks_of([(2, 240.0)], jitter=0.001, lost=0.1, seed=seed)
    lattice = find_lattice(arrived)
    assert lattice is not None
    assert 2.5 / lattice.period == pytest.approx(240.0, rel=0.01)
    assert lattice.cost <= cost_of(arrived, lattice.time, lattice.period / 0.9)
    assert lattice.cost == pytest.approx(cost_of(arrived, lattice.time, lattice.period), abs=3.0)


def test_too_little_is_no_lattice() -> None:
    assert find_lattice(np.array([0.0, 0.1, 0.2])) is None
    assert find_lattice(np.zeros(9)) is None


def test_a_lattice_says_how_near_the_next_best_is() -> None:
    clean, _ = ticks_of([(2, 120.0)], jitter=0.001)
    rough, _ = ticks_of([(1, 200.0)], jitter=0.005, lost=0.1)
    sure, unsure = find_lattice(clean), find_lattice(rough)
    assert sure is not None
    assert unsure is not None
    assert sure.margin > 20.0
    assert unsure.margin < 6.0
