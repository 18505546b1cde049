"""Light is averaged as light, and levels are true in the mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument.studio import light
from instrument.studio.light import reduced, to_code, to_levels, to_linear


def ramp(n: int = 4097) -> np.ndarray:
    return np.linspace(0, 1, n, dtype=np.float32)


def test_linear_and_code_are_reverses() -> None:
    assert np.abs(to_code(to_linear(ramp())) - ramp()).max() < 2e-6
    assert np.abs(to_linear(to_code(ramp())) - ramp()).max() < 2e-6
    assert to_linear(ramp()).dtype == to_code(ramp()).dtype == np.float32


def test_linear_light_is_that_of_the_standard() -> None:
    # IEC 61966-2-1: half the light is code 187.5, and code 128 is 21.6 % of it.
    assert to_code(np.float32([0.5]))[0] * 255 == pytest.approx(187.52, abs=0.01)
    assert to_linear(np.float32([128 / 255]))[0] == pytest.approx(0.2159, abs=1e-4)
    assert to_linear(np.float32([0, 1])).tolist() == pytest.approx([0, 1], abs=1e-6)


def test_a_pixel_is_the_mean_of_its_light() -> None:
    checks = np.indices((4, 6)).sum(axis=0) % 2
    picture = np.repeat(checks[..., None], 3, axis=2).astype(np.float32)
    small = reduced(picture, 2)
    assert small.shape == (2, 3, 3)
    assert (small == 0.5).all()
    assert reduced(picture, 1) is picture


@pytest.mark.parametrize("depth", [8, 10, 12, 16])
def test_whole_levels_stay_what_they_are(depth: int) -> None:
    levels = np.arange(1 << depth)
    code = (levels / (2**depth - 1)).astype(np.float32)
    picture = np.broadcast_to(code[:, None, None], (len(code), 2, 3)).astype(np.float32)
    for frame in (None, 0, 1, 77):
        made = to_levels(picture, depth, frame)
        assert made.dtype == (np.uint8 if depth == 8 else np.uint16)
        if depth > 8:
            made = made.astype(np.uint32) >> (16 - depth)
        assert (made == levels[:, None, None]).all()


@pytest.mark.parametrize("depth", [10, 12])
def test_deep_levels_reach_from_black_to_white(depth: int) -> None:
    ends = to_levels(np.float32([[[0, 1, 0.5]]]), depth, None)
    assert ends[0, 0, :2].tolist() == [0, 65535]


@given(st.floats(0, 1, width=32), st.integers(0, 10_000))
def test_the_mean_of_a_dithered_grey_is_the_grey(grey: float, frame: int) -> None:
    picture = np.full((128, 128, 3), grey, np.float32)
    made = to_levels(picture, 8, frame).astype(float)
    assert abs(made.mean() - 255 * grey) < 0.002
    assert set(np.unique(made)) <= {np.floor(255 * grey), np.floor(255 * grey) + 1}


def test_undithered_is_rounded() -> None:
    code = np.float32([[[0.4 / 255, 0.6 / 255, 254.6 / 255]]])
    assert to_levels(code, 8, None).tolist() == [[[0, 1, 255]]]
    beyond = np.float32([[[-0.1, 1.1, 0.5]]])
    assert to_levels(beyond, 16, None).tolist() == [[[0, 65535, 32768]]]
    assert to_levels(beyond, 8, 3)[0, 0, :2].tolist() == [0, 255]


def test_the_pattern_moves_and_comes_back() -> None:
    grey = np.full((64, 64, 3), 0.5 / 255, np.float32)
    one, again, other = (to_levels(grey, 8, frame) for frame in (5, 5, 6))
    assert np.array_equal(one, again)
    assert 0.4 < (one != other).mean() < 0.6
    # Each channel has a pattern of its own: greys do not become coarser greys.
    assert 0.4 < (one[..., 0] != one[..., 1]).mean() < 0.6


def test_bands_of_a_picture_are_dithered_as_the_whole() -> None:
    picture = np.random.default_rng(2).random((300, 40, 3)).astype(np.float32)
    whole = to_levels(picture.copy(), 8, 9)
    parts = [to_levels(picture[a:b].copy(), 8, 9, a) for a, b in ((0, 130), (130, 256), (256, 300))]
    assert np.array_equal(np.concatenate(parts), whole)


def test_the_pattern_has_no_clumps() -> None:
    pattern = light._pattern()
    assert np.unique(pattern[..., 0]).size > 16000  # every threshold once
    power = np.abs(np.fft.fft2(pattern[..., 0] - pattern[..., 0].mean())) ** 2
    distance = np.hypot(*np.meshgrid(np.fft.fftfreq(128), np.fft.fftfreq(128)))
    slow, fast = power[(0 < distance) & (distance < 0.1)].mean(), power[distance > 0.3].mean()
    assert slow < fast / 20  # white noise has as much of both
