"""Planets: gas giants, worlds with seas, bare moons; lit from one side, some with rings."""

from __future__ import annotations

import torch
from torch import Tensor

from painter.canvas import Canvas, expose, gradient, hsv, over, palette, smooth

GAS = palette(
    ("3b2416", "c98b52", "f1dfc0", "8e4b2a", "e8c48e"),
    ("12223f", "3f77b5", "cfe6f2", "2a4f8f", "8fc3e0"),
    ("2b1230", "8a3f7a", "f0b8c8", "5b2a6b", "d98ab0"),
    ("13302a", "3f9a86", "d8f2d8", "246a5e", "9fd8b8"),
    ("3a1408", "c4471d", "f7b267", "7a2410", "f4e0b0"),
)
LAND = palette(
    ("061a3a", "0f4c81", "2f6b3a", "a58f5a", "f4f4f0"),
    ("1a0f08", "5a2a14", "9a4f28", "c98a58", "ead0b0"),
    ("0a2a2a", "117a75", "6a8f3a", "d8c98a", "ffffff"),
    ("101014", "34343c", "6a6a70", "9a9a9c", "d8d8d4"),
    ("1a0508", "6a0f10", "2a1414", "ff7a20", "ffe08a"),
)


class Globe:
    """A lit sphere's geometry: where it is, which way it turns, what falls on it."""

    def __init__(self, c: Canvas, ringed: bool) -> None:
        self.radius = c.uniform(0.26, 0.46) if ringed else c.uniform(0.32, 0.85)
        spread = 0.18 if ringed else 0.35
        x = (c.x - c.uniform(-spread, spread)) / self.radius
        y = (c.y - c.uniform(-spread, spread)) / self.radius
        self.x, self.y = c.rotated(x, y, c.uniform(-0.6, 0.6))
        self.r = (self.x**2 + self.y**2).sqrt()
        self.z = (1 - self.r**2).clamp_min(1e-4).sqrt()
        self.disc = c.cover((self.r - 1) * self.radius)
        angle, height = c.uniform(0, 6.28), c.uniform(-0.3, 0.85)
        flat = (1 - height**2).sqrt()
        self.light_x, self.light_y = flat * angle.cos(), flat * angle.sin()
        facing = self.x * self.light_x + self.y * self.light_y
        self.facing = facing + self.z * height
        self.outward = facing / self.r.clamp_min(0.2) + 0.5 * height
        self.longitude = torch.atan2(self.x, self.z) / 3.1416 + c.uniform(-0.5, 0.5)
        self.latitude = torch.asin(self.y.clamp(-1, 1)) / 1.5708


def space(c: Canvas) -> Tensor:
    """A dark, faintly coloured sky with stars."""
    haze = torch.exp(0.8 * c.fractal(2, rough=0.5)) * c.uniform(0.0, 0.22) ** 2
    return hsv(c.uniform(), c.uniform(0.4, 0.9), torch.ones(1)) * haze + c.stars(90, 1.2)


def shade(c: Canvas, globe: Globe, surface: Tensor, sky: Tensor) -> Tensor:
    """`surface` on the globe under its sun, with air at the rim, in front of `sky`."""
    day = smooth(globe.facing, -0.08, c.uniform(0.35, 0.9))
    air = hsv(c.uniform(0.45, 0.7), c.uniform(0.3, 0.8), torch.ones(1)) * c.uniform(0.1, 1.0)
    rim = (1 - globe.z) ** 3 * smooth(globe.facing, -0.3, 0.5)
    lit = surface * (0.015 + 1.25 * day) + air * rim * 0.9
    halo = torch.exp(-(globe.r - 1).clamp_min(0) * globe.radius / c.uniform(0.02, 0.07))
    sky = sky + air * halo * smooth(globe.outward, -0.4, 1.1) * 0.8
    return over(sky, lit, globe.disc)


def banded(c: Canvas, globe: Globe) -> Tensor:
    """Belts along the latitude, sheared by storms."""
    eddies = c.sample(c.fractal(4, 4, rough=0.6), globe.longitude, globe.latitude)
    height = globe.latitude + c.uniform(0.01, 0.07) * eddies
    belts = c.sample(c.fractal(8, 1, rough=0.6), globe.longitude * 0.1, height)
    colour = gradient(0.5 + 0.27 * belts + 0.05 * eddies, c.pick(GAS))
    x = (globe.longitude - c.uniform(-0.4, 0.4)) / 0.16
    y = (globe.latitude - c.uniform(-0.5, 0.5)) / 0.1
    storm = torch.exp(-(x * x + y * y)) * c.chance(0.4)
    return over(colour, c.pick(GAS)[2], 0.8 * storm)


def worlds(c: Canvas, globe: Globe) -> Tensor:
    """Sea, land, ice and cloud by height; with another palette deserts, moons, lava."""
    height = c.sample(
        c.fractal(4, 4, rough=c.uniform(0.5, 0.68)), globe.longitude, globe.latitude * 0.7
    )
    level = 0.45 + 0.22 * height + c.uniform(-0.12, 0.12)
    level = level + 0.16 * smooth(level, 0.48, 0.53)
    colour = gradient(level, c.pick(LAND, 0.04))
    cap = smooth(globe.latitude.abs() + 0.06 * height, c.uniform(0.7, 1.0), 1.05)
    cloud = c.sample(c.fractal(8, 4, rough=0.6), globe.longitude, globe.latitude)
    cover = torch.maximum(smooth(cloud, c.uniform(0.2, 2.2), 2.4), cap) * 0.9
    return over(colour, torch.full((1, 3, 1, 1), 0.95), cover * c.chance(0.7))


def giant(c: Canvas) -> Tensor:
    """A gas giant."""
    globe = Globe(c, ringed=False)
    return expose(shade(c, globe, banded(c, globe), space(c)), 1.5)


def world(c: Canvas) -> Tensor:
    """A solid world."""
    globe = Globe(c, ringed=False)
    return expose(shade(c, globe, worlds(c, globe), space(c)), 1.5)


def ringed(c: Canvas) -> Tensor:
    """A gas giant with rings, which pass behind it, before it, and through its shadow."""
    globe = Globe(c, ringed=True)
    picture = shade(c, globe, banded(c, globe), space(c))
    tilt = c.uniform(0.12, 0.5) * c.chance(0.5).mul(2).sub(1)
    r = (globe.x**2 + (globe.y / tilt) ** 2).sqrt()
    inner, outer = c.uniform(1.25, 1.45), c.uniform(1.8, 2.3)
    grooves = c.sample(c.fractal(1, 16, rough=0.7), (r - 1.7), torch.zeros(1, 1, 1, 1))
    soft = 0.06 + 1.5 * c.pixel / globe.radius
    band = smooth(r, inner, inner + soft) * (1 - smooth(r, outer - soft, outer))
    alpha = band * (0.62 + 0.3 * grooves).clamp(0.08, 0.95)
    behind = globe.disc * ((globe.y / tilt) < 0)
    shadow = smooth(-(globe.x * globe.light_x + globe.y * globe.light_y), 0.2, 0.6)
    shadow = shadow * (1 - smooth(globe.x.abs() * 0.3 + (globe.y / tilt).abs() * 0.3, 0.3, 0.6))
    colour = c.pick(GAS)[2] * (1.0 - 0.8 * shadow) + 0.1 * grooves
    return expose(over(picture, colour.clamp(0, 1.2), alpha * (1 - behind)), 1.5)
