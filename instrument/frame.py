"""What a picture is. This module knows neither who made it nor who shows it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instrument.cuda import CardPicture

U8 = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture.

    `index` is the row of z it was made from. `pixels` is ``U8[h, w, 4]`` RGBA with alpha 255
    (four bytes a pixel upload ten times faster than three), sRGB code values, top row first;
    or where such pixels lie on a graphics card, if whoever asked prefers that.
    `decode_seconds` is what the decoder spent on it.
    """

    index: int
    pixels: U8 | CardPicture
    decode_seconds: float = 0.0

    @property
    def on_host(self) -> U8 | None:
        """The pixels; None where they lie on a card."""
        return None if isinstance(self.pixels, CardPicture) else self.pixels
