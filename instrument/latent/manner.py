"""The manner of travelling: by which kind of path one goes through keys, and how it trembles.

Knows what a performer may choose, and turns it into a `Path`; knows no keys of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from instrument import InstrumentError
from instrument.latent.noisy_path import NoisyPath, check_strength, stray
from instrument.latent.path import Chain, Path
from instrument.latent.retargeting import Retargeting
from instrument.latent.space import F64, LatentSpec
from instrument.latent.spring_path import GENTLE, SpringPath

Kind = Literal["physical", "spherical"]
_AROUND_KEYS, _AROUND_PATHS = 0, 1  # of one seed


@dataclass(frozen=True, slots=True)
class Manner:
    """`hold` in seconds a key, `noise` around paths and `key_noise` in radians (RMS).

    `noise_rate` is how quickly the noise changes, in Hz. `law` is that of physical paths.
    """

    kind: Kind = "physical"
    law: Retargeting = GENTLE
    hold: float = 0.0
    noise: float = 0.0
    noise_rate: float = 0.2
    key_noise: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in ("physical", "spherical"):
            raise InstrumentError(f"path {self.kind!r}: allowed are physical and spherical")
        check_strength(self.noise, "noise")
        check_strength(self.key_noise, "key noise")

    def path(
        self, keys: F64, spec: LatentSpec, seconds: float, seed: int, closed: bool = False
    ) -> Path:
        """The path through `keys F64[k, *shape]`. Raises InstrumentError."""
        if self.key_noise > 0.0:
            keys = stray(keys, spec, self.key_noise, _derived(seed, _AROUND_KEYS))
        path: Path
        if self.kind == "physical":
            path = SpringPath(keys, spec, seconds, self.law, hold=self.hold, closed=closed)
        else:
            path = Chain(keys, spec, seconds, hold=self.hold, closed=closed)
        noise_seed = _derived(seed, _AROUND_PATHS)
        trembling = NoisyPath(path, spec, self.noise, self.noise_rate, noise_seed)
        return trembling if self.noise > 0.0 else path

    def to_json(self) -> dict[str, Any]:
        """What files say of it: angles in degrees."""
        physical = {
            "damping": self.law.damping,
            "arrive": self.law.arrive,
            "timed": self.law.timed,
        }
        return {
            "path": self.kind,
            **(physical if self.kind == "physical" else {}),
            "hold_seconds": self.hold,
            "noise_degrees": round(math.degrees(self.noise), 9),
            "noise_hertz": self.noise_rate,
            "key_noise_degrees": round(math.degrees(self.key_noise), 9),
        }


def _derived(seed: int, purpose: int) -> int:
    """A seed for one purpose, so that noise of two kinds has nothing in common."""
    source = np.random.Generator(np.random.Philox(key=[seed, purpose]))
    return int(source.integers(1 << 62))
