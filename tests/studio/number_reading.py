"""Reads burnt-in numbers back, by the shapes of the digits alone."""

import numpy as np

from instrument.studio.burn_in import DIGITS, dots, scale_of

CHARACTERS = "0123456789:"
SHAPES = np.array([dots(character).ravel() for character in CHARACTERS], np.float64)


def read(plate, count, scale):
    """`count` characters of a plate ``[9 * scale, w]`` of grey: the nearest shape for each."""
    middle = np.arange(9) * scale + scale // 2
    grid = plate[middle][:, np.arange(plate.shape[1] // scale) * scale + scale // 2] / 255.0
    text = ""
    for index in range(count):
        cell = grid[1:8, 1 + 6 * index : 7 + 6 * index].ravel()
        text += CHARACTERS[int(np.argmin(((SHAPES - cell) ** 2).sum(axis=1)))]
    return text


def read_row(picture):
    """The row burnt into ``U8[h, w, 3]``."""
    scale = scale_of(picture.shape[:2])
    plate = picture[-9 * scale :, : (6 * DIGITS + 1) * scale].astype(np.float64).mean(axis=2)
    return int(read(plate, DIGITS, scale))


def read_time(picture, beside=True):
    """The timecode burnt into ``U8[h, w, 3]``."""
    scale = scale_of(picture.shape[:2])
    high, wide = 9 * scale, (6 * 11 + 1) * scale
    plate = picture[-high:, -wide:] if beside else picture[-2 * high : -high, :wide]
    return read(plate.astype(np.float64).mean(axis=2), 11, scale)
