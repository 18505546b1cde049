"""Letters as a table: one sheet of glyphs drawn by Pillow, and numpy arrays to set text with.

Knows no GL and no colour. A text costs a few numpy look-ups, whatever it says.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from instrument.frame import U8

# What Pillow's own font (Aileron) can draw; the rest is folded to the nearest of these.
CHARACTERS = "".join(map(chr, range(0x20, 0x7F))) + "°·±«»´©‘’“”…‹›™"
_FOLDED = {"×": "x", "–": "-", "—": "-", "−": "-", "→": ">", "←": "<", "•": "·", "ß": "s",
           "ø": "o", "Ø": "O", "ł": "l", "ω": "w", "\t": " ", "\n": " "}  # fmt: skip
_CODES = 0x2200  # Latin, Greek, Cyrillic, punctuation, arrows; what lies above is "?"
_SHEET_WIDTH = 512
_GAP = 1  # empty pixels between glyphs, so that none bleeds into its neighbour


@dataclass(frozen=True, slots=True)
class Setting:
    """Several texts set side by side in arrays of one entry a glyph, blanks left out."""

    glyphs: NDArray[np.intp]  # index into the sheet's tables
    pens: NDArray[np.float32]  # pixels from the start of its own text
    texts: NDArray[np.intp]  # which text the glyph belongs to
    widths: NDArray[np.float32]  # pixels, one entry a text


@dataclass(frozen=True, slots=True)
class GlyphSheet:
    """Every glyph at `pixels` per em. Lengths in pixels, offsets from pen and baseline."""

    pixels: int
    coverage: U8  # (h, w), 255 inside a letter
    cells: NDArray[np.float32]  # (n, 4): left, top, width, height on the sheet
    offsets: NDArray[np.float32]  # (n, 2): from the pen to the upper left corner, y down
    advances: NDArray[np.float32]  # (n,)

    def set(self, texts: Sequence[str]) -> Setting:
        """Look up and space out all `texts` at once."""
        codes = np.frombuffer("".join(texts).encode("utf-32-le", "replace"), np.uint32)
        glyphs = _glyph_of_code()[np.minimum(codes, _CODES - 1)]
        lengths = np.array([len(text) for text in texts], np.intp)
        ends = np.cumsum(lengths)
        # pens[i] is where glyph i starts had all texts been one line; the last is its end.
        pens = np.zeros(len(glyphs) + 1, np.float32)
        np.cumsum(self.advances[glyphs], out=pens[1:])
        starts = pens[ends - lengths]
        owners = np.repeat(np.arange(len(texts)), lengths)
        inked = self.cells[glyphs, 2] > 0
        return Setting(
            glyphs=glyphs[inked],
            pens=(pens[:-1] - starts[owners])[inked],
            texts=owners[inked],
            widths=pens[ends] - starts,
        )


def draw_sheet(pixels: int) -> GlyphSheet:
    """Draw the sheet: some milliseconds, once per text size."""
    font = ImageFont.load_default(pixels)
    boxes = [font.getbbox(character, anchor="ls") for character in CHARACTERS]
    row = max(int(bottom - top) for _, top, _, bottom in boxes) + _GAP
    cells = np.zeros((len(boxes), 4), np.float32)
    x = y = 0
    for index, (left, top, right, bottom) in enumerate(boxes):
        width, height = int(right - left), int(bottom - top)
        if x + width > _SHEET_WIDTH:
            x, y = 0, y + row
        cells[index] = (x, y, width, height) if CHARACTERS[index] != " " else 0
        x += width + _GAP
    sheet = Image.new("L", (_SHEET_WIDTH, y + row))
    pen = ImageDraw.Draw(sheet)
    for character, cell, box in zip(CHARACTERS, cells, boxes, strict=True):
        pen.text((cell[0] - box[0], cell[1] - box[1]), character, 255, font, anchor="ls")
    return GlyphSheet(
        pixels=pixels,
        coverage=np.asarray(sheet),
        cells=cells,
        offsets=np.array([box[:2] for box in boxes], np.float32),
        advances=np.array([font.getlength(c) for c in CHARACTERS], np.float32),
    )


@cache
def _glyph_of_code() -> NDArray[np.intp]:
    """Index into `CHARACTERS` for each code point below `_CODES`."""
    known = {character: index for index, character in enumerate(CHARACTERS)}
    table = np.full(_CODES, known["?"], np.intp)
    for code in range(_CODES):
        character = chr(code)
        if character not in known:
            # "é" is "e" with an accent: the letter alone is read better than a question mark.
            plain = unicodedata.normalize("NFKD", character)[0]
            character = _FOLDED.get(character, _FOLDED.get(plain, plain))
        table[code] = known.get(character, known["?"])
    return table
