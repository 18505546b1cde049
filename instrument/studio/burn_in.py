"""Numbers burnt into pictures: which row of the z-sequence a frame is, and its timecode.

The digits are drawn here, five by seven dots each, white on a dark plate: they stay legible in a
small film of few bits, and are the same on every machine. Knows nothing of films.
"""

from __future__ import annotations

import numpy as np

from instrument.frame import U8
from instrument.timebase import FrameRate, timecode

_DOTS = {
    "0": ("01110", "10001", "10011", "10101", "11001", "10001", "01110"),
    "1": ("00100", "01100", "00100", "00100", "00100", "00100", "01110"),
    "2": ("01110", "10001", "00001", "00110", "01000", "10000", "11111"),
    "3": ("11111", "00010", "00100", "00010", "00001", "10001", "01110"),
    "4": ("00010", "00110", "01010", "10010", "11111", "00010", "00010"),
    "5": ("11111", "10000", "11110", "00001", "00001", "10001", "01110"),
    "6": ("00110", "01000", "10000", "11110", "10001", "10001", "01110"),
    "7": ("11111", "00001", "00010", "00100", "01000", "01000", "01000"),
    "8": ("01110", "10001", "10001", "01110", "10001", "10001", "01110"),
    "9": ("01110", "10001", "10001", "01111", "00001", "00010", "01100"),
    ":": ("00000", "00100", "00100", "00000", "00100", "00100", "00000"),
}
DIGITS = 6  # of a row: nine hours at 30 frames a second
_HIGH, _WIDE = 7, 6  # dots of a digit, with the gap behind it
_PLATE, _INK = 12, 245  # grey levels
_SIDE_OF_A_DOT = 1 / 160  # of the shorter side of the picture


def dots(text: str) -> U8:
    """`text` of digits and colons as ``U8[7, 6 * len(text)]``, 1 where there is ink."""
    rows = ["".join(_DOTS[character][row] + "0" for character in text) for row in range(_HIGH)]
    return np.array([[int(dot) for dot in row] for row in rows], np.uint8)


def plate(text: str, scale: int) -> U8:
    """`text` on its plate, ``U8[9 * scale, w]``: one dot is `scale` pixels, one dot all round."""
    framed = np.pad(dots(text), ((1, 1), (1, 0)))
    grey = np.where(framed == 1, _INK, _PLATE).astype(np.uint8)
    return np.repeat(np.repeat(grey, scale, axis=0), scale, axis=1)


def scale_of(size: tuple[int, int]) -> int:
    """How many pixels a dot has in a picture of `size` (height, width)."""
    return max(1, round(min(size) * _SIDE_OF_A_DOT))


def burn_in(picture: U8, row: int, rate: FrameRate) -> U8:
    """A copy of `picture` that says its row, lower left, and its timecode, lower right.

    Where both do not fit side by side, the timecode stands above; in a picture narrower than the
    number, only its beginning is seen.
    """
    height, width = picture.shape[:2]
    scale = scale_of((height, width))
    number = plate(f"{row:0{DIGITS}d}", scale)
    time = plate(timecode(row, rate), scale)
    marked = picture.copy()
    _lay(marked, number, height - len(number), 0)
    beside = number.shape[1] + time.shape[1] <= width
    top = height - (1 if beside else 2) * len(time)
    _lay(marked, time, top, max(0, width - time.shape[1]) if beside else 0)
    return marked


def _lay(picture: U8, grey: U8, top: int, left: int) -> None:
    """Paint `grey` over `picture`, cut to what is inside it."""
    grey = grey[max(0, -top) :]
    target = picture[max(0, top) :, left:][: len(grey), : grey.shape[1]]
    target[...] = grey[: len(target), : target.shape[1], None]
