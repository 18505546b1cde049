"""The overview sheet of journeys: a strip of pictures each, and what it leads through."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from instrument.frame import U8
from instrument.studio.sheet import contact_sheet, strip

PICTURES = 10  # a strip
_TALLEST, _SMALLEST = 96, 40  # pixels of a picture
_A_COLUMN = 50  # strips
_GAP = 8  # pixels


def journey_strip(pictures: Sequence[U8], count: int) -> U8:
    """The strip of one of `count` journeys."""
    height, width = pictures[0].shape[:2]
    tall = max(_SMALLEST, _TALLEST - max(0, count - 12))
    size = (tall, max(1, round(tall * width / height)))
    return np.asarray(strip(pictures, size))


def overview(strips: Sequence[U8], labels: Sequence[str]) -> Image.Image:
    """All strips, under one another, in as many columns as keep the sheet handy."""
    columns = -(-len(strips) // _A_COLUMN)
    return contact_sheet(strips, columns, labels, gap=_GAP)
