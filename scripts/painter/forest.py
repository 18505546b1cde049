"""Forests: trunks in mist with light between them, and slopes of dark firs."""

from __future__ import annotations

import torch
from torch import Tensor

from painter.canvas import Canvas, over, palette, smooth
from painter.sky import Sky, develop

# far light, mist, leaf in light, leaf in shade, ground, bark
SEASONS = palette(
    ("f4f8d0", "a8c890", "8fc040", "1c4a1e", "2c3a14", "2a2018"),
    ("fff0c0", "e8b070", "f09028", "7a2a10", "5a2c10", "2a1810"),
    ("e8f0f4", "a8bcc8", "b8ccd4", "3c5460", "e0e8ec", "20242a"),
    ("d8f4e8", "5a9a90", "3f9a70", "0c3430", "10302a", "101c1c"),
    ("ffe8f0", "d8a0b8", "f4a8c4", "a04a74", "6a5a3a", "34202a"),
    ("c8d8ff", "4a5a9a", "405aa0", "10183c", "101838", "080a18"),
)


def glade(c: Canvas) -> Tensor:
    """Inside a wood: four depths of trunks, canopy above, ground below, shafts of light."""
    light, mist, leaf, dark, ground, bark = c.pick(SEASONS)
    focus_x, focus_y = c.uniform(-0.5, 0.5), c.uniform(-0.5, 0.1)
    distance = ((c.x - focus_x) ** 2 + (c.y - focus_y) ** 2).sqrt()
    picture = over(mist, light * 1.2, torch.exp(-distance / c.uniform(0.3, 0.8)))
    foliage = c.fractal(8, rough=c.uniform(0.55, 0.7))
    floor = c.uniform(0.35, 0.75)
    for depth in range(4):
        near = (depth + 1) / 4
        air = (1 - near) * 0.85
        field = foliage.flip(((), (3,), (2,), (2, 3))[depth])
        level = floor + (near - 1) * 0.25 + 0.03 * near * c.profile(8, 0.6)
        bright = smooth(field, -0.8, 1.6)
        soil = over(over(ground * 0.5, ground * 1.3 + 0.1 * light, bright), mist, torch.tensor(air))
        picture = over(picture, soil, c.cover(level - c.y, 0.03))
        picture = _trunks(c, picture, over(bark, mist, torch.tensor(air)), near, level)
        crown = -0.95 + c.uniform(0.2, 0.75) * (1.1 - 0.6 * near) + 0.1 * c.profile(4, 0.6)
        leaves = over(over(dark, leaf, bright), mist, torch.tensor(0.8 * air))
        alpha = smooth(0.8 * field - (c.y - crown) / 0.18, -0.3, 0.5)
        picture = over(picture, leaves * (1.15 - 0.3 * near), alpha)
    angle = torch.atan2(c.y - focus_y + 1.2, c.x - focus_x)
    rays = c.sample(c.fractal(1, 16, rough=0.7), (angle - 1.57) * 0.9, torch.zeros(1, 1, 1, 1))
    shafts = smooth(rays, 0.2, 2.0) * torch.exp(-distance / 0.9) * c.uniform(0.0, 0.6)
    return develop(c.glow(picture + light * shafts, 0.2))


def _trunks(c: Canvas, picture: Tensor, bark: Tensor, near: float, foot: Tensor) -> Tensor:
    """A few trunks of one depth, lit from one side, standing on `foot`."""
    wobble = 0.03 * c.profile(4, 0.5).transpose(2, 3)
    for _ in range(4 if near < 1 else 2):
        place, lean = c.uniform(-1.1, 1.1), c.uniform(-0.12, 0.12)
        width = c.uniform(0.4, 1.0) * (0.03 + 0.12 * near**2)
        across = (c.x - place - lean * c.y - near * wobble) / (width * (1 + 0.25 * (c.y + 0.2)))
        alpha = c.cover((across.abs() - 1) * width) * c.cover(c.y - foot - 0.06 * near, 0.02)
        picture = over(picture, bark * (0.85 + 0.5 * smooth(across, 1.0, -1.0)), alpha)
    return picture


def firs(c: Canvas) -> Tensor:
    """Rows of firs going up into mist."""
    horizon = c.uniform(-0.2, 0.4)
    sky = Sky(c, horizon)
    _, _, leaf, dark, _, _ = c.pick(SEASONS)
    picture = sky.picture
    tooth = c.fractal(32, 32, rough=0.7)
    for depth in range(4):
        near = (depth + 1) / 4
        base = horizon - 0.1 + 0.9 * (near - 0.25) + 0.1 * c.profile(2, 0.5)
        crest = torch.full((1, 1, 1, 1), 9.0)
        for _ in range(9 - depth):
            place, tall = c.uniform(-1.1, 1.1), c.uniform(0.2, 0.42) * (0.4 + 1.1 * near)
            steep = c.uniform(3.0, 5.0)
            crest = torch.minimum(crest, base - tall + (c.x - place).abs() * steep)
        crest = torch.minimum(crest, base + 0.05)
        below = c.y - crest + 0.045 * near * tooth
        lit = smooth(tooth - 2.5 * below, -1.2, 1.2)
        tree = over(dark * 0.6, leaf * sky.lit, lit * 0.7)
        tree = over(tree, sky.low, torch.tensor((1 - near) * 0.8))
        fog = smooth(below, 0.2, 0.8) * (1.05 - near) * 0.7
        picture = over(picture, over(tree, sky.low, fog), c.cover(-below))
    return develop(picture)
