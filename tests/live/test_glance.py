"""A glance is small, quick in its own way, and measures lengths along a way."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import waves

from instrument.live.glance import SIDE, distance, glance

COLOURS = 3 * SIDE * SIDE


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 10**6))
def test_any_picture_can_be_looked_at(height: int, width: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)
    seen = glance(pixels)
    high, wide = min(height, SIDE), min(width, SIDE)
    assert seen.dtype == np.float32
    assert seen.shape == (3 * high * wide + high * (wide - 1) + wide * (high - 1),)
    assert np.isfinite(seen).all() and np.abs(seen).max() <= 1.0
    assert distance(seen, seen) == 0.0


def test_fields_are_means_and_alpha_is_not_seen() -> None:
    random = np.random.default_rng(3)
    pixels = random.integers(0, 256, (128, 64, 4), dtype=np.uint8)
    means = pixels[..., :3].reshape(SIDE, 4, SIDE, 2, 3).mean((1, 3)) / 255.0
    np.testing.assert_allclose(glance(pixels)[:COLOURS], means.ravel(), atol=1e-6)
    clear = pixels.copy()
    clear[..., 3] = 0
    assert distance(glance(pixels), glance(clear)) == 0.0
    assert distance(glance(pixels), glance(pixels[..., :3])) == 0.0


@pytest.mark.parametrize("side", [32, 100, 256, 700])
def test_size_is_no_matter(side: int) -> None:
    one, other = (distance(glance(waves(0.0, n)), glance(waves(0.3, n))) for n in (side, 64))
    assert one == pytest.approx(other, rel=0.1)


def test_small_steps_add_up() -> None:
    looks = [glance(waves(phase, 128)) for phase in np.linspace(0.0, 0.4, 5)]
    steps = [distance(a, b) for a, b in itertools.pairwise(looks)]
    assert sum(steps) == pytest.approx(distance(looks[0], looks[-1]), rel=0.02)
    assert distance(looks[0], looks[1]) == distance(looks[1], looks[0])


def test_an_edge_that_moves_counts_for_more_than_its_colours() -> None:
    left, right = np.zeros((64, 64, 4), np.uint8), np.zeros((64, 64, 4), np.uint8)
    left[:, :32], right[:, :34] = 255, 255
    dim = left // 2 + 40
    gap = glance(left) - glance(right)
    edges = gap[COLOURS:]
    assert float(edges @ edges) > 0.2 * float(gap @ gap)
    assert distance(glance(left), glance(dim)) > 0.1
