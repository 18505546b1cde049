"""Unwanted regions: pictures that look most like rows somebody wants to keep away from.

A picture is unwanted where, of all surveyed rows, the one nearest to it in features is. What a
feature is says `perception`; this module knows no decoder.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from instrument import InstrumentError
from instrument.latent.space import F32

_BLOCK = 256  # pictures compared at once
Bools = NDArray[np.bool_]


class Region:
    """Of surveyed rows with `features F32[n, k]` those that are `unwanted` (bool ``[n]``)."""

    def __init__(self, features: F32, unwanted: Bools) -> None:
        if unwanted.all() or not unwanted.any():
            raise InstrumentError(
                f"avoid: {int(unwanted.sum())} of {len(unwanted)} rows, must be some and not all"
            )
        self.features = features
        self.unwanted = unwanted
        self._squares = np.sum(features * features, axis=1)

    def inside(self, features: F32) -> Bools:
        """Which of some pictures, ``F32[m, k]``, lie in it."""
        return self.unwanted[self.nearest(features)]

    def share(self, features: F32) -> float:
        """Which share of some pictures lies in it."""
        return float(self.inside(features).mean())

    def nearest(self, features: F32) -> NDArray[np.intp]:
        """The surveyed row that each picture looks most like, ``[m]``."""
        found = [
            np.argmin(self._squares - 2.0 * (features[at : at + _BLOCK] @ self.features.T), axis=1)
            for at in range(0, len(features), _BLOCK)
        ]
        return np.concatenate(found) if found else np.zeros(0, np.intp)


def with_alike(features: F32, rows: Sequence[int], alike: int) -> list[int]:
    """`rows`, and of each the `alike` rows whose pictures are most like its own."""
    found = set(rows)
    for row in rows:
        apart = np.sum((features - features[row]) ** 2, axis=1)
        apart[row] = -1.0
        found.update(np.argsort(apart, kind="stable")[: alike + 1].tolist())
    return sorted(found)
