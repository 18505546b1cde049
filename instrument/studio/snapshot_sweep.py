"""The same z through several moments of a model's training: what each shows of every row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


def features_through(
    sequences: Sequence[ZSequence], rows: Sequence[int], decoder: Decoder, perception: Perception
) -> Iterator[F32]:
    """For each of `sequences`, which differ in parameters alone, ``F32[n, k]`` of some rows."""
    for sequence in sequences:
        found = [
            perception.features(decode_some(sequence, decoder, rows[start : start + _BATCH]))
            for start in range(0, len(rows), _BATCH)
        ]
        yield np.concatenate(found)


def tiles_through(
    sequences: Sequence[ZSequence], decoder: Decoder, size: Size
) -> Iterator[list[U8]]:
    """For every row, in order, its picture through each of `sequences`, fitted to `size`.

    A stretch of rows is decoded through one snapshot after another: to change between them for
    every picture would cost more than the pictures.
    """
    stretch = max(1, _MOST_BYTES // (len(sequences) * size[0] * size[1] * 3))
    count = len(sequences[0])
    for start in range(0, count, stretch):
        rows = range(start, min(start + stretch, count))
        columns = []
        for sequence in sequences:
            tiles: list[U8] = []
            for first in range(0, len(rows), _BATCH):
                pictures = decode_some(sequence, decoder, rows[first : first + _BATCH])
                tiles += [fitted(picture, size).copy() for picture in pictures]
            columns.append(tiles)
        for tile in range(len(rows)):
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
