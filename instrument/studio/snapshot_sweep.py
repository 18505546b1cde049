"""The same z through several moments of a model's training: what each shows of every row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from instrument import InstrumentError
from instrument.decoder.protocol import Decoder
from instrument.frame import U8
from instrument.latent.sequence import ZSequence
from instrument.latent.space import F32
from instrument.studio.film import Size
from instrument.studio.perception import Perception
from instrument.studio.proxy import fitted
from instrument.studio.samples import parameters_at

SNAPSHOT = "/model/snapshot"
See = Callable[[int, int, U8], None]

_BATCH = 8
_MOST_BYTES = 1 << 26  # of tiles that are held while all snapshots are gone through


def at_snapshot(sequence: ZSequence, snapshot: float) -> ZSequence:
    """The same rows, all at `snapshot`, whatever they were at before."""
    column = np.full((len(sequence), 1), snapshot, np.float32)
    if not sequence.addresses:
        return replace(sequence, parameters=column, addresses=(SNAPSHOT,))
    parameters = np.array(sequence.parameters, np.float32)
    if SNAPSHOT in sequence.addresses:
        parameters[:, sequence.addresses.index(SNAPSHOT)] = snapshot
        return replace(sequence, parameters=parameters)
    return replace(
        sequence, parameters=np.hstack([parameters, column]),
        addresses=(*sequence.addresses, SNAPSHOT),
    )  # fmt: skip


def features_of(
    sequence: ZSequence, rows: Sequence[int], decoder: Decoder, perception: Perception
) -> F32:
    """The features ``F32[n, k]`` of some rows' pictures."""
    found = [
        perception.features(decode_some(sequence, decoder, rows[start : start + _BATCH]))
        for start in range(0, len(rows), _BATCH)
    ]
    return np.concatenate(found)


class Judge:
    """Give `see` to `tiles_through`: it keeps the features of some `rows` of each sequence."""

    def __init__(self, sequences: int, rows: Sequence[int], perception: Perception) -> None:
        self._rows = frozenset(rows)
        self._perception = perception
        self._found: list[list[F32]] = [[] for _ in range(sequences)]

    def see(self, sequence: int, row: int, picture: U8) -> None:
        """The picture ``U8[h, w, 3]`` of `row` through `sequence`; rows come in order."""
        if row in self._rows:
            self._found[sequence].append(self._perception.features(picture[None]))

    def features(self) -> list[F32]:
        """``F32[n, k]`` of each sequence."""
        return [np.concatenate(found) for found in self._found]


def tiles_through(
    sequences: Sequence[ZSequence], rows: Sequence[int], decoder: Decoder, size: Size,
    see: See | None = None,
) -> Iterator[list[U8]]:  # fmt: skip
    """For each of `rows`, in order, its picture through each of `sequences`, fitted to `size`.

    `see` is shown every picture as it was decoded, with the number of its sequence and its row.

    A stretch of rows is decoded through one snapshot after another: to change between them for
    every picture would cost more than the pictures.
    """
    stretch = max(1, _MOST_BYTES // (len(sequences) * size[0] * size[1] * 3))
    for start in range(0, len(rows), stretch):
        some = rows[start : start + stretch]
        columns = []
        for number, sequence in enumerate(sequences):
            tiles: list[U8] = []
            for first in range(0, len(some), _BATCH):
                batch = some[first : first + _BATCH]
                pictures = decode_some(sequence, decoder, batch)
                for row, picture in zip(batch, pictures, strict=True):
                    if see:
                        see(number, row, picture)
                    tiles.append(fitted(picture, size).copy())
            columns.append(tiles)
        for tile in range(len(some)):
            yield [tiles[tile] for tiles in columns]


def decode_some(sequence: ZSequence, decoder: Decoder, rows: Sequence[int]) -> U8:
    """The pictures ``U8[n, h, w, 3]`` of some rows. Raises InstrumentError naming them."""
    some = list(rows)
    part = replace(
        sequence, z=np.array(sequence.z[some], np.float32), trace=None,
        parameters=sequence.parameters[some] if sequence.addresses else sequence.parameters,
    )  # fmt: skip
    try:
        return decoder.decode(part.z, parameters_at(part, slice(None)))
    except (InstrumentError, ValueError) as error:
        name = decoder.spec.name
        raise InstrumentError(f"rows {some[0]} to {some[-1]}: {name} failed ({error})") from error
