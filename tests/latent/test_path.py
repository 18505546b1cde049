"""Chains, and what every path keeps to: keys, time, shell, other numbers, and where it is from."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from path_parts import (
    FREE,
    LAYERED_SHELL,
    LAYERS,
    SHELL,
    SPACES,
    WIDE,
    frames_of,
    keys_of,
    paths_of,
)

from instrument import InstrumentError
from instrument.latent import geometry
from instrument.latent.path import Chain, apart, passes
from instrument.latent.space import LatentSpec
from instrument.latent.steps import off_shell, step_lengths, turns

LAW = settings(deadline=None, derandomize=True, max_examples=15)


# --- what every path keeps to


@pytest.mark.parametrize("spec", SPACES, ids=str)
@pytest.mark.parametrize("hold", [0.0, 0.4])
def test_an_open_path_begins_and_ends_at_its_keys_bit_for_bit(
    spec: LatentSpec, hold: float
) -> None:
    keys = keys_of(4, spec)
    for path in paths_of(keys, spec, hold=hold):
        ends = path.at(np.array([-1.0, 0.0, path.seconds, path.seconds + 9.0]))
        assert (ends[:2] == keys[0]).all()
        assert (ends[2:] == keys[-1]).all()


@pytest.mark.parametrize("spec", SPACES, ids=str)
@pytest.mark.parametrize("closed", [False, True])
def test_a_frame_rate_only_samples_the_path(spec: LatentSpec, closed: bool) -> None:
    for path in paths_of(keys_of(3, spec), spec, 2.0, closed):
        most = path.at(np.arange(240) / 120)
        for rate in (24, 30, 40, 60):
            times = np.arange(2 * rate) / rate
            assert (path.at(times) == most[:: 120 // rate]).all()
            shuffled = np.random.default_rng(2).permutation(len(times))
            assert (path.at(times[shuffled]) == path.at(times)[shuffled]).all()
        assert (path.at(np.array([0.731])) == path.at(np.array([0.1, 0.731]))[1]).all()


@pytest.mark.parametrize("closed", [False, True])
def test_no_row_leaves_the_shell(closed: bool) -> None:
    """Within 3 sd of it, for keys that are Gaussian samples and so are within 3 sd themselves."""
    for seed in range(5):
        keys = keys_of(5, WIDE, seed, loose=True)
        for path in paths_of(keys, WIDE, closed=closed):
            assert off_shell(path.at(frames_of(path)), WIDE) <= 3.0
    for path in paths_of(keys_of(4, LAYERED_SHELL), LAYERED_SHELL, closed=closed):
        assert off_shell(path.at(frames_of(path)), LAYERED_SHELL) < 1e-9


@given(st.integers(0, 10**6), st.integers(2, 6), st.booleans())
@LAW
def test_a_path_moves_without_leaps(seed: int, count: int, closed: bool) -> None:
    for path in paths_of(keys_of(count, SHELL, seed), SHELL, 4.0, closed):
        steps = step_lengths(path.at(np.arange(0, 4.0, 4e-3)), SHELL)
        assert steps.max() < 0.2


@pytest.mark.parametrize("closed", [False, True])
def test_other_numbers_follow_as_z_does(closed: bool) -> None:
    """What a free space does with its own numbers, any number of a key does."""
    keys = keys_of(4, FREE)
    for path in paths_of(keys, FREE, closed=closed):
        times = frames_of(path)
        followed = path.along(keys, times)
        inside = np.clip(path.at(times), keys.min(axis=0), keys.max(axis=0))
        assert np.allclose(followed, inside, atol=1e-12)
        assert np.allclose(path.along(np.full((4, 2), 7.5), times), 7.5)


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("spec", [SHELL, LAYERS], ids=str)
def test_every_row_is_between_two_keys(spec: LatentSpec, closed: bool) -> None:
    for path in paths_of(keys_of(4, spec), spec, closed=closed):
        a, b, share = path.between(frames_of(path)).T
        assert ((b - a) % 4 == 1).all()
        assert (0.0 <= share).all()
        assert (share <= 1.0).all()
        assert (np.diff(a[:-1]) >= 0.0).all()
        assert set(a[:-1]) == ({0.0, 1.0, 2.0, 3.0} if closed else {0.0, 1.0, 2.0})


@pytest.mark.parametrize("spec", SPACES, ids=str)
def test_a_key_is_nearest_about_when_it_is_visited(spec: LatentSpec) -> None:
    keys = keys_of(4, spec)
    for path in paths_of(keys, spec, 8.0):
        assert len(path.visits) == 4
        assert (np.diff(path.visits) > 0.0).all()
        for key, visit in zip(keys, path.visits, strict=True):
            then = float(apart(path.at(np.array([visit]))[0], key, spec))
            assert then < 0.5 * float(apart(keys[0], keys[1], spec))


@pytest.mark.parametrize("spec", SPACES, ids=str)
@pytest.mark.parametrize("closed", [False, True])
def test_how_near_it_passes_is_what_a_close_look_finds(spec: LatentSpec, closed: bool) -> None:
    keys = keys_of(4, spec)
    for path in paths_of(keys, spec, 8.0, closed):
        all_of_it = path.at(np.linspace(0.0, 8.0, 8001))
        nearest = np.array([apart(all_of_it, key, spec).min() for key in keys])
        assert np.allclose(passes(path, keys, spec), nearest, atol=2e-3)
    assert passes(Chain(keys, spec, 8.0, closed=closed), keys, spec) == pytest.approx(0.0, abs=1e-7)


@pytest.mark.parametrize("closed", [False, True])
def test_keys_that_are_one_place_stand_still(closed: bool) -> None:
    keys = np.repeat(keys_of(1), 3, axis=0)
    for path in paths_of(keys, SHELL, closed=closed):
        z = path.at(frames_of(path))
        assert np.allclose(z, keys[0], atol=1e-12)
        assert np.isfinite(path.between(frames_of(path))).all()


@pytest.mark.parametrize("closed", [False, True])
def test_opposite_keys_are_flown_around_the_shell(closed: bool) -> None:
    key = keys_of(1)[0]
    for keys in (np.stack([key, -key]), np.stack([key, -key, key])):
        for path in paths_of(keys, SHELL, 6.0, closed):
            z = path.at(np.arange(0.0, 6.0, 1 / 240))
            assert off_shell(z, SHELL) < 1e-9
            assert step_lengths(z, SHELL).max() < math.radians(3.0)


def test_two_equal_keys_among_others() -> None:
    keys = keys_of(4)
    keys[2] = keys[1]
    for closed in (False, True):
        for path in paths_of(keys, SHELL, closed=closed):
            z = path.at(frames_of(path))
            assert np.isfinite(z).all()
            assert step_lengths(z, SHELL).max() < 0.4


@pytest.mark.parametrize("closed", [False, True])
def test_time_is_all_that_seconds_change(closed: bool) -> None:
    keys = keys_of(3)
    for short, long in zip(
        paths_of(keys, SHELL, 3.0, closed), paths_of(keys, SHELL, 48 * 3600.0, closed), strict=True
    ):
        shares = np.linspace(0.0, 1.0, 50)
        assert np.allclose(short.at(3.0 * shares), long.at(48 * 3600.0 * shares), atol=1e-8)


@pytest.mark.parametrize(
    ("keys", "seconds", "hold", "names"),
    [
        (keys_of(1), 4.0, 0.0, ["1 key", "2 or more"]),
        (keys_of(3, LAYERS), 4.0, 0.0, ["[3, 3, 8]", "z64"]),
        (np.full((2, 64), np.nan), 4.0, 0.0, ["not finite"]),
        (np.full((2, 64), np.inf), 4.0, 0.0, ["not finite"]),
        (keys_of(2), 0.0, 0.0, ["0.0 s", "above 0"]),
        (keys_of(2), math.nan, 0.0, ["nan s"]),
        (keys_of(2), math.inf, 0.0, ["inf s", "30 days"]),
        (keys_of(2), 4.0, 2.0, ["pause of 2.0 s", "leave time"]),
        (keys_of(2), 4.0, -1.0, ["pause of -1.0 s", "0 or more"]),
        (keys_of(2), 4.0, math.nan, ["pause of nan s"]),
    ],
)
def test_no_path_leads_there(keys, seconds, hold, names) -> None:
    for closed in (False, True):
        with pytest.raises(InstrumentError) as refused:
            paths_of(keys, SHELL, seconds, closed, hold)
        assert all(name in str(refused.value) for name in names), refused.value


# --- chains


@pytest.mark.parametrize("spec", SPACES, ids=str)
@pytest.mark.parametrize("closed", [False, True])
def test_a_chain_meets_its_keys_bit_for_bit(spec: LatentSpec, closed: bool) -> None:
    keys = keys_of(5, spec, loose=True)
    chain = Chain(keys, spec, 7.0, hold=0.2, closed=closed)
    for key, visit in zip(keys, chain.visits, strict=True):
        assert (chain.at(np.array([visit, visit + 0.1]) + 1e-9) == key).all()


@given(st.integers(0, 10**6), st.integers(2, 6))
@LAW
def test_a_chain_backwards_is_the_chain_of_keys_backwards(seed: int, count: int) -> None:
    for spec in SPACES:
        keys = keys_of(count, spec, seed, loose=True)
        there, back = Chain(keys, spec, 5.0, hold=0.1), Chain(keys[::-1], spec, 5.0, hold=0.1)
        times = np.linspace(0.0, 5.0, 41)
        assert np.allclose(there.at(times), back.at(5.0 - times), atol=1e-9)


@pytest.mark.parametrize("spec", SPACES, ids=str)
def test_a_chain_keeps_one_speed(spec: LatentSpec) -> None:
    """Between corners; over one the chord is shorter than the way."""
    chain = Chain(keys_of(4, spec), spec, 6.0)
    steps = step_lengths(chain.at(frames_of(chain)), spec)
    if len(spec.shape) == 1:
        assert np.percentile(steps, 95) / np.percentile(steps, 5) < 1.001
    else:  # in the mean over layers, of which each has a way of its own
        assert steps.std() / steps.mean() < 0.35


def test_a_chain_turns_by_a_right_angle_at_its_keys() -> None:
    chain = Chain(keys_of(30, WIDE), WIDE, 58.0)
    at_keys = chain.visits[1:-1, None] + np.array([-1, 0, 1]) / 30
    corners = [float(turns(chain.at(times), WIDE)[0]) for times in at_keys]
    assert 85.0 < np.degrees(np.mean(corners)) < 95.0
    between = (chain.visits[:-1] + chain.visits[1:])[:, None] / 2 + np.array([-1, 0, 1]) / 30
    assert np.degrees(turns(chain.at(between.ravel()), WIDE)[::3]).max() < 3.0  # and nowhere else


def test_straight_ways_in_a_free_space() -> None:
    keys = keys_of(2, LAYERS)
    chain = Chain(keys, LAYERS, 2.0)
    assert np.allclose(chain.at(np.array([0.5]))[0], 0.75 * keys[0] + 0.25 * keys[1])


def test_a_chain_rests_at_its_keys() -> None:
    chain = Chain(keys_of(3), SHELL, 9.0, hold=1.0)
    steps = step_lengths(chain.at(np.arange(0, 9.001, 0.1)), SHELL)
    assert (steps < 1e-9).sum() == pytest.approx(30, abs=1)


def test_a_closed_chain_goes_round() -> None:
    chain = Chain(keys_of(4), SHELL, 8.0, closed=True)
    times = np.linspace(0.0, 8.0, 30)
    assert np.allclose(chain.at(times), chain.at(times + 8.0), atol=1e-12)
    assert np.allclose(chain.at(times), chain.at(times - 16.0), atol=1e-12)
    last = chain.at(np.array([8.0 - 1e-9]))[0]
    assert float(geometry.angle(last, chain.at(np.array([0.0]))[0])) < 1e-6


# --- how it moves


def test_turns_of_a_square() -> None:
    free = LatentSpec((2,), "w")
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [1.0, 1.0], [0.0, 1.0], [1.0, 1.0]])
    turned = np.degrees(turns(square, free))
    assert turned == pytest.approx([90.0, 0.0, 0.0, 180.0])
    assert step_lengths(square, free) * free.reach == pytest.approx([1.0, 1.0, 0.0, 1.0, 1.0])


def test_off_the_shell_is_told_in_deviations() -> None:
    key = keys_of(1)
    assert off_shell(key * (1.0 + 0.7071067811865476 / SHELL.radius * 2.0), SHELL) == pytest.approx(
        2
    )
    assert off_shell(key * 9.0, LatentSpec((64,), "w")) == 0.0
