"""Neighbours: as far off as was asked, in every space."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument.latent import geometry
from instrument.latent.nearby import nearby
from instrument.latent.space import LatentSpec

SHELL = LatentSpec.shell(512)


def places(spec, n=400, seed=0):
    z = np.random.default_rng(seed).normal(size=(n, *spec.shape))
    return (geometry.project(z, spec.radius) if spec.radius else z).astype(np.float32)


def noise(spec, n=400, seed=1):
    return np.random.default_rng(seed).normal(size=(n, *spec.shape))


@pytest.mark.parametrize("degrees", [0.1, 3.0, 20.0, 60.0])
@pytest.mark.parametrize("dims", [8, 64, 512])
def test_the_angle_is_what_was_asked(degrees, dims):
    spec = LatentSpec.shell(dims)
    z = places(spec, 2000)
    moved = nearby(z, spec, math.radians(degrees), noise(spec, 2000))
    angles = np.degrees(geometry.angle(z.astype(np.float64), moved.astype(np.float64)))
    assert math.sqrt(np.mean(angles**2)) == pytest.approx(degrees, rel=0.03)


@given(st.floats(0.001, 3.0), st.integers(0, 1000))
@settings(deadline=None, max_examples=25)
def test_the_length_stays(strength, seed):
    z = places(SHELL, 20, seed) * np.float32(1.7)
    moved = nearby(z, SHELL, strength, noise(SHELL, 20, seed))
    assert np.allclose(np.linalg.norm(moved, axis=1), np.linalg.norm(z, axis=1), rtol=1e-6)


@pytest.mark.parametrize("spec", [SHELL, LatentSpec((512,), "w"), LatentSpec((4, 16), "w")])
def test_no_noise_copies_every_bit(spec):
    z = places(spec, 10)
    moved = nearby(z, spec, 0.0, noise(spec, 10))
    assert moved.tobytes() == z.tobytes()
    assert not np.shares_memory(moved, z)


@pytest.mark.parametrize("scale", [None, 2.5])
def test_in_a_free_space_the_reach_counts(scale):
    spec = LatentSpec((3, 64), "w", None, scale)
    z = places(spec, 800)
    away = nearby(z, spec, 0.2, noise(spec, 800)).astype(np.float64) - z
    far = np.sqrt(np.mean(np.sum(away**2, axis=-1)))
    assert far == pytest.approx(0.2 * (scale or 8.0), rel=0.02)


def test_directions_have_no_preference():
    z = np.repeat(places(SHELL, 1), 4000, axis=0)
    moved = nearby(z, SHELL, 0.5, noise(SHELL, 4000)).astype(np.float64)
    mean = moved.mean(axis=0)
    assert geometry.angle(mean, z[0].astype(np.float64)) < 0.05


def test_noise_along_z_and_a_z_of_nothing():
    z = places(SHELL, 2)
    along = nearby(z, SHELL, 0.3, z.astype(np.float64))
    assert np.allclose(along, z, atol=1e-4)
    assert not nearby(np.zeros((1, 512), np.float32), SHELL, 0.3, noise(SHELL, 1)).any()


def test_one_dimension():
    spec = LatentSpec.shell(1)
    assert nearby(np.ones((3, 1), np.float32), spec, 0.5, noise(spec, 3)).tolist() == [[1.0]] * 3
