"""The path through the rows of a z-sequence, and what lies on it between two rows.

Neighbouring rows are joined by great circles where the space has a shell, and by straight lines
where it has none. A place on it is a `position`: 12.25 lies a quarter of the way from row 12 to
row 13. A closed trajectory leads from the last row back to the first. Knows no time and no model.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from instrument.latent import geometry
from instrument.latent.blending import between
from instrument.latent.path import apart
from instrument.latent.sequence import ZSequence
from instrument.latent.space import F32, F64, LatentSpec
from instrument.latent.trace import Origin, Trace, blended

_ROWS = 512  # worked on together

Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]


class Trajectory:
    """The rows of `sequence`, joined; `closed` where the last leads back to the first."""

    def __init__(self, sequence: ZSequence, closed: bool = False) -> None:
        self.sequence = sequence
        self.closed = closed

    @property
    def end(self) -> float:
        """The last position: that of the last row, or of the first one lap later."""
        return float(len(self.sequence) if self.closed else len(self.sequence) - 1)

    @property
    def segments(self) -> int:
        """How many pairs of neighbours there are."""
        return int(self.end)

    def z(self, positions: F64) -> F32:
        """``F32[m, *shape]``; at a whole position the row itself, bit for bit."""
        rows, others, weights = self._split(positions)
        z = np.array(self.sequence.z[rows], np.float32)
        for some in _blocks(np.flatnonzero(weights > 0.0)):
            a, b = self.sequence.z[rows[some]], self.sequence.z[others[some]]
            z[some] = between(a, b, weights[some], self.sequence.spec)
        return z

    def parameters(self, positions: F64) -> F32:
        """``F32[m, P]``: between two rows in proportion, but what is whole everywhere stays whole.

        Such a column counts or switches something: it holds until the next row is reached.
        """
        sequence = self.sequence
        if not sequence.addresses:
            return np.zeros((0, 0), np.float32)
        rows, others, weights = self._split(positions)
        values = np.array(sequence.parameters[rows], np.float32)
        smooth = ~self._whole_columns() & (weights > 0.0)[:, None]
        onward = sequence.parameters[others].astype(np.float64)
        mixed = (1.0 - weights)[:, None] * values + weights[:, None] * onward
        return np.where(smooth, mixed, values).astype(np.float32)

    def trace(self, positions: F64, origin: Origin, rows: F64 | None = None) -> Trace:
        """Where in `origin`, the file of the sequence, the places of `positions` come from.

        `rows F64[n]` says which of its rows each row of the sequence is, where it is not the same.
        """
        here, others, weights = self._split(positions)
        own = np.arange(len(self.sequence), dtype=np.float64) if rows is None else rows
        first, second = own[here], own[others]
        # Between two rows that follow one another a place has one number; else it has two.
        follows = (second == first + 1.0) | (second == first)
        first = np.where(follows, first + weights * (second - first), first)
        return blended((origin,), first, second, np.where(follows, 0.0, weights))

    def turns(self) -> F64:
        """From each row to the next, in radians, ``F64[segments]``, as `path.apart` measures."""
        found = np.zeros(self.segments)
        for some in _blocks(np.arange(self.segments)):
            a, b = (
                self.sequence.z[at % len(self.sequence)].astype(np.float64)
                for at in (some, some + 1)
            )
            found[some] = apart(a, b, self.sequence.spec)
        return found

    def distances(self, positions: F64, z: F32) -> F64:
        """How far each row of `z`, made at `positions`, lies off the path, in radians ``F64[m]``.

        The nearest of three segments counts: the one it was made on, the one before and the next.
        """
        found = np.full(len(z), np.inf)
        at = np.minimum(positions.astype(np.intp), self.segments - 1)
        for offset in (-1, 0, 1):
            segment = at + offset
            segment = (
                segment % self.segments if self.closed else np.clip(segment, 0, self.segments - 1)
            )
            for some in _blocks(np.arange(len(z))):
                a, b = (
                    self.sequence.z[ends % len(self.sequence)].astype(np.float64)
                    for ends in (segment[some], segment[some] + 1)
                )
                off = off_segment(z[some].astype(np.float64), a, b, self.sequence.spec)
                found[some] = np.minimum(found[some], off)
        return found

    def _split(self, positions: F64) -> tuple[Ints, Ints, F64]:
        """Of each position the row before it, the row after, and how much of that one."""
        count = len(self.sequence)
        below = np.floor(np.clip(positions, 0.0, self.end))
        rows = below.astype(np.intp)
        return rows % count, (rows + 1) % count, np.clip(positions, 0.0, self.end) - below

    def _whole_columns(self) -> Bools:
        whole = np.ones(len(self.sequence.addresses), bool)
        for some in _blocks(np.arange(len(self.sequence))):
            values = self.sequence.parameters[some]
            whole &= (values == np.round(values)).all(axis=0)
        return whole


def off_segment(p: F64, a: F64, b: F64, spec: LatentSpec) -> F64:
    """How far each row of `p` lies from the segment between a and b, in radians, ``F64[n]``.

    Of layers the one that lies furthest off counts.
    """
    off = _off_line(p, a, b) / spec.reach if spec.radius is None else _off_arc(p, a, b)
    return np.asarray(off.reshape(len(off), -1).max(axis=1))


def _off_arc(p: F64, a: F64, b: F64) -> F64:
    unit, start, end = (geometry.direction(x) for x in (p, a, b))
    turn = geometry.angle(start, end)
    across = end - np.sum(start * end, axis=-1, keepdims=True) * start
    across = geometry.direction(across)
    x, y = np.sum(unit * start, axis=-1), np.sum(unit * across, axis=-1)
    beside = geometry.length(unit - x[..., None] * start - y[..., None] * across)
    at = np.arctan2(y, x)
    nearest_end = np.minimum(geometry.angle(unit, start), geometry.angle(unit, end))
    within = (at >= 0.0) & (at <= turn) & (turn > 0.0)
    return np.where(within, np.arcsin(np.minimum(beside, 1.0)), nearest_end)


def _off_line(p: F64, a: F64, b: F64) -> F64:
    onward = b - a
    square = np.sum(onward * onward, axis=-1)
    share = np.sum((p - a) * onward, axis=-1) / np.where(square > 0.0, square, 1.0)
    nearest = a + np.clip(share, 0.0, 1.0)[..., None] * onward
    return geometry.length(p - nearest)


def _blocks(rows: Ints) -> Iterator[Ints]:
    for start in range(0, len(rows), _ROWS):
        yield rows[start : start + _ROWS]
