"""Where the rows and events of a take are kept while it is read: in memory, where they are few.

Those of a long take stay on the disk. A take that was ended as it should be has its rows lying
there already, as ``z.npy``: they are mapped once they have been found to be what the record says,
row for row. Otherwise they go into a file that nobody sees.
"""

from __future__ import annotations

import io
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, overload

import numpy as np
from numpy.typing import NDArray

from instrument import InstrumentError
from instrument.event import ControlEvent
from instrument.latent.arrays import let_go, map_array, taken
from instrument.latent.space import F32
from instrument.take.disk import reason_of

_IN_MEMORY = 1 << 26  # bytes of an array
_TOGETHER = 4096  # rows that are copied together
_EVENT = np.dtype([("time", "<f8"), ("value", "<f8"), ("address", "<u4")])


class Spool:
    """Arrays that come one after the other, laid behind one another: in memory, or on the disk."""

    def __init__(self) -> None:
        self._file: IO[bytes] = io.BytesIO()
        self.bytes = 0

    @property
    def large(self) -> bool:
        """Whether this is too much for the memory."""
        return self.bytes > _IN_MEMORY

    def write(self, array: NDArray[Any]) -> None:
        """Add an array. Raises InstrumentError naming the folder that is full."""
        self.bytes += array.nbytes
        try:
            if self.large and isinstance(self._file, io.BytesIO):
                file = tempfile.TemporaryFile()
                file.write(self._file.getbuffer())
                self._file = file
            self._file.write(np.ascontiguousarray(array).data)
        except OSError as error:
            raise InstrumentError(
                f"{tempfile.gettempdir()}: cannot hold the rows of a long take "
                f"({reason_of(error)}); TMPDIR names another folder"
            ) from error

    def array(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        """All there is, as one array of `shape`."""
        if not math.prod(shape):
            return np.zeros(shape, dtype)
        if isinstance(self._file, io.BytesIO):
            return np.frombuffer(self._file.getbuffer(), dtype).reshape(shape)
        self._file.flush()
        return np.memmap(self._file, dtype, "r", shape=shape)


class RowStore:
    """Takes rows ``F32[k, *shape]`` as they come, and gives one array of them all.

    `own` is the file in which the take may have them already.
    """

    def __init__(self, shape: tuple[int, ...], own: Path) -> None:
        self._shape = shape
        self._own = own
        self._spool = Spool()
        self._mapped: F32 | None = None
        self._rows = 0

    def add(self, rows: F32) -> None:
        """Append `rows`. Raises InstrumentError where the disk is full."""
        rows = np.asarray(rows, "<f4")
        if self._mapped is not None and not self._lie_there(self._mapped, self._rows, rows):
            self._spool, mapped, self._mapped = Spool(), self._mapped, None
            for start in range(0, self._rows, _TOGETHER):
                block = mapped[start : min(start + _TOGETHER, self._rows)]
                self._spool.write(block)
                let_go(block)
        if self._mapped is None:
            was_large = self._spool.large
            self._spool.write(rows)
            if self._spool.large and not was_large:
                self._look_for_own()
        self._rows += len(rows)

    def finish(self) -> F32:
        """All rows, ``F32[n, *shape]``."""
        if self._mapped is not None:
            return self._mapped[: self._rows]
        return self._spool.array(np.dtype("<f4"), (self._rows, *self._shape))

    def _look_for_own(self) -> None:
        """Go on in the take's own file, if that holds what there is so far."""
        try:
            mapped = map_array(self._own)
        except InstrumentError:
            return
        columns = math.prod(self._shape)
        if mapped.dtype != np.dtype("<f4") or mapped.shape[1:] != self._shape:
            return
        rows = self._spool.bytes // (4 * columns)
        there = self._spool.array(np.dtype("<f4"), (rows, *self._shape))
        if all(
            self._lie_there(mapped, start, there[start : start + _TOGETHER])
            for start in range(0, rows, _TOGETHER)
        ):
            self._spool, self._mapped = Spool(), mapped

    @staticmethod
    def _lie_there(mapped: F32, start: int, rows: F32) -> bool:
        """Whether `mapped` holds `rows` at `start`, bit for bit."""
        there = mapped[start : start + len(rows)]
        same = there.shape == rows.shape and np.array_equal(
            np.ascontiguousarray(there).view("<u4"), np.ascontiguousarray(rows).view("<u4")
        )
        let_go(there)
        return bool(same)


class EventStore:
    """Takes events as they come, and gives them all."""

    def __init__(self) -> None:
        self._spool = Spool()
        self._numbers: dict[str, int] = {}
        self._count = 0

    def add(self, events: Sequence[ControlEvent]) -> None:
        """Append `events`. Raises InstrumentError where the disk is full."""
        numbers = self._numbers
        rows = [(e.time, e.value, numbers.setdefault(e.address, len(numbers))) for e in events]
        self._spool.write(np.array(rows, _EVENT))
        self._count += len(events)

    def finish(self) -> StoredEvents:
        """All events, in the order in which they came."""
        return StoredEvents(self._spool.array(_EVENT, (self._count,)), tuple(self._numbers))


class StoredEvents(Sequence[ControlEvent]):
    """Events, each made when it is looked at: `rows` of time, value and number of an address."""

    def __init__(self, rows: NDArray[Any], addresses: Sequence[str]) -> None:
        self._rows = rows
        self._addresses = addresses
        self._near: tuple[int, list[tuple[float, float, int]]] = (-1, [])

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, key: int) -> ControlEvent: ...

    @overload
    def __getitem__(self, key: slice) -> tuple[ControlEvent, ...]: ...

    def __getitem__(self, key: int | slice) -> ControlEvent | tuple[ControlEvent, ...]:
        if isinstance(key, slice):
            return tuple(map(self.__getitem__, range(*key.indices(len(self)))))
        number = key + len(self) if key < 0 else key
        if not 0 <= number < len(self):
            raise IndexError(f"event {key} of {len(self)}")
        block, at = divmod(number, _TOGETHER)
        there, near = self._near
        if there != block:
            rows = slice(block * _TOGETHER, (block + 1) * _TOGETHER)
            near = taken(self._rows, rows).tolist()
            self._near = block, near
        time, value, address = near[at]
        return ControlEvent(self._addresses[address], value, time)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]
