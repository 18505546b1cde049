"""Keys of paths, with where they are from: rows of z-sequences, and waypoints of banks.

Rows along a path through keys (`sampled`) have their parameters and their trace. This module
knows no kind of path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instrument import InstrumentError
from instrument.latent.path import Path
from instrument.latent.row_stream import Block
from instrument.latent.sequence import ZSequence
from instrument.latent.space import F64
from instrument.latent.waypoints import WaypointBank

_SNAPSHOT = "/model/snapshot"


@dataclass(frozen=True, slots=True, eq=False)
class Keys:
    """`z F64[k, *shape]` and `parameters F64[k, P]`; key i is row `rows[i]` of origin `origins[i]`.

    `names` say which they are: the number of a row, or the name of a waypoint.
    """

    z: F64
    parameters: F64
    origins: NDArray[np.intp]
    rows: NDArray[np.intp]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.z)

    def at(self, indices: Sequence[int]) -> Keys:
        """Some of them, in this order."""
        some = np.asarray(indices, np.intp)
        names = tuple(self.names[index] for index in indices)
        return Keys(self.z[some], self.parameters[some], self.origins[some], self.rows[some], names)


def keys_of_rows(sequence: ZSequence, rows: Sequence[int], origin: int = 0) -> Keys:
    """Rows of `sequence` as keys. Raises InstrumentError naming a row that it has not."""
    for row in rows:
        if not 0 <= row < len(sequence):
            raise InstrumentError(f"row {row}: there are rows 0 to {len(sequence) - 1}")
    some = np.asarray(rows, np.intp)
    z = np.asarray(sequence.z[some], np.float64)
    parameters = np.zeros((len(some), len(sequence.addresses)))
    if sequence.addresses:
        parameters = np.asarray(sequence.parameters[some], np.float64)
    names = tuple(map(str, rows))
    return Keys(z, parameters, np.full(len(some), origin, np.intp), some, names)


def key_of_waypoint(
    bank: WaypointBank, name: str, sequence: ZSequence, newest: float, origin: int = 1
) -> Keys:
    """A waypoint of `bank` as the one key, with parameters as `sequence` has them.

    It wants its own training snapshot, or `newest`; in everything else it is as row 0. Raises
    InstrumentError where it is unknown or of another space.
    """
    if bank.spec != sequence.spec:
        raise InstrumentError(
            f"bank {bank.name!r} holds {bank.spec}, the z-sequence holds {sequence.spec}"
        )
    index = bank.index(name)
    waypoint = bank.waypoints[index]
    parameters = np.zeros((1, len(sequence.addresses)))
    for column, address in enumerate(sequence.addresses):
        parameters[0, column] = sequence.parameters[0, column]
        if address == _SNAPSHOT:
            parameters[0, column] = newest if waypoint.snapshot is None else waypoint.snapshot
    number = np.array([index], np.intp)
    return Keys(
        waypoint.z.astype(np.float64)[None], parameters, np.array([origin]), number,
        (waypoint.name,),
    )  # fmt: skip


def joined(parts: Sequence[Keys]) -> Keys:
    """Keys one after the other."""
    return Keys(
        np.concatenate([part.z for part in parts]),
        np.concatenate([part.parameters for part in parts]),
        np.concatenate([part.origins for part in parts]),
        np.concatenate([part.rows for part in parts]),
        tuple(name for part in parts for name in part.names),
    )


def sampled(path: Path, keys: Keys, times: F64, addresses: Sequence[str]) -> Block:
    """Rows of `path` through `keys` at `times F64[n]`, with parameters and trace.

    Parameters move as z does; one that is a whole number at every key counts or switches
    something, and stays that of the key last left. Snapshots alone blend.
    """
    between = path.between(times)
    parameters = np.zeros((0, 0), np.float32)
    if addresses:
        left = keys.parameters[between[:, 0].astype(np.intp)]
        whole = (keys.parameters == np.round(keys.parameters)).all(axis=0)
        stepped = whole & np.array([address != _SNAPSHOT for address in addresses])
        moved = path.along(keys.parameters, times)
        parameters = np.where(stepped, left, moved).astype(np.float32)
    return Block(path.at(times), _trace(keys, between), parameters)


def _trace(keys: Keys, between: F64) -> F64:
    """Columns of a `Trace`: the key left and the next, by how much of the next there is."""
    a, b = between[:, 0].astype(np.intp), between[:, 1].astype(np.intp)
    share = between[:, 2]
    first, second = share < 1.0, share > 0.0
    near, far = np.where(first, a, b), np.where(first & second, b, -1)
    rows = np.full((len(between), 5), -1.0)
    rows[:, 0], rows[:, 1] = keys.origins[near], keys.rows[near]
    rows[:, 4] = 0.0
    mixed = far >= 0
    rows[mixed, 2] = keys.origins[far[mixed]]
    rows[mixed, 3] = keys.rows[far[mixed]]
    rows[mixed, 4] = share[mixed]
    return rows
