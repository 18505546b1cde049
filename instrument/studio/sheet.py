"""Contact sheets and strips: many pictures on one.

Pictures are ``U8[h, w, 3]`` sRGB, of any size; each is fitted whole into its tile.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from instrument import InstrumentError
from instrument.frame import U8
from instrument.latent.arrays import write_atomically

_GROUND = (16, 16, 18)
_INK = (208, 208, 212)
_LARGEST_SIDE = 32767  # what common viewers still open
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def pick_rows(length: int, count: int) -> list[int]:
    """`count` evenly spaced rows of `length`, the first and the last among them; no row twice."""
    if count <= 0 or length <= 0:
        return []
    if count == 1:
        return [(length - 1) // 2]
    spaced = np.linspace(0, length - 1, min(count, length))
    return [round(row) for row in spaced.tolist()]


def contact_sheet(
    pictures: Sequence[U8] | U8,
    columns: int | None = None,
    labels: Sequence[str] = (),
    size: tuple[int, int] | None = None,
    gap: int | None = None,
) -> Image.Image:
    """Lay `pictures` out in rows of `columns`, each in a tile of `size` (height, width).

    Without `columns` the sheet comes out about 4:3; without `size` tiles are as large as the
    first picture. `labels` stand below the pictures and are cut to the tile's width. `gap` is the
    room between tiles in pixels, by default a part of their width.
    Raises InstrumentError when there is nothing to show or the sheet would be too large.
    """
    if len(pictures) == 0:
        raise InstrumentError("contact sheet: no picture to show")
    height, width = size or pictures[0].shape[:2]
    if labels and len(labels) != len(pictures):
        raise InstrumentError(f"contact sheet: {len(labels)} labels, {len(pictures)} pictures")
    columns = columns or max(1, round((len(pictures) * 4 * height / (3 * width)) ** 0.5))
    columns = min(columns, len(pictures))
    gap = max(2, width // 32) if gap is None else gap
    font = ImageFont.load_default(max(9, min(18, width // 10)))
    line = _line_height(font) if labels else 0
    rows = -(-len(pictures) // columns)
    across, down = columns * (width + gap) + gap, rows * (height + line + gap) + gap
    if max(across, down) > _LARGEST_SIDE:
        raise InstrumentError(
            f"contact sheet: {across}x{down} pixels, at most {_LARGEST_SIDE}; "
            "take smaller tiles, fewer pictures or other columns"
        )
    sheet = Image.new("RGB", (across, down), _GROUND)
    draw = ImageDraw.Draw(sheet)
    for index in range(len(pictures)):
        row, column = divmod(index, columns)
        left, top = gap + column * (width + gap), gap + row * (height + line + gap)
        _place(sheet, pictures[index], (left, top), (height, width))
        if labels:
            text = _fit(labels[index], font, width)
            draw.text((left, top + height + 2), text, _INK, font)
    return sheet


def strip(pictures: Sequence[U8] | U8, size: tuple[int, int] | None = None) -> Image.Image:
    """Pictures side by side without gaps, each scaled to `size` (height, width)."""
    if len(pictures) == 0:
        raise InstrumentError("strip: no picture to show")
    height, width = size or pictures[0].shape[:2]
    sheet = Image.new("RGB", (width * len(pictures), height), _GROUND)
    for index in range(len(pictures)):
        _place(sheet, pictures[index], (index * width, 0), (height, width))
    return sheet


def save_png(path: Path, picture: Image.Image) -> None:
    """Write `picture`, whole or not at all. Raises InstrumentError naming the file."""
    with write_atomically(path) as file:
        picture.save(file, "PNG", compress_level=1)


def _place(sheet: Image.Image, pixels: U8, corner: tuple[int, int], size: tuple[int, int]) -> None:
    (left, top), (height, width) = corner, size
    tile = Image.fromarray(np.ascontiguousarray(pixels))
    scale = min(width / tile.width, height / tile.height)
    fitted = (max(1, round(tile.width * scale)), max(1, round(tile.height * scale)))
    if fitted != tile.size:
        tile = tile.resize(fitted, Image.Resampling.LANCZOS)
    sheet.paste(tile, (left + (width - fitted[0]) // 2, top + (height - fitted[1]) // 2))


def _line_height(font: _Font) -> int:
    return round(font.getbbox("Ag")[3]) + 4


def _fit(text: str, font: _Font, width: int) -> str:
    text = " ".join(text.split())
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
