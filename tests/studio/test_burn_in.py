"""What is burnt in can be read again: off the picture, and off a film of few bits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from number_reading import read_row, read_time

from instrument.studio.burn_in import burn_in, dots, plate, scale_of
from instrument.timebase import FrameRate, timecode

RATE = FrameRate(25)


def noise(height, width, seed=0):
    source = np.random.default_rng(seed)
    return source.integers(0, 256, (height, width, 3), np.uint8)


def test_no_two_digits_look_alike():
    seen = {dots(character).tobytes() for character in "0123456789:"}
    assert len(seen) == 11


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 999_999), st.sampled_from([(128, 128), (256, 256), (180, 320), (1080, 1920)]))
def test_row_and_timecode_are_read_back(row, size):
    marked = burn_in(np.full((*size, 3), 200, np.uint8), row, RATE)
    assert read_row(marked) == row
    assert read_time(marked) == timecode(row, RATE)


def test_legible_over_any_picture():
    for seed in range(20):
        marked = burn_in(noise(144, 256, seed), 4711 + seed, RATE)
        assert read_row(marked) == 4711 + seed


def test_the_picture_is_left_as_it_was():
    picture = noise(128, 128)
    kept = picture.copy()
    marked = burn_in(picture, 3, RATE)
    assert (picture == kept).all()
    high = 9 * scale_of((128, 128))
    assert (marked[:-high] == picture[:-high]).all()


def test_in_a_narrow_picture_the_timecode_stands_above():
    marked = burn_in(noise(96, 80), 12, RATE)
    assert read_row(marked) == 12
    assert read_time(marked, beside=False) == timecode(12, RATE)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (4, 300), (300, 4)])
def test_a_picture_too_small_is_no_error(size):
    assert burn_in(noise(*size), 7, RATE).shape == (*size, 3)


@pytest.mark.parametrize("row", [1_000_000, 12_345_678])
def test_more_digits_than_usual(row):
    marked = burn_in(noise(256, 256), row, RATE)
    wide = plate(str(row), 2).shape[1]
    assert (marked[-18:, :wide, 0] == plate(str(row), 2)).all()


def test_it_grows_with_the_picture():
    assert [scale_of((s, s)) for s in (64, 128, 256, 512, 1080)] == [1, 1, 2, 3, 7]
