"""Oceans: swell in perspective under any sky, and waves that rise and break."""

from __future__ import annotations

import torch
from torch import Tensor

from painter.canvas import Canvas, over, palette, smooth
from painter.sky import Sky, develop

DEEP = palette(
    ("041a2e", "0a4a6a", "3fb0b8"),
    ("02101c", "12324a", "6a90a0"),
    ("0a2a3a", "0f6a7a", "7fe0c8"),
    ("0a0f24", "24305a", "8a8ac0"),
    ("10201c", "2a5a4c", "a8d0a8"),
)


def swell(c: Canvas, depth: Tensor) -> Tensor:
    """Height of the water: long crests near, ever finer ones towards the horizon.

    `depth` is 0 at the horizon and 1 at the lower edge; each octave is strongest where
    perspective makes it that fine. Crests are sharper than troughs.
    """
    water = torch.zeros(c.count, 1, c.size, c.size)
    slant, calm = c.uniform(-0.3, 0.3), c.uniform(0.5, 0.75)
    for octave, rows in enumerate((8, 16, 32, 64, 128)):
        field = c.fractal(rows, rows // 4, rough=0.6)
        field = c.sample(field, c.x + slant * c.y, c.y + 0.15 * slant * c.x)
        fineness = torch.log2(depth.clamp_min(0.01)) + octave - 0.3
        near = torch.where(fineness < 0, torch.exp(-(fineness**2)), calm**fineness)
        water = water + (0.9 - field.abs() if octave < 2 else field) * near * 0.8
    return water


def sea(c: Canvas) -> Tensor:
    """Open water to the horizon, with the sun's road on it."""
    horizon = c.uniform(-0.5, 0.25)
    sky = Sky(c, horizon)
    depth = ((c.y - horizon) / (1 - horizon)).clamp(0, 1)
    water = swell(c, depth)
    tilt = water * c.uniform(0.5, 1.2)
    deep, mid, bright = c.pick(DEEP)
    mirror = over(sky.middle, sky.low, torch.exp(-4 * depth)) * 0.8
    colour = over(over(deep, mid, smooth(tilt, -0.9, 0.9)), mirror, smooth(tilt, 0.0, 1.3) * 0.8)
    colour = over(colour, mirror, torch.exp(-9 * depth) * 0.8)
    width = c.uniform(0.08, 0.3) * (0.35 + 1.2 * depth)
    road = torch.exp(-(((c.x - sky.sun_x) / width) ** 2)) * c.uniform(0.5, 1.6)
    glint = smooth(tilt + 0.8 * road, 0.5, 1.7) * road
    colour = colour + sky.sun * glint * 1.5
    rare = c.uniform(1.3, 2.6)
    foam = smooth(tilt, rare, rare + 0.6) * smooth(depth, 0.05, 0.4)
    colour = over(colour, over(bright, torch.ones(1), torch.full((1,), 0.6)), foam * 0.9)
    return develop(c.glow(over(sky.picture, colour, c.cover(horizon - c.y, 0.01)), 0.35))


def breaker(c: Canvas) -> Tensor:
    """A wave rising before the sky: translucent face, torn foaming crest."""
    horizon = c.uniform(-0.4, 0.1)
    sky = Sky(c, horizon)
    deep, mid, bright = c.pick(DEEP)
    depth = ((c.y - horizon) / (1 - horizon)).clamp(0, 1)
    water = swell(c, depth)
    far = over(sky.low * 0.7, mid, smooth(depth + 0.1 * water, 0.0, 0.5))
    picture = over(sky.picture, far, c.cover(horizon - c.y, 0.01))
    centre, width = c.uniform(-0.6, 0.6), c.uniform(0.4, 1.0)
    bump = torch.exp(-(((c.x - centre) / width) ** 2))
    crest = c.uniform(0.25, 0.6) - bump * c.uniform(0.4, 1.0) + 0.05 * c.profile(4, 0.6)
    below = c.y - crest
    streaks = c.fractal(4, 16, rough=0.6)
    curve = c.sample(streaks, c.x + 0.3 * below * c.uniform(-1, 1), below * 0.7 - 0.3)
    face = over(bright, mid, smooth(below + 0.1 * curve, 0.0, 0.35))
    face = over(face, deep, smooth(below + 0.12 * curve, 0.25, 1.0))
    face = face + 0.35 * sky.sun * bump * torch.exp(-below.clamp_min(0) / 0.2)
    spray = c.fractal(8, rough=0.72)
    torn = torch.exp(-below.abs() / (0.05 + 0.12 * bump))
    foam = torn * (1.5 + 0.7 * spray + 0.2 * curve)
    lace = smooth(curve + 0.7 * spray, 1.6, 2.6) * smooth(below, 0.02, 0.2) * 0.5
    picture = over(picture, face, c.cover(-below + 0.02 * spray, 0.01))
    white = over(sky.low, torch.ones(1), torch.full((1,), 0.65))
    return develop(over(picture, white, torch.maximum(smooth(foam, 0.75, 1.5), lace)))
