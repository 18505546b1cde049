"""Blending is `geometry` for many rows at once: the same places, faster."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument.latent import geometry
from instrument.latent.blending import between, great_circles, mean
from instrument.latent.space import LatentSpec

SHELL, FREE = LatentSpec.shell(8), LatentSpec((8,))
LAYERED = LatentSpec((3, 8), "z", 8**0.5)


def rows(n: int, spec: LatentSpec, seed: int) -> np.ndarray:
    z = np.random.default_rng(seed).normal(size=(n, *spec.shape))
    if spec.radius:
        z *= spec.radius / np.linalg.norm(z, axis=-1, keepdims=True)
    return z.astype(np.float32)


@pytest.mark.parametrize("spec", [SHELL, LAYERED], ids=["shell", "layered"])
@pytest.mark.parametrize("n", [1, 255, 256, 257, 700])
def test_it_is_slerp(spec, n):
    a, b = rows(n, spec, 1), rows(n, spec, 2)
    t = np.random.default_rng(3).random(n)
    share = t.reshape(-1, *(1,) * (len(spec.shape) - 1))
    expected = geometry.slerp(a.astype(float), b.astype(float), share)
    assert np.abs(between(a, b, t, spec) - expected).max() < 1e-6


def test_a_free_space_has_straight_lines():
    a, b, t = rows(9, FREE, 1), rows(9, FREE, 2), np.linspace(0, 1, 9)
    expected = (1 - t)[:, None] * a + t[:, None] * b
    assert np.allclose(between(a, b, t, FREE), expected, atol=1e-6)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-6, 1e-4, 1e-3, 2e-3, 1.0, 3.0])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("lengths", [(1.0, 1.0), (2.0, 3.0)])
def test_every_angle_is_slerp_to_the_last_digits(angle, flip, lengths):
    angle = np.pi - angle if flip else angle
    a = np.array([[lengths[0], 0.0, 0.0]] * 5)
    b = lengths[1] * np.array([[np.cos(angle), np.sin(angle), 0.0]] * 5)
    t = np.linspace(0, 1, 5)
    expected = geometry.slerp(a, b, t)
    assert (
        np.abs(great_circles(a.copy(), b.copy(), t) - expected).max() < 1e-10
    )  # float32 tells 1e-7


def test_nothing_has_no_direction():
    a, b = np.zeros((2, 4)), np.array([[1.0, 0, 0, 0], [0, 0, 0, 0]])
    t = np.array([0.5, 0.5])
    assert np.array_equal(great_circles(a.copy(), b.copy(), t), geometry.slerp(a, b, t))


@given(st.integers(0, 10**6), st.floats(0, 1))
@settings(max_examples=40)
def test_what_lies_between_lies_on_the_shell(seed, t):
    z = between(rows(4, SHELL, seed), rows(4, SHELL, seed + 1), np.full(4, t), SHELL)
    assert np.allclose(np.linalg.norm(z, axis=-1), SHELL.radius, rtol=1e-6)


def test_a_mean_of_two_is_half_way():
    a, b = rows(1, SHELL, 1)[0], rows(1, SHELL, 2)[0]
    half = mean(np.stack([a, b]).astype(float), np.array([0.5, 0.5]), SHELL)
    assert np.allclose(half, geometry.slerp(a.astype(float), b.astype(float), 0.5), atol=1e-6)


@pytest.mark.parametrize("spec", [SHELL, LAYERED, FREE], ids=["shell", "layered", "free"])
def test_a_mean_has_the_shape_and_the_length_of_a_row(spec):
    points = rows(4, spec, 5).astype(float)
    found = mean(points, np.array([0.1, 0.2, 0.3, 0.4]), spec)
    assert found.shape == spec.shape
    if spec.radius:
        assert np.allclose(np.linalg.norm(found, axis=-1), spec.radius)
    else:
        assert np.allclose(found, np.tensordot([0.1, 0.2, 0.3, 0.4], points, 1))
