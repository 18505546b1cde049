"""Nebulae and galaxies: where everything begins."""

from __future__ import annotations

import torch
from torch import Tensor

from painter.canvas import Canvas, expose, hsv, smooth


def clouds(c: Canvas) -> Tensor:
    """Glowing gas, folded by its own currents, with dark dust in front and stars all over."""
    drift = c.fractal(2, rough=0.45, channels=2)
    fold = c.uniform(0.05, 0.3)
    x, y = c.x + fold * drift[:, :1], c.y + fold * drift[:, 1:]
    gas = c.sample(c.fractal(4, rough=c.uniform(0.45, 0.68), channels=3), x, y)
    u, v = c.rotated(c.x - c.uniform(-0.4, 0.4), c.y - c.uniform(-0.4, 0.4), c.uniform(0, 3.14))
    reach = torch.exp(-((u / c.uniform(0.5, 1.3)) ** 2) - (v / c.uniform(0.3, 0.9)) ** 2)
    hue, turn = c.uniform(), c.uniform(0.08, 0.45)
    light = hsv(hue, c.uniform(0.5, 0.9), c.uniform(0.02, 0.09))
    for index in range(3):
        colour = hsv(hue + turn * index, c.uniform(0.45, 0.95), torch.ones(1))
        strength = torch.exp(c.uniform(0.7, 1.3) * gas[:, index : index + 1] - 0.6)
        light = light + colour * strength * reach * c.uniform(0.15, 0.75)
    veil = 1 - gas[:, :1].mul(gas[:, 1:2]).abs().sqrt()
    dust = smooth(veil + 0.4 * drift[:, :1], 0.1, 1.1) * c.uniform(0.2, 0.95)
    core = torch.exp(-(u * u + v * v) / c.uniform(0.01, 0.08)) * c.uniform(0.0, 1.6)
    light = light * (1 - 0.9 * dust) + core * hsv(hue + turn, c.uniform(0.1, 0.5), torch.ones(1))
    return expose(c.glow(light * 1.5 + c.stars() * (1 - 0.6 * dust), 0.5))


def galaxy(c: Canvas) -> Tensor:
    """A spiral seen from any side: warm core, blue arms, dust lanes and red knots."""
    u, v = c.rotated(c.x - c.uniform(-0.2, 0.2), c.y - c.uniform(-0.2, 0.2), c.uniform(0, 3.14))
    rough = c.fractal(8, rough=0.62, channels=2)
    v = v / c.uniform(0.22, 1.0)
    r, angle = c.polar(u + 0.02 * rough[:, :1], v + 0.02 * rough[:, 1:])
    wound = angle + c.uniform(1.8, 4.5) * c.chance(0.5).mul(2).sub(1) * torch.log(r)
    arms, phase = torch.where(c.chance(0.75) > 0, 2.0, c.whole(3, 4)), c.uniform(0, 6.28)
    wave = torch.cos(arms * wound + phase)
    size = c.uniform(0.2, 0.38)
    disc = torch.exp(-r / size) * smooth(r, 0.02, 0.25)
    arm = torch.exp(c.uniform(1.0, 2.6) * (wave - 1)) + c.uniform(0.05, 0.25)
    blue = hsv(c.uniform(0.5, 0.72), c.uniform(0.3, 0.75), torch.ones(1))
    warm = hsv(c.uniform(0.03, 0.14), c.uniform(0.3, 0.7), torch.ones(1))
    light = blue * disc * arm * (2.6 + 1.2 * rough[:, :1]).clamp_min(0.1)
    knots = smooth(rough[:, 1:] + 0.8 * wave, 1.3, 2.2) * disc
    light = light + knots * hsv(c.uniform(0.88, 1.0), torch.full((1,), 0.6), torch.ones(1)) * 2.5
    lane = smooth(torch.cos(arms * wound + phase + 1.1) + 0.4 * rough[:, :1], 0.5, 1.3)
    light = light * (1 - c.uniform(0.3, 0.85) * lane)
    core = torch.exp(-r / c.uniform(0.05, 0.12)) * c.uniform(1.5, 4.0)
    sky = hsv(c.uniform(0.55, 0.8), c.uniform(0.3, 0.8), c.uniform(0.01, 0.06))
    return expose(c.glow(sky + light + warm * core + c.stars(100, 1.2), 0.35))
