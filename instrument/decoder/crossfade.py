"""Several models as one decoder: each row by the model, or the two, that play it.

The stage mixes two pictures at display. A film mixes them here, in the same space: sRGB code
values, linearly, each picture laid out for the film first (`place` is handed in, for this package
knows no display). A row that shows one model alone is that model's row, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from instrument import InstrumentError
from instrument.decoder.protocol import Decoder, DecoderSpec
from instrument.frame import U8
from instrument.latent.space import F32

FIRST, SECOND, SHARE = "/model/first", "/model/second", "/model/share"

Place = Callable[[U8], U8]  # a decoded picture ``U8[h, w, 3]`` → one of the size of the film
Parts = dict[int, F32]  # model number → its part of each row's picture, ``F32[n]``, 0..1


def parts_of(parameters: Mapping[str, F32], rows: int) -> Parts:
    """Which models `rows` rows show, and how much of each; number 1 alone where nothing is said.

    Raises InstrumentError where a row names no model.
    """
    first = _numbers(parameters.get(FIRST), rows, 1)
    second = _numbers(parameters.get(SECOND), rows, 0)
    share = np.clip(parameters.get(SHARE, np.zeros(rows, np.float32)), 0.0, 1.0)
    # A share so small that the rest is all there is would be a second model nobody sees.
    seen = (second > 0) & (1 - share < 1)
    share = np.where(seen, share, np.float32(0.0)).astype(np.float32)
    if len(first) and first.min() < 1:
        raise InstrumentError(f"row {int(first.argmin())}: plays model {first.min()}")
    parts: Parts = {}
    for numbers, part in ((first, 1 - share), (second, share)):
        for number in np.unique(numbers[part > 0]).tolist():
            own = np.where(numbers == number, part, np.float32(0.0))
            parts[number] = parts.get(number, np.zeros(rows, np.float32)) + own
    return parts


def _numbers(column: F32 | None, rows: int, otherwise: int) -> NDArray[np.intp]:
    if column is None:
        return np.full(rows, otherwise, np.intp)
    return np.asarray(np.rint(column), np.intp)


class CrossfadeDecoder:
    """Decodes with `decoders`, by their numbers, to pictures of `spec.size`. A `Decoder`.

    A model that a row does not show is not decoded for it.
    """

    def __init__(self, spec: DecoderSpec, decoders: Mapping[int, Decoder], place: Place) -> None:
        self.spec = spec
        self._decoders = decoders
        self._place = place

    def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
        """See `Decoder.decode`."""
        pixels = np.empty((len(z), *self.spec.size, 3), np.uint8)
        sums: dict[int, F32] = {}  # of the rows that show two
        for number, part in parts_of(parameters, len(z)).items():
            for row, picture in self._decode(number, np.flatnonzero(part), z, parameters):
                if part[row] == 1.0:
                    pixels[row] = picture
                else:
                    sums[row] = sums.get(row, np.float32(0.5)) + picture * part[row]
        for row, total in sums.items():
            pixels[row] = total  # cut to whole levels: with the half from above, rounded
        return pixels

    def _decode(
        self, number: int, rows: NDArray[np.intp], z: F32, parameters: Mapping[str, F32]
    ) -> Iterator[tuple[int, U8]]:
        """The pictures of model `number` for `rows`, laid out."""
        if number not in self._decoders:
            raise InstrumentError(f"plays model {number}, which is not there")
        chosen = {address: values[rows] for address, values in parameters.items()}
        pictures = self._decoders[number].decode(z[rows], chosen)
        for row, picture in zip(rows.tolist(), pictures, strict=True):
            yield row, self._place(picture)
