"""Clusters: planted kinds are found, numbered as they should be, always the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.studio.clusters import FINE, find_clusters, silhouette, square_distances


def planted(sizes, dims=20, apart=12.0, seed=0):
    """Points of as many kinds as there are `sizes`, shuffled; and which is of which."""
    source = np.random.default_rng(seed)
    truth = source.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centres = source.normal(size=(len(sizes), dims))
    centres *= apart / np.linalg.norm(centres, axis=1, keepdims=True)
    points = centres[truth] + source.normal(size=(len(truth), dims)) * 0.5
    return points.astype(np.float32), truth


def agree(labels, truth):
    """Whether two labellings split the points alike, whatever they call the parts."""
    pairs = set(zip(labels.tolist(), truth.tolist(), strict=True))
    return len(pairs) == len(set(labels.tolist())) == len(set(truth.tolist()))


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(8, 60), min_size=2, max_size=9), st.integers(0, 10**6))
def test_planted_kinds_are_found_and_counted(sizes, seed):
    points, truth = planted(sizes, seed=seed)
    told = find_clusters(points, len(sizes), seed)
    assert agree(told.labels, truth)
    guessed = find_clusters(points, None, seed)
    assert guessed.count == len(sizes)
    assert guessed.silhouette > 0.5
    assert agree(guessed.labels, truth)


def test_more_points_than_are_judged():
    points, truth = planted([900, 700, 500, 100], seed=4)
    found = find_clusters(points)
    assert found.count == 4
    assert agree(found.labels, truth)


def test_numbers_go_from_the_largest():
    found = find_clusters(planted([9, 40, 20, 20])[0], 4)
    assert list(found.sizes) == [40, 20, 20, 9]
    middle = [int(np.flatnonzero(found.labels == kind)[0]) for kind in (1, 2)]
    assert middle == sorted(middle)


def test_a_cloud_has_no_islands_and_is_cut_finely():
    points = np.random.default_rng(1).normal(size=(500, 30)).astype(np.float32)
    found = find_clusters(points)
    assert found.count == FINE
    assert found.silhouette < 0.2
    assert max(found.tried.values()) < 0.4


def test_the_same_bytes_every_time_and_for_every_seed_a_full_split():
    points, _ = planted([30, 20, 10], apart=2.0)
    one, two = find_clusters(points, 5, 7), find_clusters(points.copy(), 5, 7)
    assert one.labels.tobytes() == two.labels.tobytes()
    assert one.centres.tobytes() == two.centres.tobytes()
    for seed in range(5):
        assert (find_clusters(points, 5, seed).sizes > 0).all()


def test_examples_are_the_nearest():
    points, _ = planted([50, 30])
    found = find_clusters(points, 2)
    for kind in range(2):
        rows = found.nearest(kind, 5)
        assert len(rows) == 5
        assert (found.labels[rows] == kind).all()
        others = np.setdiff1d(np.flatnonzero(found.labels == kind), rows)
        assert found.distances[rows].max() <= found.distances[others].min()
        assert list(found.distances[rows]) == sorted(found.distances[rows])
    assert len(found.nearest(0, 1000)) == 50


def test_centres_and_distances_are_of_the_points_themselves():
    points, _ = planted([20, 12], dims=60)
    found = find_clusters(points, 2)
    for kind in range(2):
        members = points[found.labels == kind].astype(np.float64)
        assert np.allclose(found.centres[kind], members.mean(axis=0), atol=1e-6)
        expected = np.linalg.norm(members - members.mean(axis=0), axis=1)
        assert np.allclose(found.distances[found.labels == kind], expected, atol=1e-5)


def test_silhouette_of_a_line():
    apart = np.abs(np.subtract.outer([0.0, 1.0, 10.0, 11.0], [0.0, 1.0, 10.0, 11.0]))
    # a = 1 for all; b = 10.5, 9.5, 9.5, 10.5
    expected = np.mean([1 - 1 / 10.5, 1 - 1 / 9.5, 1 - 1 / 9.5, 1 - 1 / 10.5])
    assert silhouette(apart, np.array([0, 0, 1, 1])) == pytest.approx(expected)
    assert silhouette(apart, np.array([3, 3, 3, 3])) == 0.0
    assert silhouette(apart, np.array([0, 1, 2, 3])) == 0.0
    assert silhouette(apart, np.array([0, 1, 0, 1])) < 0


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(0, 99))
def test_any_points_any_count(rows, count, seed):
    points = np.random.default_rng(seed).integers(0, 3, (rows, 2)).astype(np.float32)
    found = find_clusters(points, min(count, rows), seed)
    assert found.sizes.sum() == rows
    assert (found.sizes > 0).all()
    assert (np.diff(found.sizes) <= 0).all()
    assert (found.distances >= 0).all()


def test_points_that_are_all_one():
    found = find_clusters(np.ones((30, 4), np.float32))
    assert found.sizes.sum() == 30
    assert np.allclose(found.distances, 0)


def test_distances_are_never_negative():
    a = np.random.default_rng(0).normal(size=(50, 3)) * 1e6
    assert square_distances(a, a).min() >= 0


@pytest.mark.parametrize(
    ("points", "count", "word"),
    [
        (np.zeros((3, 2), np.float32), 4, "1 to 3"),
        (np.zeros((3, 2), np.float32), 0, "1 to 3"),
        (np.zeros((0, 2), np.float32), None, "shape"),
        (np.zeros(4, np.float32), None, "shape"),
        (np.array([[1, np.nan]], np.float32), None, "finite"),
    ],
)
def test_faults(points, count, word):
    with pytest.raises(InstrumentError, match=word):
        find_clusters(points, count)
