"""Drift: smooth noise around a place, a pure function of its phase.

Seeded Gaussian places stand at the whole phases; between them runs a cubic B-spline, whose
spectrum is sinc⁴: at a rate of r places a second, practically nothing is faster than r Hz.
Nothing is remembered, so any phase can be asked for in any order. Where a loop shall close, the
places begin again after a whole number of them, and so does the noise, without a seam.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from instrument import InstrumentError
from instrument.latent import geometry
from instrument.latent.space import F64, LatentSpec

_KEPT_PLACES = 64
FEWEST_PLACES = 4  # of a lap: the noise at any phase is made of so many, which must be others


class Drift:
    """Noise for one latent space and one seed; with `lap` it repeats after so many places."""

    def __init__(self, spec: LatentSpec, seed: int, lap: int | None = None) -> None:
        if lap is not None and lap < FEWEST_PLACES:
            raise InstrumentError(f"a lap of {lap} places of noise: takes {FEWEST_PLACES} or more")
        self._lap = lap
        self._shape = spec.shape
        self._is_shell, self._reach = spec.radius is not None, spec.reach
        self._seed = seed
        # Four neighbours serve every phase between them: made once, kept while they are near.
        self._place = functools.lru_cache(maxsize=_KEPT_PLACES)(self._make_place)
        self._four: tuple[int | None, tuple[F64, ...]] = None, ()

    def _make_place(self, index: int) -> F64:
        # A counter-based generator: place `index` needs none of those before it.
        source = np.random.Generator(np.random.Philox(key=[self._seed, index]))
        return source.standard_normal(self._shape)

    def at(self, phase: float) -> F64:
        """The noise at `phase` ≥ 0, ``F64[shape]``: every number Gaussian with variance 1."""
        whole = math.floor(phase)
        t = phase - whole
        u = 1.0 - t
        weights = (
            u * u * u,
            3.0 * t * t * t - 6.0 * t * t + 4.0,
            3.0 * u * u * u - 6.0 * u * u + 4.0,
            t * t * t,
        )
        # The places are independent, so dividing by this keeps the variance at every phase.
        scale = 1.0 / math.sqrt(math.fsum(w * w for w in weights))
        near = self._near(whole)
        noise = (scale * weights[0]) * near[0]
        for offset in (1, 2, 3):
            noise += (scale * weights[offset]) * near[offset]
        return noise

    def _near(self, whole: int) -> tuple[F64, ...]:
        """The four places from `whole` on, kept while a phase lies between them."""
        if self._four[0] != whole:
            places = tuple(self._place(self._index(whole + offset)) for offset in range(4))
            self._four = whole, places
        return self._four[1]

    def _index(self, whole: int) -> int:
        return whole if self._lap is None else whole % self._lap

    def disturb(self, z: F64, strength: float, phase: float) -> F64:
        """`z F64[shape]` moved by `strength` radians (RMS over phase) in the noise's direction.

        On the shell z is turned: the length of every row stays. In a free space, where an angle
        as seen from the origin means nothing, z is moved straight, every row by `strength` times
        the `reach` of the space. Either way the distance follows the length of the noise (3 %
        about its mean at d = 512), which keeps the path smooth even where the noise passes
        through nothing.
        """
        if strength == 0.0:
            return z
        noise = self.at(phase)
        if not self._is_shell:
            noise *= strength * self._reach / math.sqrt(self._shape[-1])
            noise += z
            return noise
        norm = geometry.length(z)[..., None]
        unit = z / (norm if norm.all() else np.where(norm > 0.0, norm, 1.0))
        noise -= np.add.reduce(noise * unit, axis=-1, keepdims=True) * unit  # now across z
        width = geometry.length(noise)[..., None]
        turn = strength * width / math.sqrt(max(1, self._shape[-1] - 1))
        noise *= np.sin(turn) / (width if width.all() else np.where(width > 0.0, width, 1.0))
        noise += np.cos(turn) * unit
        noise *= norm
        return noise
