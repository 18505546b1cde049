import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument.display.look import Look, place

sizes = st.tuples(st.integers(1, 4096), st.integers(1, 4096))


@given(sizes, sizes)
def test_fit_shows_all_of_the_picture_inside_the_target(picture, target):
    area, source = place(picture, target, "fit")
    assert source == (0, 0, *picture)
    assert area.x >= 0 and area.y >= 0
    assert area.x + area.width <= target[0] and area.y + area.height <= target[1]
    assert area.width == target[0] or area.height == target[1]


@given(sizes, sizes)
def test_fit_keeps_the_proportions_to_half_a_pixel_and_the_middle(picture, target):
    area, _ = place(picture, target, "fit")
    scale = min(target[0] / picture[0], target[1] / picture[1])
    assert abs(area.width - picture[0] * scale) <= 0.5 or area.width == 1
    assert abs(area.height - picture[1] * scale) <= 0.5 or area.height == 1
    assert 0 <= target[0] - area.width - 2 * area.x <= 1
    assert 0 <= target[1] - area.height - 2 * area.y <= 1


@given(sizes, sizes)
def test_fill_covers_the_target_with_the_middle_of_the_picture(picture, target):
    placement = place(picture, target, "fill")
    assert placement.area == (0, 0, *target)
    left, top, right, bottom = placement.source
    assert 0 <= left < right <= picture[0] + 1e-9 and 0 <= top < bottom <= picture[1] + 1e-9
    assert math.isclose(left, picture[0] - right, abs_tol=1e-6)
    assert math.isclose(top, picture[1] - bottom, abs_tol=1e-6)
    assert math.isclose(*placement.step, rel_tol=1e-9)


@given(sizes)
def test_a_picture_as_large_as_the_target_is_shown_pixel_for_pixel(size):
    for fit in ("fit", "fill"):
        assert place(size, size, fit) == ((0, 0, *size), (0, 0, *size))


def test_an_empty_size_has_no_place():
    with pytest.raises(ValueError, match="0x3"):
        place((4, 4), (0, 3), "fit")


def test_level_joins_gain_and_blackout_and_stays_in_range():
    assert Look().level == 1
    assert Look(gain=0.5, blackout=0.5).level == 0.25
    assert Look(gain=7.0).level == 1 and Look(gain=-1.0).level == 0
    assert Look(gain=math.nan).level == 0
    assert Look(blackout=1.0).level == 0
