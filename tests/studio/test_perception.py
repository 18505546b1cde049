"""Perception: distances that are lengths, whatever the size of the pictures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from instrument import InstrumentError
from instrument.studio.perception import OwnPerception, averaged, length, oklab, steps

OWN = OwnPerception()
SIZES = [(64, 64), (128, 128), (96, 160), (33, 250), (1, 1), (7, 512)]


def even(colour, size=(64, 64)):
    return np.broadcast_to(np.array(colour, np.uint8), (1, *size, 3)).copy()


def distance(a, b):
    return float(steps(np.concatenate([OWN.features(a), OWN.features(b)]))[0])


def scenery(phase: float, size: int = 256):
    """A smooth landscape of blobs that drifts with `phase`."""
    y, x = np.mgrid[0:size, 0:size] / size
    waves = [np.sin(7 * x + 5 * y * (c + 1) + phase + c) for c in range(3)]
    return np.rint(127.5 + 120 * np.stack(waves, -1)).astype(np.uint8)[None]


@pytest.mark.parametrize("size", SIZES)
def test_any_size_gives_the_same_features(size) -> None:
    found = OWN.features(np.zeros((2, *size, 3), np.uint8))
    assert found.shape == (2, length())
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (200, 30, 90)])
def test_an_even_picture_is_the_same_at_any_size(size, colour) -> None:
    assert distance(even(colour), even(colour, size)) < 1e-5


def test_black_and_white_lie_one_apart() -> None:
    assert distance(even((0, 0, 0)), even((255, 255, 255))) == pytest.approx(1.0, abs=1e-4)


def test_the_unit_is_oklabs() -> None:
    """Two greys that CSS calls 0.1 of lightness apart; stray light takes a little off."""
    assert 0.08 < distance(even((99, 99, 99)), even((128, 128, 128))) < 0.12


def test_oklab_of_known_colours() -> None:
    linear = np.array([[1, 1, 1], [1, 0, 0], [0, 0, 1], [0, 0, 0]], np.float32)
    known = [[1, 0, 0], [0.628, 0.2249, 0.1258], [0.452, -0.0325, -0.3115], [0, 0, 0]]
    assert oklab(linear) == pytest.approx(np.array(known), abs=2e-3)


def test_one_black_is_nearly_as_black_as_another() -> None:
    assert distance(even((0, 0, 0)), even((2, 2, 2))) < 0.02


def test_a_larger_picture_of_the_same_is_near() -> None:
    small = np.asarray(Image.fromarray(scenery(0.0)[0]).resize((96, 96), Image.Resampling.BOX))
    assert distance(scenery(0.0), small[None]) < 0.05 * distance(scenery(0.0), scenery(2.0))


@pytest.mark.parametrize("finer", [2, 4, 10])
def test_lengths_add_up(finer) -> None:
    """The way between two pictures does not grow with the number of steps it is measured in."""
    coarse = np.concatenate([scenery(p) for p in np.linspace(0.0, 0.4, 6)])
    fine = np.concatenate([scenery(p) for p in np.linspace(0.0, 0.4, 5 * finer + 1)])
    one, many = steps(OWN.features(coarse)).sum(), steps(OWN.features(fine)).sum()
    assert many == pytest.approx(one, rel=0.05)
    squared = [(steps(OWN.features(p)) ** 2).sum() for p in (coarse, fine)]
    assert squared[1] < 0.7 * squared[0]  # what an additive length is not


def test_moving_edges_have_even_speed() -> None:
    """A sharp edge that crosses the picture: pixels jump, areas do not."""
    pictures = np.zeros((65, 256, 256, 3), np.uint8)
    for index in range(65):
        pictures[index, :, : 64 + 2 * index] = 255
    found = steps(OWN.features(pictures))
    assert found.std() / found.mean() < 0.35


def test_texture_is_seen_where_no_colour_changes() -> None:
    fine = np.zeros((1, 128, 128, 3), np.uint8)
    fine[:, ::4] = fine[:, 1::4] = 255
    assert distance(fine, np.swapaxes(fine, 1, 2)) > 0.1


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(SIZES))
def test_a_batch_is_its_single_pictures(seed, size) -> None:
    pictures = np.random.default_rng(seed).integers(0, 256, (18, *size, 3), dtype=np.uint8)
    alone = np.concatenate([OWN.features(picture[None]) for picture in pictures])
    assert OWN.features(pictures).tobytes() == alone.tobytes()
    assert OWN.features(pictures[::-1])[::-1].tobytes() == alone.tobytes()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.integers(1, 200))
def test_averages_keep_the_mean(seed, height, width) -> None:
    pictures = np.random.default_rng(seed).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    assert averaged(pictures, 64).mean() == pytest.approx(pictures.mean() / 255, rel=1e-4)


@pytest.mark.parametrize(
    "pictures",
    [
        np.zeros((2, 8, 8, 3), np.float32),
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((2, 8, 8, 4), np.uint8),
        np.zeros((2, 0, 8, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(pictures) -> None:
    with pytest.raises(InstrumentError, match="pictures of"):
        OWN.features(pictures)


def test_no_picture_has_no_features() -> None:
    assert OWN.features(np.zeros((0, 8, 8, 3), np.uint8)).shape == (0, length())
