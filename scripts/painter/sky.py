"""The sky all landscapes share: hours of the day, sun or moon, clouds."""

from __future__ import annotations

import torch
from torch import Tensor

from painter.canvas import Canvas, expose, gradient, over, palette, smooth

# zenith, middle, horizon, sun, and what the light does to the land (shadow, lit)
HOURS = palette(
    ("1d3f7a", "5f93c8", "dfeaf0", "fff6d8", "33455f", "fff2d8"),
    ("12244f", "7a5a8f", "f7a15f", "fff0a8", "2a2440", "ffb878"),
    ("2a1a4a", "b0486a", "ffb35a", "fff3c0", "281a38", "ff9a6a"),
    ("050a1e", "10244a", "2a4a78", "eaf0ff", "060c1c", "8fa8d8"),
    ("39424f", "77828c", "c3c8c6", "f4f4ec", "2c3238", "c8ccc8"),
    ("0f4a5a", "54b0a8", "f4ecc0", "fffdf0", "143a40", "fff0b8"),
    ("3a0f1e", "a8321e", "ffcf5a", "fff8d0", "240a14", "ff8a4a"),
)


class Sky:
    """Colours of one hour, the place of its sun, and the picture of it."""

    def __init__(self, c: Canvas, horizon: Tensor) -> None:
        stops = c.pick(HOURS)
        self.zenith, self.middle, self.low, self.sun, self.shadow, self.lit = stops
        self.sun_x = c.uniform(-0.8, 0.8)
        self.sun_y = horizon - c.uniform(0.02, 0.9) * (horizon + 1)
        height = (horizon - c.y) / (horizon + 1)
        picture = gradient(1 - height, (self.zenith, self.middle, self.low))
        distance = ((c.x - self.sun_x) ** 2 + (c.y - self.sun_y) ** 2).sqrt()
        size = c.uniform(0.03, 0.13)
        halo = torch.exp(-distance / c.uniform(0.1, 0.5)) * c.uniform(0.15, 0.7)
        picture = picture + self.sun * halo
        picture = over(picture, self.sun * 1.3, c.cover(distance - size, 0.02))
        self.picture = self._clouds(c, picture, height)
        self.angle = torch.atan2(self.sun_y - 0.3, self.sun_x)

    def _clouds(self, c: Canvas, picture: Tensor, height: Tensor) -> Tensor:
        """Clouds, flatter towards the horizon, bright where they thin out towards the sun."""
        field = c.fractal(4, 2, rough=c.uniform(0.45, 0.62))
        density = smooth(field, c.uniform(-0.4, 2.0), 2.4) * smooth(height, 0.0, 0.25)
        under = c.slope(field, torch.full((1, 1, 1, 1), 1.57)) * 0.06
        colour = over(self.low, self.middle * 0.8, smooth(under + 0.5, 0.0, 1.0))
        return over(picture, colour, 0.85 * density)


def develop(picture: Tensor) -> Tensor:
    """A landscape's light as a picture: nearly linear, highlights kept from clipping."""
    return (1.18 * expose(picture, 1.35)).clamp(0, 1)
