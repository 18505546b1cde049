"""The census: its numbers are right, sum to one, and say no more than they can."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument.studio.census import (
    effective_kinds,
    spread_of,
    take_census,
    total_variation,
    wilson,
)
from instrument.studio.clusters import Clusters, find_clusters
from instrument.studio.survey import drawn


def clusters_of(labels):
    labels = np.asarray(labels)
    points = np.eye(labels.max() + 1)[labels] * 10 + np.arange(len(labels))[:, None] * 1e-6
    return find_clusters(points.astype(np.float32), int(labels.max()) + 1)


def test_an_over_represented_kind_is_seen():
    census = take_census(clusters_of([0] * 80 + [1] * 20 + [2] * 20 + [3] * 4))
    assert [kind.rows for kind in census.kinds] == [80, 20, 20, 4]
    assert [kind.presence for kind in census.kinds] == ["over", "under", "under", "under"]
    assert census.kinds[0].times_even == pytest.approx(80 / 124 * 4)
    assert census.separated
    assert census.change is None


def test_what_chance_explains_is_not_called_so():
    census = take_census(clusters_of([0] * 11 + [1] * 9 + [2] * 10))
    assert {kind.presence for kind in census.kinds} == {"even"}


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 5), min_size=8, max_size=60), st.integers(1, 5))
def test_shares_sum_to_one(labels, blocks):
    snapshots = (np.arange(len(labels)) * blocks // len(labels)).astype(np.float32)
    census = take_census(clusters_of(np.unique(labels, return_inverse=True)[1]), snapshots)
    assert sum(kind.rows for kind in census.kinds) == census.rows == len(labels)
    assert sum(kind.share for kind in census.kinds) == pytest.approx(1)
    assert 1 - 1e-9 <= census.effective_kinds <= len(census.kinds) + 1e-9
    for kind in census.kinds:
        assert kind.interval[0] <= kind.share <= kind.interval[1]
    if census.change:
        assert census.change.shares.sum(axis=1) == pytest.approx(np.ones(blocks))
        assert sum(census.change.rows) == len(labels)
        assert np.diag(census.change.distance) == pytest.approx(0)
        assert (census.change.distance == census.change.distance.T).all()
        assert census.change.distance.max() <= 1
    else:
        assert blocks == 1


def test_examples_are_of_their_kind():
    labels = np.array([0] * 10 + [1] * 6)
    found = clusters_of(labels)
    for kind in take_census(found).kinds:
        assert len(kind.examples) == 5
        assert {int(found.labels[row]) for row in kind.examples} == {kind.number - 1}


def test_a_change_with_training_stands_out_from_chance():
    source = np.random.default_rng(0)
    early, late = source.choice(3, 300, p=[0.8, 0.1, 0.1]), source.choice(3, 300, p=[1 / 3] * 3)
    labels = np.concatenate((early, late, source.choice(3, 300, p=[1 / 3] * 3)))
    snapshots = np.repeat(np.float32([0, 5, 9.5]), 300)
    points = np.eye(3)[labels] * 9 + source.normal(size=(900, 3)) * 0.1
    change = take_census(find_clusters(points.astype(np.float32), 3), snapshots).change
    assert change.snapshots == (0.0, 5.0, 9.5)
    assert change.rows == (300, 300, 300)
    assert change.distance[0, 1] == pytest.approx(0.47, abs=0.06)
    assert change.distance[0, 1] > 5 * change.chance[0, 1]
    assert change.distance[1, 2] < 2.5 * change.chance[1, 2]


def test_chance_is_what_two_draws_of_the_same_differ_by():
    weights = np.array([0.5, 0.3, 0.2])
    differences = []
    for seed in range(200):
        p, q = (np.bincount(drawn(weights, 100, s), minlength=3) / 100 for s in (seed, seed + 1000))
        differences.append(total_variation(p, q))
    labels = np.concatenate([drawn(weights, 100, seed) for seed in (3, 4)])
    points = (np.eye(3)[labels] * 9).astype(np.float32)
    change = take_census(find_clusters(points, 3), np.repeat(np.float32([1, 2]), 100)).change
    assert change.chance[0, 1] == pytest.approx(np.mean(differences), rel=0.25)


@pytest.mark.parametrize(
    ("p", "q", "expected"),
    [([1, 0], [0, 1], 1), ([0.5, 0.5], [0.5, 0.5], 0), ([0.6, 0.4, 0], [0.4, 0.4, 0.2], 0.2)],
)
def test_total_variation(p, q, expected):
    assert total_variation(np.array(p), np.array(q)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("shares", "expected"), [([1.0], 1), ([0.25] * 4, 4), ([1, 0], 1), ([0.5, 0.5, 0], 2)]
)
def test_effective_kinds(shares, expected):
    assert effective_kinds(np.array(shares)) == pytest.approx(expected)


def test_wilson():
    low, high = wilson(10, 100)  # tabulated: 5.5 % to 17.4 %
    assert (low, high) == (pytest.approx(0.0552, abs=1e-3), pytest.approx(0.1744, abs=1e-3))
    assert wilson(0, 20)[0] == 0.0
    assert wilson(20, 20)[1] == 1.0
    inside = 0
    for seed in range(300):
        hits = int((drawn(np.array([0.8, 0.2]), 50, seed) == 1).sum())
        low, high = wilson(hits, 50)
        inside += low <= 0.2 <= high
    assert 0.90 <= inside / 300 <= 0.99


def test_pairwise_distances_tell_of_repetition():
    source = np.random.default_rng(0)
    various = source.normal(size=(300, 20)).astype(np.float32)
    edges, shares = spread_of(various)
    assert shares.sum() == pytest.approx(1)
    assert len(edges) == len(shares) + 1
    assert shares[0] == 0
    repeating = various.copy()
    repeating[::2] = various[0]
    assert spread_of(repeating)[1][0] == pytest.approx(0.25, abs=0.02)
    # Of a Gaussian in 20 dimensions, pairs lie sqrt(40) apart.
    middle = float((0.5 * (edges[1:] + edges[:-1]) * shares).sum())
    assert middle == pytest.approx(math.sqrt(40), rel=0.05)


def test_one_row_and_equal_rows():
    for rows in (1, 2, 30):
        points = np.ones((rows, 3), np.float32)
        census = take_census(find_clusters(points))
        assert sum(kind.share for kind in census.kinds) == pytest.approx(1)
        assert spread_of(points)[1].sum() in (0.0, pytest.approx(1.0))


def test_few_members_name_few_examples():
    found = Clusters(np.array([0, 0, 1]), np.zeros((2, 1)), np.zeros(3), 0.0, {})
    assert [kind.examples for kind in take_census(found).kinds] == [(0, 1), (2,)]
