"""Arrays on the disk: ``.npy`` of finite numbers, opened without running anything in them.

This module knows nothing of what the numbers mean.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from instrument import InstrumentError
from instrument.latent.space import F32, F64

_FINITE_CHUNK = 4096  # rows looked at together, so that an hour of z stays on disk
_MAPPED_TOGETHER = 1 << 21  # bytes, the most that a system maps in one go
# All that numpy's header parser was seen to raise on hostile files.
BAD_HEADER = (ValueError, TypeError, KeyError, EOFError, OverflowError, MemoryError,
              RecursionError, SyntaxError, tokenize.TokenError)  # fmt: skip
_Floats = TypeVar("_Floats", F32, F64)


@contextlib.contextmanager
def write_atomically(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name only once it is whole and on the disk.

    Raises InstrumentError naming the file when the disk says no.
    """
    if not path.name:
        raise InstrumentError(f"{path}: cannot be written (names no file)")
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with partial.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise InstrumentError(f"{path}: cannot be written ({error.strerror or error})") from error


def load_array(path: Path) -> F32:
    """Map a float array from the disk, as float32, without running anything in it.

    Raises InstrumentError naming the file when it is no array of finite numbers.
    """
    array = map_array(path)
    return _finite(array if array.dtype == np.float32 else _as_single(array), path)


def load_doubles(path: Path) -> F64:
    """As `load_array`, in the precision of float64."""
    array = map_array(path)
    return _finite(array if array.dtype == np.float64 else array.astype(np.float64), path)


def map_array(path: Path) -> np.ndarray[Any, Any]:
    """The array as it lies in the file, looked at no further. Raises InstrumentError naming it."""
    try:
        with path.open("rb") as file:
            shape, fortran, dtype = read_header(file)
            offset, length = file.tell(), os.fstat(file.fileno()).st_size
        if dtype.kind != "f":
            raise InstrumentError(f"{path}: holds {dtype}, allowed are float32 and float64")
        if not 1 <= len(shape) <= 3 or min(shape) < 1:
            raise InstrumentError(f"{path}: shape {_brief(shape)} is no list of rows of numbers")
        if math.prod(shape) * dtype.itemsize > length - offset:
            raise InstrumentError(f"{path}: cut short, shape {_brief(shape)} needs more bytes")
        return np.memmap(path, dtype, "r", offset, shape, "F" if fortran else "C")
    except FileNotFoundError:
        raise InstrumentError(f"{path}: no such file") from None
    except OSError as error:
        raise InstrumentError(f"{path}: cannot be read ({error.strerror or error})") from error
    except BAD_HEADER as error:
        raise InstrumentError(f"{path}: not a .npy array of numbers") from error


def _finite(array: _Floats, path: Path) -> _Floats:
    for start in range(0, len(array), _FINITE_CHUNK):
        rows = array[start : start + _FINITE_CHUNK]
        finite = np.isfinite(rows)
        let_go(rows)
        if not finite.all():
            row = start + int(np.argwhere(~finite)[0][0])
            raise InstrumentError(f"{path}: row {row} is not finite (NaN or infinity)")
    return array


def taken(array: _Floats, rows: NDArray[np.intp] | slice) -> _Floats:
    """A copy of some rows; the array may lie in a file, of which nothing is kept in memory."""
    copied = np.array(array[rows])
    if isinstance(rows, slice):
        let_go(array[rows])
    elif len(rows):
        let_go(array[int(rows.min()) : int(rows.max()) + 1])
    return copied


def let_go(rows: np.ndarray[Any, Any]) -> None:
    """Rows of a mapped file have been read: take no more memory for them until they are again.

    The system would let go of them where memory is short; until then they count as ours. Of
    what does not lie in a file nothing changes.
    """
    base: Any = rows
    while isinstance(base, np.ndarray):
        base = base.base
    if not isinstance(base, mmap.mmap) or not hasattr(base, "madvise") or not rows.size:
        return
    first, last = np.lib.array_utils.byte_bounds(rows)
    mapped = np.frombuffer(base, np.uint8).__array_interface__["data"][0]
    # Rounded outwards to such addresses, since the system maps what lies between them together:
    # what is left out would come back with the row beside it, and stay.
    start = max(0, first // _MAPPED_TOGETHER * _MAPPED_TOGETHER - mapped)
    stop = min(-(-last // _MAPPED_TOGETHER) * _MAPPED_TOGETHER - mapped, len(base))
    base.madvise(mmap.MADV_DONTNEED, start, stop - start)


def read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether columns come first, and type of a ``.npy``. Raises what `BAD_HEADER` names."""
    # numpy's own loader multiplies the shape in 64 bits and guesses at pickles and archives
    # before it looks at the type; the header alone says all there is to refuse.
    readers = {(1, 0): np.lib.format.read_array_header_1_0,
               (2, 0): np.lib.format.read_array_header_2_0}  # fmt: skip
    shape, fortran, dtype = readers[np.lib.format.read_magic(file)](file)
    if any(type(n) is not int for n in shape):
        raise ValueError("shape must be integers")
    return shape, fortran, dtype


def _as_single(array: np.ndarray[Any, Any]) -> F32:
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as such
        return array.astype(np.float32)


def _brief(shape: tuple[int, ...]) -> str:
    return str(list(shape[:4]))[:80]
