"""z-sequences written block by block, so that an hour takes no more memory than a second.

All files appear under their names at the end, whole, or not at all. The reverse is
`sequence.load_sequence`, which maps them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from instrument import InstrumentError
from instrument.latent.arrays import write_atomically
from instrument.latent.sequence import ZSequence, check_name, parameters_of, sidecar_of
from instrument.latent.space import F32, F64
from instrument.latent.trace import COLUMNS, Origin, Trace, trace_of, trace_to_json


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The next rows: `z F32[n, *shape]`, `parameters F32[n, P]`, and where they are from.

    `trace F64[n, 5]` has the columns of a `Trace`.
    """

    z: F32 | F64
    trace: F64
    parameters: F32 = field(default_factory=lambda: np.zeros((0, 0), np.float32))


class Rows(Protocol):
    """Takes the next rows of an array."""

    def __call__(self, rows: NDArray[Any]) -> None:
        """Add them."""
        ...


def blank(sequence: ZSequence, frames: int) -> ZSequence:
    """`sequence` with `frames` rows of nothing: what a sidecar says before there are rows."""
    nothing = np.broadcast_to(np.zeros((), np.float32), (frames, *sequence.spec.shape))
    parameters = np.broadcast_to(np.zeros((), np.float32), (frames, len(sequence.addresses)))
    return replace(sequence, z=nothing, parameters=parameters, trace=None)


def stream_sequence(
    path: Path, header: ZSequence, blocks: Iterable[Block], origins: tuple[Origin, ...]
) -> None:
    """Write ``NAME.npy`` and all that goes with it, as long as `header` says it is.

    Only what `header` says *about* its rows is read, see `blank`. Raises InstrumentError naming
    the file where it cannot be written; what stood there before then stays.
    """
    check_name(path)
    frames, spec = len(header), header.spec
    sidecar = header.to_json()
    sidecar["trace"] = trace_to_json(Trace(origins, np.zeros((0, len(COLUMNS)))), path.parent)
    with ExitStack() as files:  # closed in reverse: the array appears last, so it is never alone
        add_z = files.enter_context(open_rows(path, (frames, *spec.shape), np.float32))
        told = files.enter_context(write_atomically(sidecar_of(path)))
        told.write(json.dumps(sidecar, indent=1).encode() + b"\n")
        add_trace = files.enter_context(
            open_rows(trace_of(path), (frames, len(COLUMNS)), np.float64)
        )
        width = len(header.addresses)
        if width:
            add_parameters = files.enter_context(
                open_rows(parameters_of(path), (frames, width), np.float32)
            )
        for block in blocks:
            add_z(block.z)
            add_trace(block.trace)
            if width:
                add_parameters(block.parameters)


@contextmanager
def open_rows(path: Path, shape: tuple[int, ...], dtype: type) -> Iterator[Rows]:
    """A ``.npy`` of `shape` to which rows are added; it appears once all of them are there.

    Raises InstrumentError where rows do not fit, are not finite, or are too few or too many.
    """
    written = 0

    def add(rows: NDArray[Any]) -> None:
        nonlocal written
        if rows.shape[1:] != shape[1:] or written + len(rows) > shape[0]:
            raise InstrumentError(
                f"{path}: rows {list(rows.shape)} after {written} do not go into {list(shape)}"
            )
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
            stored: NDArray[Any] = np.ascontiguousarray(rows, dtype)
        if not np.isfinite(stored).all():
            raise InstrumentError(f"{path}: a row after {written} is not finite (NaN or infinity)")
        file.write(stored.data)
        written += len(rows)

    with write_atomically(path) as file:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)),
                  "fortran_order": False, "shape": shape}  # fmt: skip
        np.lib.format.write_array_header_1_0(file, header)
        yield add
        if written != shape[0]:
            raise InstrumentError(f"{path}: {written} rows were made, {shape[0]} announced")
