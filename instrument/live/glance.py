"""A glance at a picture: what it looks like from afar, and how far two such looks lie apart.

Colours on a small raster, and the edges between its fields: few numbers, quickly found. Between
pictures that are nearly alike the distance grows in proportion to the step from one to the other,
so that distances along a way add up to its length. It knows no z and no time, and no judgement of
people stands behind it: it says how much of what one sees from the last row has changed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from instrument.frame import U8
from instrument.latent.space import F32

SIDE = 32  # fields along each side: what is smaller is grain, not content
_FINEST = 4  # pixels of a field that are looked at, along each side
_EDGES = 1.0  # what an edge weighs beside a colour, in the same 0..1
_LUMA = (0.2126, 0.7152, 0.0722)  # Rec. 709


def glance(pixels: U8) -> F32:
    """``U8[h, w, 3 or 4]`` → ``F32[k]``: the colours of the fields (0..1), then their edges.

    Pictures of one size have one k. A picture with fewer pixels than fields has a field for each.
    """
    down, across = _raster(pixels.shape[0]), _raster(pixels.shape[1])
    seen = pixels[down.places, across.places, :3].astype(np.float32)
    rows = _sum(seen.reshape(down.fields, down.each, -1))
    fields = _sum(rows.reshape(down.fields * across.fields, across.each, 3))
    fields = fields.reshape(down.fields, across.fields, 3) / np.float32(down.each * across.each)
    luma = fields @ np.array(_LUMA, np.float32)
    right, below = _EDGES * np.diff(luma, axis=1), _EDGES * np.diff(luma, axis=0)
    seen = np.concatenate([fields.ravel(), right.ravel(), below.ravel()])
    return np.asarray(seen / 255.0, np.float32)


def distance(one: F32, other: F32) -> float:
    """How far two glances ``F32[k]`` lie apart, as the root of the mean square: 0 where alike."""
    gap = one - other
    return math.sqrt(float(gap @ gap) / gap.size)


@dataclass(frozen=True, slots=True)
class _Raster:
    """`fields` along one side of a picture, each seen at `each` of the `places`."""

    fields: int
    each: int
    places: slice


def _raster(length: int) -> _Raster:
    step = max(length // (SIDE * _FINEST), 1)
    each = max(length // step // SIDE, 1)
    fields = min(length // step // each, SIDE)
    first = (length - fields * each * step) // 2 + step // 2
    return _Raster(fields, each, slice(first, first + fields * each * step, step))


def _sum(stretches: F32) -> F32:
    """``F32[n, each, ...]`` → ``F32[n, ...]``: one after the other, much faster than `sum`."""
    total = stretches[:, 0]
    for number in range(1, stretches.shape[1]):
        total = total + stretches[:, number]
    return total
