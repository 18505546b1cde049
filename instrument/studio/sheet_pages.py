"""Contact sheets of thousands: numbered pages, made while the pictures go by.

Only the tiles of the page that is being filled are kept, and finished pages as PNG.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from instrument import InstrumentError
from instrument.frame import U8
from instrument.studio.film import Size
from instrument.studio.sheet import contact_sheet

TILES = 200  # a page, which a screen still shows
MOST_TILES = 2000
_TILE_SIDE = 112  # pixels, the longer one
_PROPORTIONS = 16 / 9  # of a page


class SheetPages:
    """Pages of `tiles` pictures each, of which `picture_size` (height, width) is known."""

    def __init__(self, picture_size: Size, tiles: int = TILES) -> None:
        if not 1 <= tiles <= MOST_TILES:
            raise InstrumentError(f"tiles {tiles}: allowed are 1 to {MOST_TILES} a page")
        self._tiles = tiles
        self._size = tile_size(picture_size)
        self._pictures: list[U8] = []
        self._labels: list[str] = []
        self._pages: list[bytes] = []
        self._columns: int | None = None

    def add(self, picture: U8, label: str) -> None:
        """The next picture, ``U8[h, w, 3]``, and what stands below it."""
        image = Image.fromarray(np.ascontiguousarray(picture))
        height, width = self._size
        self._pictures.append(
            np.asarray(image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0))
        )
        self._labels.append(label)
        if len(self._pictures) == self._tiles:
            self._turn()

    def pages(self) -> list[bytes]:
        """All pages as PNG files, the last one as full as it is."""
        if self._pictures:
            self._turn()
        return list(self._pages)

    def _turn(self) -> None:
        if self._columns is None:  # all pages have as many as the first
            self._columns = _columns_for(len(self._pictures), self._size)
        sheet = contact_sheet(self._pictures, self._columns, self._labels, self._size)
        self._pages.append(png(sheet))
        self._pictures, self._labels = [], []


def _columns_for(count: int, tile: Size) -> int:
    """As many as make a page about as wide as a screen."""
    return max(1, round(math.sqrt(count * _PROPORTIONS * tile[0] / tile[1])))


def png(sheet: Image.Image) -> bytes:
    """`sheet` as the bytes of a PNG file."""
    file = io.BytesIO()
    sheet.save(file, "PNG", compress_level=6)
    return file.getvalue()


def tile_size(picture_size: Size, longest: int = _TILE_SIDE) -> Size:
    """Height and width of a tile: the proportions of the picture, its longer side `longest`."""
    scale = longest / max(picture_size)
    height, width = (max(1, round(side * scale)) for side in picture_size)
    return height, width


def page_names(stem: str, count: int) -> list[str]:
    """``NAME.png``, or ``NAME.01.png``, ``NAME.02.png`` … where there are more."""
    if count == 1:
        return [f"{stem}.png"]
    digits = max(2, len(str(count)))
    return [f"{stem}.{number:0{digits}d}.png" for number in range(1, count + 1)]


def older_pages(folder: Path, stem: str, names: Sequence[str]) -> list[Path]:
    """Pages of an earlier survey of the same name that `names` do not take the place of."""
    found = []
    for file in sorted(folder.glob("*.png")):
        middle = file.name.removeprefix(stem).removesuffix(".png")
        ours = file.name.startswith(stem) and (
            middle == "" or (middle[:1] == "." and middle[1:].isdecimal() and len(middle) >= 3)
        )
        if ours and file.name not in names:
            found.append(file)
    return found
