"""The checks every decoder makes of what it is given. Knows no torch and no architecture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from instrument.decoder.protocol import DecoderSpec
from instrument.latent.space import F32


def checked_inputs(
    spec: DecoderSpec, z: F32, parameters: Mapping[str, F32]
) -> tuple[F32, dict[str, F32]]:
    """`z` and `parameters` as ``F32[n, *latent.shape]`` and ``F32[n]``, or ValueError."""
    z = np.asarray(z, np.float32)
    if z.shape[1:] != spec.latent.shape or z.ndim == 0:
        raise ValueError(f"{spec.name}: z is {z.shape}, must be (n, *{spec.latent.shape})")
    values = {key: np.asarray(value, np.float32) for key, value in parameters.items()}
    for address, value in values.items():
        if value.shape != (len(z),):
            raise ValueError(f"{address} is {value.shape}, must be ({len(z)},)")
    return z, values
