"""The contact sheet of a film: pictures from its whole length, each with its time."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np

from instrument.studio.ahead import DecodeAhead
from instrument.studio.film import Size
from instrument.studio.preview import small
from instrument.studio.sheet import contact_sheet, pick_rows, save_png
from instrument.timebase import FrameRange, FrameRate

_TILES = 24
_TILE_WIDTH = 192  # pixels


def write_sheet(
    path: Path, film: FrameRange, ahead: DecodeAhead, size: Size, rate: FrameRate
) -> None:
    """Write the sheet of the `film` of these rows. Raises InstrumentError naming the file."""
    rows = pick_rows(len(film), _TILES)
    wanted = (FrameRange(film.start + row, film.start + row + 1) for row in rows)
    with contextlib.closing(ahead.frames(wanted)) as frames:
        pictures = [np.asarray(small(frame)) for _, frame, _ in frames]
    labels = [f"{rate.time_of(row):.1f} s" for row in rows]
    height, width = size
    tile = (round(_TILE_WIDTH * height / width), _TILE_WIDTH)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_png(path, contact_sheet(pictures, labels=labels, size=tile))
