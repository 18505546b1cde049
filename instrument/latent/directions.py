"""Directions: ways through a latent space on which one thing changes, found by others or by SeFa.

A file holds rows: ``[n, d]``, or ``[n, layers, d]`` where every layer goes its own way. How far to
go along each is a parameter of the performance, in multiples of its row. Read are ``.npy`` and
``.npz``, and what somebody else has read of a ``.pt``; nothing in them can run. Known are

* GANSpace (Härkönen et al. 2020): ``lat_comp`` or ``act_comp`` times ``lat_stdev``, ``act_stdev``;
* closed-form factorisation as rosinality saves it: the columns of ``eigvec``;
* ``directions``, or a single array.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from instrument import InstrumentError
from instrument.latent import geometry
from instrument.latent.arrays import BAD_HEADER, load_array, read_header
from instrument.latent.sequence import sidecar_of
from instrument.latent.space import F32, F64, LatentSpec

FORMAT = "directions/1"
MOST = 64
_LARGEST = 64 << 20  # bytes of one array
_MOST_ENTRIES = 1000
# Arrays by their names, with the standard deviations along their rows where a file has them.
_KNOWN = (("directions", "deviations"), ("lat_comp", "lat_stdev"), ("act_comp", "act_stdev"))
_COLUMNS = "eigvec"
_BAD_ARCHIVE = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError,
                EOFError, ValueError)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Directions:
    """`rows F32[n, *shape]`, or ``F32[n, d]`` alike for all layers; `unit` of what counts them."""

    rows: F32
    unit: str = ""

    @classmethod
    def none(cls, spec: LatentSpec) -> Directions:
        """No direction at all."""
        return cls(np.zeros((0, *spec.shape), np.float32))

    def __len__(self) -> int:
        return len(self.rows)

    def first(self, count: int) -> Directions:
        """The first `count` of them, or all there are."""
        return Directions(self.rows[:count], self.unit)

    def added(self, place: F64, amounts: Sequence[float], radius: float | None) -> F64:
        """`place F64[shape]` moved by so many of each row, back on the shell where there is one.

        Where every amount is 0 it is `place` itself.
        """
        moved = place
        for row, amount in zip(self.rows, amounts, strict=True):
            if amount != 0.0:
                moved = moved + amount * row.astype(np.float64)
        if moved is place or radius is None:
            return moved
        return geometry.project(moved, radius)

    def to_bytes(self) -> bytes:
        """A ``.npy`` of the rows: what a take carries along."""
        array = io.BytesIO()
        np.save(array, np.ascontiguousarray(self.rows, np.float32))
        return array.getvalue()


def load_directions(path: Path, spec: LatentSpec) -> Directions:
    """The directions in a ``.npy`` or ``.npz``, the first `MOST` of them, for places like `spec`.

    Raises InstrumentError naming the file and what does not fit.
    """
    if path.suffix == ".npz":
        arrays = _arrays_of(path)
    else:
        arrays = {"directions": load_array(path)}
        _check_sidecar(path, spec)
    return choose_directions(arrays, spec, str(path))


def directions_from_bytes(content: bytes, spec: LatentSpec, where: str) -> Directions:
    """The reverse of `Directions.to_bytes`. Raises InstrumentError."""
    array = _floats(content, where)
    return choose_directions({} if array is None else {"directions": array}, spec, where)


def choose_directions(arrays: Mapping[str, F32], spec: LatentSpec, where: str) -> Directions:
    """The directions among the `arrays` of a file. Raises InstrumentError naming `where`."""
    fitting = _rows_of(arrays, spec)
    if fitting is None:
        found = ", ".join(f"{name[:40]} {list(a.shape)}" for name, a in list(arrays.items())[:8])
        layers = ", or [n, {}, {}]".format(*spec.shape) if len(spec.shape) == 2 else ""
        raise InstrumentError(
            f"{where}: holds no directions for {spec}, which are [n, {spec.shape[-1]}]{layers} "
            f"(it holds {found or 'nothing'})"
        )
    rows = np.array(fitting[0][:MOST], np.float32)
    if not np.isfinite(rows).all():
        raise InstrumentError(f"{where}: a direction is not finite (NaN or infinity)")
    return Directions(rows, fitting[1])


def _rows_of(arrays: Mapping[str, F32], spec: LatentSpec) -> tuple[F32, str] | None:
    """The array of directions that fits `spec`, and its unit."""
    for name, deviations in _KNOWN:
        rows = _as_rows(arrays.get(name), spec)
        if rows is not None:
            lengths = arrays.get(deviations)
            if lengths is None:
                return rows, ""
            if lengths.size == len(rows):
                return rows * lengths.reshape(-1, *[1] * (rows.ndim - 1)), "sd"
    if _COLUMNS in arrays and arrays[_COLUMNS].ndim == 2:
        rows = _as_rows(arrays[_COLUMNS].T, spec)
        return None if rows is None else (rows, "")
    if len(arrays) == 1:
        rows = _as_rows(next(iter(arrays.values())), spec)
        return None if rows is None else (rows, "")
    return None


def _as_rows(array: F32 | None, spec: LatentSpec) -> F32 | None:
    """`array` as ``[n, d]`` or ``[n, *shape]``, or None where it is neither."""
    if array is None or array.ndim == 0 or array.size == 0:
        return None
    rows = array[None] if array.ndim == 1 else array
    if rows.ndim == 3 and rows.shape[1] == 1:  # GANSpace keeps an axis for the batch
        rows = rows[:, 0]
    if rows.ndim == 2 and rows.shape[1:] == spec.shape[-1:]:
        return rows
    return rows if rows.ndim == 3 and rows.shape[1:] == spec.shape else None


def _check_sidecar(path: Path, spec: LatentSpec) -> None:
    """Where ``NAME.json`` says what the directions are of, they must be of the space played in."""
    sidecar = sidecar_of(path)
    if not sidecar.exists():
        return
    try:
        fields = json.loads(sidecar.read_text(encoding="utf-8"))
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            raise InstrumentError(f'format: must be "{FORMAT}"')
        latent = LatentSpec.from_json(fields.get("latent"))
    except InstrumentError as error:
        raise InstrumentError(f"{sidecar}: {error}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InstrumentError(f"{sidecar}: not readable as JSON ({error})") from error
    if latent.space != spec.space:
        raise InstrumentError(f"{path}: directions of {latent}, but {spec} is played")


def _arrays_of(path: Path) -> dict[str, F32]:
    """The arrays of floats in a ``.npz``, a zip of ``.npy``. No bomb in it is unpacked."""
    arrays: dict[str, F32] = {}
    wanted = {_COLUMNS, *(name for pair in _KNOWN for name in pair)}
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            names = {entry.filename.removesuffix(".npy") for entry in entries}
            if len(entries) > _MOST_ENTRIES:
                raise InstrumentError(f"{path}: holds {len(entries)} arrays")
            for entry in entries:
                name = entry.filename.removesuffix(".npy")
                if name in wanted or not names & wanted:
                    array = _member(archive, entry, path)
                    if array is not None:
                        arrays[name] = array
    except FileNotFoundError:
        raise InstrumentError(f"{path}: no such file") from None
    except _BAD_ARCHIVE as error:
        raise InstrumentError(f"{path}: not a readable .npz ({error})") from error
    return arrays


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> F32 | None:
    where = f"{path}: {entry.filename[:60]}"
    with archive.open(entry) as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise InstrumentError(f"{where} is larger than {_LARGEST >> 20} MiB")
    return _floats(content, where)


def _floats(content: bytes, where: str) -> F32 | None:
    """The array in the bytes of a ``.npy``, None where it holds no floats."""
    file = io.BytesIO(content)
    try:
        shape, fortran, dtype = read_header(file)
        if dtype.kind != "f":
            return None
        numbers = np.frombuffer(content, dtype, math.prod(shape), file.tell())
        with np.errstate(over="ignore"):
            return numbers.reshape(shape, order="F" if fortran else "C").astype(np.float32)
    except BAD_HEADER as error:
        raise InstrumentError(f"{where}: not a .npy array of numbers") from error
