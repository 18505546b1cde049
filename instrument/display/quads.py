"""Rectangles and letters: what the small display and the virtual controller are drawn with.

Both have one palette and one face. Knows no GL: `QuadPainter` draws what is made here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from instrument.display.glyphs import GlyphSheet

# One rectangle: a letter, a plate or a disc. Pixels, origin upper left, y down.
QUAD = np.dtype(
    [
        ("rect", np.float32, 4),  # left, top, width, height on the screen
        ("cell", np.float32, 4),  # left, top, width, height on the glyph sheet
        ("tint", np.uint8, 4),  # RGBA
        ("corner", np.float32),  # radius of a plate's corners; below 0 the quad is a letter
    ]
)
Quads = NDArray[np.void]
Tint = tuple[int, int, int, int]

PLATE: Tint = (10, 11, 13, 190)
BRIGHT: Tint = (240, 241, 243, 255)
DIM: Tint = (178, 183, 191, 255)
RED: Tint = (255, 66, 54, 255)
AMBER: Tint = (255, 190, 66, 255)
_LETTER = -1.0


def plate(left: float, top: float, width: float, height: float, tint: Tint, corner: float) -> Quads:
    """One plate with round corners of radius `corner`: a disc where that is half its side."""
    quad = np.zeros(1, QUAD)
    quad["rect"] = (left, top, width, height)
    quad["tint"] = tint
    quad["corner"] = corner
    return quad


def plates(rects: ArrayLike, tints: ArrayLike, corner: ArrayLike) -> Quads:
    """One plate for each row of `rects`, (n, 4); `tints` and `corner` one for all or one each."""
    sides = np.asarray(rects, np.float32).reshape(-1, 4)
    quads = np.zeros(len(sides), QUAD)
    quads["rect"] = sides
    quads["tint"] = tints
    quads["corner"] = corner
    return quads


def letters(
    sheet: GlyphSheet,
    glyphs: NDArray[np.intp],
    *,
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    tint: NDArray[np.int_],
) -> Quads:
    """Letters with their pens at `x`, on baselines `y`; `tint` is one colour or one for each."""
    quads = np.zeros(len(glyphs), QUAD)
    cells = sheet.cells[glyphs]
    # Whole pixels: a letter drawn between pixels is a blurred one.
    quads["rect"][:, 0] = np.rint(x + sheet.offsets[glyphs, 0])
    quads["rect"][:, 1] = np.rint(y + sheet.offsets[glyphs, 1])
    quads["rect"][:, 2:] = cells[:, 2:]
    quads["cell"] = cells
    quads["tint"] = tint
    quads["corner"] = _LETTER
    return quads
