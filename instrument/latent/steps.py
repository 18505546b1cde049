"""How z moves from row to row: how far, and how sharply it turns. Knows no path and no picture."""

from __future__ import annotations

import numpy as np

from instrument.latent import geometry
from instrument.latent.path import apart
from instrument.latent.space import F64, LatentSpec

_STILL = 1e-9  # radians: a step this short has no direction


def step_lengths(z: F64, spec: LatentSpec) -> F64:
    """From each row of ``z F64[n, *shape]`` to the next, in radians, ``F64[n - 1]``."""
    return apart(z[:-1], z[1:], spec)


def turns(z: F64, spec: LatentSpec) -> F64:
    """By which angle the direction of motion turns at each inner row, ``F64[n - 2]`` in radians.

    Where z stands still before or after, it turns by nothing.
    """
    steps = np.diff(z, axis=0).reshape(len(z) - 1, -1)
    moving = step_lengths(z, spec) > _STILL
    turned = geometry.angle(steps[:-1], steps[1:])
    return np.where(moving[:-1] & moving[1:], turned, 0.0)


def off_shell(z: F64, spec: LatentSpec) -> float:
    """How far the furthest row lies off the shell, in standard deviations of a Gaussian's length.

    That deviation is .707 in any number of dimensions. 0 in a free space, which has no shell.
    """
    if spec.radius is None or len(z) == 0:
        return 0.0
    return float(np.abs(geometry.length(z) - spec.radius).max() / np.sqrt(0.5))
