"""What people build: naves of light, and cities on the skyline."""

from __future__ import annotations

import torch
from torch import Tensor

from painter.canvas import Canvas, expose, hsv, over, palette, smooth
from painter.sky import Sky, develop

STONE = palette(
    ("140e08", "8a6a40", "ffe8b0"),
    ("0c1018", "586880", "dcecff"),
    ("180c10", "8a5060", "ffd8c0"),
    ("0a120e", "5a7a68", "e8ffd8"),
    ("100a1a", "60508a", "f0d8ff"),
)


def glass(c: Canvas, x: Tensor, y: Tensor, hue: Tensor) -> Tensor:
    """A rose window of radius 1: coloured petals between dark tracery."""
    r, angle = c.polar(x, y)
    parts = c.whole(6, 12)
    turn = angle * parts / 6.2832
    across = (turn - turn.round()).abs() * 2
    ring = (r * 3).floor().clamp(0, 2)
    colour = hsv(
        hue + 0.3 * ring + 0.12 * torch.cos(angle * 2), c.uniform(0.55, 0.9), torch.ones(1)
    )
    lead = smooth(across - 0.5 * (ring % 2), 0.98, 0.8) * smooth((r * 3 % 1 - 0.5).abs(), 0.5, 0.36)
    petal = smooth(torch.cos(across * 3.1416) + 1.5 - r, -0.2, 0.6)
    return colour * (0.12 + 1.5 * lead * petal) * c.cover((r - 1) * 0.2, 0.02)


def nave(c: Canvas) -> Tensor:
    """Down the aisle: pointed arch within pointed arch to a window, its light on the floor."""
    dark, mid, bright = c.pick(STONE)
    x, y = c.x - c.uniform(-0.12, 0.12), c.y - c.uniform(-0.15, 0.15)
    wide = c.uniform(0.75, 1.1)
    up = (-y).clamp_min(0)
    # a pointed arch: two circles leaning on each other; below the spring line, straight walls
    arch = torch.where(y < 0, ((x.abs() / wide + 0.45) ** 2 + up**2 * 0.75).sqrt() - 0.45, 0 * y)
    arch = torch.maximum(arch, x.abs() / wide).clamp_min(1e-3)
    floor = (y / 0.62).clamp_min(0)
    depth = torch.maximum(arch, floor * 0.999)
    bay = torch.log(depth) * c.uniform(1.9, 3.0) + c.uniform()
    phase = bay - bay.floor()
    pillar = smooth(phase, 0.0, 0.12) * (1 - smooth(phase, 0.42, 0.62))
    far = torch.exp(-depth * c.uniform(1.6, 3.2))
    ribs = torch.cos(torch.atan2(y, x) * c.whole(8, 16)) * 0.12
    wall = over(dark, mid, 0.25 + 0.75 * pillar + ribs) * (0.25 + 1.6 * far)
    hue = c.uniform()
    stained = hsv(hue + 0.35 * c.fractal(16, 8, rough=0.5), c.uniform(0.3, 0.9), torch.ones(1))
    opening = smooth(phase, 0.6, 0.7) * (1 - smooth(phase, 0.9, 1.0)) * c.cover(y - 0.05, 0.05)
    wall = wall + stained * opening * c.uniform(0.2, 0.9) * smooth(up / arch, 1.05, 0.6)
    tiles = 0.8 + 0.25 * torch.cos(x / floor.clamp_min(0.05) * 9) * torch.sign(pillar - 0.5)
    ground = over(dark, mid, torch.tensor(0.6)) * tiles * (0.3 + 1.3 * far)
    path = torch.exp(-((x / (0.12 + 0.3 * floor)) ** 2)) * (0.25 + far)
    ground = ground + over(bright, stained, torch.tensor(0.4)) * path * 0.6
    picture = over(wall, ground, c.cover((arch - floor) * 0.3, 0.01))
    size = c.uniform(0.16, 0.32)
    rose = glass(c, x / size, (y + 0.12) / size, hue) * 1.3
    end = c.cover((arch - size * 1.05) * 0.5) * c.cover(y - size)
    picture = over(picture, over(dark, mid, torch.tensor(0.3)) + rose, end)
    shaft = torch.exp(-((x + 0.5 * (y + 0.3)) ** 2) / 0.05) * c.cover(-0.3 - y - 0.2 * x.abs(), 0.8)
    picture = picture + bright * (shaft * c.uniform(0, 0.25) + torch.exp(-depth / 0.25) * 0.35)
    return expose(c.glow(picture, 0.45), 1.5)


def towers(c: Canvas, height: Tensor, blocks: int, taper: Tensor) -> tuple[Tensor, Tensor]:
    """Distance above the roofs of a row of houses, and the windows' grid phase across."""
    crest = torch.full((1, 1, 1, 1), 1.5)
    across = torch.zeros(1, 1, 1, 1)
    for index in range(blocks):
        place = (index + 0.5) / blocks * 2.2 - 1.1 + c.uniform(-0.1, 0.1)
        half, roof = c.uniform(0.06, 0.2), height - c.uniform(0.1, 1.0) ** 2 * 0.8
        d = (c.x - place).abs()
        spire = roof - (half - d).clamp_min(0) * taper * c.chance(0.5)
        shape = torch.where(d < half, spire, 1.5)
        across = torch.where(shape < crest, (c.x - place) / half, across)
        crest = torch.minimum(crest, shape)
    return crest, across


def city(c: Canvas) -> Tensor:
    """Roofs, towers and spires against the sky, windows lit, a river below."""
    base = c.uniform(0.3, 0.75)
    sky = Sky(c, base)
    picture, taper = sky.picture, c.uniform(0.0, 5.0)
    warm = hsv(c.uniform(0.06, 0.16), c.uniform(0.3, 0.8), torch.ones(1))
    night = 1 - sky.lit.mean(1, keepdim=True) * c.uniform(0.4, 1.0)
    for layer in range(3):
        near = (layer + 1) / 3
        crest, across = towers(c, base - 0.35 + 0.3 * near, 8 - layer, taper)
        wall = over(sky.shadow * 0.8, sky.lit * 0.55, smooth(across, 1.0, -1.2) * 0.6)
        wall = over(wall, sky.low, torch.tensor((1 - near) * 0.75))
        rows = torch.cos((c.y - crest) * (70 - 26 * layer))
        panes = smooth(torch.cos(across * 9.42) * 0.8 + rows, 0.7, 1.3)
        panes = panes * smooth(c.fractal(32, rough=0.3), -0.4, 0.8) * (c.y > crest + 0.05)
        wall = wall + warm * panes * night.clamp(0, 1) * (0.5 + 0.6 * near)
        picture = over(picture, wall, c.cover(crest - c.y))
    depth = (c.y - base).clamp_min(0)
    ripple = c.fractal(32, 4, rough=0.6) * (0.01 + 0.08 * depth)
    river = c.sample(picture, c.x + 0.3 * ripple, base - depth + ripple) * 0.7
    picture = over(picture, over(river, sky.shadow, torch.tensor(0.2)), c.cover(base - c.y))
    return develop(c.glow(picture, 0.4))


def facade(c: Canvas) -> Tensor:
    """A west front: two towers, a gable, rose and portals, in the hour's light."""
    ground = c.uniform(0.65, 0.9)
    sky = Sky(c, ground)
    dark, mid, bright = c.pick(STONE)
    x, y = c.x - c.uniform(-0.08, 0.08), c.y
    side = x.abs()
    half, top = c.uniform(0.5, 0.72), c.uniform(-0.55, -0.2)
    tower = half * c.uniform(0.36, 0.46)
    middle = half - tower
    spire = c.uniform(0.5, 3.5) * (tower / 2 - (side - middle - tower / 2).abs()).clamp_min(0)
    gable = top + 0.35 - 0.9 * (middle - side).clamp_min(0)
    crest = torch.where(side < middle, gable, torch.where(side < half, top - spire, 1.5))
    grain = c.fractal(32, rough=0.6)
    lit = smooth(-x * torch.sign(sky.sun_x) * -1.2 + 0.25 * grain, -0.9, 0.9)
    wall = over(sky.shadow * 0.7, mid * sky.lit * 1.3, 0.25 + 0.7 * lit)
    bands = smooth(torch.cos((y - top) * 15.0), 0.75, 0.95) * 0.35
    strips = smooth(torch.cos((side - middle) / tower * 12.57), 0.5, 0.9) * 0.3
    wall = wall * (1.05 - bands) * (1.1 - strips) + 0.1 * bright * bands
    size = middle * c.uniform(0.55, 0.8)
    rose = c.cover((c.polar(x, y - top - 0.55)[0] - size) * 0.7)
    wall = over(wall, glass(c, x / size, (y - top - 0.55) / size, c.uniform()) * 1.1, rose)
    for centre, wide in ((0.0 * middle, middle * 0.42), (middle + tower / 2, tower * 0.3)):
        door = ((side - centre).abs() / wide) ** 1.6 + ((ground - y) / 0.34).clamp_min(0) ** 1.6 - 1
        rim = torch.exp(-(door**2) / 0.06)
        glow = dark * 0.3 + bright * c.uniform(0, 0.5) * smooth(door, 0.0, -1.0)
        wall = over(wall + bright * rim * 0.15, glow, c.cover(door * 0.12))
    picture = over(sky.picture, wall, c.cover(crest - y))
    square = over(sky.shadow, mid * sky.lit, 0.4 + 0.3 * smooth(c.fractal(32, 4), -1, 2))
    return develop(c.glow(over(picture, square, c.cover(ground - y, 0.01)), 0.3))
