"""Many rows between many others: pairs along great circles, three and more at their means.

What `geometry.slerp` is for one place, fitted to hours of film: the same great circles from fewer
passes over memory. Where a space has no shell, straight lines are the way.
"""

from __future__ import annotations

import numpy as np

from instrument.latent import geometry
from instrument.latent.space import F32, F64, LatentSpec

_ROWS = 256  # worked on together: what fits into a processor's cache at 512 numbers a row
# Nearer to equal or to opposite than this, a sine and a dot product say too little.
_DOUBTFUL = 1e-6


def between(a: F32, b: F32, weights: F64, spec: LatentSpec, out: F32 | None = None) -> F32:
    """Rows ``F32[n, *shape]`` from `a` to `b` by `weights` ``F64[n]``, 0..1, of b."""
    result = np.empty_like(a) if out is None else out
    for start in range(0, len(a), _ROWS):
        rows = slice(start, start + _ROWS)
        one, other = a[rows].astype(np.float64), b[rows].astype(np.float64)
        share = weights[rows].reshape(-1, *(1,) * (len(spec.shape) - 1))
        share = np.broadcast_to(share, one.shape[:-1])
        if spec.radius is None:
            result[rows] = geometry.lerp(one, other, share)
        else:
            result[rows] = great_circles(one, other, share)
    return result


def great_circles(a: F64, b: F64, t: F64) -> F64:
    """`geometry.slerp` of `a` and `b` ``F64[..., d]`` at `t` ``F64[...]``; changes both."""
    norm_a, norm_b = geometry.length(a), geometry.length(b)
    product = norm_a * norm_b
    cosine = np.add.reduce(a * b, axis=-1) / np.where(product > 0.0, product, 1.0)
    doubtful = (np.abs(cosine) > 1.0 - _DOUBTFUL) | (product == 0.0)
    rare = geometry.slerp(a[doubtful], b[doubtful], t[doubtful]) if doubtful.any() else None
    turn = np.arccos(np.clip(cosine, -1.0, 1.0))
    clear = np.where(doubtful, 1.0, np.sin(turn))
    sure_a, sure_b = (np.where(doubtful, 1.0, norm) for norm in (norm_a, norm_b))
    norm = np.where(
        sure_a == sure_b, sure_a, np.exp((1.0 - t) * np.log(sure_a) + t * np.log(sure_b))
    )
    a *= (norm * np.sin((1.0 - t) * turn) / (clear * sure_a))[..., None]
    b *= (norm * np.sin(t * turn) / (clear * sure_b))[..., None]
    a += b
    if rare is not None:
        a[doubtful] = rare
    return a


def mean(points: F64, weights: F64, spec: LatentSpec) -> F64:
    """The mean ``F64[*shape]`` of `points` ``F64[k, *shape]`` by `weights` ``F64[k]``, sum 1."""
    if spec.radius is None:
        return np.asarray(np.sum(weights.reshape(-1, *(1,) * len(spec.shape)) * points, axis=0))
    if len(spec.shape) == 1:
        return geometry.SphericalMean(points)(weights)
    layers = (geometry.SphericalMean(points[:, layer])(weights) for layer in range(spec.shape[0]))
    return np.stack(list(layers))
