"""The presenter of a film: what the display does to a picture, done to every frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from instrument.display.finish import Upscale, finish, finish_bands
from instrument.display.look import Fit, Look
from instrument.frame import U8
from instrument.latent.space import F32


@dataclass(frozen=True, slots=True)
class Presented:
    """The presenter for a film of `size` (width, height): a `Finish` and a `Presentation`."""

    size: tuple[int, int]
    fit: Fit = "fit"
    upscale: Upscale = "bicubic"

    def __call__(self, pixels: U8, values: Mapping[str, float]) -> U8:
        """See `Finish`."""
        return finish(pixels, self._look(values), self.size)

    def level(self, values: Mapping[str, float]) -> float:
        """See `Presentation.level`."""
        return self._look(values).level

    def bands(self, picture: F32, level: float) -> Iterator[tuple[slice, F32]]:
        """See `Presentation.bands`."""
        return finish_bands(picture, Look(level, fit=self.fit), self.size, self.upscale)

    def _look(self, values: Mapping[str, float]) -> Look:
        gain = values.get("/master/gain", 1.0)
        return Look(gain, values.get("/display/blackout", 0.0), self.fit)
