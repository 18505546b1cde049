"""What is seen → z: rows copied, or mixed along great circles, block by block.

A frame that shows one row is that row, bit for bit. This module knows neither clips nor editors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from instrument.latent import blending
from instrument.latent.space import F32, F64, LatentSpec
from instrument.latent.trace import Trace
from instrument.studio.footage import Source
from instrument.studio.plan import I32, Seen

_BLOCK = 1024  # frames worked on together


def gather(seen: Seen, sources: Sequence[Source], spec: LatentSpec) -> F32:
    """z ``F32[n, *shape]`` of every frame."""
    z = np.empty((len(seen), *spec.shape), np.float32)
    for start in range(0, len(seen), _BLOCK):
        block = slice(start, start + _BLOCK)
        _fill(z[block], seen.source[block], seen.place[block], seen.share[block], sources, spec)
    return z


def rows_at(
    sources: Sequence[Source], numbers: I32, places: F64, spec: LatentSpec, out: F32 | None = None
) -> F32:
    """z ``F32[n, *shape]`` at `places` of the sources `numbers` ``[n]``."""
    first = int(numbers[0]) if len(numbers) else 0
    if (numbers == first).all():
        return sources[first].at(places, out)
    z = np.empty((len(numbers), *spec.shape), np.float32) if out is None else out
    for number in np.unique(numbers).tolist():
        own = np.flatnonzero(numbers == number)
        z[own] = sources[number].at(places[own])
    return z


def _fill(
    z: F32, source: I32, place: F64, share: F64, sources: Sequence[Source], spec: LatentSpec
) -> None:
    count = (share > 0.0).sum(axis=1)
    # The layers that count, to the left; which of two comes first is kept.
    order = np.argsort(share <= 0.0, axis=1, kind="stable")
    at = np.arange(len(z))[:, None]
    source, place, share = source[at, order], place[at, order], share[at, order]
    alone = np.flatnonzero(count == 1)
    if len(alone) == len(z):
        rows_at(sources, source[:, 0], place[:, 0], spec, z)
        return
    if len(alone):
        z[alone] = rows_at(sources, source[alone, 0], place[alone, 0], spec)
    if len(pairs := np.flatnonzero(count == 2)):
        one, other = (
            rows_at(sources, source[pairs, layer], place[pairs, layer], spec) for layer in (0, 1)
        )
        z[pairs] = blending.between(one, other, share[pairs, 1], spec)
    for frame in np.flatnonzero(count > 2).tolist():
        layers = slice(int(count[frame]))
        points = rows_at(sources, source[frame, layers], place[frame, layers], spec)
        z[frame] = blending.mean(points.astype(np.float64), share[frame, layers], spec)


def trace(seen: Seen, sources: Sequence[Source]) -> Trace:
    """Which rows every frame was made of: of more than two, the two that weigh most."""
    order = np.argsort(-seen.share, axis=1, kind="stable")[:, :2]
    order.sort(axis=1)  # the lower layer is named first, as it is mixed
    at = np.arange(len(seen))
    chosen = (at[:, None], order)
    numbers, place, share = seen.source[chosen], seen.place[chosen], seen.share[chosen]
    rows = np.full((len(seen), 5), -1.0)
    alone = (share > 0.0).sum(axis=1) == 1
    main = np.where(alone, np.argmax(share, axis=1), 0)
    rows[:, 0] = numbers[at, main]
    rows[:, 1] = _named(sources, numbers[at, main], place[at, main])
    mixed = np.flatnonzero(~alone)
    rows[:, 4] = 0.0
    if len(mixed):
        rows[mixed, 2] = numbers[mixed, 1]
        rows[mixed, 3] = _named(sources, numbers[mixed, 1], place[mixed, 1])
        rows[mixed, 4] = share[mixed, 1] / (share[mixed, 0] + share[mixed, 1])
    return Trace(tuple(source.origin for source in sources), rows)


def _named(sources: Sequence[Source], numbers: I32, places: F64) -> NDArray[np.float64]:
    """The rows of the files: where a picture was frozen, the row that it showed."""
    named = places.copy()
    for number, source in enumerate(sources):
        if source.shown is None:
            continue
        low = np.floor(places).astype(np.intp)
        own = np.flatnonzero((numbers == number) & (low >= 0))
        shown = source.shown[low[own]]
        after = source.shown[np.minimum(low[own] + 1, len(source) - 1)]
        one = (places[own] == low[own]) | (shown == after)
        named[own[one]] = shown[one]
    return named
