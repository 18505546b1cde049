"""Surveys: without a bias, the same for the same seed, and true to what was chosen."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.latent import geometry
from instrument.latent.space import LatentSpec
from instrument.studio.survey import (
    MOST_ROWS,
    distinct,
    disturbed,
    drawn,
    effective_size,
    evened,
    in_blocks,
    in_turn,
    unbiased,
)

SHELL, FREE = LatentSpec.shell(512), LatentSpec((64,))
FAST = settings(deadline=None, max_examples=25)


def kolmogorov(samples, cumulative):
    """The largest distance between the samples' distribution and `cumulative`, times sqrt(n)."""
    ordered = np.sort(samples)
    n = len(ordered)
    exact = np.array([cumulative(x) for x in ordered])
    above = np.abs(np.arange(1, n + 1) / n - exact).max()
    below = np.abs(np.arange(n) / n - exact).max()
    return max(above, below) * math.sqrt(n)


def normal(x):
    return 0.5 * (1 + math.erf(x / math.sqrt(2)))


KOLMOGOROV_1_IN_1000 = 1.95


def test_every_row_lies_on_the_shell():
    z = unbiased(SHELL, 500, 0)
    assert z.dtype == np.float32
    assert np.allclose(np.linalg.norm(z, axis=1), math.sqrt(512), rtol=1e-6)


def test_in_a_free_space_lengths_are_those_of_a_gaussian():
    lengths = np.linalg.norm(unbiased(FREE, 4000, 1).astype(np.float64), axis=1) ** 2
    assert lengths.mean() == pytest.approx(64, rel=0.02)
    assert lengths.var() == pytest.approx(128, rel=0.1)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("axis", [0, 1, 200, 511])
def test_no_axis_is_preferred(seed, axis):
    z = unbiased(SHELL, 2000, seed)[:, axis].astype(np.float64)
    assert kolmogorov(z, normal) < KOLMOGOROV_1_IN_1000


def test_pairs_are_unrelated():
    z = unbiased(SHELL, 400, 5).astype(np.float64)
    angles = np.degrees(geometry.angle(z[:200], z[200:]))
    assert angles.mean() == pytest.approx(90, abs=0.6)
    assert angles.std() == pytest.approx(2.53, rel=0.2)
    along = unbiased(LatentSpec((4, 32), "z", math.sqrt(32)), 50, 0)
    assert along.shape == (50, 4, 32)


def test_a_bias_would_be_noticed():
    z = unbiased(SHELL, 2000, 0)[:, 0].astype(np.float64) + 0.15
    assert kolmogorov(z, normal) > KOLMOGOROV_1_IN_1000


@FAST
@given(st.integers(1, 60), st.integers(0, 60), st.integers(0, 2**63 - 1))
def test_a_longer_survey_begins_with_the_shorter(count, more, seed):
    z = unbiased(FREE, count, seed)
    assert unbiased(FREE, count + more, seed)[:count].tobytes() == z.tobytes()
    weights = np.arange(1.0, 9.0)
    rows = drawn(weights, count, seed)
    assert (drawn(weights, count + more, seed)[:count] == rows).all()
    longer = unbiased(FREE, count + more, 1)
    moved = disturbed(longer, FREE, 0.3, seed)
    assert moved[:count].tobytes() == disturbed(longer[:count], FREE, 0.3, seed).tobytes()


def test_seeds_differ_and_streams_are_apart():
    assert not np.allclose(unbiased(FREE, 5, 0), unbiased(FREE, 5, 1))
    # Were noise the very numbers that places are made of, z would only be stretched.
    z = unbiased(SHELL, 100, 7)
    moved = disturbed(z, SHELL, 0.5, 7)
    angles = geometry.angle(z.astype(np.float64), moved.astype(np.float64))
    assert math.sqrt(np.mean(angles**2)) == pytest.approx(0.5, rel=0.03)


def test_no_noise_copies():
    z = unbiased(SHELL, 10, 0)
    assert disturbed(z, SHELL, 0.0, 3).tobytes() == z.tobytes()


@FAST
@given(st.lists(st.integers(0, 99), min_size=1, max_size=9), st.integers(1, 50))
def test_in_turn_comes_round_evenly(rows, count):
    found = in_turn(rows, count)
    assert len(found) == count
    assert [int(r) for r in found] == [rows[i % len(rows)] for i in range(count)]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_draws_converge_to_the_weights(seed):
    weights = np.array([1, 5, 0, 2, 2, 10.0])
    found = np.bincount(drawn(weights, 20_000, seed), minlength=6) / 20_000
    assert 0.5 * np.abs(found - weights / weights.sum()).sum() < 0.015
    assert found[2] == 0


@FAST
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=9), st.integers(0, 99))
def test_what_weighs_nothing_is_never_drawn(weights, seed):
    weights = np.array(weights)
    if not weights.sum() > 0:
        weights[0] = 1.0
    assert (weights[drawn(weights, 50, seed)] > 0).all()


@FAST
@given(st.integers(1, 12), st.integers(12, 200))
def test_blocks_are_even_and_in_order(places, count):
    column = in_blocks([float(p) for p in range(places)], count)
    assert (np.diff(column) >= 0).all()
    sizes = np.bincount(column.astype(int), minlength=places)
    assert sizes.sum() == count
    assert sizes.max() - sizes.min() <= 1


@FAST
@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_distinct_rows(names):
    z = np.stack([np.full(3, name, np.float32) for name in names])
    first, which = distinct(z)
    assert (z[first][which] == z).all()
    assert len(first) == len(set(names))
    assert [names.index(names[row]) for row in range(len(names))] == first[which].tolist()


def test_the_same_z_at_another_snapshot_is_another_row():
    z = np.ones((4, 3), np.float32)
    first, which = distinct(z, np.array([0, 0, 1, 1], np.float32))
    assert first.tolist() == [0, 2]
    assert which.tolist() == [0, 0, 1, 1]


def test_evened_kinds_have_equal_shares():
    labels = np.array([0] * 90 + [1] * 9 + [2])
    weights = evened(labels)
    assert weights.sum() == pytest.approx(1)
    assert np.bincount(labels, weights) == pytest.approx([1 / 3] * 3)
    rows = drawn(weights, 30_000, 0)
    assert np.bincount(labels[rows]) / 30_000 == pytest.approx([1 / 3] * 3, abs=0.01)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [([1, 1, 1, 1], 4), ([1, 0, 0], 1), ([3, 1], 1.6), ([7], 1), ([0, 0], 0), ([2, 2, 1], 25 / 9)],
)
def test_effective_sizes(weights, expected):
    assert effective_size(np.array(weights, float)) == pytest.approx(expected)


@FAST
@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=20), st.floats(0.1, 10))
def test_effective_size_is_bounded_and_knows_no_unit(weights, unit):
    weights = np.array(weights)
    size = effective_size(weights)
    assert 1 - 1e-9 <= size <= len(weights) + 1e-9
    assert effective_size(weights * unit) == pytest.approx(size)


@pytest.mark.parametrize("count", [0, -3, MOST_ROWS + 1])
def test_counts_out_of_reach(count):
    for ask in (
        lambda: unbiased(FREE, count, 0),
        lambda: in_turn([1], count),
        lambda: drawn(np.ones(3), count, 0),
    ):
        with pytest.raises(InstrumentError, match="count"):
            ask()


def test_more_snapshots_than_rows():
    with pytest.raises(InstrumentError, match="snapshots"):
        in_blocks([1, 2, 3], 2)
