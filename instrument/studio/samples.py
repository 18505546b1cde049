"""Single pictures of a sequence: what contact sheets are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from instrument.decoder.protocol import Decoder
from instrument.frame import U8
from instrument.latent.arrays import taken
from instrument.latent.sequence import ZSequence
from instrument.latent.space import F32


def parameters_at(sequence: ZSequence, rows: slice) -> dict[str, F32]:
    """What a decoder gets beside z ``[rows]``: every parameter, ``F32[n]``.

    Copies: decoders may want memory they can write to, and the file is mapped read-only.
    """
    return {
        address: np.array(sequence.parameters[rows, column], np.float32)
        for column, address in enumerate(sequence.addresses)
    }


def values_at(sequence: ZSequence, row: int) -> Mapping[str, float]:
    """The parameters of one row in native units."""
    if not sequence.addresses:
        return {}
    (values,) = taken(sequence.parameters, slice(row, row + 1)).tolist()
    return dict(zip(sequence.addresses, values, strict=True))


def parameters_row(sequence: ZSequence, row: int) -> F32:
    """The parameters ``F32[P]`` of one row, in native units."""
    return np.array(sequence.parameters[row] if sequence.addresses else (), np.float32)


def decode_rows(sequence: ZSequence, decoder: Decoder, rows: Sequence[int]) -> list[U8]:
    """The pictures ``U8[h, w, 3]`` of some rows, one by one."""
    pictures = []
    for row in rows:
        only = slice(row, row + 1)
        z = np.array(sequence.z[only], np.float32)
        pictures.append(decoder.decode(z, parameters_at(sequence, only))[0].copy())
    return pictures
