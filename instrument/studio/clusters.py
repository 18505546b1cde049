"""Kinds among many points: k-means, and how many kinds there are.

Points are ``F32[n, k]`` features; nobody here knows of what. The same points and seed give the
same clusters, numbered from the largest; nothing is left to the order of a hash or to a clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instrument import InstrumentError
from instrument.latent.space import F32, F64

MOST_KINDS = 24  # tried where nobody says how many there are
# From here on a silhouette tells of islands (Kaufman and Rousseeuw 1990 speak of weak structure
# below 0.5); what has none is cut into FINE kinds, as many as one still tells apart.
SEPARATED = 0.4
FINE = 12
_FEWEST = 10  # rows a kind should have
_RESTARTS = 6  # the best of so many starts: k-means++ alone is now and then unlucky
_TRIALS = 3  # the same, where only the number of kinds is sought
_MOST_ROUNDS = 100
_JUDGED = 1500  # points at most from which silhouettes are taken: they need all pairs
_DIMENSIONS = 48  # principal ones that are kept; what they leave out is noise to a cluster
_STREAM_START, _STREAM_JUDGE = 1, 2  # of the seeded numbers, one for each use

Labels = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """`labels[n]` from 0, 0 being the largest; `centres F64[count, k]` in the points' own space.

    `distances F64[n]` lead from each point to its centre. `silhouette` is -1..1: how much nearer
    points are to their own kind than to the next (1: islands; 0: no kinds at all); `tried` gives it
    for every number of kinds that was considered, where that was left open.
    """

    labels: Labels
    centres: F64
    distances: F64
    silhouette: float
    tried: dict[int, float]

    @property
    def count(self) -> int:
        """How many kinds there are."""
        return len(self.centres)

    @property
    def sizes(self) -> Labels:
        """How many points are of each kind."""
        return np.bincount(self.labels, minlength=self.count)

    def nearest(self, kind: int, count: int) -> list[int]:
        """The points of `kind` nearest to its centre, the nearest first."""
        members = np.flatnonzero(self.labels == kind)
        order = np.argsort(self.distances[members], kind="stable")
        return [int(row) for row in members[order[:count]]]


def find_clusters(points: F32, count: int | None = None, seed: int = 0) -> Clusters:
    """The kinds among `points`; as many as suits them best where `count` is None.

    Raises InstrumentError where there are fewer points than kinds, or a point is not finite.
    """
    if points.ndim != 2 or len(points) == 0:
        raise InstrumentError(f"clusters: points of shape {list(points.shape)}, must be [n, k]")
    if not np.isfinite(points).all():
        raise InstrumentError("clusters: a point is not finite (NaN or infinity)")
    if count is not None and not 1 <= count <= len(points):
        raise InstrumentError(f"clusters {count}: allowed are 1 to {len(points)} for as many rows")
    judged = _judged(len(points), seed)
    reduced = principal(points, judged)
    apart = np.sqrt(square_distances(reduced[judged], reduced[judged]))
    tried: dict[int, float] = {}
    if count is None:
        tried = _try(reduced[judged], apart, seed)
        count = _suitable(tried, len(points))
    labels = _best_of(reduced, count, seed)
    return _numbered(points, labels, silhouette(apart, labels[judged]), tried)


def _try(points: F64, apart: F64, seed: int) -> dict[int, float]:
    """The silhouette for every number of kinds that `points` may have."""
    counts = range(2, min(MOST_KINDS, len(points) // 4) + 1)
    return {k: silhouette(apart, _best_of(points, k, seed, _TRIALS)) for k in counts}


def _suitable(tried: dict[int, float], rows: int) -> int:
    """How many kinds there are; where there are no islands, into how many to cut what there is."""
    if tried and max(tried.values()) >= SEPARATED:
        return max(tried, key=lambda k: tried[k])
    return max(1, min(FINE, rows // _FEWEST))


def principal(points: F32, sample: Labels, dimensions: int = _DIMENSIONS) -> F64:
    """`points` along the widest directions of some of them, ``F64[n, dimensions]`` at most.

    Distances are kept but for what the narrow directions held.
    """
    middle = points[sample].mean(axis=0, dtype=np.float64)
    centred = points[sample].astype(np.float64) - middle
    # Of the smaller of the two tables of products: both have the same directions.
    if len(centred) <= centred.shape[1]:
        values, vectors = np.linalg.eigh(centred @ centred.T)
        kept = np.argsort(values)[::-1][:dimensions]
        kept = kept[values[kept] > values.max() * 1e-12]
        axes = centred.T @ vectors[:, kept] / np.sqrt(values[kept])
    else:
        values, vectors = np.linalg.eigh(centred.T @ centred)
        axes = vectors[:, np.argsort(values)[::-1][:dimensions]]
    return np.asarray((points.astype(np.float64) - middle) @ axes)


def square_distances(a: F64, b: F64) -> F64:
    """``F64[n, m]`` between the rows of ``F64[n, k]`` and ``F64[m, k]``; none below 0."""
    products = np.sum(a * a, axis=1)[:, None] - 2.0 * (a @ b.T) + np.sum(b * b, axis=1)[None]
    return np.asarray(np.maximum(products, 0.0))


def silhouette(apart: F64, labels: Labels) -> float:
    """The mean silhouette (Rousseeuw 1987) of points with distances ``F64[n, n]``; 0 for one kind.

    A point that is alone in its kind counts as 0.
    """
    kinds, labels = np.unique(labels, return_inverse=True)
    if len(kinds) < 2:
        return 0.0
    member = np.eye(len(kinds))[labels]  # [n, kinds]
    sizes = member.sum(axis=0)
    sums = apart @ member
    own = np.take_along_axis(sums, labels[:, None], axis=1)[:, 0]
    others = sizes[labels] - 1.0
    inside = own / np.maximum(others, 1.0)
    means = sums / sizes
    np.put_along_axis(means, labels[:, None], np.inf, axis=1)
    outside = means.min(axis=1)
    wider = np.maximum(inside, outside)
    scores = np.where((others > 0) & (wider > 0), (outside - inside) / np.maximum(wider, 1e-300), 0)
    return float(scores.mean())


def _judged(count: int, seed: int) -> Labels:
    if count <= _JUDGED:
        return np.arange(count)
    source = np.random.Generator(np.random.Philox(key=[seed, _STREAM_JUDGE]))
    return np.sort(source.permutation(count)[:_JUDGED])


def _best_of(points: F64, count: int, seed: int, starts: int = _RESTARTS) -> Labels:
    """The labels of the best of several starts: with the least sum of squared distances."""
    source = np.random.Generator(np.random.Philox(key=[seed, _STREAM_START]))
    best: tuple[Labels, float] | None = None
    for _ in range(starts if count > 1 else 1):
        found = _k_means(points, _begin(points, count, source))
        if best is None or found[1] < best[1]:
            best = found
    assert best is not None
    return best[0]


def _begin(points: F64, count: int, source: np.random.Generator) -> F64:
    """Greedy k-means++ (Arthur and Vassilvitskii 2007): each centre far from those before it.

    Of a few candidates, drawn by their squared distance, the one that leaves the least is taken.
    """
    centres = [points[int(source.integers(len(points)))]]
    nearest = square_distances(points, centres[0][None])[:, 0]
    candidates = 2 + int(math.log(count))
    while len(centres) < count:
        total = np.cumsum(nearest)
        if total[-1] > 0.0:
            drawn = np.searchsorted(total, source.random(candidates) * total[-1], side="right")
            chosen = np.minimum(drawn, len(points) - 1)
        else:  # every point lies on a centre
            chosen = source.integers(len(points), size=1)
        left = np.minimum(nearest[:, None], square_distances(points, points[chosen]))
        best = int(np.argmin(left.sum(axis=0)))
        centres.append(points[int(chosen[best])])
        nearest = left[:, best]
    return np.array(centres)


def _k_means(points: F64, centres: F64) -> tuple[Labels, float]:
    """Lloyd's rounds until nothing moves; a kind that loses all points takes the farthest one."""
    count = len(centres)
    labels = np.full(len(points), -1)
    for _ in range(_MOST_ROUNDS):
        squares = square_distances(points, centres)
        newer = np.argmin(squares, axis=1)
        own = np.take_along_axis(squares, newer[:, None], axis=1)[:, 0]
        for empty in np.flatnonzero(np.bincount(newer, minlength=count) == 0):
            farthest = int(np.argmax(np.where(np.bincount(newer)[newer] > 1, own, -1.0)))
            newer[farthest], own[farthest] = empty, 0.0
        if (newer == labels).all():
            break
        labels = newer
        centres = _means(points, labels, count)
    return labels, float(own.sum())


def _means(points: F64, labels: Labels, count: int) -> F64:
    member = np.eye(count)[labels]
    sizes = member.sum(axis=0)
    return np.asarray((member.T @ points) / np.maximum(sizes, 1.0)[:, None])


def _numbered(points: F32, labels: Labels, score: float, tried: dict[int, float]) -> Clusters:
    """Kinds from the largest, the one whose first row comes earlier before its equal."""
    kinds, first, sizes = np.unique(labels, return_index=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    number = np.empty(len(kinds), np.intp)
    number[order] = np.arange(len(kinds))
    labels = number[np.searchsorted(kinds, labels)]
    wide = points.astype(np.float64)
    centres = _means(wide, labels, len(kinds))
    away = wide - centres[labels]
    distances = np.sqrt(np.sum(away * away, axis=1))
    return Clusters(labels, centres, distances, score, tried)
