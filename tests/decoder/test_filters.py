"""Filters: what they let through, and resampling against zeros put in one by one."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from published import normal

from instrument.decoder import filters


def response(kernel, frequency, rate):
    """How loud a sine of `frequency` comes out of a row `kernel` at `rate`."""
    time = np.arange(len(kernel)) / rate
    return abs((kernel * np.exp(-2j * np.pi * frequency * time)).sum())


@pytest.mark.parametrize("design", [filters.low_pass, filters.radial_low_pass])
@pytest.mark.parametrize("taps", [12, 13, 24])
def test_what_does_not_change_passes_unchanged(design, taps):
    kernel = design(taps, 4.0, 4.0, 32.0)
    assert kernel.sum() == pytest.approx(1.0, abs=1e-12)
    assert np.allclose(kernel, np.flip(kernel))


def test_a_low_pass_passes_the_low_and_stops_the_high():
    kernel = filters.low_pass(48, 4.0, 1.0, 32.0)
    assert all(response(kernel, f, 32.0) > 0.9 for f in np.linspace(0, 3, 20))
    assert response(kernel, 4.0, 32.0) == pytest.approx(0.5, abs=0.02)  # where it is cut off
    assert all(response(kernel, f, 32.0) < 0.05 for f in np.linspace(5, 16, 50))


def test_a_radial_filter_is_the_same_from_every_side():
    taps, rate = 24, 32.0
    kernel = filters.radial_low_pass(taps, 4.0, 4.0, rate)
    assert np.allclose(kernel, kernel.T) and np.allclose(kernel, np.rot90(kernel))
    at = (np.arange(taps) - (taps - 1) / 2) / rate
    loud = [
        abs((kernel * np.exp(-2j * np.pi * 3.0 * (at[:, None] * np.sin(a) + at * np.cos(a)))).sum())
        for a in np.linspace(0, np.pi, 25)
    ]
    assert max(loud) - min(loud) < 0.01 * max(loud)


def test_bessel():
    # Abramowitz & Stegun, table 9.1, and the first two zeros
    x = np.array([0.0, 1.0, 2.0, 5.0, 10.0, 3.8317059702, 7.0155866698])
    known = [0.0, 0.4400505857, 0.5767248078, -0.3275791376, 0.0434727462, 0.0, 0.0]
    assert np.allclose(filters.bessel_j1(x), known, atol=1e-9)
    # J1 solves x² y″ + x y′ + (x² − 1) y = 0, also as far out as a filter ever looks
    x, h = np.linspace(90, 100, 7), 1e-3
    low, here, high = (filters.bessel_j1(x + d) for d in (-h, 0, h))
    rest = x**2 * (high - 2 * here + low) / h**2 + x * (high - low) / (2 * h) + (x**2 - 1) * here
    assert np.abs(rest / x**2).max() < 1e-6


def plainly_stretched(x, taps, up, low, high):
    """Zeros after every pixel, padding or cropping, then every output by its definition."""
    spread = np.zeros((len(x) * up,))
    spread[::up] = x
    spread = np.pad(spread, (max(low, 0), max(high, 0)))
    spread = spread[max(-low, 0) : len(spread) - max(-high, 0)]
    return np.convolve(spread, taps, "valid")


@given(
    st.integers(1, 9), st.integers(1, 4), st.integers(1, 8),
    st.integers(-4, 9), st.integers(-4, 9), st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_stretching_is_zeros_padding_and_convolution(size, up, k, low, high, seed):
    if size * up + min(low, 0) + min(high, 0) < 1 or size * up + low + high < k:
        return  # nothing would be left
    x, taps = normal(2, 3, size, size + 1, seed=seed), normal(k, seed=seed + 1)
    found = filters.stretch(x, taps, up, low, high).numpy()
    along = [np.apply_along_axis(plainly_stretched, 3, x.numpy(), taps.numpy(), up, low, high)]
    along.append(np.apply_along_axis(plainly_stretched, 2, along[0], taps.numpy(), up, low, high))
    assert found.shape == along[1].shape
    assert np.abs(found - along[1]).max() < 1e-4


@pytest.mark.parametrize("down", [1, 2, 3])
@pytest.mark.parametrize("square", [False, True])
def test_shrinking_is_convolution_and_leaving_out(down, square):
    x = normal(2, 3, 17, 19)
    taps = normal(4, 4) if square else normal(4)
    kernel = (taps if square else torch.outer(taps, taps)).numpy()
    found = filters.shrink(x, taps, down).numpy()
    for n in range(2):
        for c in range(3):
            plain = x[n, c].numpy()
            for i in range(found.shape[2]):
                for j in range(found.shape[3]):
                    part = plain[i * down : i * down + 4, j * down : j * down + 4]
                    assert found[n, c, i, j] == pytest.approx(
                        (part * kernel[::-1, ::-1]).sum(), abs=1e-5
                    )
    assert found.shape[2:] == ((17 - 4) // down + 1, (19 - 4) // down + 1)


def test_stretching_keeps_a_flat_map_flat():
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    flat = filters.stretch(torch.ones(1, 2, 9, 9), 2 * taps, 2, 2, 1)
    assert flat.shape == (1, 2, 18, 18)
    assert torch.allclose(flat[:, :, 2:-2, 2:-2], torch.ones(()), atol=1e-6)


def test_a_window_of_the_attenuation_asked_for():
    # Kaiser's formula for 12 taps and a whole-band transition gives 8.96; a wide filter gives 0
    assert filters._beta(12, 8.0, 32.0) == pytest.approx(0.1102 * (2.285 * 11 * math.pi - 0.75))
    assert filters._beta(12, 0.05, 32.0) == 0.0
    assert 0 < filters._beta(12, 2.5, 32.0) < filters._beta(12, 4.0, 32.0)
