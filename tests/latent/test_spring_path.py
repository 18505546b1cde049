"""Physical paths: no corners, near their keys, true orbits, and exactly where they said."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from path_parts import FREE, LAYERS, SHELL, SPACES, WIDE, frames_of, keys_of

from instrument import InstrumentError
from instrument.latent.path import Chain, apart
from instrument.latent.retargeting import Retargeting, leg_phases
from instrument.latent.space import LatentSpec
from instrument.latent.spring import Spring, SpringState, arrival_phase, step
from instrument.latent.spring_path import SpringPath
from instrument.latent.steps import step_lengths, turns

LAW = settings(deadline=None, derandomize=True, max_examples=40)
laws = st.builds(Retargeting, st.floats(0.05, 5.0), st.floats(0.02, 0.6), st.booleans())


def nearest(path: SpringPath, keys: np.ndarray, spec: LatentSpec) -> np.ndarray:
    z = path.at(np.linspace(0.0, path.seconds, 4000))
    return np.array([apart(z, key, spec).min() for key in keys])


@pytest.mark.parametrize("closed", [False, True])
def test_no_corner_where_a_chain_has_one(closed: bool) -> None:
    """30 frames a second, 3 s from key to key: ≤ 10° a frame, where the chain turns by 90°."""
    for seed in range(4):
        keys = keys_of(8, WIDE, seed)
        seconds = 3.0 * (8 if closed else 7)
        path = SpringPath(keys, WIDE, seconds, closed=closed)
        chain = Chain(keys, WIDE, seconds, closed=closed)
        assert np.degrees(turns(path.at(frames_of(path)), WIDE).max()) <= 10.0
        assert np.degrees(turns(chain.at(frames_of(chain)), WIDE).max()) >= 75.0


def test_it_passes_near_its_keys() -> None:
    keys = keys_of(6, WIDE)
    for arrive, most in [(0.05, 4.0), (0.15, 9.0), (0.25, 15.0)]:
        path = SpringPath(keys, WIDE, 15.0, Retargeting(0.6, arrive))
        ways = np.degrees(nearest(path, keys, WIDE))
        assert ways[0] == ways[-1] == 0.0
        assert 0.0 < ways[1:-1].max() <= most


def test_it_rests_longer_and_so_comes_nearer() -> None:
    keys = keys_of(4, WIDE)
    passing = nearest(SpringPath(keys, WIDE, 12.0), keys, WIDE)[1:-1]
    resting = SpringPath(keys, WIDE, 20.0, hold=2.0)
    assert (nearest(resting, keys, WIDE)[1:-1] < 0.5 * passing).all()
    assert (resting.at(np.array([0.0, 1.0, 1.99])) == keys[0]).all()


@given(st.integers(0, 10**6), st.integers(2, 9), laws, st.sampled_from(SPACES))
@LAW
def test_a_lap_brings_the_state_back(seed, count, law, spec) -> None:
    """Position and velocity at the seam are those of the start, to 1e-9 of the shell."""
    path = SpringPath(keys_of(count, spec, seed), spec, 10.0, law, closed=True)
    start, end = path.lap()
    size = np.abs(start.position).max() + np.abs(start.velocity).max()
    assert np.abs(end.position - start.position).max() <= 1e-9 * size
    assert np.abs(end.velocity - start.velocity).max() <= 1e-9 * size


def test_another_start_comes_back_to_another_state() -> None:
    """So the law above can fail; but lap by lap a wrong start is forgotten."""
    path = SpringPath(keys_of(4), SHELL, 10.0, closed=True)
    start, _ = path.lap()
    wrong = SpringState(start.position + 1.0, start.velocity)
    _, once = path.lap(wrong)
    _, twice = path.lap(once)
    off = [float(np.abs(s.position - start.position).max()) for s in (wrong, once, twice)]
    assert off[0] > 100 * off[1] > 1e4 * off[2] > 0.0


def test_the_second_lap_is_the_first() -> None:
    """By stepping on for two laps from the start, frame upon frame, as a stage would."""
    keys = keys_of(5)
    path = SpringPath(keys, SHELL, 8.0, closed=True)
    state, _ = path.lap()
    first = path.at(np.arange(0, 240) / 30)
    spring, scale = path._spring, path._scale  # the only white-box test: what is stepped
    ends = np.concatenate([path._starts[1:], [path._end]])
    for lap in range(2):
        clock = 0.0
        for frame in range(240):
            until = frame / 30 * scale
            while clock < until:
                leg = int(np.searchsorted(ends, clock, side="right"))
                stride = min(until, float(ends[leg])) - clock
                state = step(state, path._motion.targets[leg], spring, stride)
                clock = min(until, float(ends[leg]))
            z = 8.0 * state.position / np.linalg.norm(state.position)
            assert np.allclose(z, first[frame], atol=1e-8), (lap, frame)
        state = step(state, path._motion.targets[-1], spring, path._end - clock)


def test_the_seam_is_like_any_other_place() -> None:
    for seed in range(5):
        path = SpringPath(keys_of(6, WIDE, seed), WIDE, 18.0, closed=True)
        z = path.at(np.arange(-30, 18 * 30 + 31) / 30)
        steps, turned = step_lengths(z, WIDE), turns(z, WIDE)
        seam = 30 + 18 * 30
        assert steps[seam - 1] <= np.percentile(steps, 99)
        assert turned[seam - 2 : seam + 1].max() <= turned.max()
        assert abs(steps[seam - 1] - steps[29]) < 1e-9
        assert np.allclose(z[:61], z[-61:], atol=1e-9)


@given(st.integers(0, 10**6), laws, st.sampled_from(SPACES))
@LAW
def test_any_law_is_finite_and_ends_where_it_said(seed, law, spec) -> None:
    keys = keys_of(3, spec, seed)
    path = SpringPath(keys, spec, 5.0, law)
    assert np.isfinite(path.at(np.linspace(0, 5, 60))).all()
    near_end = path.at(np.array([5.0 - 1e-7]))[0]
    assert float(apart(near_end, keys[-1], spec)) < 1e-4  # it is there of itself, and not put there


def test_it_starts_from_rest_and_comes_to_rest() -> None:
    path = SpringPath(keys_of(2), SHELL, 4.0)
    steps = step_lengths(path.at(np.arange(0, 4.0005, 1e-3)), SHELL)
    assert steps[0] < 0.01 * steps.max()
    assert steps[-1] < 0.01 * steps.max()


def test_a_beat_for_every_key() -> None:
    keys = keys_of(4)
    timed = SpringPath(keys, SHELL, 8.0, Retargeting(0.6, 0.15, timed=True), closed=True)
    assert timed.visits == pytest.approx([0.0, 2.0, 4.0, 6.0])
    by_nearness = SpringPath(keys, SHELL, 8.0, closed=True)
    assert not np.allclose(np.diff(by_nearness.visits), 2.0, atol=1e-6)


def test_a_slow_law_is_not_stuck_before_a_key() -> None:
    """ζ = .05 rings for long; every leg still ends."""
    path = SpringPath(keys_of(6), SHELL, 30.0, Retargeting(0.05, 0.02), closed=True)
    assert np.diff(path.visits).max() < 4 * np.diff(path.visits).min()


# --- when the target leaps


def test_one_that_rings_leaps_where_it_is_nearest() -> None:
    law = Retargeting(0.2, 0.05)
    stations = keys_of(4)
    first, second = leg_phases(stations, np.ones(3), law, closed=False)[:2].tolist()
    state = step(SpringState(stations[0], np.zeros(64)), stations[1], law.spring, first)
    left = [
        float(np.linalg.norm(step(state, stations[2], law.spring, second * share).position
                             - stations[2]))
        for share in (0.9, 0.99, 1.0, 1.01, 1.1)
    ]  # fmt: skip
    assert np.argmin(left) == 2


@pytest.mark.parametrize("damping", [0.6, 1.0, 2.0])
@pytest.mark.parametrize("arrive", [0.05, 0.15, 0.5])
def test_it_leaps_when_near_enough(damping: float, arrive: float) -> None:
    """From rest that is the spring's own arrival; afterwards it is read off the motion."""
    law = Retargeting(damping, arrive)
    stations = keys_of(4)
    phases = leg_phases(stations, np.ones(3), law, closed=False)
    assert phases[0] == pytest.approx(arrival_phase(damping, arrive), rel=1e-9)
    state = SpringState(stations[0], np.zeros(64))
    for leg, phase in enumerate(phases[:2].tolist()):
        way = np.linalg.norm(stations[leg + 1] - stations[leg])
        early = step(state, stations[leg + 1], law.spring, 0.999 * phase).position
        state = step(state, stations[leg + 1], law.spring, phase)
        left = np.linalg.norm(state.position - stations[leg + 1]) / way
        assert left <= arrive * (1 + 1e-9)
        assert np.linalg.norm(early - stations[leg + 1]) / way > arrive


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"damping": 0.0}, ["damping 0.0", "0.05 to 5.0"]),
        ({"damping": math.nan}, ["damping nan"]),
        ({"arrive": 0.0}, ["arrive 0.0", "0.01 to 0.9"]),
        ({"arrive": 1.0}, ["arrive 1.0"]),
        ({"arrive": math.nan}, ["arrive nan"]),
    ],
)
def test_a_law_that_cannot_be(fields, names) -> None:
    with pytest.raises(InstrumentError) as refused:
        Retargeting(**fields)
    assert all(name in str(refused.value) for name in names)


def test_the_spring_is_the_stages_own() -> None:
    """One leg from rest is what a glide on stage does, but for where it aims."""
    keys = keys_of(2, FREE)
    path = SpringPath(keys, FREE, 3.0)
    spring = Spring(path._scale / (2 * math.pi), 0.6)
    target = path._motion.targets[0]
    for seconds in (0.3, 1.1, 2.9):
        played = step(SpringState(keys[0], np.zeros(8)), target, spring, seconds).position
        assert np.allclose(path.at(np.array([seconds]))[0], played, atol=1e-9)


def test_layers_move_together() -> None:
    keys = keys_of(3, LAYERS)
    alone = LatentSpec((8,), "w")
    law = Retargeting(timed=True)
    whole = SpringPath(keys, LAYERS, 4.0, law)
    first = SpringPath(keys[:, 0], alone, 4.0, law)
    times = np.linspace(0.0, 4.0, 30)
    assert np.allclose(whole.at(times)[:, 0], first.at(times), atol=1e-12)
