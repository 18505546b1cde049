"""The contact sheet of a film: pictures from its whole length, each with its time."""

from __future__ import annotations

from pathlib import Path

from instrument.cli.film_options import Presented
from instrument.decoder.protocol import Decoder
from instrument.latent.sequence import ZSequence
from instrument.studio.samples import decode_rows, values_at
from instrument.studio.sheet import contact_sheet, pick_rows, save_png

_TILES = 24
_TILE_WIDTH = 192  # pixels


def write_sheet(path: Path, sequence: ZSequence, decoder: Decoder, presented: Presented) -> None:
    """Write the sheet of a film of `sequence`. Raises InstrumentError naming the file."""
    rows = pick_rows(len(sequence), _TILES)
    pictures = [
        presented(picture, values_at(sequence, row))
        for row, picture in zip(rows, decode_rows(sequence, decoder, rows), strict=True)
    ]
    labels = [f"{sequence.rate.time_of(row):.1f} s" for row in rows]
    width, height = presented.size
    tile = (round(_TILE_WIDTH * height / width), _TILE_WIDTH)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_png(path, contact_sheet(pictures, labels=labels, size=tile))
