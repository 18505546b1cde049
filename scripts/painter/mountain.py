"""Mountains: ridge behind ridge, snow, rock and haze; sometimes a lake that doubles them."""

from __future__ import annotations

import torch
from torch import Tensor

from painter.canvas import Canvas, over, palette, smooth
from painter.sky import Sky, develop

ROCK = palette(
    ("2a2e38", "6a6a70", "3a4a2c"),
    ("3a2a24", "8a6a54", "4a4a24"),
    ("3a1c14", "b0603a", "6a3a1e"),
    ("1e2a34", "5a7080", "24403a"),
    ("2c2434", "7a6a8a", "3a3448"),
)


def ranges(c: Canvas, sky: Sky, base: Tensor) -> Tensor:
    """Four ridges from far to near, each less blue with air than the one behind."""
    picture = sky.picture
    dark, bright, meadow = c.pick(ROCK)
    relief = -c.fractal(4, 4, rough=c.uniform(0.5, 0.6)).abs()
    sun = torch.where(sky.sun_x > 0, 0.3, 2.84) + c.uniform(-0.3, 0.3)
    shade = c.slope(relief, sun) * 0.075
    snowline, high = c.uniform(-0.7, 0.6), c.uniform(0.45, 1.05)
    flips: tuple[tuple[int, ...], ...] = ((), (3,), (2,), (2, 3))
    for layer in range(4):
        near = layer / 3
        line = c.profile(2 if layer != 1 else 4, rough=c.uniform(0.4, 0.52))
        peak = 0.6 - line.abs() if layer < 3 else 0.35 * line
        crest = base + 0.12 - (1 - near) * 0.2 - high * (0.8 - 0.55 * near) * peak + 0.3 * near
        below = c.y - crest
        local = shade.flip(flips[layer]) + 0.35 * c.slope(crest, sun).expand_as(shade)
        lit = smooth(local, -0.9, 0.9)
        rock = over(dark, bright, lit) * over(sky.shadow, sky.lit, lit) * 1.6
        grass = meadow * over(sky.shadow, sky.lit, 0.3 + 0.7 * lit) * 1.3
        rock = over(rock, grass, smooth(below + 0.1 * local, 0.35 - 0.35 * near, 0.8 - 0.6 * near))
        fall = snowline - c.y + 0.2 * relief.flip(flips[layer]) + 0.3 - 0.9 * near
        snow = smooth(fall + 0.2 * local, -0.08, 0.12)
        rock = over(rock, over(sky.shadow * 1.6 + 0.12, sky.lit * 1.05, lit), snow)
        haze = (1 - near) ** 1.3 * 0.72 + 0.25 * smooth(below, 0.0, 0.6) * (1 - near)
        rock = over(rock, over(sky.low, sky.middle, torch.full((1,), 0.35)), haze)
        picture = over(picture, rock, c.cover(-below))
    return picture


def land(c: Canvas) -> Tensor:
    """A range under the sky, mist in its valleys."""
    base = c.uniform(0.0, 0.5)
    sky = Sky(c, base)
    picture = ranges(c, sky, base)
    mist = smooth(c.fractal(4, 1, rough=0.5) - ((c.y - base) / 0.25) ** 2, 0.0, 2.0)
    return develop(over(picture, sky.low, mist * c.uniform(0.0, 0.7)))


def lake(c: Canvas) -> Tensor:
    """A range and its reflection in still water."""
    shore = c.uniform(0.15, 0.5)
    sky = Sky(c, shore)
    picture = ranges(c, sky, shore - c.uniform(0.2, 0.5))
    depth = (c.y - shore).clamp_min(0)
    ripple = c.fractal(32, 4, rough=0.6) * (0.008 + 0.05 * depth)
    mirrored = c.sample(picture, c.x + 0.3 * ripple, shore - depth * 1.0 + ripple)
    water = over(mirrored * c.uniform(0.6, 0.9), sky.middle, 0.12 + 0.5 * smooth(ripple, 0, 0.08))
    return develop(over(picture, water, c.cover(shore - c.y)))
