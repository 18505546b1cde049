"""Noise around paths and keys: as strong as it says, smooth, and without a seam round a loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
from path_parts import FREE, LAYERED_SHELL, SHELL, SPACES, WIDE, keys_of, paths_of

from instrument import InstrumentError
from instrument.latent import geometry
from instrument.latent.noise import Drift
from instrument.latent.noisy_path import NoisyPath, stray
from instrument.latent.path import Chain, apart
from instrument.latent.space import LatentSpec
from instrument.latent.steps import off_shell, step_lengths, turns


def noisy(path, spec=SHELL, degrees=8.0, rate=0.5, seed=3) -> NoisyPath:
    return NoisyPath(path, spec, math.radians(degrees), rate, seed)


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("spec", SPACES, ids=str)
def test_no_noise_is_the_path_bit_for_bit(spec: LatentSpec, closed: bool) -> None:
    times = np.linspace(0.0, 6.0, 40)
    for path in paths_of(keys_of(3, spec), spec, closed=closed):
        quiet = noisy(path, spec, 0.0)
        assert (quiet.at(times) == path.at(times)).all()
        assert (quiet.between(times) == path.between(times)).all()
        assert (quiet.along(np.eye(3), times) == path.along(np.eye(3), times)).all()
    assert (stray(keys_of(3, spec), spec, 0.0, 1) == keys_of(3, spec)).all()


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("degrees", [3.0, 12.0])
def test_it_is_as_strong_as_it_says(degrees: float, closed: bool) -> None:
    path = Chain(keys_of(4, WIDE), WIDE, 400.0, closed=closed)
    times = np.arange(0.0, 400.0, 0.5)
    away = geometry.angle(noisy(path, WIDE, degrees).at(times), path.at(times))
    assert np.degrees(np.sqrt(np.mean(away**2))) == pytest.approx(degrees, rel=0.05)
    assert off_shell(noisy(path, WIDE, degrees).at(times), WIDE) < 1e-9


def test_it_is_no_faster_than_its_rate() -> None:
    still = Chain(np.repeat(keys_of(1, WIDE), 2, axis=0), WIDE, 100.0)
    times = np.arange(0.0, 100.0, 1 / 30)
    slow = step_lengths(noisy(still, WIDE, 8.0, 0.2).at(times), WIDE)
    quick = step_lengths(noisy(still, WIDE, 8.0, 0.8).at(times), WIDE)
    assert quick.mean() / slow.mean() == pytest.approx(4.0, rel=0.1)
    assert np.degrees(turns(noisy(still, WIDE, 8.0, 0.2).at(times), WIDE)).max() < 5.0


@pytest.mark.parametrize("rate", [0.01, 0.3, 2.0])
@pytest.mark.parametrize("spec", SPACES, ids=str)
def test_round_a_loop_it_has_no_seam(spec: LatentSpec, rate: float) -> None:
    for path in paths_of(keys_of(3, spec), spec, 10.0, closed=True):
        trembling = noisy(path, spec, 10.0, rate)
        times = np.linspace(-0.5, 0.5, 21)
        assert np.allclose(trembling.at(times), trembling.at(times + 10.0), atol=1e-9)
        steps = step_lengths(trembling.at(np.arange(-40, 440) / 40), spec)
        assert steps[40] <= 1.5 * np.percentile(steps, 95)


def test_a_frame_rate_only_samples_the_noise() -> None:
    path = noisy(Chain(keys_of(3), SHELL, 4.0))
    most = path.at(np.arange(480) / 120)
    for rate in (24, 30, 60):
        assert (path.at(np.arange(4 * rate) / rate) == most[:: 120 // rate]).all()


def test_seeds() -> None:
    path, times = Chain(keys_of(3), SHELL, 4.0), np.linspace(0.0, 4.0, 9)
    assert (noisy(path, seed=5).at(times) == noisy(path, seed=5).at(times)).all()
    assert not np.allclose(noisy(path, seed=5).at(times), noisy(path, seed=6).at(times), atol=0.1)


@pytest.mark.parametrize("spec", [WIDE, LAYERED_SHELL], ids=str)
def test_keys_stray_by_so_many_degrees_each_for_itself(spec: LatentSpec) -> None:
    keys = np.repeat(keys_of(1, spec), 300, axis=0)
    moved = stray(keys, spec, math.radians(10.0), 4)
    away = geometry.angle(moved, keys)
    assert np.degrees(np.sqrt(np.mean(away**2))) == pytest.approx(10.0, rel=0.05)
    assert off_shell(moved, spec) < 1e-9
    apart_from_each_other = np.degrees(apart(moved[:-1], moved[1:], spec))
    assert apart_from_each_other.mean() == pytest.approx(10.0 * math.sqrt(2.0), rel=0.1)


def test_keys_of_a_free_space_stray_by_a_share_of_its_reach() -> None:
    keys = np.repeat(keys_of(1, FREE), 400, axis=0)
    moved = geometry.length(stray(keys, FREE, 0.1, 4) - keys)
    assert np.sqrt(np.mean(moved**2)) == pytest.approx(0.1 * FREE.reach, rel=0.06)


@pytest.mark.parametrize("lap", [4, 5, 37])
def test_the_drift_of_a_lap_repeats_after_it(lap: int) -> None:
    drift = Drift(SHELL, 7, lap)
    for phase in (0.0, 0.3, lap - 0.7, lap - 3.2 if lap > 4 else 1.1):
        assert np.allclose(drift.at(phase), drift.at(phase + lap), atol=1e-12)
    assert (drift.at(0.5) == Drift(SHELL, 7).at(0.5)).all()
    numbers = np.concatenate([drift.at(k / 10) for k in range(10 * lap)])
    assert numbers.var() == pytest.approx(1.0, abs=0.25)


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda path: noisy(path, degrees=-1.0), ["noise -1", "0 to 90"]),
        (lambda path: noisy(path, degrees=91.0), ["noise 91"]),
        (lambda path: noisy(path, degrees=math.nan), ["noise nan"]),
        (lambda path: noisy(path, rate=0.0), ["noise rate 0.0 Hz", "30"]),
        (lambda path: noisy(path, rate=math.inf), ["inf"]),
        (lambda path: stray(keys_of(2), SHELL, 2.0, 1), ["key noise", "0 to 90"]),
        (lambda path: Drift(SHELL, 1, 3), ["3 places", "4 or more"]),
    ],
)
def test_noise_that_cannot_be(make, names) -> None:
    with pytest.raises(InstrumentError) as refused:
        make(Chain(keys_of(3), SHELL, 4.0))
    assert all(name in str(refused.value) for name in names), refused.value
