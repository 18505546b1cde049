"""Life under the microscope: cells with nuclei, dividing; bacteria with flagella; diatoms."""

from __future__ import annotations

import torch
from torch import Tensor

from painter.canvas import Canvas, expose, hsv, over, smooth


def field(c: Canvas) -> tuple[Tensor, Tensor, Tensor]:
    """Background, and two dyes: dark and glowing, or pale as in transmitted light."""
    hue = c.uniform()
    dark = c.chance(0.65)
    value = dark * c.uniform(0.02, 0.12) + (1 - dark) * c.uniform(0.6, 0.9)
    haze = 1 + 0.22 * c.fractal(4, rough=0.5) - 0.25 * (c.x**2 + c.y**2)
    ground = hsv(hue, c.uniform(0.3, 0.9) * (0.35 + 0.65 * dark), value) * haze
    lift = 0.35 + 0.65 * dark
    body = hsv(hue + c.uniform(-0.2, 0.2), c.uniform(0.5, 0.95), c.uniform(0.5, 1.0) * lift)
    core = hsv(hue + c.uniform(0.25, 0.75), c.uniform(0.6, 1.0), c.uniform(0.7, 1.2) * lift)
    return ground, body, core


def scattered(c: Canvas, places: int, spread: float = 0.75) -> list[tuple[Tensor, Tensor]]:
    """`places` centres, spread like sunflower seeds and then shaken, so they seldom collide."""
    start, out = c.uniform(0, 6.28), []
    for index in range(places):
        r = spread * ((index + 0.5) / places) ** 0.5 * 1.15
        angle = start + 2.39996 * index
        x = r * angle.cos() + c.uniform(-0.13, 0.13)
        out.append((x, r * angle.sin() + c.uniform(-0.13, 0.13)))
    return out


def cells(c: Canvas) -> Tensor:
    """Round cells: membrane, granular plasma, nucleus; some caught dividing."""
    ground, body, core = field(c)
    shake = c.fractal(4, rough=0.45, channels=2) * c.uniform(0.01, 0.06)
    grain = c.fractal(16, rough=0.7)
    x, y = c.x + shake[:, :1], c.y + shake[:, 1:]
    picture, size = ground, c.uniform(0.2, 0.36)
    wall, places = c.uniform(0.02, 0.05), scattered(c, 7)
    for index, (px, py) in enumerate(places):
        radius = size * c.uniform(0.75, 1.15)
        u, v = c.rotated(x - px, y - py, c.uniform(0, 3.14))
        split = (c.uniform() < 0.3).float() * 0.5 * radius
        d = (((u.abs() - split).clamp_min(0) * 1.1) ** 2 + v**2).sqrt() - radius
        shown = c.cover(d) * (c.uniform() < 0.95 - 0.05 * index)
        depth = (-d / radius).clamp(0, 1)
        plasma = body * (0.35 + 0.35 * depth + 0.12 * grain)
        ring = torch.exp(-((d + wall) ** 2) / (0.5 * wall**2 + c.pixel**2))
        inside = over(ground, plasma, torch.tensor(0.82)) + body * ring * 0.75
        spot = ((u.abs() - 1.3 * split) ** 2 + (v - 0.1 * radius) ** 2).sqrt() - radius * 0.4
        nucleus = core * (0.75 + 0.35 * smooth(-spot, 0, 0.1) + 0.14 * grain)
        inside = over(inside, nucleus, c.cover(spot, 0.03))
        shine = torch.exp(-((u + 0.45 * radius) ** 2 + (v + 0.45 * radius) ** 2) / 0.004)
        picture = over(picture, inside + 0.35 * shine, shown)
    return expose(c.glow(picture, 0.3), 1.6)


def bacteria(c: Canvas) -> Tensor:
    """Rods, straight and bent, with flagella."""
    ground, body, core = field(c)
    grain = c.fractal(16, rough=0.65)
    picture, thick = ground, c.uniform(0.06, 0.13)
    heading, order = c.uniform(0, 6.28), c.uniform(0.1, 3.0)
    for px, py in scattered(c, 8, 0.85):
        u, v = c.rotated(c.x - px, c.y - py, heading + order * c.uniform(-1, 1))
        v = v - c.uniform(-0.9, 0.9) * u * u
        length = thick * c.uniform(1.2, 3.2)
        d = (((u.abs() - length).clamp_min(0)) ** 2 + v**2).sqrt() - thick
        wave = v - 0.03 * torch.sin(u * 26) * smooth(u, length, length + 0.1)
        tail = c.cover(wave.abs() - 0.006, 0.012) * (u > length) * (u < length + 0.45)
        picture = over(picture, body * 0.9, tail * 0.7)
        round_ = smooth(-d / thick, 0.0, 1.0)
        flesh = body * (0.4 + 0.75 * round_ + 0.1 * grain)
        spots = smooth(torch.cos(u * 22 + 9 * v) + 0.5 * grain, 0.6, 1.4) * round_
        flesh = over(flesh, core, spots * 0.8)
        halo = torch.exp(-d.clamp_min(0) / 0.035) * 0.35
        picture = over(picture + halo * body, flesh, c.cover(d))
    return expose(c.glow(picture, 0.3), 1.6)


def diatom(c: Canvas) -> Tensor:
    """One glass shell, radially or bilaterally ribbed, glowing in the dark."""
    ground, body, core = field(c)
    u, v = c.rotated(c.x - c.uniform(-0.1, 0.1), c.y - c.uniform(-0.1, 0.1), c.uniform(0, 3.14))
    r, angle = c.polar(u, v / c.uniform(0.4, 1.0))
    lobes, size = c.whole(3, 12), c.uniform(0.55, 0.85)
    edge = size * (1 + c.uniform(0.0, 0.12) * torch.cos(angle * lobes))
    d = r - edge
    ribs = torch.cos(angle * lobes * c.whole(1, 3))
    rings = torch.cos(r * c.uniform(22, 48))
    lattice = smooth(ribs * rings + c.uniform(-0.2, 0.4) * (ribs + rings), -0.3, 0.8)
    t = (r / edge).clamp(0, 1)
    glass = over(core, body, smooth(t, 0.1, 0.9)) * (0.2 + 0.85 * lattice) + 0.25 * body
    rim = torch.exp(-((d + 0.05) ** 2) / 0.0012) + torch.exp(-((t - 0.3) ** 2) / 0.002) * 0.6
    hub = torch.exp(-((t / 0.16) ** 2)) * 1.2
    glass = glass + rim * body * 1.3 + hub * core
    halo = torch.exp(-d.clamp_min(0) / 0.08) * 0.4
    return expose(c.glow(over(ground + halo * body, glass, c.cover(d)), 0.4), 1.5)
