"""Rows that are made when somebody asks for them: an array, to all who read it row by row.

A film of hours is read so: nobody ever needs more than a few of its rows at once. This module
knows nothing of what the rows mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from instrument.latent.space import F32, F64

Indices = NDArray[np.intp]
Make = Callable[[Indices], NDArray[Any]]  # indices ``[n]`` → the rows ``[n, ...]``

_TOGETHER = 4096  # rows


class LazyRows:
    """`shape` and ``[...]`` of an array that `make` makes the rows of.

    A slice without a step is a view, as of an array, and makes nothing; any other index makes
    the rows that it names. ``np.asarray`` makes them all.
    """

    def __init__(
        self, shape: tuple[int, ...], make: Make, first: int = 0, dtype: Any = np.float32
    ) -> None:
        self.shape = shape
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self._make = make
        self._first = first

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        rows, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1 and not rest:
                shape = (max(0, stop - start), *self.shape[1:])
                return LazyRows(shape, self._make, self._first + start, self.dtype)
            return self._made(np.arange(start, stop, step))[(slice(None), *rest)]
        wanted = np.asarray(rows)
        if wanted.dtype == np.bool_:
            wanted = np.flatnonzero(wanted)
        wanted = np.where(wanted < 0, wanted + len(self), wanted).astype(np.intp)
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise IndexError(f"row {rows} of {len(self)}")
        made = self._made(wanted.reshape(-1)).reshape(*wanted.shape, *self.shape[1:])
        return made[(*[slice(None)] * wanted.ndim, *rest)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        whole = np.empty(self.shape, dtype or self.dtype)
        for start in range(0, len(self), _TOGETHER):
            stop = min(start + _TOGETHER, len(self))
            whole[start:stop] = self._made(np.arange(start, stop))
        return whole

    def _made(self, wanted: NDArray[Any]) -> NDArray[Any]:
        if not wanted.size:
            return np.empty((0, *self.shape[1:]), self.dtype)
        return self._make(wanted + self._first)


def lazy_rows(shape: tuple[int, ...], make: Make) -> F32:
    """`LazyRows` where an array of float32 is called for."""
    return cast(F32, LazyRows(shape, make))


def lazy_doubles(shape: tuple[int, ...], make: Make) -> F64:
    """As `lazy_rows`, of float64."""
    return cast(F64, LazyRows(shape, make, dtype=np.float64))
