"""Which rows a survey has: drawn without a bias, around places, or from an edited set.

Pure arithmetic of a seed. Row i depends on the seed and on i, not on how many rows there are, so
a longer survey begins with the shorter one. Nothing here knows a model or a picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from instrument import InstrumentError
from instrument.latent import geometry
from instrument.latent.nearby import nearby
from instrument.latent.space import F32, F64, LatentSpec

MOST_ROWS = 1_000_000
_PLACES, _NOISE, _CHOICES = 0, 1, 2  # streams of random numbers that share a seed

Rows = NDArray[np.intp]


def _stream(seed: int, purpose: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, purpose]))


def unbiased(spec: LatentSpec, count: int, seed: int) -> F32:
    """`count` places ``F32[count, *shape]`` as the model was trained on them.

    Gaussian; on a shell all directions are equally likely.
    """
    places = _stream(seed, _PLACES).standard_normal((_checked(count), *spec.shape))
    if spec.radius is not None:
        places = geometry.project(places, spec.radius)
    return places.astype(np.float32)


def disturbed(z: F32, spec: LatentSpec, radians: float, seed: int) -> F32:
    """``z F32[n, *shape]``, every row moved by `radians` (RMS) at random; see `nearby`."""
    noise = _stream(seed, _NOISE).standard_normal(z.shape)
    return nearby(z, spec, radians, noise)


def in_turn(rows: Sequence[int], count: int) -> Rows:
    """`rows` one after the other, again and again, until there are `count`."""
    return np.resize(np.asarray(rows, np.intp), _checked(count))


def drawn(weights: F64, count: int, seed: int) -> Rows:
    """`count` rows drawn with replacement, each as likely as ``weights F64[n]`` say."""
    total = np.cumsum(weights, dtype=np.float64)
    chances = _stream(seed, _CHOICES).random(_checked(count)) * total[-1]
    # The last row that weighs anything: a chance can be rounded up to the total.
    last = int(np.flatnonzero(weights)[-1])
    return np.asarray(np.minimum(np.searchsorted(total, chances, side="right"), last))


def in_blocks(places: Sequence[float], count: int) -> F32:
    """A training snapshot for each of `count` rows, ``F32[count]``: one block for each place.

    Blocks are as long as one another, but for one row.
    """
    if len(places) > count:
        raise InstrumentError(f"count {count}: fewer rows than the {len(places)} snapshots")
    ends = np.arange(_checked(count)) * len(places) // count
    return np.asarray(places, np.float32)[ends]


def distinct(*columns: F32) -> tuple[Rows, Rows]:
    """Rows of arrays ``F32[n, ...]`` that differ: where each occurs first, and which every row is.

    The second counts within the first, so ``first[which]`` are rows equal to rows 0..n-1.
    """
    flat = [np.ascontiguousarray(column, "<f4").reshape(len(column), -1) for column in columns]
    seen: dict[bytes, int] = {}
    first: list[int] = []
    which = np.empty(len(flat[0]), np.intp)
    for row in range(len(flat[0])):
        key = b"".join(column[row].tobytes() for column in flat)
        if key not in seen:
            seen[key] = len(first)
            first.append(row)
        which[row] = seen[key]
    return np.array(first, np.intp), which


def evened(labels: Rows) -> F64:
    """Weights ``F64[n]`` that give every kind the same share; within a kind, rows are equal."""
    sizes = np.bincount(labels)
    return np.asarray(1.0 / (np.count_nonzero(sizes) * sizes[labels]))


def effective_size(weights: F64) -> float:
    """Kish's effective sample size: of how many equal rows a weighted set is worth.

    (Σw)² / Σw²: n where all weigh the same, near 1 where one row outweighs all others.
    """
    square = float(np.sum(weights * weights))
    return float(np.sum(weights)) ** 2 / square if square > 0.0 else 0.0


def _checked(count: int) -> int:
    if not 1 <= count <= MOST_ROWS:
        raise InstrumentError(f"count {count}: allowed are 1 to {MOST_ROWS}")
    return count
