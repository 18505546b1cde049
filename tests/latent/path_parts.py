"""Keys and paths that several tests lead through."""

from __future__ import annotations

import math

import numpy as np

from instrument.latent.path import Chain, Path
from instrument.latent.retargeting import Retargeting
from instrument.latent.space import F64, LatentSpec
from instrument.latent.spring_path import SpringPath

SHELL = LatentSpec.shell(64)
WIDE = LatentSpec.shell(512)
LAYERED_SHELL = LatentSpec((3, 16), "z", 4.0)
FREE = LatentSpec((8,), "w", None, 3.0)
LAYERS = LatentSpec((3, 8), "w")
SPACES = [SHELL, LAYERED_SHELL, FREE, LAYERS]


def keys_of(count: int, spec: LatentSpec = SHELL, seed: int = 1, loose: bool = False) -> F64:
    """Random places; `loose` ones lie a little off the shell, as Gaussians do."""
    rng = np.random.default_rng(seed)
    keys = rng.normal(size=(count, *spec.shape))
    if spec.radius is not None and not loose:
        keys *= spec.radius / np.linalg.norm(keys, axis=-1, keepdims=True)
    return keys


def paths_of(
    keys: F64, spec: LatentSpec, seconds: float = 6.0, closed: bool = False, hold: float = 0.0
) -> list[Path]:
    """Every kind of path through `keys`."""
    return [
        Chain(keys, spec, seconds, hold=hold, closed=closed),
        SpringPath(keys, spec, seconds, hold=hold, closed=closed),
        SpringPath(keys, spec, seconds, Retargeting(0.6, 0.15, timed=True),
                   hold=hold, closed=closed),
        SpringPath(keys, spec, seconds, Retargeting(1.0, 0.25), hold=hold, closed=closed),
        SpringPath(keys, spec, seconds, Retargeting(2.5, 0.3), hold=hold, closed=closed),
    ]  # fmt: skip


def frames_of(path: Path, rate: int = 30) -> F64:
    """The times of every frame, the end included."""
    return np.arange(math.floor(path.seconds * rate) + 1) / rate
