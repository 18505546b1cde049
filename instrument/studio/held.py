"""What a frozen picture means for a film: the rows of before, for as long as it lasts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from instrument.latent.arrays import taken
from instrument.latent.lazy_rows import lazy_doubles, lazy_rows
from instrument.latent.sequence import ZSequence
from instrument.latent.space import F32
from instrument.latent.trace import Trace

FREEZE = "/display/freeze"
_MODEL = "/model/"
_TOGETHER = 4096  # rows

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Freezes:
    """When a display was frozen: `spans` ``[k, 2]`` of rows, half-open, in order.

    Frozen from the very first row, nothing came before, and the first row is what is held.
    """

    spans: Rows

    def shown(self, rows: Rows) -> Rows:
        """Which row is seen at each of `rows`."""
        span = np.searchsorted(self.spans[:, 0], rows, side="right") - 1
        frozen = (span >= 0) & (rows < self.spans[span, 1])
        return np.where(frozen, np.maximum(self.spans[span, 0] - 1, 0), rows)


def held_columns(addresses: tuple[str, ...]) -> list[int]:
    """Those of the model: fades go on over a frozen picture, as they did on stage."""
    return [column for column, address in enumerate(addresses) if address.startswith(_MODEL)]


def freezes_of(sequence: ZSequence) -> Freezes | None:
    """When the display was frozen; None where it never was."""
    if FREEZE not in sequence.addresses:
        return None
    column, edges, before = sequence.addresses.index(FREEZE), list[NDArray[np.intp]](), False
    for start in range(0, len(sequence), _TOGETHER):
        block = taken(sequence.parameters, slice(start, start + _TOGETHER))
        frozen = block[:, column] >= 0.5
        edges.append(start + np.flatnonzero(np.diff(frozen, prepend=before)))
        before = bool(frozen[-1])
    ends = np.concatenate([*edges, [len(sequence)] * before]).astype(np.intp)
    return Freezes(ends.reshape(-1, 2)) if len(ends) else None


def hold_frozen(sequence: ZSequence) -> ZSequence:
    """`sequence` with z and the model's parameters held wherever the display was frozen.

    Where it ever was, the rows are copies.
    """
    freezes = freezes_of(sequence)
    if freezes is None:
        return sequence
    rows = np.arange(len(sequence))
    shown = freezes.shown(rows)
    return replace(
        sequence, z=sequence.z[shown], parameters=_parameters(sequence, freezes, rows),
        trace=sequence.trace.at(shown) if sequence.trace else None,
    )  # fmt: skip


def holding(sequence: ZSequence) -> ZSequence:
    """As `hold_frozen`, but every row is looked up when it is asked for, and none is copied."""
    freezes = freezes_of(sequence)
    if freezes is None:
        return sequence

    def z(rows: Rows) -> F32:
        return taken(sequence.z, freezes.shown(rows))

    def parameters(rows: Rows) -> F32:
        return _parameters(sequence, freezes, rows)

    trace = sequence.trace
    if trace is not None:
        rows = trace.rows
        look_up = lazy_doubles(rows.shape, lambda wanted: taken(rows, freezes.shown(wanted)))
        trace = Trace(trace.origins, look_up)
    return replace(
        sequence, z=lazy_rows(sequence.z.shape, z),
        parameters=lazy_rows(sequence.parameters.shape, parameters), trace=trace,
    )  # fmt: skip


def _parameters(sequence: ZSequence, freezes: Freezes, rows: Rows) -> F32:
    parameters = taken(sequence.parameters, rows)
    model = held_columns(sequence.addresses)
    parameters[:, model] = taken(sequence.parameters, freezes.shown(rows))[:, model]
    return parameters
