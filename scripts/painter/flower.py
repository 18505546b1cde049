"""Flowers: whorls of petals round a heart, from daisies to roses and lotuses."""

from __future__ import annotations

import torch
from torch import Tensor

from painter.canvas import Canvas, hsv, over, palette, smooth
from painter.sky import develop

MEADOW = palette(
    ("0a1f10", "2f6a2a", "b8d870"),
    ("10241c", "2a5a48", "8fd0b0"),
    ("1a1022", "4a2a5a", "c090c8"),
    ("201408", "6a4a1a", "f0c060"),
    ("0a1428", "2a4a80", "9ac0f0"),
    ("0a0a0c", "1c1a20", "5a4a58"),
)


def background(c: Canvas) -> Tensor:
    """Leaves out of focus."""
    dark, mid, bright = c.pick(MEADOW)
    blur = c.fractal(4, rough=0.4)
    leaves = over(dark, mid, smooth(blur + c.uniform(-0.6, 0.6), -1.0, 1.2))
    lights = smooth(c.fractal(8, rough=0.3), 1.0, 2.2) * c.uniform(0.0, 0.8)
    return over(leaves, bright, lights)


def stem(c: Canvas, picture: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """A stem with two leaves under a flower at (x, y)."""
    green = hsv(c.uniform(0.22, 0.42), c.uniform(0.4, 0.8), c.uniform(0.25, 0.55))
    bend = c.uniform(-0.3, 0.3)
    axis = c.x - x - bend * (c.y - y) ** 2
    width = c.uniform(0.02, 0.045)
    shade = 0.7 + 0.5 * smooth(axis / width, 1, -1)
    picture = over(picture, green * shade, c.cover(axis.abs() - width) * c.cover(y - c.y))
    for side in (-1, 1):
        u, v = c.rotated(axis, c.y - y - c.uniform(0.35, 0.8), side * c.uniform(0.5, 1.1))
        u = u * side - 0.3
        leaf = (v / c.uniform(0.06, 0.13)).abs() - (1 - (u / 0.3) ** 2).clamp_min(0)
        vein = 0.75 + 0.4 * smooth(v, -0.02, 0.02)
        inside = c.cover(leaf * 0.1) * (u.abs() < 0.3)
        picture = over(picture, green * vein, inside * c.chance(0.6))
    return picture


def petals(
    c: Canvas,
    picture: Tensor,
    r: Tensor,
    angle: Tensor,
    reach: Tensor,
    count: Tensor,
    colours: tuple[Tensor, Tensor],
    form: tuple[Tensor, Tensor],
) -> Tensor:
    """One whorl: `count` petals of length `reach`; form = (pointedness, width) of each."""
    pointed, width = form
    turn = angle * count / 6.2832 + c.uniform()
    across = (turn - turn.round()).abs() * 2
    t = (r / reach).clamp(1e-3, 1.5)
    outline = width * (t.clamp_max(1) ** 0.6) * (1 - t.clamp_max(1) ** pointed).clamp_min(0) ** 0.5
    edge = (across - outline * 1.4) * r / count * 2
    alpha = c.cover(torch.maximum(edge, r - reach))
    shadow = c.cover(torch.maximum(edge - 0.03, r - reach - 0.04), 0.1)
    veins = torch.cos(across * 26.0) * 0.06 * smooth(t, 0.1, 0.5)
    body = over(colours[0], colours[1], smooth(t + veins, 0.1, 1.0))
    fold = 0.62 + 0.42 * smooth(across, 1.0, 0.0) + 0.12 * smooth(across, 0.16, 0.0) + veins
    tilt = 0.85 + 0.22 * torch.cos(angle + 2.0)
    return over(over(picture, picture * 0.45, shadow * 0.8), body * fold * tilt, alpha)


def heart(c: Canvas, picture: Tensor, r: Tensor, angle: Tensor, size: Tensor) -> Tensor:
    """The disc in the middle: florets in a sunflower's spiral, or stamens."""
    colour = hsv(c.uniform(0.05, 0.18), c.uniform(0.6, 1.0), c.uniform(0.5, 1.0))
    spirals = c.whole(8, 13)
    ring = torch.log(r + 0.02) * spirals * 0.8
    dots = torch.cos(angle * spirals + ring * 3) * torch.cos(angle * spirals - ring * 3)
    dome = 1.25 - 0.8 * (r / size).clamp(0, 1) ** 2
    disc = colour * dome * (0.75 + 0.35 * dots * smooth(r, 0.01, 0.06))
    return over(picture, disc * (1 + 0.2 * torch.cos(angle + 2)), c.cover(r - size, 0.01))


def bloom(c: Canvas, picture: Tensor, whorls: int, x: Tensor, y: Tensor, reach: Tensor) -> Tensor:
    """A flower of several whorls, each shorter and lying on the one before."""
    u, v = c.rotated(c.x - x, c.y - y, c.uniform(-0.5, 0.5))
    r, angle = c.polar(u, v / c.uniform(0.65, 1.0))
    r = r * (1 + 0.03 * c.fractal(4, rough=0.4))
    hue, spread = c.uniform(-0.32, 0.2), c.uniform(-0.12, 0.12)
    rich, bright = c.uniform(0.1, 0.95), c.uniform(0.75, 1.05)
    inner = hsv(hue + spread, (rich + c.uniform(-0.5, 0.3)).clamp(0, 1), bright * 0.95)
    count = c.whole(5, 13)
    form = (c.uniform(1.5, 6.0), c.uniform(0.6, 1.05))
    shrink = c.uniform(0.6, 0.82)
    for whorl in range(whorls):
        outer = hsv(hue + 0.02 * whorl, rich * (1 - 0.1 * whorl), bright * (1 - 0.05 * whorl))
        length = reach * shrink**whorl
        picture = petals(c, picture, r, angle, length, count, (inner, outer), form)
    return heart(c, picture, r, angle, reach * c.uniform(0.12, 0.32))


def single(c: Canvas) -> Tensor:
    """One flower, close."""
    x, y = c.uniform(-0.2, 0.2), c.uniform(-0.25, 0.15)
    picture = stem(c, background(c), x, y)
    return develop(bloom(c, picture, 2, x, y, c.uniform(0.5, 0.85)))


def double(c: Canvas) -> Tensor:
    """A full flower of many whorls: rose, lotus, dahlia."""
    x, y = c.uniform(-0.2, 0.2), c.uniform(-0.2, 0.2)
    return develop(bloom(c, background(c), 5, x, y, c.uniform(0.65, 1.0)))


def bunch(c: Canvas) -> Tensor:
    """Three flowers together."""
    picture = background(c)
    for place in range(3):
        x = c.uniform(-0.15, 0.15) + (-0.5, 0.5, 0.0)[place]
        y = c.uniform(-0.2, 0.2) + (-0.25, -0.1, 0.35)[place]
        picture = stem(c, picture, x, y)
        picture = bloom(c, picture, 2, x, y, c.uniform(0.32, 0.5))
    return develop(picture)
