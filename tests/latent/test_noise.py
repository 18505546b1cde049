"""The drift: a pure function of its phase, as strong as it says, and no faster than its rate."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument.latent import geometry
from instrument.latent.noise import Drift
from instrument.latent.space import LatentSpec

LAW = settings(deadline=None, derandomize=True, max_examples=60)
phases = st.floats(0.0, 5000.0)


def test_any_order_gives_the_same_noise() -> None:
    spec = LatentSpec.shell(32)
    asked = np.random.default_rng(1).uniform(0.0, 500.0, 300).tolist()
    forwards, backwards = Drift(spec, 7), Drift(spec, 7)
    there = {phase: forwards.at(phase) for phase in sorted(asked)}
    for phase in reversed(asked):
        assert (backwards.at(phase) == there[phase]).all()


def test_asking_changes_nothing() -> None:
    drift = Drift(LatentSpec.shell(8), 1)
    first = drift.at(2.0)
    kept = first.copy()
    first += 1.0
    assert (drift.at(2.0) == kept).all()


def test_another_seed_is_another_noise() -> None:
    spec = LatentSpec.shell(512)
    a, b = Drift(spec, 1).at(3.5), Drift(spec, 2).at(3.5)
    assert abs(float(np.corrcoef(a, b)[0, 1])) < 0.2


@pytest.mark.parametrize("part", [0.0, 0.1, 0.25, 0.5, 0.8, 1.0 - 1e-12])
def test_the_variance_is_one_at_every_phase(part: float) -> None:
    drift = Drift(LatentSpec.shell(512), 11)
    numbers = np.concatenate([drift.at(4.0 * n + part) for n in range(200)])
    assert numbers.var() == pytest.approx(1.0, abs=0.02)
    assert numbers.mean() == pytest.approx(0.0, abs=0.02)


def test_position_speed_and_acceleration_have_no_corner() -> None:
    """Finite differences over a knot agree with those beside it: C2, where C1 would jump."""
    drift, h = Drift(LatentSpec.shell(64), 5), 1e-3
    for knot in range(1, 20):
        x = np.array([drift.at(knot + i * h) for i in range(-4, 5)])
        speeds = np.diff(x, axis=0) / h
        accelerations = np.diff(speeds, axis=0) / h
        assert np.abs(np.diff(x, axis=0)).max() < 20 * h
        assert np.abs(np.diff(speeds, axis=0)).max() < 60 * h
        assert np.abs(np.diff(accelerations, axis=0)).max() < 400 * h


def test_hardly_any_energy_above_the_rate() -> None:
    drift, per_phase, count = Drift(LatentSpec.shell(16), 3), 16, 512
    x = np.array([drift.at(n / per_phase) for n in range(per_phase * count)])
    window = np.hanning(len(x))[:, None]
    power = np.square(np.abs(np.fft.rfft(x * window, axis=0))).sum(axis=1)
    frequency = np.fft.rfftfreq(len(x), 1.0 / per_phase)
    assert power[frequency > 1.0].sum() < 0.01 * power.sum()
    assert power[frequency > 0.1].sum() > 0.1 * power.sum()


@pytest.mark.parametrize("degrees", [1.0, 6.0, 20.0, 60.0])
def test_the_strength_is_the_angle_it_makes(degrees: float) -> None:
    spec = LatentSpec.shell(512)
    drift = Drift(spec, 2)
    z = geometry.project(np.random.default_rng(0).normal(size=512), spec.radius)
    turned = [drift.disturb(z, math.radians(degrees), 1.7 * n) for n in range(100)]
    angles = np.degrees([float(geometry.angle(z, place)) for place in turned])
    assert math.sqrt(np.mean(np.square(angles))) == pytest.approx(degrees, rel=0.03)


@LAW
@given(st.sampled_from([(2,), (3,), (512,), (4, 16)]), phases, st.floats(0.0, 1.6))
def test_lengths_stay_on_a_shell(shape, phase, strength) -> None:
    spec = LatentSpec(shape, "z", math.sqrt(shape[-1]))
    z = np.random.default_rng(4).normal(size=shape)
    moved = Drift(spec, 9).disturb(z, strength, phase)
    assert moved.shape == shape
    np.testing.assert_allclose(geometry.length(moved), geometry.length(z), rtol=1e-12)


@LAW
@given(st.sampled_from([(2,), (512,), (4, 16)]), phases, st.floats(0.0, 1.6), st.floats(-9.0, 9.0))
def test_a_free_space_has_no_origin(shape, phase, strength, away) -> None:
    """Wherever z is, the same phase moves it by the same vector."""
    drift = Drift(LatentSpec(shape, "w", scale=3.0), 9)
    z = np.random.default_rng(4).normal(size=shape)
    moved = drift.disturb(z, strength, phase)
    assert moved.shape == shape
    np.testing.assert_allclose(drift.disturb(z + away, strength, phase) - away, moved, atol=1e-12)
    np.testing.assert_allclose(
        drift.disturb(z, 2 * strength, phase) - z, 2 * (moved - z), atol=1e-9
    )


@pytest.mark.parametrize("spec", [LatentSpec((512,), "w", scale=7.0), LatentSpec((6, 128), "w")])
def test_in_a_free_space_the_strength_is_a_share_of_its_spread(spec: LatentSpec) -> None:
    drift, z = Drift(spec, 2), np.zeros(spec.shape)
    ways = [geometry.length(drift.disturb(z, math.radians(6.0), 1.7 * n)) for n in range(100)]
    usual = math.sqrt(np.mean(np.square(ways)))
    assert usual == pytest.approx(math.radians(6.0) * spec.reach, rel=0.03)


def test_six_degrees_lead_equally_far_on_the_shell_and_off_it() -> None:
    """A unit Gaussian's shell, and the same space taken as free: the same units."""
    shell, free = LatentSpec.shell(512), LatentSpec((512,), "w", scale=math.sqrt(512))
    z = geometry.project(np.random.default_rng(0).normal(size=512), shell.radius)
    phases = [1.7 * n for n in range(50)]
    ways = [
        float(np.mean([geometry.length(Drift(s, 2).disturb(z, math.radians(6.0), p) - z)
                       for p in phases]))
        for s in (shell, free)
    ]  # fmt: skip
    assert ways[1] == pytest.approx(ways[0], rel=0.02)


def test_no_strength_is_no_change() -> None:
    z = np.random.default_rng(4).normal(size=16)
    for spec in (LatentSpec.shell(16), LatentSpec((16,), "w", scale=2.0)):
        assert (Drift(spec, 1).disturb(z, 0.0, 3.3) == z).all()


@pytest.mark.parametrize("d", [1, 2, 3])
def test_in_few_dimensions_it_stays_finite(d: int) -> None:
    for drift in (Drift(LatentSpec.shell(d), 1), Drift(LatentSpec((d,), "w"), 1)):
        for phase in np.linspace(0.0, 30.0, 100):
            assert np.isfinite(drift.disturb(np.ones(d), 1.0, float(phase))).all()
            assert np.isfinite(drift.disturb(np.zeros(d), 1.0, float(phase))).all()


def test_layers_do_not_drift_alike() -> None:
    noise = Drift(LatentSpec((3, 256), "w"), 1).at(0.5)
    assert abs(float(np.corrcoef(noise[0], noise[1])[0, 1])) < 0.25
