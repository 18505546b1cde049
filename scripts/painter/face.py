"""Faces: masks of gold, stone, wood and porcelain, modelled as relief and lit."""

from __future__ import annotations

import torch
from torch import Tensor

from painter.canvas import Canvas, expose, hsv, over, palette, smooth

MATTER = palette(
    ("3a2208", "d8a030", "fff0b0"),
    ("0c2a22", "3a9a7a", "d0f4e0"),
    ("3a1a10", "b8603a", "f4c8a0"),
    ("484850", "d8d4cc", "ffffff"),
    ("1a100c", "6a4028", "c89868"),
    ("0c1430", "3a58b0", "c0d4ff"),
    ("24120e", "8a5a44", "e8c0a0"),
    ("101014", "4a4a54", "b0b4c0"),
)


def bump(c: Canvas, x: Tensor, y: Tensor, wide: Tensor | float, tall: Tensor | float) -> Tensor:
    """A Gaussian hill at the origin of x, y."""
    return torch.exp(-((x / wide) ** 2) - (y / tall) ** 2)


class Features:
    """Proportions of one face: where eyes, nose and mouth sit, in units of the half width."""

    def __init__(self, c: Canvas) -> None:
        self.eye_x, self.eye_y = c.uniform(0.34, 0.46), c.uniform(-0.25, -0.08)
        self.eye_wide, self.eye_tall = c.uniform(0.16, 0.25), c.uniform(0.05, 0.14)
        self.slant = c.uniform(-0.3, 0.3)
        self.nose, self.nose_wide = c.uniform(0.12, 0.32), c.uniform(0.08, 0.17)
        self.mouth_y, self.mouth_wide = c.uniform(0.48, 0.66), c.uniform(0.2, 0.42)
        self.mouth_tall, self.smile = c.uniform(0.03, 0.13), c.uniform(-0.5, 0.7)
        self.brow, self.tall, self.jaw = c.uniform(0.14, 0.26), c.uniform(1.15, 1.45), c.uniform()


def relief(c: Canvas, f: Features, x: Tensor, side: Tensor, y: Tensor) -> Tensor:
    """Height of the face: dome, brows, sockets, nose, cheeks, lips and chin."""
    ex, ey = side - f.eye_x, y - f.eye_y - f.slant * (side - f.eye_x)
    height = 0.9 * (1.2 - x**2 - (y / f.tall) ** 2).clamp_min(0.02).sqrt()
    height = height + 0.2 * bump(c, ex, ey + f.brow, 0.3, 0.09)
    height = height - 0.26 * bump(c, ex, ey, f.eye_wide * 1.5, f.eye_tall * 1.9)
    height = height + 0.2 * bump(c, ex, ey, f.eye_wide * 0.9, f.eye_tall * 1.1)
    ridge = smooth(y, f.eye_y - 0.12, f.nose) * (1 - smooth(y, f.nose, f.nose + 0.1))
    height = height + 0.4 * ridge * torch.exp(-((x / (f.nose_wide * (0.6 + 0.6 * ridge))) ** 2))
    height = height + 0.13 * bump(c, side - f.nose_wide * 1.1, y - f.nose, 0.07, 0.06)
    height = height + 0.12 * bump(c, side - 0.5, y - f.nose, 0.25, 0.22)
    my = y - f.mouth_y + f.smile * 0.5 * x**2
    height = height + 0.16 * bump(c, x, my, f.mouth_wide * 1.1, f.mouth_tall + 0.07)
    height = height - 0.16 * bump(c, x, my, f.mouth_wide, 0.025)
    return height + 0.15 * bump(c, x, y - 0.98, 0.25, 0.14)


def backdrop(c: Canvas, x: Tensor, y: Tensor) -> Tensor:
    """Darkness, rays or a halo behind the head."""
    r, angle = c.polar(x, y)
    hue = c.uniform()
    base = hsv(hue, c.uniform(0.3, 0.9), c.uniform(0.03, 0.3)) * (1.3 - 0.45 * r)
    rays = smooth(torch.cos(angle * c.whole(8, 24)), -0.3, 0.6) * smooth(r, 2.2, 0.9)
    ring = torch.exp(-(((r - c.uniform(1.2, 1.6)) / 0.12) ** 2))
    glory = torch.maximum(rays * c.chance(0.45), ring * c.chance(0.4)) * c.uniform(0.2, 0.9)
    return base + hsv(hue + c.uniform(-0.2, 0.5), c.uniform(0.4, 0.9), torch.ones(1)) * glory


def eyes(c: Canvas, f: Features, picture: Tensor, side: Tensor, y: Tensor, light: Tensor) -> Tensor:
    """Almond eyes: white, iris, pupil and a spark; or burning hollows."""
    ex, ey = side - f.eye_x, y - f.eye_y - f.slant * (side - f.eye_x)
    lid = (ey.abs() / f.eye_tall) - (1 - (ex / f.eye_wide) ** 2).clamp_min(0)
    inside = c.cover(lid * f.eye_tall * 0.7, 0.01) * (ex.abs() < f.eye_wide)
    liner = torch.exp(-((lid * f.eye_tall) ** 2) / 0.0009) * (ex.abs() < f.eye_wide * 1.15)
    r = (ex**2 + ey**2).sqrt()
    iris = hsv(c.uniform(), c.uniform(0.3, 0.9), c.uniform(0.35, 1.0))
    size = f.eye_tall * c.uniform(0.75, 1.0)
    ball = over(torch.full((1, 1, 1, 1), 0.92) * (0.6 + 0.5 * light), iris, c.cover(r - size, 0.02))
    ball = over(ball, torch.full((1, 1, 1, 1), 0.02), c.cover(r - size * 0.5, 0.02))
    spark = torch.exp(-((ex + 0.03) ** 2 + (ey + 0.03) ** 2) / 0.0006)
    hollow = iris * torch.exp(-((r / f.eye_tall) ** 2)) * c.uniform(0.0, 1.8)
    fill = torch.where(c.chance(0.7) > 0, ball + spark, hollow + 0.01)
    return over(over(picture, picture * 0.25, liner), fill, inside)


def paintwork(c: Canvas, f: Features, colour: Tensor, side: Tensor, y: Tensor) -> Tensor:
    """Stripes, dots and fields of pigment, the same on both sides."""
    pigment = hsv(c.uniform(), c.uniform(0.5, 1.0), c.uniform(0.2, 1.0))
    r = ((side - f.eye_x) ** 2 + (y - f.eye_y) ** 2).sqrt()
    bands = torch.cos((y + c.uniform(-1, 1) * side) * c.uniform(8, 22))
    rings = torch.cos(r * c.uniform(12, 26))
    pattern = smooth(torch.where(c.chance(0.5) > 0, bands, rings), 0.1, 0.3)
    where = torch.where(c.chance(0.5) > 0, y < f.eye_y - 0.2, side > 0.45).float()
    lips = bump(c, side, y - f.mouth_y + f.smile * 0.5 * side**2, f.mouth_wide, f.mouth_tall)
    colour = over(colour, pigment, pattern * where * c.chance(0.5) * 0.85)
    red = hsv(c.uniform(-0.05, 0.04), c.uniform(0.5, 0.9), c.uniform(0.3, 0.8))
    return over(colour, red, smooth(lips, 0.35, 0.5) * c.uniform(0.1, 0.9))


def mask(c: Canvas) -> Tensor:
    """A face, frontal or slightly turned, in some precious matter, lit from above or aside."""
    f, scale = Features(c), c.uniform(0.52, 0.68)
    x, y = (c.x - c.uniform(-0.1, 0.1)) / scale, (c.y - c.uniform(-0.1, 0.1)) / scale
    x, y = c.rotated(x, y, c.uniform(-0.18, 0.18))
    behind = backdrop(c, x, y)
    x = x + c.uniform(-0.22, 0.22) * (1 - x**2).clamp_min(0)
    side = (x * x + 1e-4).sqrt()
    chin = 1 - 0.35 * f.jaw * smooth(y, 0.1, 1.2)
    outline = ((x / chin).abs() ** 2.2 + (y / f.tall).abs() ** 2.2) - 1
    height = relief(c, f, x, side, y) + 0.012 * c.fractal(16, rough=0.6) * c.chance(0.6)
    slope_x = c.slope(height, torch.zeros(1, 1, 1, 1)) * scale
    slope_y = c.slope(height, torch.full((1, 1, 1, 1), 1.5708)) * scale
    norm = (1 + slope_x**2 + slope_y**2).sqrt()
    lx, ly = c.uniform(-0.7, 0.7), c.uniform(-0.75, 0.1)
    lz = (1.3 - lx**2 - ly**2).clamp_min(0.2).sqrt()
    light = ((lz - lx * slope_x - ly * slope_y) / norm / 1.14).clamp(0, 1)
    dark, body, bright = c.pick(MATTER)
    colour = paintwork(c, f, body, side, y)
    metal = light ** c.uniform(8, 30) * c.uniform(0.1, 0.9)
    skin = over(dark * 0.5, colour * 1.25, smooth(light, 0.0, 0.95)) + bright * metal
    skin = eyes(c, f, skin, side, y, light)
    hair = over(dark * 0.25, dark * 0.8, smooth(c.fractal(32, 4, rough=0.6), -1, 2))
    crown = ((x / 1.2).abs() ** 2.4 + ((y + 0.2) / (f.tall * 1.08)).abs() ** 2.4) - 1
    picture = over(behind, hair, c.cover(crown * 0.3, 0.03) * c.chance(0.55))
    return expose(over(picture, skin, c.cover(outline * 0.4 * scale)), 1.7)
