"""The pad: shares that sum to 1, exact on every place, without a jump between them."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.latent import geometry
from instrument.latent.pad import Pad
from instrument.latent.space import LatentSpec

LAW = settings(deadline=None, derandomize=True, max_examples=150)
SPEC = LatentSpec.shell(64)
FREE = LatentSpec((3, 64), "w")
coordinates = st.floats(0.0, 1.0)
points = st.tuples(coordinates, coordinates).map(np.array)
TRIANGLE = np.array([[0.1, 0.2], [0.9, 0.13], [0.47, 0.83]])


def places(k: int, seed: int, spec: LatentSpec = SPEC) -> np.ndarray:
    z = np.random.default_rng(seed).normal(size=(k, *spec.shape))
    return z if spec.radius is None else geometry.project(z, spec.radius)


def square() -> Pad:
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.3, 0.6]])
    return Pad(SPEC, corners, places(5, 1))


@LAW
@given(points)
def test_shares_are_shares(point) -> None:
    for pad in (square(), Pad(SPEC, TRIANGLE, places(3, 2), "barycentric")):
        weights = pad.weights(point)
        assert (weights >= 0.0).all()
        assert weights.sum() == pytest.approx(1.0, abs=1e-12)
        assert geometry.length(pad.blend(point)) == pytest.approx(SPEC.radius, rel=1e-12)


@LAW
@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.integers(0, 99))
def test_on_its_place_a_waypoint_is_exact(x, y, seed) -> None:
    source = np.random.default_rng(seed)
    where = np.vstack([source.uniform(size=(2, 2)), [x, y]])
    for weighting, spec in itertools.product(("distance", "barycentric"), (SPEC, FREE)):
        z = places(3, seed, spec)
        try:
            pad = Pad(spec, where, z, weighting)
        except InstrumentError:
            continue
        for vertex in range(3):
            assert pad.blend(where[vertex]).tobytes() == z[vertex].tobytes()


@LAW
@given(st.floats(0.01, 0.98), st.floats(0.01, 0.98))
def test_inside_the_triangle_shares_are_barycentric(a, b) -> None:
    if a + b > 0.99:
        a, b = 0.5 * a, 0.5 * b
    expected = np.array([a, b, 1.0 - a - b])
    pad = Pad(SPEC, TRIANGLE, places(3, 2), "barycentric")
    np.testing.assert_allclose(pad.weights(expected @ TRIANGLE), expected, atol=1e-12)


def test_outside_the_triangle_nothing_is_negative() -> None:
    pad = Pad(SPEC, TRIANGLE, places(3, 2), "barycentric")
    weights = pad.weights(np.array([0.0, 1.0]))
    assert (weights >= 0.0).all()
    assert weights[1] == 0.0
    assert weights.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("weighting", ["distance", "barycentric"])
def test_a_small_move_is_a_small_change(weighting: str) -> None:
    pad = Pad(SPEC, TRIANGLE, places(3, 2), weighting)
    path = np.linspace([0.0, 0.35], [1.0, 0.21], 1501)
    path = np.vstack([path, np.linspace([0.1, 0.0], [0.1, 1.0], 1501)])  # over a waypoint
    blends = np.array([pad.blend(point) for point in path])
    steps = geometry.angle(blends[1:], blends[:-1])
    steps[1500] = 0.0  # from the end of the one line to the start of the other
    assert steps.max() < 0.04


def test_between_two_waypoints_lies_the_great_circle() -> None:
    z = places(2, 5)
    pad = Pad(SPEC, np.array([[0.0], [1.0]]), z, "barycentric")
    assert pad.axes == 1
    for t in (0.1, 0.5, 0.77):
        blend = pad.blend(np.array([t]))
        np.testing.assert_allclose(blend, geometry.slerp(z[0], z[1], t), atol=1e-5)


@pytest.mark.parametrize("radius", [None, 32**0.5])
def test_layers_are_blended_each_on_its_own(radius) -> None:
    spec = LatentSpec((3, 32), "w", radius)
    z = places(4, 3, spec)
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    blend = Pad(spec, corners, z).blend(np.array([0.3, 0.4]))
    assert blend.shape == (3, 32)
    for layer in range(3):
        flat = LatentSpec((32,), "w", radius)
        alone = Pad(flat, corners, z[:, layer]).blend(np.array([0.3, 0.4]))
        assert (alone == blend[layer]).all()


@LAW
@given(points, st.sampled_from([(32,), (3, 16)]), st.floats(-50.0, 50.0))
def test_in_a_free_space_a_blend_is_a_weighted_sum(point, shape, away) -> None:
    """So it has no origin: what is moved as a whole is blended as before, and moved."""
    spec = LatentSpec(shape, "w")
    z = places(3, 2, spec)
    pad = Pad(spec, TRIANGLE, z)
    blend = pad.blend(point)
    np.testing.assert_allclose(blend, np.tensordot(pad.weights(point), z, 1), atol=1e-12)
    moved = Pad(spec, TRIANGLE, z + away).blend(point)
    np.testing.assert_allclose(moved - away, blend, atol=1e-9)


def test_between_two_waypoints_of_a_free_space_lies_the_straight_line() -> None:
    spec = LatentSpec((3, 32), "w")
    z = places(2, 5, spec)
    z[1] = 0.0  # the origin is a place like any other
    pad = Pad(spec, np.array([[0.0], [1.0]]), z, "barycentric")
    for t in (0.0, 0.1, 0.5, 0.77, 1.0):
        np.testing.assert_allclose(
            pad.blend(np.array([t])), geometry.lerp(z[0], z[1], t), rtol=0, atol=1e-12
        )


def test_places_nearer_than_numbers_can_tell_share() -> None:
    pad = Pad(SPEC, np.array([[0.0, 0.0], [1e-170, 0.0]]), places(2, 1))
    assert pad.weights(np.zeros(2)).sum() == 1.0
    assert math.isfinite(pad.blend(np.zeros(2)).sum())
    near = pad.weights(np.array([1e-160, 0.0]))
    assert near.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("where", "weighting", "reason"),
    [
        ([[0.0, 0.0]], "distance", "2 or more"),
        ([[0.0, 0.0], [0.0, 0.0]], "distance", "share one place"),
        ([[0.0, 0.0], [1.0, 0.0]], "barycentric", "need 3 places, not 2"),
        ([[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]], "barycentric", "one line"),
    ],
)
def test_places_no_pad_can_have(where: list, weighting: str, reason: str) -> None:
    with pytest.raises(InstrumentError, match=reason):
        Pad(SPEC, np.array(where), places(len(where), 1), weighting)


def test_a_waypoint_at_the_origin_cannot_be_blended() -> None:
    z = places(2, 1)
    z[1] = 0.0
    with pytest.raises(InstrumentError, match="origin"):
        Pad(SPEC, np.array([[0.0, 0.0], [1.0, 0.0]]), z)
