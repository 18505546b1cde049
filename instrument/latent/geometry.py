"""Geometry of the shell: angles, great circles, spherical means; and straight ones off it.

Most of a Gaussian's mass in d dimensions lies near the sphere of radius sqrt(d), and that is
where a generator was trained; a straight line between two places leaves it. Where a space has no
shell (w of a StyleGAN), straight lines are the way: `lerp`, `StraightMean`. Everything here works
on ``F64[..., d]`` over the last axis and knows no time.

Sums are ``np.sum``, never BLAS, so that the same numbers come out whatever the processor.
"""

from __future__ import annotations

import math
import operator

import numpy as np

from instrument.latent.space import F64

# Below this angle (rad) a great circle and its chord differ by less than float64 can tell.
_NEARLY_EQUAL = 1e-6
# Within this angle (rad) of opposite, the plane of the great circle is lost to rounding.
_NEARLY_OPPOSITE = 1e-6


def lerp(a: F64, b: F64, t: float | F64) -> F64:
    """The straight line: a at t = 0, b at t = 1."""
    weight = np.asarray(t, np.float64)[..., None]
    return np.asarray((1.0 - weight) * a + weight * b)


def length(a: F64) -> F64:
    """Euclidean length over the last axis, ``F64[...]``."""
    # `reduce` is what `np.sum` calls in the end, a microsecond later.
    return np.asarray(np.sqrt(np.add.reduce(a * a, axis=-1)))


def direction(a: F64) -> F64:
    """`a` at length 1. The zero vector, which has none, becomes the first axis."""
    norm = length(a)[..., None]
    has_one = norm > 0.0
    if has_one.all():
        return np.asarray(a / norm)
    first_axis = np.zeros(a.shape[-1])
    first_axis[0] = 1.0
    return np.where(has_one, a / np.where(has_one, norm, 1.0), first_axis)


def project(a: F64, radius: float) -> F64:
    """`a` moved straight onto the shell of `radius`."""
    return radius * direction(a)


def angle(a: F64, b: F64) -> F64:
    """The angle between a and b in radians, ``F64[...]``, exact near 0 and near pi.

    Kahan's form 2·atan2(|u - v|, |u + v|) on unit vectors: acos of the dot product loses half
    its digits at both ends.
    """
    u, v = direction(a), direction(b)
    return np.asarray(2.0 * np.arctan2(length(u - v), length(u + v)))


def slerp(a: F64, b: F64, t: float | F64) -> F64:
    """The great circle from a (t = 0) to b (t = 1) at constant angular speed.

    Shoemake 1985, with every edge case decided: nearly equal directions take the straight line
    renormalised; nearly opposite ones turn in the plane of the coordinate axis furthest from a,
    which is arbitrary but always the same; unequal lengths are interpolated in their logarithm;
    a zero vector has no direction, so a pair with one takes the straight line; t outside [0, 1]
    goes on along the circle. `t` is a number or broadcasts against the leading axes.
    """
    a, b = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(b, np.float64))
    t = np.asarray(t, np.float64)[..., None]
    norm_a, norm_b = length(a)[..., None], length(b)[..., None]
    u, v = direction(a), direction(b)
    turn = angle(u, v)[..., None]

    across = v - np.sum(u * v, axis=-1, keepdims=True) * u
    opposite = turn > math.pi - _NEARLY_OPPOSITE
    if opposite.any():
        across = np.where(opposite, _axis_across(u), across)
    across = direction(across)
    on_circle = np.cos(t * turn) * u + np.sin(t * turn) * across
    on_circle = np.where(turn < _NEARLY_EQUAL, direction((1.0 - t) * u + t * v), on_circle)

    both = (norm_a > 0.0) & (norm_b > 0.0)
    log_norms = (1.0 - t) * np.log(np.where(both, norm_a, 1.0)) + t * np.log(
        np.where(both, norm_b, 1.0)
    )
    # exp(log(x)) is off by a rounding: equal lengths, which is what a shell has, stay exact.
    norm = np.where(norm_a == norm_b, norm_a, np.exp(log_norms))
    return np.asarray(np.where(both, norm * on_circle, (1.0 - t) * a + t * b))


def rotate(a: F64, towards: F64, radians: float) -> F64:
    """`a` turned by `radians` in the plane of a and `towards`; its length stays.

    Where `towards` is along a there is no such plane, and a is returned as it is.
    """
    norm = length(a)[..., None]
    unit = direction(a)
    across = towards - np.sum(towards * unit, axis=-1, keepdims=True) * unit
    width = length(across)[..., None]
    usable = width > 1e-12 * length(towards)[..., None]
    across = across / np.where(usable, width, 1.0)
    turned = math.cos(radians) * unit + math.sin(radians) * across
    return np.asarray(np.where(usable, norm * turned, a))


def _axis_across(unit: F64) -> F64:
    """A direction across `unit`: the coordinate axis it uses least, freed of its share."""
    axis = np.zeros_like(unit)
    least = np.argmin(np.abs(unit), axis=-1)[..., None]
    np.put_along_axis(axis, least, 1.0, axis=-1)
    return np.asarray(axis - np.sum(axis * unit, axis=-1, keepdims=True) * unit)


class SphericalMean:
    """Weighted means of the same few points, again and again.

    The Fréchet (Karcher) mean: the place whose summed squared angles to the points, times their
    weights, is least. It stays on the shell, where a weighted sum of n unrelated points shrinks
    to 1/sqrt(n) of the radius. Lengths are averaged in their logarithm.

    The mean is a combination of the points, so the search (gradient steps along the exponential
    map, Pennec 2006) runs in k coefficients through the k×k table of dot products, and the d
    dimensions are touched once, at the end.
    """

    _TOLERANCE = 1e-7  # rad: float32 cannot tell it from the mean
    _MOST_STEPS = 64

    def __init__(self, points: F64) -> None:
        """`points` ``F64[k, d]``; none may be zero."""
        self._points = np.asarray(points, np.float64)
        self._unit = direction(self._points)
        # math.log, because numpy's differs in the last bit from one processor to the next.
        self._log_lengths = [math.log(norm) for norm in length(self._points).tolist()]
        dots = np.sum(self._unit[:, None, :] * self._unit[None, :, :], axis=-1)
        # Plain lists: for the handful of points on a pad, numpy's calls cost three times the sums.
        self._dots: list[list[float]] = dots.tolist()

    def __call__(self, weights: F64) -> F64:
        """The mean ``F64[d]`` under `weights` ``F64[k]``, none below 0, with sum 1."""
        heaviest = int(np.argmax(weights))
        if weights[heaviest] >= 1.0:
            return np.array(self._points[heaviest])
        shares: list[float] = weights.tolist()
        place = np.sum(np.array(self._search(shares, heaviest))[:, None] * self._unit, axis=0)
        return project(place, math.exp(_dot(shares, self._log_lengths)))

    def _search(self, weights: list[float], heaviest: int) -> list[float]:
        """Coefficients of the unit mean."""
        cosines = self._times_dots(weights)
        square = _dot(weights, cosines)
        if square < 1e-12:  # the points cancel out, as opposite ones do: stay with the heaviest
            here = [1.0 if i == heaviest else 0.0 for i in range(len(weights))]
            cosines = self._dots[heaviest]
        else:
            scale = 1.0 / math.sqrt(square)
            here, cosines = [scale * w for w in weights], [scale * c for c in cosines]
        for _ in range(self._MOST_STEPS):
            pulls = [w * _angle_over_sine(c) for w, c in zip(weights, cosines, strict=True)]
            along = _dot(pulls, cosines)
            # The curvature lies between the mean of theta·cot(theta) and 1; 2 / (their sum) is
            # the step that shrinks the error most whichever it is, and nearly halves the steps.
            # Of points far apart the mean curvature says little: a step of 2 would only swing.
            stride = 2.0 / (1.0 + max(0.3, along))
            step = [stride * (p - along * h) for p, h in zip(pulls, here, strict=True)]
            step_cosines = self._times_dots(step)
            size = math.sqrt(max(0.0, _dot(step, step_cosines)))
            if size < self._TOLERANCE:
                break
            stay, go = math.cos(size), math.sin(size) / size
            here = [stay * h + go * s for h, s in zip(here, step, strict=True)]
            cosines = [stay * c + go * s for c, s in zip(cosines, step_cosines, strict=True)]
        return here

    def _times_dots(self, coefficients: list[float]) -> list[float]:
        return [_dot(row, coefficients) for row in self._dots]


class StraightMean:
    """Weighted means of the same few points of a free space: what lies on straight lines."""

    def __init__(self, points: F64) -> None:
        """`points` ``F64[k, d]``."""
        self._points = np.asarray(points, np.float64)

    def __call__(self, weights: F64) -> F64:
        """The mean ``F64[d]`` under `weights` ``F64[k]``, none below 0, with sum 1."""
        heaviest = int(np.argmax(weights))
        if weights[heaviest] >= 1.0:
            return np.array(self._points[heaviest])
        return np.asarray(np.sum(weights[:, None] * self._points, axis=0))


def _dot(a: list[float], b: list[float]) -> float:
    return float(sum(map(operator.mul, a, b)))


def _angle_over_sine(cosine: float) -> float:
    """theta / sin(theta) of the log map, by its series near 0 and bounded near pi."""
    theta = math.acos(min(1.0, max(-1.0, cosine)))
    if theta < 1e-3:
        return 1.0 + theta * theta / 6.0
    return theta / max(math.sin(theta), 1e-3)
