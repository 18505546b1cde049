"""The messages of chunks → rows that keep their index, and blocks without a hole.

Knows the header of a take, but no bytes of a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from instrument.latent.space import F32
from instrument.take import layout
from instrument.take.header import TakeHeader
from instrument.take.salvage import Message

HELD_BLOCK = 1024  # rows handed on together while a gap is filled
# A row may claim an index this far ahead of what is there; further is no gap but a lie.
_GAP_BYTES = 64 << 20


class Run(NamedTuple):
    """Rows ``[start, start + k)``: `z F32[k, *shape]`, `parameters F32[k, P]`."""

    start: int
    z: F32
    parameters: F32

    @property
    def stop(self) -> int:
        """The row after the last."""
        return self.start + len(self.z)


class Block(NamedTuple):
    """Like `Run`, but without holes between blocks: where not `present`, the rows are held."""

    z: F32
    parameters: F32
    present: bool


@dataclass(slots=True)
class Rows:
    """Takes the messages of one chunk after the other; rows only ever go forward."""

    header: TakeHeader
    next_row: int = 0
    count: int = 0
    wrong: int = 0  # rows that cannot be: out of order, of the wrong size, absurdly far ahead
    not_finite: int = 0

    def allowed(self) -> int:
        """The highest length this take can claim, given what was really there so far."""
        return self.next_row + 4 * self.count + _GAP_BYTES // self.header.row_bytes

    def take(self, messages: Iterable[Message]) -> list[Run]:
        """The runs of consecutive rows in one chunk."""
        z, parameters, wrong = self._sort(messages)
        self.wrong += wrong
        indices = sorted(z)
        if not indices:
            return []
        z_rows = _floats([z[i] for i in indices], self.header.spec.shape)
        columns = len(self.header.addresses)
        parameter_rows = _floats([parameters.get(i, b"") for i in indices], (columns,))
        finite = np.isfinite(z_rows.reshape(len(indices), -1)).all(1)
        finite &= np.isfinite(parameter_rows).all(1)
        self.not_finite += int((~finite).sum())
        index = np.array(indices)[finite]
        if not len(index):
            return []
        z_rows, parameter_rows = z_rows[finite], parameter_rows[finite]
        edges = [0, *(np.flatnonzero(np.diff(index) != 1) + 1).tolist(), len(index)]
        self.count += len(index)
        self.next_row = int(index[-1]) + 1
        return [Run(int(index[a]), z_rows[a:b], parameter_rows[a:b]) for a, b in pairwise(edges)]

    def _sort(self, messages: Iterable[Message]) -> tuple[dict[int, bytes], dict[int, bytes], int]:
        z: dict[int, bytes] = {}
        parameters: dict[int, bytes] = {}
        first, last, wrong = self.next_row, self.allowed(), 0
        z_bytes, parameter_bytes = 4 * self.header.spec.size, 4 * len(self.header.addresses)
        for message in messages:
            if message.topic == layout.Z:
                rows, size = z, z_bytes
            elif message.topic == layout.PARAMETERS and parameter_bytes:
                rows, size = parameters, parameter_bytes
            else:
                continue
            index = message.sequence
            if len(message.data) != size or not first <= index < last or index in rows:
                wrong += rows is z
            else:
                rows[index] = message.data
        if parameter_bytes:  # a row without its parameters is no row
            alone = [index for index in z if index not in parameters]
            wrong += len(alone)
            for index in alone:
                del z[index]
        return z, parameters, wrong


@dataclass(slots=True)
class Holder:
    """Fills holes: a missing row is the last one there was, before the first the first."""

    at: int = 0
    last: tuple[F32, F32] | None = None

    def add(self, run: Run) -> Iterator[Block]:
        """The held rows before `run`, then `run` itself."""
        z, parameters = self.last or (run.z[0], run.parameters[0])
        yield from held(z, parameters, run.start - self.at)
        yield Block(run.z, run.parameters, True)
        # Copies, so that one held row does not keep a whole chunk alive.
        self.last, self.at = (run.z[-1].copy(), run.parameters[-1].copy()), run.stop

    def end(self, length: int) -> Iterator[Block]:
        """The held rows up to `length`; none when there never was a row to hold."""
        if self.last is not None:
            yield from held(*self.last, length - self.at)
            self.at = max(self.at, length)


def held(z: F32, parameters: F32, count: int) -> Iterator[Block]:
    """The same row `count` times, in blocks that take no memory."""
    for start in range(0, count, HELD_BLOCK):
        rows = min(HELD_BLOCK, count - start)
        yield Block(
            np.broadcast_to(z, (rows, *z.shape)),
            np.broadcast_to(parameters, (rows, *parameters.shape)),
            False,
        )


def _floats(rows: list[bytes], shape: tuple[int, ...]) -> F32:
    floats = np.frombuffer(b"".join(rows), "<f4").astype(np.float32, copy=False)
    return floats.reshape(len(rows), *shape)
