"""What kind of latent space a model has."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from instrument import InstrumentError

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class LatentSpec:
    """Shape and shell of a latent space.

    `shape` is ``(d,)`` or ``(layers, d)``. `radius` is the radius of the shell every row of
    length d lies on (sqrt(d) for z of a Gaussian), or None where the space is free.
    """

    shape: tuple[int, ...]
    space: Literal["z", "w"] = "z"
    radius: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        if len(self.shape) not in (1, 2) or min(self.shape, default=0) < 1:
            raise InstrumentError(f"latent shape {self.shape}: must be (d,) or (layers, d)")
        if math.prod(self.shape) > _LARGEST:
            raise InstrumentError(f"latent shape {self.shape}: more than {_LARGEST} numbers")
        if self.space not in ("z", "w"):
            raise InstrumentError(f"latent space {self.space!r}: must be z or w")
        if self.radius is not None and not 0 < self.radius < 1e6:
            raise InstrumentError(f"latent radius {self.radius}: must be above 0, or absent")

    @classmethod
    def shell(cls, dims: int) -> LatentSpec:
        """The usual z of a GAN: `dims` numbers on the shell of radius sqrt(dims)."""
        return cls((dims,), "z", math.sqrt(dims))

    @property
    def size(self) -> int:
        """How many numbers one position has."""
        return math.prod(self.shape)

    def to_json(self) -> dict[str, Any]:
        """The ``latent`` object of sidecars and manifests. The reverse of `from_json`."""
        return {"shape": list(self.shape), "space": self.space, "radius": self.radius}

    @classmethod
    def from_json(cls, fields: Any) -> LatentSpec:
        """Read a ``latent`` object. Raises InstrumentError naming the key that is wrong."""
        if not isinstance(fields, dict):
            raise InstrumentError("latent: must be an object with shape, space and radius")
        shape, radius = fields.get("shape"), fields.get("radius")
        if not isinstance(shape, list) or not all(type(n) is int for n in shape):
            raise InstrumentError("latent.shape: must be a list of one or two integers")
        if radius is not None and (type(radius) not in (int, float)):
            raise InstrumentError("latent.radius: must be a number or null")
        return cls(tuple(shape), fields.get("space", "z"), radius)

    def __str__(self) -> str:
        return f"{self.space}{'×'.join(map(str, self.shape))}"
