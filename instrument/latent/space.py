"""What kind of latent space a model has."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
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
    length d lies on (sqrt(d) for z of a Gaussian), or None where the space is free. Of a free
    space `scale` may be known: how far a row usually lies from the middle, sqrt(E |w - E w|²),
    the σ_w of Karras et al. 2020 (appendix D). It is a measurement, so two specs that differ in
    it alone are equal.
    """

    shape: tuple[int, ...]
    space: Literal["z", "w"] = "z"
    radius: float | None = None
    scale: float | None = field(default=None, compare=False)

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
        if self.scale is not None and not 0 < self.scale < 1e6:
            raise InstrumentError(f"latent scale {self.scale}: must be above 0, or absent")
        if self.scale is not None and self.radius is not None:
            raise InstrumentError("latent: has a radius or a scale, not both")

    @classmethod
    def shell(cls, dims: int) -> LatentSpec:
        """The usual z of a GAN: `dims` numbers on the shell of radius sqrt(dims)."""
        return cls((dims,), "z", math.sqrt(dims))

    @property
    def size(self) -> int:
        """How many numbers one position has."""
        return math.prod(self.shape)

    @property
    def reach(self) -> float:
        """How far one radian leads, per row.

        On a shell that is the radius. A free space has no angles, but a middle and a spread: the
        same share of it is `scale`, or sqrt(d) where nobody measured it. So six degrees are
        everywhere a tenth of the way from the middle to where places usually are.
        """
        return self.radius or self.scale or math.sqrt(self.shape[-1])

    def to_json(self) -> dict[str, Any]:
        """The ``latent`` object of sidecars and manifests. The reverse of `from_json`."""
        scale = {} if self.scale is None else {"scale": self.scale}
        return {"shape": list(self.shape), "space": self.space, "radius": self.radius, **scale}

    @classmethod
    def from_json(cls, fields: Any) -> LatentSpec:
        """Read a ``latent`` object. Raises InstrumentError naming the key that is wrong."""
        if not isinstance(fields, dict):
            raise InstrumentError("latent: must be an object with shape, space and radius")
        shape, radius, scale = (fields.get(key) for key in ("shape", "radius", "scale"))
        if not isinstance(shape, list) or not all(type(n) is int for n in shape):
            raise InstrumentError("latent.shape: must be a list of one or two integers")
        for key, number in (("radius", radius), ("scale", scale)):
            if number is not None and type(number) not in (int, float):
                raise InstrumentError(f"latent.{key}: must be a number or null")
        return cls(tuple(shape), fields.get("space", "z"), radius, scale)

    def __str__(self) -> str:
        return f"{self.space}{'×'.join(map(str, self.shape))}"
