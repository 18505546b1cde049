"""Sees every picture of a film once, as it is decoded: for its features and for contact sheets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from instrument.decoder.protocol import Decoder
from instrument.frame import U8
from instrument.latent.sequence import ZSequence
from instrument.latent.space import F32
from instrument.studio.perception import Perception
from instrument.studio.samples import decode_rows
from instrument.studio.sheet_pages import SheetPages

_TOGETHER = 16  # pictures are measured in lots, which is quicker


class Onlooker:
    """Give `see` to `write_proxy`; then `features` are those of all pictures, in order."""

    def __init__(self, perception: Perception, pages: SheetPages | None = None) -> None:
        self._perception = perception
        self._pages = pages
        self._waiting: list[U8] = []
        self._features: list[F32] = []

    def see(self, row: int, picture: U8) -> None:
        """Picture ``U8[h, w, 3]`` of `row`."""
        if self._pages is not None:
            self._pages.add(picture, str(row))
        self._waiting.append(picture)
        if len(self._waiting) == _TOGETHER:
            self._measure()

    def features(self) -> F32:
        """``F32[n, k]`` of all that was seen."""
        if self._waiting or not self._features:
            self._measure()
        return np.concatenate(self._features)

    def _measure(self) -> None:
        self._features.append(self._perception.features(np.stack(self._waiting)))
        self._waiting = []


def features_of(
    sequence: ZSequence, rows: Sequence[int], decoder: Decoder, perception: Perception
) -> F32:
    """The features ``F32[n, k]`` of some rows' pictures."""
    onlooker = Onlooker(perception)
    for row in rows:
        onlooker.see(row, decode_rows(sequence, decoder, [row])[0])
    return onlooker.features()
