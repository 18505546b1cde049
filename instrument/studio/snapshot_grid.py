"""Many pictures on one frame of a film, each with its label: the same place, seen in many ways."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from instrument import InstrumentError
from instrument.frame import U8
from instrument.studio.film import Size

_GROUND, _INK = (16, 16, 18), (208, 208, 212)
_LARGEST = 8192  # pixels a side


class Grid:
    """A frame of tiles of `size` (height, width), in rows of `columns`, with `labels` below them.

    The frame is about as wide as a screen where nobody says how many columns; its sides are even.
    """

    def __init__(self, labels: Sequence[str], size: Size, columns: int | None = None) -> None:
        height, width = size
        count = len(labels)
        if count == 0:
            raise InstrumentError("grid: no picture to show")
        self._gap = max(2, width // 40)
        font = ImageFont.load_default(max(9, min(18, width // 9)))
        line = math.ceil(font.getbbox("Ag")[3]) + 4
        down = height + line + self._gap
        across = width + self._gap
        wished = columns or max(1, round(math.sqrt(count * 16 / 9 * down / across)))
        self._columns = min(wished, count)
        rows = -(-count // self._columns)
        if columns is None:  # no row nearly empty
            self._columns = -(-count // rows)
        whole = (rows * down + self._gap, self._columns * across + self._gap)
        self.size: Size = (whole[0] + whole[0] % 2, whole[1] + whole[1] % 2)
        if max(self.size) > _LARGEST:
            raise InstrumentError(
                f"grid: {self.size[1]}x{self.size[0]} pixels, at most {_LARGEST}; take smaller "
                "tiles or fewer snapshots"
            )
        self._tile = size
        self._corners = [
            (self._gap + row * down, self._gap + column * across)
            for row, column in (divmod(index, self._columns) for index in range(count))
        ]
        blank = Image.new("RGB", (self.size[1], self.size[0]), _GROUND)
        draw = ImageDraw.Draw(blank)
        for (top, left), label in zip(self._corners, labels, strict=True):
            draw.text((left, top + height + 1), label, _INK, font)
        self._blank = np.asarray(blank)

    def frame(self, tiles: Sequence[U8]) -> U8:
        """The frame ``U8[*size, 3]`` of as many tiles as there are labels."""
        height, width = self._tile
        shown = self._blank.copy()
        for (top, left), tile in zip(self._corners, tiles, strict=True):
            shown[top : top + height, left : left + width] = tile
        return shown
