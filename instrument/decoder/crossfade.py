"""Several models as one decoder: each row by the model, or the two, that play it.

The stage mixes two pictures at display. A film mixes them here, in the same space: sRGB code
values, linearly, each picture laid out for the film first (`place` is handed in, for this package
knows no display). A row that shows one model alone is that model's row, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from instrument import InstrumentError
from instrument.decoder.protocol import Decoder, DecoderSpec, decode_fine
from instrument.frame import U8
from instrument.latent.space import F32

FIRST, SECOND, SHARE = "/model/first", "/model/second", "/model/share"

Place = Callable[[U8], U8]  # a decoded picture ``U8[h, w, 3]`` → one of the size of the film
PlaceFine = Callable[[F32], F32]
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
    """Decodes with `decoders`, by their numbers, to pictures of `spec.size`. A `FineDecoder`.

    A model that a row does not show is not decoded for it. `place_fine` is what `place` is, for
    pictures finer than 256 levels.
    """

    def __init__(
        self, spec: DecoderSpec, decoders: Mapping[int, Decoder], place: Place,
        place_fine: PlaceFine | None = None,
    ) -> None:  # fmt: skip
        self.spec = spec
        self._decoders = decoders
        self._place = place
        self._place_fine = place_fine or _at_its_size

    def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
        """See `Decoder.decode`."""
        pixels = np.empty((len(z), *self.spec.size, 3), np.uint8)
        sums: dict[int, F32] = {}  # of the rows that show two
        for number, part in parts_of(parameters, len(z)).items():
            rows = np.flatnonzero(part)
            decoder, position, values = self._asked(number, rows, z, parameters)
            for row, decoded in zip(rows.tolist(), decoder.decode(position, values), strict=True):
                picture = self._place(decoded)
                if part[row] == 1.0:
                    pixels[row] = picture
                else:
                    sums[row] = sums.get(row, np.float32(0.5)) + picture * part[row]
        for row, total in sums.items():
            pixels[row] = total  # cut to whole levels: with the half from above, rounded
        return pixels

    def decode_fine(self, z: F32, parameters: Mapping[str, F32]) -> F32:
        """See `FineDecoder.decode_fine`; a row of two models is rounded once and not twice."""
        pixels = np.zeros((len(z), *self.spec.size, 3), np.float32)
        for number, part in parts_of(parameters, len(z)).items():
            rows = np.flatnonzero(part)
            asked = self._asked(number, rows, z, parameters)
            for row, decoded in zip(rows.tolist(), decode_fine(*asked), strict=True):
                pixels[row] += self._place_fine(decoded) * part[row]
        return pixels

    def _asked(
        self, number: int, rows: NDArray[np.intp], z: F32, parameters: Mapping[str, F32]
    ) -> tuple[Decoder, F32, dict[str, F32]]:
        """Model `number`, and what it is asked for `rows`."""
        if number not in self._decoders:
            raise InstrumentError(f"plays model {number}, which is not there")
        chosen = {address: values[rows] for address, values in parameters.items()}
        return self._decoders[number], z[rows], chosen


def _at_its_size(picture: F32) -> F32:
    return picture
