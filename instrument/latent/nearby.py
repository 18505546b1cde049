"""Neighbours of places: the same distance off in every kind of space.

For single places without a time; `noise.Drift` is the same for a path. Knows no seed.
"""

from __future__ import annotations

import math

import numpy as np

from instrument.latent import geometry
from instrument.latent.space import F32, F64, LatentSpec


def nearby(z: F32, spec: LatentSpec, strength: float, noise: F64) -> F32:
    """``z F32[n, *shape]`` moved by `strength` radians (RMS), each in the direction of its noise.

    `noise F64[n, *shape]` has Gaussian numbers of variance 1. On a shell a row of z turns, and
    keeps its length; in a free space it moves straight, by `strength` times the `reach` of the
    space. At strength 0 what comes out is a copy, bit for bit.
    """
    if strength == 0.0:
        return np.array(z, np.float32)
    wide = np.asarray(z, np.float64)
    if spec.radius is None:
        moved = wide + noise * (strength * spec.reach / math.sqrt(spec.shape[-1]))
        return np.asarray(moved, np.float32)
    unit = geometry.direction(wide)
    across = noise - np.sum(noise * unit, axis=-1, keepdims=True) * unit
    width = geometry.length(across)[..., None]
    # Of d - 1 directions across: the root of the mean square of `turn` is `strength`.
    turn = strength * width / math.sqrt(max(1, spec.shape[-1] - 1))
    turned = np.cos(turn) * unit + np.sin(turn) * across / np.where(width > 0.0, width, 1.0)
    return np.asarray(geometry.length(wide)[..., None] * turned, np.float32)
