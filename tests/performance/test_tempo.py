"""The beat: closed forms against brute force, and the laws that no event can break."""

import itertools
import json
import math
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument.performance.tempo import Launch, Tempo, tapped_period, tempo_from_json

LAW = settings(deadline=None, derandomize=True, max_examples=150)

bpms = st.floats(40.0, 240.0)
acts = st.one_of(
    st.tuples(st.just("paced"), bpms),
    st.tuples(st.just("aligned"), st.floats(-1e4, 1e4)),
    st.tuples(st.just("met"), st.none()),
    st.tuples(st.just("tapped"), st.none()),
    st.tuples(st.just("anchored"), st.none()),
)
# (seconds since the last one, what happens)
stories = st.lists(st.tuples(st.floats(0.0, 3.0), acts), max_size=12)


def done(tempo: Tempo, time: float, act: str, value: float | None) -> Tempo:
    if act == "tapped":
        tempo, bpm = tempo.tapped(time)
        return tempo if bpm is None else tempo.paced(time, bpm)
    given_ = () if value is None else (value,)
    return getattr(tempo, act)(time, *given_)


def told(story) -> list[tuple[float, Tempo]]:
    """The tempo from each moment of a story on."""
    time, tempo = 0.0, Tempo()
    tempos = [(time, tempo)]
    for seconds, (act, value) in story:
        time += seconds
        tempo = done(tempo, time, act, value)
        tempos.append((time, tempo))
    return tempos


@LAW
@given(stories)
def test_nothing_but_a_start_makes_the_count_jump(story) -> None:
    tempos = told(story)
    for (_, before), (time, after) in itertools.pairwise(tempos):
        assert after.beats(time) == pytest.approx(before.beats(time), abs=1e-8)


@LAW
@given(stories, st.floats(0.0, 9.0), st.floats(0.0, 2.0))
def test_beats_run_forward_within_their_bounds(story, later, step) -> None:
    """Meeting a clock bends the beat by half at most: no beat is counted twice, none comes late."""
    time, tempo = told(story)[-1]
    gained = tempo.beats(time + later + step) - tempo.beats(time + later)
    plain = step * tempo.bpm / 60.0
    assert 0.5 * plain - 1e-8 <= gained <= 1.5 * plain + 1e-8


@LAW
@given(stories, st.floats(0.0, 9.0))
def test_the_time_of_a_beat_is_the_reverse(story, later) -> None:
    time, tempo = told(story)[-1]
    assert tempo.time_of(tempo.beats(time + later)) == pytest.approx(time + later, abs=1e-9)


@LAW
@given(stories, st.floats(0.0, 5.0), st.floats(0.0, 5.0))
def test_reading_anew_changes_nothing(story, here, later) -> None:
    time, tempo = told(story)[-1]
    anew = tempo.anchored(time + here)
    assert anew.beats(time + here + later) == pytest.approx(
        tempo.beats(time + here + later), abs=1e-9
    )


@LAW
@given(stories, st.floats(-1e4, 1e4))
def test_a_clock_is_met_at_the_nearest_bar_within_four_beats(story, count) -> None:
    time, tempo = told(story)[-1]
    met = tempo.aligned(time, count)
    after = time + 4.0 * 60.0 / tempo.bpm + 1e-9
    clock = count + (after - time) * tempo.bpm / 60.0
    assert math.remainder(met.beats(after) - clock, 4.0) == pytest.approx(0.0, abs=1e-7)
    assert abs(met.offset) <= 2.0 + 1e-9


def test_a_small_difference_is_gone_after_one_beat() -> None:
    tempo = Tempo(bpm=60.0).aligned(10.0, 10.3)
    assert tempo.beats(10.0) == 10.0
    assert tempo.beats(10.5) == pytest.approx(10.65)
    assert tempo.beats(11.0) == pytest.approx(11.3)
    assert tempo.beats(20.0) == pytest.approx(20.3)


@pytest.mark.parametrize("away", [0.2, -0.2, 0.49])
def test_a_beat_of_no_number_is_the_nearest(away: float) -> None:
    tempo = Tempo(bpm=120.0).met(5.0 + away / 2.0)
    assert tempo.beats(5.0 + away / 2.0 + 0.5) == pytest.approx(11.0)


def test_a_start_is_beat_0_and_calls_what_waits() -> None:
    tempo = Tempo(pending=Launch("/waypoint/1/go", 16.0)).aligned(1.0, 2.4).started(3.0)
    assert [tempo.beats(3.0 + s) for s in (0.0, 0.5, 1.0)] == [0.0, 1.0, 2.0]
    assert tempo.pending == Launch("/waypoint/1/go", 0.0)
    assert tempo.time_of(0.0) == 3.0


@LAW
@given(st.lists(st.tuples(st.floats(0.0, 0.5), bpms), min_size=1, max_size=20))
def test_a_changing_tempo_adds_up(changes) -> None:
    """Against the plain sum of seconds times tempo."""
    time, tempo, beats = 0.0, Tempo(), 0.0
    for seconds, bpm in changes:
        beats += seconds * tempo.bpm / 60.0
        time += seconds
        tempo = tempo.paced(time, bpm)
    assert tempo.beats(time) == pytest.approx(beats, abs=1e-9)


@LAW
@given(stories, st.floats(0.0, 4.0), st.floats(0.0, 9.0))
def test_begun_anew_it_goes_on_alike(story, now, later) -> None:
    time, tempo = told(story)[-1]
    now += time
    anew = tempo.rebased(now)
    assert anew.beats(later) == pytest.approx(tempo.beats(now + later), abs=1e-8)
    assert [now + tap for tap in anew.taps] == pytest.approx(list(tempo.taps))


@LAW
@given(stories)
def test_json_and_back(story) -> None:
    time, tempo = told(story)[-1]
    tempo = tempo.waiting(Launch("/waypoint/2/go", 8.0) if story else None)
    text = json.dumps(tempo.to_json(), allow_nan=False)
    assert tempo_from_json(json.loads(text), time) == tempo


def test_a_performance_of_before_has_a_beat() -> None:
    assert tempo_from_json(None, 3.0) == Tempo(anchor=3.0)


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("anchor", 99.0), ("anchor", math.nan), ("count", math.inf), ("bpm", 0.0), ("bpm", 999.0),
        ("offset", 5.0), ("over", -1.0), ("taps", [2.0, 1.0]), ("taps", [99.0]), ("taps", 3),
        ("taps", [math.nan]), ("pending", ["/a", math.inf]), ("pending", [3]), ("count", "x"),
    ],
)  # fmt: skip
def test_damage_is_found(key: str, wrong: object) -> None:
    good = Tempo(1.0, 2.0, 90.0, 0.1, 1.0, (0.5, 1.0), Launch("/a", 4.0)).to_json()
    assert tempo_from_json(good, 5.0).count == 2.0
    with pytest.raises((KeyError, TypeError, ValueError, IndexError)):
        tempo_from_json(good | {key: wrong}, 5.0)
    with pytest.raises(KeyError):
        tempo_from_json({k: v for k, v in good.items() if k != key}, 5.0)


# Taps.


def tap(times: list[float], tempo: Tempo | None = None) -> tuple[Tempo, list[float | None]]:
    tempo, said = tempo or Tempo(), []
    for time in times:
        tempo, bpm = tempo.tapped(time)
        said.append(bpm)
        if bpm is not None:
            tempo = tempo.paced(time, bpm)
    return tempo, said


@LAW
@given(bpms, st.integers(2, 20), st.floats(0.0, 100.0))
def test_even_taps_are_their_tempo(bpm, count, start) -> None:
    times = [start + i * 60.0 / bpm for i in range(count)]
    tempo, said = tap(times)
    assert said[0] is None
    assert said[1:] == pytest.approx([bpm] * (count - 1), abs=1e-6)
    assert math.remainder(tempo.beats(times[-1] + 60.0 / tempo.bpm), 1.0) == pytest.approx(
        0.0, abs=1e-6
    )


def test_the_last_tap_is_a_beat_from_the_next_one_on() -> None:
    tempo, _ = tap([0.13, 0.73, 1.33, 1.93])
    assert tempo.bpm == pytest.approx(100.0)
    counts = [tempo.beats(1.93 + 0.6 * beat) for beat in (1, 2, 3)]
    assert counts == pytest.approx([round(count) for count in counts], abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_a_hand_that_wavers_is_heard(seed: int) -> None:
    """Taps 15 ms out (standard deviation), as hands are: off by no more than 2 % on average."""
    random = np.random.default_rng(seed)
    errors = []
    for _ in range(40):
        bpm = random.uniform(60.0, 180.0)
        times = [i * 60.0 / bpm + random.normal(0.0, 0.015) for i in range(8)]
        errors.append(abs(60.0 / tapped_period(tuple(times)) / bpm - 1.0))
    assert fmean(errors) < 0.02


def test_one_tap_amiss_changes_little() -> None:
    even = [i * 0.5 for i in range(8)]
    astray = [*even[:4], even[4] + 0.12, *even[5:]]
    left_out = [*even[:3], *even[4:]]
    assert 60.0 / tapped_period(tuple(astray)) == pytest.approx(120.0, abs=0.5)
    assert 60.0 / tapped_period(tuple(left_out)) == pytest.approx(120.0)


def test_a_pause_starts_anew_and_a_bounce_is_none() -> None:
    _, said = tap([0.0, 0.5, 0.55, 1.0])
    assert said == [None, pytest.approx(120.0), None, pytest.approx(120.0)]
    tempo, said = tap([0.0, 0.5, 1.0, 3.0, 4.0])
    assert said == [None, pytest.approx(120.0), pytest.approx(120.0), None, pytest.approx(60.0)]
    assert tempo.taps == (3.0, 4.0)


@LAW
@given(st.lists(st.floats(0.0, 4.0), max_size=30))
def test_whatever_is_tapped_the_tempo_is_one(gaps) -> None:
    times = [sum(gaps[: i + 1]) for i in range(len(gaps))]
    tempo, said = tap(times)
    assert all(bpm is None or 40.0 <= bpm <= 240.0 for bpm in said)
    assert len(tempo.taps) <= 8
    tempo_from_json(json.loads(json.dumps(tempo.to_json())), times[-1] if times else 0.0)
