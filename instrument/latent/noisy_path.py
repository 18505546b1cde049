"""Paths and keys that tremble: smooth noise around them, in degrees and Hz.

Around a closed path the noise is periodic, so that the seam stays none. This module knows any
`Path`, and not how it moves.
"""

from __future__ import annotations

import math

import numpy as np

from instrument import InstrumentError
from instrument.latent.noise import FEWEST_PLACES, Drift
from instrument.latent.path import Path, lap_times
from instrument.latent.space import F64, LatentSpec

_SLOWEST, _QUICKEST = 1e-3, 30.0  # Hz
_STRONGEST = math.radians(90.0)  # further off a place is no neighbour


def check_strength(strength: float, what: str) -> float:
    """`strength` in radians. Raises InstrumentError naming `what` it was said for, in degrees."""
    if not 0.0 <= strength <= _STRONGEST:
        raise InstrumentError(f"{what} {math.degrees(strength):g} degrees: allowed is 0 to 90")
    return strength


class NoisyPath:
    """`path`, moved aside by `strength` radians (RMS over time) as often as `rate` Hz.

    A closed path gets a whole number of places of noise, four or more: around a short one it may
    be a little quicker than asked for.
    """

    def __init__(
        self, path: Path, spec: LatentSpec, strength: float, rate: float, seed: int
    ) -> None:
        if not _SLOWEST <= rate <= _QUICKEST:
            raise InstrumentError(f"noise rate {rate} Hz: allowed is {_SLOWEST} to {_QUICKEST}")
        self._path, self._strength = path, check_strength(strength, "noise")
        self.seconds, self.closed, self.visits = path.seconds, path.closed, path.visits
        places = max(FEWEST_PLACES, round(rate * path.seconds))
        self._rate = places / path.seconds if path.closed else rate
        self._drift = Drift(spec, seed, places if path.closed else None)

    def at(self, times: F64) -> F64:
        """See `Path.at`."""
        z = self._path.at(times)
        if self._strength == 0.0:
            return z
        phases = (lap_times(times, self.seconds, self.closed) * self._rate).tolist()
        moved = [
            self._drift.disturb(place, self._strength, phase)
            for place, phase in zip(z, phases, strict=True)
        ]
        return np.array(moved).reshape(z.shape)

    def along(self, values: F64, times: F64) -> F64:
        """See `Path.along`: what keys have besides z does not tremble."""
        return self._path.along(values, times)

    def between(self, times: F64) -> F64:
        """See `Path.between`: of the path that trembles."""
        return self._path.between(times)


def stray(keys: F64, spec: LatentSpec, strength: float, seed: int) -> F64:
    """Neighbours of `keys F64[k, *shape]`: each moved by `strength` radians (RMS), for itself."""
    check_strength(strength, "key noise")
    drift = Drift(spec, seed)
    # The noise of whole phases this far apart has no place in common.
    return np.stack(
        [drift.disturb(key, strength, float(4 * n)) for n, key in enumerate(keys.astype(float))]
    )
