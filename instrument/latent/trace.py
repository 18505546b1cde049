"""Traces: which rows of which z-sequences every row of a new one was made of.

``NAME.trace.npy`` holds float64 ``[frames, 5]`` beside ``NAME.npy``: the number of an origin and a
row in it, the same of a second origin, and how much of the second there is, 0..1. A row of an
origin may lie between two frames. -1 stands where there is none. Which files the origins are says
the ``trace`` key of the sidecar, their paths counted from its folder.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instrument import InstrumentError
from instrument.latent.arrays import BAD_HEADER, load_doubles, read_header, taken, write_atomically
from instrument.latent.space import F64

COLUMNS = ("origin", "row", "other_origin", "other_row", "other_weight")
_NONE = -1.0
_TOGETHER = 4096  # rows that are looked at together


@dataclass(frozen=True, slots=True)
class Origin:
    """A z-sequence that another was made of: its file, what was in it, and how long it was."""

    path: str
    sha256: str
    frames: int


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """`rows F64[n, 5]`, columns as `COLUMNS`; numbers of origins count from 0."""

    origins: tuple[Origin, ...]
    rows: F64

    def __post_init__(self) -> None:
        if self.rows.ndim != 2 or self.rows.shape[1] != len(COLUMNS):
            raise InstrumentError(f"trace of shape {list(self.rows.shape)}: must be [frames, 5]")
        for start in range(0, len(self.rows), _TOGETHER):
            block = taken(self.rows, slice(start, start + _TOGETHER))
            numbers = block[:, (0, 2)]
            if not _NONE <= numbers.min() <= numbers.max() < len(self.origins):
                raise InstrumentError(
                    f"trace: names origin {int(numbers.max())}, lists {len(self.origins)}"
                )

    def __len__(self) -> int:
        return len(self.rows)

    def at(self, rows: slice | NDArray[np.intp]) -> Trace:
        """The trace of some of the rows."""
        return replace(self, rows=self.rows[rows])


def origin_of(path: Path) -> Origin:
    """The z-sequence ``NAME.npy`` as an origin. Raises InstrumentError naming the file."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            shape, _, _ = read_header(file)
            file.seek(0)
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise InstrumentError(f"{path}: cannot be read ({error.strerror or error})") from error
    except BAD_HEADER as error:
        raise InstrumentError(f"{path}: not a .npy array of numbers") from error
    return Origin(str(path), digest.hexdigest(), shape[0] if shape else 0)


def copied(origin: Origin, rows: NDArray[np.intp] | NDArray[np.float64]) -> Trace:
    """The trace of rows taken from one origin alone."""
    return blended((origin,), rows, rows, np.zeros(len(rows)))


def blended(
    origins: Sequence[Origin],
    rows: NDArray[np.intp] | NDArray[np.float64],
    others: NDArray[np.intp] | NDArray[np.float64],
    weights: NDArray[np.float64],
) -> Trace:
    """The trace of rows that lie between two rows of the first of `origins`, by their weights."""
    table = np.full((len(rows), len(COLUMNS)), _NONE)
    table[:, 0], table[:, 1] = 0.0, rows
    mixed = weights > 0.0
    table[mixed, 2], table[mixed, 3] = 0.0, np.asarray(others)[mixed]
    table[:, 4] = np.where(mixed, weights, 0.0)
    return Trace(tuple(origins), table)


def rows_behind(trace: Trace, row: float) -> list[tuple[Origin, float, float]]:
    """What `row`, which may lie between two frames, was made of: origin, row in it, and share."""
    low = math.floor(row)
    behind: dict[tuple[int, float], float] = {}
    for frame, part in ((low, 1.0 - (row - low)), (low + 1, row - low)):
        if part <= 0.0:
            continue
        first, place, second, other, weight = trace.rows[frame].tolist()
        for origin, at, share in ((first, place, 1.0 - weight), (second, other, weight)):
            if origin >= 0.0 and share > 0.0:
                key = (int(origin), at)
                behind[key] = behind.get(key, 0.0) + part * share
    return [(trace.origins[origin], at, share) for (origin, at), share in behind.items()]


def trace_of(path: Path) -> Path:
    """``NAME.trace.npy`` of ``NAME.npy``."""
    return path.with_suffix(".trace.npy")


def save_trace(path: Path, trace: Trace) -> None:
    """Write ``NAME.trace.npy`` for ``NAME.npy``. What the sidecar says of it is `trace_to_json`."""
    with write_atomically(trace_of(path)) as file:
        np.save(file, np.ascontiguousarray(trace.rows, np.float64))


def trace_to_json(trace: Trace, folder: Path) -> dict[str, Any]:
    """The ``trace`` key of a sidecar in `folder`."""
    origins = [
        {"path": _seen_from(folder, origin.path), "sha256": origin.sha256, "frames": origin.frames}
        for origin in trace.origins
    ]
    return {"columns": list(COLUMNS), "origins": origins}


def load_trace(path: Path, fields: Any) -> Trace | None:
    """The trace of ``NAME.npy``, of which the sidecar says `fields`; None where it has none.

    None, too, where the file was left behind: films are made without it. Raises InstrumentError
    naming the file where it is damaged.
    """
    file = trace_of(path)
    if not isinstance(fields, dict) or not file.exists():
        return None
    origins = fields.get("origins")
    if not isinstance(origins, list) or not all(_is_origin(origin) for origin in origins):
        raise InstrumentError("trace.origins: must be a list, each with path, sha256 and frames")
    found = tuple(
        Origin(os.path.normpath(path.parent / o["path"]), o["sha256"], o["frames"]) for o in origins
    )
    try:
        return Trace(found, load_doubles(file))
    except InstrumentError as error:
        raise InstrumentError(f"{file}: {error}") from error


def _is_origin(fields: Any) -> bool:
    kinds = {"path": str, "sha256": str, "frames": int}
    return isinstance(fields, dict) and all(
        type(fields.get(key)) is kind for key, kind in kinds.items()
    )


def _seen_from(folder: Path, path: str) -> str:
    """`path` as one writes it in `folder`, so that a show can be carried elsewhere whole."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive of Windows
        return path
