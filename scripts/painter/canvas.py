"""A batch of square pictures in the making: coordinates, chance, noise, light.

Everything is ``F32[n, channels, height, width]``; numbers that differ from picture to picture are
``[n, 1, 1, 1]``. x runs right and y down, both in [-1, 1]. All chance comes from one seed and none
of it depends on the size, so that 64, 128 and 256 pixels show the same picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

FINEST = 256  # noise weights are normalised as if every octave down to this size were there


class Canvas:
    """`count` pictures of `size` × `size` (a power of two from 64 up), by the chance of `seed`.

    They are painted on torch's default device: ``with torch.device("cuda"): …``
    """

    def __init__(self, count: int, size: int, seed: int) -> None:
        self.count, self.size, self.seed = count, size, seed
        self.fields = 0  # of noise, so far: each has a seed of its own
        self.device = torch.empty(0).device
        self.generator = torch.Generator(self.device).manual_seed(seed)
        axis = (torch.arange(size) + 0.5) / size * 2 - 1
        self.x = axis.view(1, 1, 1, size)
        self.y = axis.view(1, 1, size, 1)
        self.pixel = 2 / size

    def uniform(self, low: float = 0.0, high: float = 1.0, channels: int = 1) -> Tensor:
        """[n, channels, 1, 1] in [low, high)."""
        return low + (high - low) * torch.rand(self.count, channels, 1, 1, generator=self.generator)

    def chance(self, probability: float) -> Tensor:
        """[n, 1, 1, 1] of 0 and 1."""
        return (self.uniform() < probability).float()

    def whole(self, low: int, high: int) -> Tensor:
        """[n, 1, 1, 1] of whole numbers low..high, both included."""
        return torch.floor(self.uniform(low, high + 1))

    def pick(self, table: Tensor, jitter: float = 0.06) -> list[Tensor]:
        """Mix two random rows of a palette table [rows, stops, 3]; stops as [n, 3, 1, 1].

        Mostly one row, so that palettes keep their character; `jitter` shifts each stop.
        """
        table = table.to(self.device)
        rows = torch.randint(len(table), (2, self.count), generator=self.generator)
        mix = self.uniform().view(-1, 1, 1) ** 3
        chosen = table[rows[0]] * (1 - mix) + table[rows[1]] * mix
        noise = torch.randn(chosen.shape, generator=self.generator)
        chosen = (chosen + jitter * noise * chosen.sqrt()).clamp(0, 1)
        return [stop.view(self.count, 3, 1, 1) for stop in chosen.unbind(1)]

    def fractal(
        self,
        rows: int,
        columns: int | None = None,
        rough: float | Tensor = 0.5,
        channels: int = 1,
    ) -> Tensor:
        """Fractal noise [n, channels, size, size], mean 0, deviation about 1.

        The coarsest octave is a lattice of rows × columns (powers of two); `rough` is the weight
        of each octave relative to the one before. Doubling with weights 3/4 and 1/4 converges to
        a quadratic B-spline: smooth, and an octave costs a quarter of the next.
        """
        size, columns = self.size, columns or rows
        seed = self._field_seed()
        rough = rough if isinstance(rough, Tensor) else torch.tensor(rough)
        octaves = int(math.log2(FINEST / max(rows, columns)))
        weight, power = torch.ones(()), torch.zeros(())
        field = torch.zeros(self.count, channels, rows, columns)
        for octave in range(octaves):
            power = power + weight**2
            if max(rows, columns) < size:
                source = torch.Generator(self.device).manual_seed(seed + octave)
                lattice = torch.rand(self.count, channels, rows, columns, generator=source)
                field = field + weight * (lattice - 0.5)
                rows, columns = min(2 * rows, size), min(2 * columns, size)
                field = F.interpolate(field, (rows, columns), mode="bilinear")
            weight = weight * rough
        if field.shape[-2:] != (size, size):
            field = F.interpolate(field, (size, size), mode="bilinear")
        return field * (5.0 / power.sqrt())

    def profile(self, columns: int, rough: float | Tensor = 0.5) -> Tensor:
        """One-dimensional fractal noise over x, [n, 1, 1, size], mean 0, deviation about 1."""
        seed = self._field_seed()
        rough = rough if isinstance(rough, Tensor) else torch.tensor(rough)
        weight, power = torch.ones(()), torch.zeros(())
        line = torch.zeros(self.count, 1, columns)
        for octave in range(int(math.log2(FINEST / columns))):
            power = power + weight**2
            if line.shape[-1] < self.size:
                source = torch.Generator(self.device).manual_seed(seed + octave)
                lattice = torch.rand(line.shape, generator=source)
                line = line + weight.view(-1, 1, 1) * (lattice - 0.5)
                line = F.interpolate(line, 2 * line.shape[-1], mode="linear")
            weight = weight * rough
        return line[:, :, None, :] * (4.5 / power.sqrt())

    def _field_seed(self) -> int:
        """A seed for the next field, with room for its octaves; drawn without asking a GPU."""
        self.fields += 1
        return (self.seed << 16) + (self.fields << 4)

    def polar(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Radius and angle of coordinates."""
        return (x * x + y * y).sqrt().clamp_min(1e-4), torch.atan2(y, x)

    def rotated(self, x: Tensor, y: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
        """Coordinates turned by `angle` radians."""
        cos, sin = angle.cos(), angle.sin()
        return x * cos + y * sin, y * cos - x * sin

    def cover(self, distance: Tensor, softness: float | Tensor = 0.0) -> Tensor:
        """How much of a pixel lies inside a shape: 1 where `distance` < 0, antialiased.

        `softness` widens the edge (units of x).
        """
        return (0.5 - distance / (1.4 * self.pixel + softness)).clamp(0, 1)

    def sample(self, field: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """`field` read at coordinates x, y (mirrored outside [-1, 1])."""
        shape = (self.count, 1, self.size, self.size)
        grid = torch.stack((x.expand(shape)[:, 0], y.expand(shape)[:, 0]), dim=-1)
        return F.grid_sample(field, grid, padding_mode="reflection", align_corners=False)

    def slope(self, field: Tensor, angle: Tensor) -> Tensor:
        """Derivative of `field` per unit of x towards `angle`."""
        padded = F.pad(field, (1, 1, 1, 1), mode="replicate")
        right = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
        down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
        return (right * angle.cos() + down * angle.sin()) / (2 * self.pixel)

    def glow(self, light: Tensor, strength: float | Tensor = 0.4) -> Tensor:
        """`light` with its bright parts bleeding, as in a lens."""
        shape = light.shape[-2:]
        bright = F.avg_pool2d((light - 0.6).clamp_min(0), self.size // 32)
        wide = F.avg_pool2d(bright, 4)
        near = F.interpolate(bright, shape, mode="bilinear")
        return light + strength * (0.6 * near + F.interpolate(wide, shape, mode="bilinear"))

    def stars(self, most: int = 120, brightest: float = 1.6) -> Tensor:
        """[n, 3, size, size] of points of light, few bright and many faint, warm to blue."""
        n, size = self.count, self.size
        place = torch.rand(n, most, 2, generator=self.generator) * size - 0.5
        chance = torch.rand(n, most, generator=self.generator)
        shown = torch.rand(n, most, generator=self.generator) < self.uniform(0.2, 1.0).view(n, 1)
        energy = shown * brightest * (0.02 + chance**6) * (size / 128) ** 1.3
        warmth = torch.rand(n, most, 1, generator=self.generator)
        tint = torch.lerp(torch.tensor([1.0, 0.8, 0.6]), torch.tensor([0.7, 0.85, 1.0]), warmth)
        corner = place.floor()
        part = place - corner
        sky = torch.zeros(n, 3, size * size)
        for right in (0, 1):
            for down in (0, 1):
                column = (corner[..., 0].long() + right).clamp(0, size - 1)
                row = (corner[..., 1].long() + down).clamp(0, size - 1)
                share = (1 - right - part[..., 0]).abs() * (1 - down - part[..., 1]).abs()
                value = (tint * (energy * share)[..., None]).transpose(1, 2)
                index = (row * size + column)[:, None].expand(-1, 3, -1)
                sky.scatter_add_(2, index, value)
        points = sky.view(n, 3, size, size)
        return points + 0.7 * F.avg_pool2d(points, 3, 1, 1)


def hsv(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Colour [n, 3, ...] of hue (turns), saturation and value, each [n, 1, ...]."""
    thirds = torch.tensor([0.0, 2 / 3, 1 / 3]).view(1, 3, 1, 1)
    ramp = ((hue + thirds) % 1.0 * 6 - 3).abs().sub(1).clamp(0, 1)
    return value * (1 - saturation * (1 - ramp))


def gradient(t: Tensor, stops: Sequence[Tensor]) -> Tensor:
    """Colour along evenly spaced `stops`, t in [0, 1]."""
    scaled = t.clamp(0, 1) * (len(stops) - 1)
    colour = stops[0]
    for index, stop in enumerate(stops[1:]):
        colour = colour + (scaled - index).clamp(0, 1) * (stop - stops[index])
    return colour


def smooth(t: Tensor, low: float | Tensor, high: float | Tensor) -> Tensor:
    """0 below `low`, 1 above `high`, a smooth step between."""
    t = ((t - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def over(below: Tensor, above: Tensor, alpha: Tensor) -> Tensor:
    """`above` painted over `below`."""
    return below + alpha * (above - below)


def expose(light: Tensor, gain: float | Tensor = 1.0) -> Tensor:
    """Light of any strength to a picture in [0, 1), highlights rolled off."""
    return 1 - torch.exp(-light.clamp_min(0) * gain)


def palette(*rows: Sequence[str]) -> Tensor:
    """[rows, stops, 3] of hexadecimal colours."""
    return torch.tensor(
        [[[int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)] for code in row] for row in rows]
    )
