"""Great circles, angles and spherical means, with every edge case."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument.latent import geometry
from instrument.latent.geometry import SphericalMean, angle, direction, length, slerp

LAW = settings(deadline=None, derandomize=True, max_examples=150)
seeds = st.integers(0, 10_000)
dims = st.sampled_from([2, 3, 5, 64, 512])
# Angles between two places: near-equal, everyday, nearly opposite, opposite.
turns = st.one_of(
    st.floats(0.0, math.pi),
    st.floats(-15.0, -3.0).map(lambda e: 10.0**e),
    st.floats(-15.0, -3.0).map(lambda e: math.pi - 10.0**e),
    st.sampled_from([0.0, math.pi / 2.0, math.pi]),
)


def pair(d: int, turn: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors exactly `turn` apart."""
    source = np.random.default_rng(seed)
    u = direction(source.normal(size=d))
    across = source.normal(size=d)
    across = direction(across - np.sum(across * u) * u)
    across = direction(across - np.sum(across * u) * u)
    return u, math.cos(turn) * u + math.sin(turn) * across


@LAW
@given(dims, turns, seeds)
def test_angles_are_exact_at_both_ends(d, turn, seed) -> None:
    u, v = pair(d, turn, seed)
    assert angle(u, v) == pytest.approx(turn, abs=1e-12)
    assert angle(3.0 * u, 0.01 * v) == pytest.approx(turn, abs=1e-12)


@pytest.mark.parametrize("turn", [0.0, 1e-12, 1e-7, 0.3, math.pi / 2, math.pi - 1e-7, math.pi])
def test_angles_of_a_construction_without_rounding(turn: float) -> None:
    a, b = np.zeros(8), np.zeros(8)
    a[2], b[2], b[5] = 4.0, math.cos(turn), math.sin(turn)
    assert abs(float(angle(a, b)) - turn) < 1e-12


@LAW
@given(dims, turns, seeds, st.floats(-2.0, 3.0))
def test_slerp_stays_on_the_shell(d, turn, seed, t) -> None:
    u, v = pair(d, turn, seed)
    radius = math.sqrt(d)
    assert length(slerp(radius * u, radius * v, t)) == pytest.approx(radius, rel=1e-9)


@LAW
@given(dims, turns, seeds)
def test_slerp_turns_at_constant_speed(d, turn, seed) -> None:
    u, v = pair(d, turn, seed)
    places = slerp(u, v, np.linspace(0.0, 1.0, 9))
    steps = angle(places[1:], places[:-1])
    np.testing.assert_allclose(steps, turn / 8.0, rtol=0, atol=2e-9)
    np.testing.assert_allclose(places[0], u, atol=1e-12)
    if turn < math.pi - 1e-6:
        np.testing.assert_allclose(places[-1], v, atol=1e-9)


@LAW
@given(dims, st.floats(0.0, math.pi - 1e-3), seeds, st.floats(-1.0, 2.0))
def test_slerp_there_is_slerp_back(d, turn, seed, t) -> None:
    u, v = pair(d, turn, seed)
    u, v = 2.0 * u, 7.0 * v
    np.testing.assert_allclose(slerp(u, v, t), slerp(v, u, 1.0 - t), atol=1e-9)


@LAW
@given(dims, st.floats(0.1, 3.0), seeds, st.floats(-1.0, 2.0))
def test_slerp_of_unequal_lengths_goes_in_their_logarithm(d, turn, seed, t) -> None:
    u, v = pair(d, turn, seed)
    assert length(slerp(2.0 * u, 8.0 * v, t)) == pytest.approx(2.0 * 4.0**t, rel=1e-12)


def test_slerp_goes_on_beyond_its_ends() -> None:
    u, v = pair(16, 0.5, 1)
    assert angle(slerp(u, v, 3.0), u) == pytest.approx(1.5, abs=1e-12)
    assert angle(slerp(u, v, -1.0), v) == pytest.approx(1.0, abs=1e-12)


def test_opposite_places_always_take_the_same_side() -> None:
    u = direction(np.random.default_rng(5).normal(size=64))
    first, second = slerp(u, -u, 0.5), slerp(u.copy(), -u, 0.5)
    assert (first == second).all()
    assert angle(first, u) == pytest.approx(math.pi / 2.0, abs=1e-12)


def test_a_zero_vector_takes_the_straight_line() -> None:
    a, zero = np.array([3.0, 4.0]), np.zeros(2)
    assert (slerp(a, zero, 0.25) == 0.75 * a).all()
    assert (slerp(zero, a, 0.25) == 0.25 * a).all()
    assert (slerp(zero, zero, 0.25) == zero).all()
    assert np.isfinite(geometry.project(zero, 5.0)).all()
    assert length(geometry.project(zero, 5.0)) == 5.0


def test_slerp_of_layers_and_batches_is_slerp_of_each() -> None:
    source = np.random.default_rng(2)
    a, b = source.normal(size=(5, 3, 16)), source.normal(size=(5, 3, 16))
    b[1, 2] = -a[1, 2]
    b[2, 0] = a[2, 0]
    b[3, 1] = 0.0
    t = source.uniform(size=(5, 3))
    together = slerp(a, b, t)
    for i, j in itertools.product(range(5), range(3)):
        np.testing.assert_allclose(together[i, j], slerp(a[i, j], b[i, j], t[i, j]), atol=1e-14)
    assert slerp(a, b, 0.5).shape == a.shape
    assert slerp(a[0, 0], b, 0.5).shape == b.shape


def test_lerp_is_the_straight_line() -> None:
    a, b = np.array([0.0, 2.0]), np.array([4.0, 0.0])
    assert (geometry.lerp(a, b, 0.25) == [1.0, 1.5]).all()
    assert geometry.lerp(a, b, np.array([0.0, 1.0])).tolist() == [a.tolist(), b.tolist()]


@LAW
@given(dims, st.floats(1e-3, math.pi - 1e-3), seeds, st.floats(-math.pi, math.pi))
def test_rotate_turns_by_the_angle_asked_for(d, turn, seed, radians) -> None:
    u, v = pair(d, turn, seed)
    turned = geometry.rotate(5.0 * u, v, radians)
    assert length(turned) == pytest.approx(5.0, rel=1e-12)
    assert angle(turned, u) == pytest.approx(abs(radians), abs=1e-9)
    if 0.0 < radians <= turn:
        assert angle(turned, v) == pytest.approx(turn - radians, abs=1e-9)


def test_rotate_along_itself_stays() -> None:
    a = np.array([1.0, 2.0, 3.0])
    for towards in (a, -2.0 * a, np.zeros(3)):
        assert (geometry.rotate(a, towards, 1.0) == a).all()


# Spherical means.


def cloud(d: int, k: int, seed: int, radius: float = 1.0) -> np.ndarray:
    return radius * direction(np.random.default_rng(seed).normal(size=(k, d)))


def shares(k: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed + 1).dirichlet(np.ones(k))


@LAW
@given(dims, st.floats(0.0, math.pi - 1e-2), seeds, st.floats(0.0, 1.0))
def test_the_mean_of_two_is_slerp(d, turn, seed, t) -> None:
    u, v = pair(d, turn, seed)
    u, v = 2.0 * u, 5.0 * v
    mean = SphericalMean(np.stack([u, v]))(np.array([1.0 - t, t]))
    np.testing.assert_allclose(mean, slerp(u, v, t), atol=2e-6)


@LAW
@given(st.sampled_from([8, 64, 512]), st.integers(2, 8), seeds)
def test_the_mean_is_where_all_pulls_cancel_out(d, k, seed) -> None:
    points, weights = cloud(d, k, seed), shares(k, seed)
    mean = SphericalMean(points)(weights)
    assert length(mean) == pytest.approx(1.0, abs=1e-12)
    logs = []
    for point in points:
        across = point - np.sum(point * mean) * mean
        logs.append(float(angle(point, mean)) * direction(across))
    pull = sum(w * log for w, log in zip(weights, logs, strict=True))
    assert length(pull) < 2e-6


@LAW
@given(st.integers(2, 6), seeds)
def test_the_mean_does_not_mind_the_order(k, seed) -> None:
    points, weights = cloud(64, k, seed, 8.0), shares(k, seed)
    order = np.random.default_rng(seed).permutation(k)
    ours = SphericalMean(points)(weights)
    theirs = SphericalMean(points[order])(weights[order])
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_the_mean_at_a_vertex_is_the_vertex() -> None:
    points = cloud(512, 5, 3, 22.6)
    mean = SphericalMean(points)
    for vertex in range(5):
        assert (mean(np.eye(5)[vertex]) == points[vertex]).all()


@pytest.mark.parametrize(
    "points",
    [
        [[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]],
        [[1.0, 0.0, 0.0], [-1.0, 1e-5, 0.0]],
        [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]],
        [[1.0, 0.0, 0.0], [-0.5, 0.75**0.5, 0.0], [-0.5, -(0.75**0.5), 0.0]],
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]],
    ],
)
def test_points_that_cancel_out_still_have_a_mean(points: list[list[float]]) -> None:
    mean = SphericalMean(np.array(points))
    k = len(points)
    for weights in (np.full(k, 1.0 / k), np.array([0.5, 0.5] + [0.0] * (k - 2)), shares(k, 1)):
        place = mean(weights)
        assert np.isfinite(place).all()
        assert length(place) == pytest.approx(1.0, abs=1e-9)


def test_the_mean_moves_smoothly_with_the_weights() -> None:
    mean = SphericalMean(cloud(512, 4, 9))
    start, end = np.array([0.7, 0.1, 0.1, 0.1]), np.array([0.05, 0.05, 0.3, 0.6])
    places = [mean((1 - t) * start + t * end) for t in np.linspace(0.0, 1.0, 201)]
    steps = angle(np.array(places[1:]), np.array(places[:-1]))
    assert steps.max() < 0.03
