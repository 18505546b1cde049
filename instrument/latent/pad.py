"""A steering pad: a plane (or a space) in which waypoints have places, and every point a blend.

On the shell the blend is a spherical mean, which stays there: between two waypoints it is the
great circle. In a free space it is the plain mean: between two waypoints, the straight line. On a
waypoint's own place it is that waypoint exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from instrument import InstrumentError
from instrument.latent import geometry
from instrument.latent.space import F64, LatentSpec

Weighting = Literal["distance", "barycentric"]


class Pad:
    """Blends of k waypoints at places ``F64[k, n]`` in a pad of n axes, each 0..1.

    `weighting` is ``"distance"`` (Shepard 1968: weights fall with the square of the distance;
    any number of places) or ``"barycentric"`` (exactly n + 1 places, a triangle on a plane;
    outside it, the negative weights are cut off and the others share the rest).
    """

    def __init__(
        self, spec: LatentSpec, places: F64, z: F64, weighting: Weighting = "distance"
    ) -> None:
        """`z` is ``F64[k, *shape]``. Raises InstrumentError where the places cannot be used."""
        if len(places) < 2 or len(places) != len(z):
            raise InstrumentError(f"pad: needs 2 or more places, has {len(places)}")
        if len({tuple(place) for place in places.tolist()}) < len(places):
            raise InstrumentError("pad: two waypoints share one place")
        self._places = np.asarray(places, np.float64)
        self._shape = spec.shape
        self._corners = _inverse_of(self._places) if weighting == "barycentric" else None
        self._means: list[Callable[[F64], F64]]
        if spec.radius is None:
            self._means = [geometry.StraightMean(z.reshape(len(z), -1))]
            return
        rows = z.reshape(len(z), -1, spec.shape[-1])
        if not (geometry.length(rows) > 0.0).all():
            raise InstrumentError("pad: a waypoint at the origin has no direction to blend")
        self._means = [geometry.SphericalMean(rows[:, layer]) for layer in range(rows.shape[1])]

    @property
    def axes(self) -> int:
        """How many coordinates a point on the pad has."""
        return int(self._places.shape[1])

    def weights(self, point: F64) -> F64:
        """The share ``F64[k]`` of every waypoint at `point` ``F64[n]``; they sum to 1."""
        squares = np.sum(np.square(self._places - point), axis=-1)
        nearest = float(squares.min())
        if nearest == 0.0:
            shares = (squares == 0.0).astype(np.float64)
        elif self._corners is not None:
            shares = np.sum(self._corners * np.append(point, 1.0), axis=-1)
            shares = np.maximum(shares, 0.0)
        else:
            shares = nearest / squares  # scaled, so that it is finite however near the place is
        return np.asarray(shares / np.sum(shares))

    def blend(self, point: F64) -> F64:
        """The position ``F64[shape]`` at `point` ``F64[n]``."""
        weights = self.weights(point)
        if len(self._means) == 1:
            return self._means[0](weights).reshape(self._shape)
        return np.stack([mean(weights) for mean in self._means]).reshape(self._shape)


def _inverse_of(places: F64) -> F64:
    """The matrix that turns (point, 1) into barycentric coordinates, ``F64[n+1, n+1]``."""
    count, axes = places.shape
    if count != axes + 1:
        raise InstrumentError(
            f"pad: barycentric weights on {axes} axes need {axes + 1} places, not {count}"
        )
    corners = np.vstack([places.T, np.ones(count)])
    if abs(float(np.linalg.det(corners))) < 1e-9:
        raise InstrumentError("pad: barycentric weights need places that do not lie on one line")
    return np.asarray(np.linalg.inv(corners))
