"""Light and levels: sRGB code values ↔ linear light, and code values → whole levels.

Pictures are ``F32[h, w, 3]`` in 0..1. What is averaged (a shutter, a supersampled pixel) is light,
so it is averaged in linear light; everything else works on code values, as editors do.
This module knows no film and no decoder.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from instrument.latent.space import F32

_TILE = 128  # pixels of a side of the pattern of thresholds
_ROUNDS = 12  # after which the pattern does not get any smoother
# Thresholds keep off 0 and 1 by more than float32 is wrong by in a code value times 4095: what is
# a whole level already stays the level it is.
_MARGIN = 1e-3


def to_linear(code: F32) -> F32:
    """sRGB code values → linear light, both 0..1. Its reverse is `to_code`."""
    low = code * np.float32(1 / 12.92)
    high = np.power((code + np.float32(0.055)) * np.float32(1 / 1.055), np.float32(2.4))
    return np.where(code <= np.float32(0.04045), low, high)


def to_code(linear: F32) -> F32:
    """Linear light → sRGB code values, both 0..1. Its reverse is `to_linear`."""
    low = linear * np.float32(12.92)
    high = np.power(linear, np.float32(1 / 2.4)) * np.float32(1.055) - np.float32(0.055)
    return np.where(linear <= np.float32(0.0031308), low, high)


def reduced(linear: F32, by: int) -> F32:
    """The picture with each `by` x `by` pixels averaged to one; its sides must be multiples."""
    if by == 1:
        return linear
    height, width, channels = linear.shape
    blocks = linear.reshape(height // by, by, width // by, by, channels)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32))


def to_levels(code: F32, depth: int, frame: int | None, first_row: int = 0) -> NDArray[np.generic]:
    """Code values 0..1 as whole levels: ``U8`` of 8 bits, ``U16`` of 9 to 16 (in 16 bit terms).

    With a `frame` number they are dithered: each value goes up or down by chance, with its true
    value as the mean. The chance is a pattern without clumps (blue noise) that lies elsewhere in
    every frame, and is the same whenever the frame is made. `first_row` says where in the picture
    these rows begin.
    """
    top = np.float32((1 << depth) - 1)
    height, width = code.shape[:2]
    raised = code * top
    if frame is None or depth == 16:
        raised += np.float32(0.5)
    else:
        raised += _thresholds(frame, first_row, height, width)
    np.clip(np.floor(raised, out=raised), 0.0, top, out=raised)
    if depth == 8:
        return raised.astype(np.uint8)
    levels = raised.astype(np.uint16)
    # The same value in 16 bits, by repeating its highest bits below the lowest.
    return levels << (16 - depth) | levels >> (2 * depth - 16) if depth < 16 else levels


def _thresholds(frame: int, first_row: int, height: int, width: int) -> F32:
    """The pattern of a frame, ``F32[height, width, 3]``."""
    # Steps of the plastic number visit the tile evenly: no two near frames lie near each other.
    down = int((frame * 0.7548776662466927) % 1 * _TILE) + first_row
    right = int((frame * 0.5698402909980532) % 1 * _TILE)
    rows = np.arange(down, down + height) % _TILE
    columns = np.arange(right, right + width) % _TILE
    return _pattern()[rows[:, None], columns]


@cache
def _pattern() -> F32:
    """Thresholds ``F32[tile, tile, 3]`` in (0, 1), each as often as any other, without clumps.

    White noise loses its slow waves and is ranked again, until ranking changes little: the
    distribution is flat and the spectrum is that of blue noise.
    """
    rng = np.random.Generator(np.random.Philox(20180909))
    frequency = np.fft.fftfreq(_TILE)
    distance = np.hypot(frequency[:, None], frequency[None, :])
    slow = np.exp(-((distance / 0.22) ** 2))[..., None]
    pattern = _ranked(rng.random((_TILE, _TILE, 3)))
    for _ in range(_ROUNDS):
        spectrum = np.fft.fft2(pattern, axes=(0, 1))
        pattern = _ranked(np.real(np.fft.ifft2(spectrum * (1 - slow), axes=(0, 1))))
    return (_MARGIN + (1 - 2 * _MARGIN) * pattern).astype(np.float32)


def _ranked(noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Every channel's values by their order, spread evenly over (0, 1)."""
    flat = noise.reshape(-1, noise.shape[-1])
    order = np.argsort(np.argsort(flat, axis=0, kind="stable"), axis=0, kind="stable")
    return ((order + 0.5) / len(flat)).reshape(noise.shape)
