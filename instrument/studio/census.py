"""What a survey holds, in numbers: kinds and their shares, and how they change with training.

Kinds are clusters of pictures that look alike. Shares sum to 1; a kind is called over-represented
only where chance alone does not explain it. Knows neither files nor how pictures are compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from instrument.latent.space import F32, F64
from instrument.studio.clusters import SEPARATED, Clusters, Labels

EXAMPLES = 5  # rows named for each kind
_DEVIATIONS = 1.96  # of a normal: 95 %
_SHUFFLES = 200
_STREAM_SHUFFLE = 3
_BINS = 20

Presence = Literal["over", "under", "even"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of picture, numbered from 1, the largest.

    `interval` holds the true share with 95 % (Wilson 1927). `times_even` is the share over what
    each kind would have if all had the same. `spread` is how far its pictures lie from their
    mean. `examples` are the rows nearest to it.
    """

    number: int
    rows: int
    share: float
    interval: tuple[float, float]
    times_even: float
    presence: Presence
    spread: float
    examples: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """How shares differ between snapshots.

    `shares F64[s, kinds]`. `distance F64[s, s]` is the total variation, 0 (the same shares) to 1
    (no kind in common), and `chance F64[s, s]` what it would be on average if the snapshots had
    the same shares and the rows had fallen out as they did by luck.
    """

    snapshots: tuple[float, ...]
    rows: tuple[int, ...]
    shares: F64
    distance: F64
    chance: F64


@dataclass(frozen=True, slots=True, eq=False)
class Census:
    """`kinds`, largest first. `effective_kinds` is exp of the entropy of their shares.

    `separated` tells whether kinds are islands, or a continuum cut in parts.
    """

    rows: int
    kinds: tuple[Kind, ...]
    effective_kinds: float
    separated: bool
    change: Change | None


def take_census(clusters: Clusters, snapshots: F32 | None = None, seed: int = 0) -> Census:
    """Count the kinds; where rows are of several `snapshots F32[n]`, see how shares vary."""
    rows = len(clusters.labels)
    kinds = tuple(_kind(clusters, index, rows) for index in range(clusters.count))
    change = None
    if snapshots is not None and len(np.unique(snapshots)) > 1:
        change = _change(clusters.labels, clusters.count, snapshots, seed)
    separated = clusters.silhouette >= SEPARATED
    return Census(rows, kinds, effective_kinds(clusters.sizes / rows), separated, change)


def effective_kinds(shares: F64) -> float:
    """exp(-Σ p ln p): how many kinds of equal share would be as various."""
    some = shares[shares > 0]
    return math.exp(-float(np.sum(some * np.log(some))))


def total_variation(p: F64, q: F64) -> float:
    """½ Σ |p - q|: the largest difference in how likely the two call anything."""
    return 0.5 * float(np.sum(np.abs(p - q)))


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """The interval that holds the share behind `hits` of `trials` with 95 %."""
    z2 = _DEVIATIONS**2
    middle = (hits + z2 / 2) / (trials + z2)
    half = _DEVIATIONS / (trials + z2) * math.sqrt(hits * (trials - hits) / trials + z2 / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


def spread_of(points: F32, seed: int = 0, pairs: int = 20_000) -> tuple[F64, F64]:
    """A histogram of distances between random pairs of ``F32[n, k]``: edges, and shares.

    A peak near 0 means that pictures repeat themselves.
    """
    source = np.random.Generator(np.random.Philox(key=[seed, _STREAM_SHUFFLE + 1]))
    if len(points) < 2:
        return np.array([0.0, 1.0]), np.array([0.0])
    one = source.integers(0, len(points), pairs)
    other = (one + source.integers(1, len(points), pairs)) % len(points)
    away = np.empty(pairs)
    for start in range(0, pairs, 256):
        part = slice(start, start + 256)
        difference = points[one[part]].astype(np.float64) - points[other[part]]
        away[part] = np.sqrt(np.sum(difference * difference, axis=1))
    counts, edges = np.histogram(away, _BINS, (0.0, float(away.max()) or 1.0))
    return edges, counts / pairs


def _kind(clusters: Clusters, index: int, rows: int) -> Kind:
    size = int(clusters.sizes[index])
    low, high = wilson(size, rows)
    even = 1.0 / clusters.count
    presence: Presence = "over" if low > even else "under" if high < even else "even"
    spread = float(clusters.distances[clusters.labels == index].mean())
    examples = tuple(clusters.nearest(index, EXAMPLES))
    share = size / rows
    return Kind(index + 1, size, share, (low, high), share / even, presence, spread, examples)


def _change(labels: Labels, count: int, snapshots: F32, seed: int) -> Change:
    places = [float(place) for place in np.unique(snapshots)]
    members = [labels[snapshots == np.float32(place)] for place in places]
    shares = np.array([np.bincount(own, minlength=count) / len(own) for own in members])
    distance, chance = np.zeros((2, len(places), len(places)))
    for a in range(len(places)):
        for b in range(a):
            distance[a, b] = distance[b, a] = total_variation(shares[a], shares[b])
            chance[a, b] = chance[b, a] = _by_chance(members[a], members[b], count, seed)
    return Change(tuple(places), tuple(map(len, members)), shares, distance, chance)


def _by_chance(one: Labels, other: Labels, count: int, seed: int) -> float:
    """The mean total variation once it is forgotten which row was whose."""
    source = np.random.Generator(np.random.Philox(key=[seed, _STREAM_SHUFFLE]))
    pooled = np.bincount(np.concatenate((one, other)), minlength=count)
    first = source.multivariate_hypergeometric(pooled, len(one), _SHUFFLES)
    p, q = first / len(one), (pooled - first) / len(other)
    return float(np.mean(0.5 * np.sum(np.abs(p - q), axis=1)))
