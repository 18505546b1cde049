"""Trajectories: rows are kept to the bit, and what lies between them lies on the path."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument.latent import geometry
from instrument.latent.sequence import ZSequence
from instrument.latent.space import LatentSpec
from instrument.latent.trace import Origin
from instrument.latent.trajectory import Trajectory, off_segment
from instrument.timebase import FrameRate

SPECS = [LatentSpec.shell(8), LatentSpec((8,), "w"), LatentSpec((3, 8), "w", 2.0)]
ORIGIN = Origin("walk.npy", "aa" * 32, 20)
SEEDS = st.integers(0, 2**32 - 1)


def sequence_of(spec, n=20, seed=0, **more) -> ZSequence:
    z = np.random.default_rng(seed).standard_normal((n, *spec.shape))
    if spec.radius is not None:
        z = geometry.project(z, spec.radius)
    return ZSequence(z.astype(np.float32), FrameRate(30), spec, **more)


@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize("closed", [False, True])
def test_whole_positions_are_the_rows_themselves(spec, closed) -> None:
    sequence = sequence_of(spec)
    path = Trajectory(sequence, closed)
    assert path.z(np.arange(20.0)).tobytes() == sequence.z.tobytes()
    assert path.end == (20.0 if closed else 19.0)
    if closed:
        assert path.z(np.array([20.0])).tobytes() == sequence.z[:1].tobytes()


@pytest.mark.parametrize("spec", SPECS, ids=str)
@settings(max_examples=30, deadline=None)
@given(SEEDS, st.booleans(), st.lists(st.floats(0.0, 1.0), min_size=1, max_size=9))
def test_every_place_lies_on_the_path(spec, seed, closed, shares) -> None:
    sequence = sequence_of(spec, 7, seed)
    path = Trajectory(sequence, closed)
    positions = np.sort(np.array(shares)) * path.end
    z = path.z(positions)
    assert path.distances(positions, z).max() < 1e-6
    if spec.radius is not None:
        norms = geometry.length(z.astype(np.float64))
        assert norms == pytest.approx(np.full(norms.shape, spec.radius), rel=1e-6)


def test_what_leaves_the_path_is_seen_to() -> None:
    spec = SPECS[0]
    path = Trajectory(sequence_of(spec))
    positions = np.array([3.4, 11.7])
    z = path.z(positions).astype(np.float64)
    aside = geometry.rotate(z, np.roll(z, 1, axis=-1), 0.02).astype(np.float32)
    assert (path.distances(positions, aside) > 1e-3).all()


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.floats(0.0, 1.0), st.floats(0.001, 0.5))
def test_the_distance_from_an_arc_is_the_angle_beside_it(seed, share, aside) -> None:
    a, b, c = geometry.direction(np.random.default_rng(seed).standard_normal((3, 8)))
    on = geometry.slerp(a, b, share)
    normal = c - sum(np.dot(c, e) * e for e in _basis(a, b))
    p = geometry.rotate(on, normal, aside)
    found = off_segment(p[None], a[None], b[None], LatentSpec.shell(8))
    assert found[0] == pytest.approx(aside, abs=1e-7)


def _basis(a, b):
    across = geometry.direction(b - np.dot(a, b) * a)
    return a, across


def test_beyond_its_ends_an_arc_is_no_nearer_than_they_are() -> None:
    a, b = np.eye(8)[:2]
    behind = geometry.rotate(a, -b, 0.3)
    found = off_segment(behind[None], a[None], b[None], LatentSpec.shell(8))
    assert found[0] == pytest.approx(0.3)
    still = off_segment(b[None], a[None], a[None], LatentSpec.shell(8))
    assert still[0] == pytest.approx(np.pi / 2)


def test_parameters_are_carried_along() -> None:
    columns = np.stack([np.repeat([1.0, 2.0], 10), np.linspace(0.0, 1.9, 20)], axis=1)
    sequence = sequence_of(
        SPECS[0], parameters=columns.astype(np.float32),
        addresses=("/model/first", "/model/truncation"),
    )  # fmt: skip
    found = Trajectory(sequence).parameters(np.array([0.0, 9.5, 9.999, 10.0, 18.25]))
    assert found[:, 0].tolist() == [1.0, 1.0, 1.0, 2.0, 2.0]  # whole numbers step
    assert found[:, 1] == pytest.approx([0.0, 0.95, 0.9999, 1.0, 1.825], abs=1e-6)
    plain = Trajectory(sequence_of(SPECS[0])).parameters(np.array([0.5]))
    assert plain.shape == (0, 0)


def test_a_trace_leads_back_to_places_between_rows() -> None:
    path = Trajectory(sequence_of(SPECS[0]), closed=True)
    trace = path.trace(np.array([0.0, 4.25, 19.75]), ORIGIN)
    assert trace.rows[:2].tolist() == [[0, 0, -1, -1, 0], [0, 4.25, -1, -1, 0]]
    assert trace.rows[2].tolist() == [0, 19, 0, 0, 0.75]  # over the seam: two rows


def test_a_trace_of_held_rows_names_the_row_that_is_held() -> None:
    path = Trajectory(sequence_of(SPECS[0], 5))
    held = np.array([0.0, 1.0, 1.0, 1.0, 4.0])
    trace = path.trace(np.array([0.5, 1.5, 3.5]), ORIGIN, held)
    assert trace.rows.tolist() == [[0, 0.5, -1, -1, 0], [0, 1, -1, -1, 0], [0, 1, 0, 4, 0.5]]


def test_turns_are_those_between_neighbours() -> None:
    sequence = sequence_of(SPECS[0], 4)
    z = sequence.z.astype(np.float64)
    open_, closed = Trajectory(sequence).turns(), Trajectory(sequence, True).turns()
    assert open_ == pytest.approx(geometry.angle(z[:-1], z[1:]))
    assert closed == pytest.approx([*open_, float(geometry.angle(z[3], z[0]))])
