"""The bundled model: a small network over pixel coordinates, its weights drawn from one seed.

It needs no training and no download, and z plays it like any GAN. The way of a picture:

1. *style*: z → 64 numbers of about unit variance (a random map and one sine layer);
2. *place*: style turns, zooms and shifts the coordinates;
3. *petals*: more or less of them is replaced by a flower's coordinates (3 to 6 petals);
4. *warp*: five octaves of sines, each bending the plane that the next one sees: folds, smoke;
5. *network*: three layers of sines, modulated by style, give eight smooth fields;
6. *shade*: at full size the fields become a lit, iridescent surface in a few related hues.

Steps 2 to 5 run at half the size, and a cubic spline brings the fields up, because the fields are
smooth and only the shading makes edges: a quarter of the sines, and no facets in the light.
Pictures are defined on the plane, not on pixels: a larger size shows the same picture, finer.
This module knows no device and no files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from instrument.decoder.compiled import CompiledPaint, package_of, with_compiled
from instrument.decoder.forms import FULL, Form
from instrument.decoder.models import ModelManifest, ProceduralDetails
from instrument.decoder.network import NetworkDecoder, choose_device
from instrument.decoder.procedural_grid import coordinates, half, spline
from instrument.decoder.protocol import Precision
from instrument.decoder.tuned import TunedDecoder, in_forms

_STYLE = 64
_WIDTH, _FIELDS, _OCTAVES, _WAVES = 32, 8, 5, 6
_FEATURES = 10 + _WAVES
_COLOURS = 9
_TURN = 2 * math.pi
# Green looks brighter and shriller than red and blue of the same value.
_GAIN = (1.06, 0.84, 1.1)
# A thin film shows red, green and blue their fringes at different thicknesses.
_FILM = (2.2, 2.65, 3.1)


class ProceduralNetwork(nn.Module):
    """z ``[n, d]`` → pictures ``[n, 3, h, w]`` in [0, 1]."""

    to_style: Tensor
    style_sine: Tensor
    place: Tensor
    warp: Tensor
    warp_phase: Tensor
    wave: Tensor
    fold_in: Tensor
    bias_in: Tensor
    fold_on: Tensor
    bias_on: Tensor
    fold_out: Tensor
    style_in: Tensor
    style_on: Tensor
    style_out: Tensor
    petals: Tensor
    petal_count: Tensor
    petal_share: Tensor
    colour: Tensor
    x: Tensor
    y: Tensor
    up_y: Tensor
    up_x: Tensor
    vignette: Tensor

    def __init__(self, dims: int, size: tuple[int, int], seed: int) -> None:
        super().__init__()
        self.paint: Callable[[Tensor, Tensor | None], Tensor] = self._paint
        self._draw_weights(dims, torch.Generator().manual_seed(seed))
        self._lay_out_grid(*size)

    def _draw_weights(self, dims: int, generator: torch.Generator) -> None:
        """All weights, from `generator` alone and in this order: the order is part of the seed."""

        def draw(name: str, *shape: int, scale: float) -> None:
            self.register_buffer(name, torch.randn(*shape, generator=generator) * scale)

        by_style = 1 / math.sqrt(_STYLE)  # unit variance out of unit variance in
        draw("to_style", dims, _STYLE, scale=1 / math.sqrt(dims))
        draw("style_sine", _STYLE, _STYLE, scale=by_style)
        draw("place", _STYLE, 4, scale=by_style)
        # Folds amplify: what bends the plane first moves all that follows. So style pulls
        # gently here, else one degree of z would already be another picture.
        draw("warp", _STYLE, 4 * _OCTAVES, scale=0.45 * by_style)
        draw("warp_phase", 4 * _OCTAVES, scale=2.0)
        draw("wave", _WAVES, 2, scale=2.2)
        draw("fold_in", _WIDTH, _FEATURES, scale=1.1 / math.sqrt(_FEATURES))
        draw("bias_in", _WIDTH, scale=1.0)
        draw("fold_on", _WIDTH, _WIDTH, scale=1.3 / math.sqrt(_WIDTH))
        draw("bias_on", _WIDTH, scale=1.0)
        draw("fold_out", _FIELDS, _WIDTH, scale=1.4 / math.sqrt(_WIDTH))
        draw("style_in", _STYLE, 2 * _WIDTH, scale=by_style)
        draw("style_on", _STYLE, 2 * _WIDTH, scale=by_style)
        draw("style_out", _STYLE, _FIELDS * _WIDTH, scale=0.75 * by_style / math.sqrt(_WIDTH))
        draw("petals", _STYLE, 4, scale=by_style)
        draw("petal_count", _STYLE, 4, scale=by_style)
        draw("petal_share", _STYLE, 1, scale=by_style)
        draw("colour", _STYLE, _COLOURS, scale=by_style)

    def _lay_out_grid(self, height: int, width: int) -> None:
        """Coordinates of the half-size grid, the way up from it, and the vignette."""
        self.size = (height, width)
        self.coarse = (half(height), half(width))
        y, x = coordinates(self.size, self.coarse)
        self.register_buffer("x", x.reshape(1, -1))
        self.register_buffer("y", y.reshape(1, -1))
        self.register_buffer("up_y", spline(height, self.coarse[0]))
        self.register_buffer("up_x", spline(width, self.coarse[1]).T.contiguous())
        y, x = coordinates(self.size, self.size)
        self.register_buffer("vignette", 1.15 * (x * x + y * y))

    def forward(self, z: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        """Pictures of z; ``/model/truncation`` draws the style towards the middle picture."""
        return self.paint(z, parameters.get("/model/truncation"))

    def _paint(self, z: Tensor, psi: Tensor | None) -> Tensor:
        style = z @ self.to_style
        style = (style + 0.5 * torch.sin(1.2 * style @ self.style_sine)) / 1.06
        if psi is not None:
            style = style * psi[:, None]
        return self._shade(self._fields(style), style @ self.colour)

    def _fields(self, style: Tensor) -> Tensor:
        """The smooth fields ``[n, 8, h, w]``."""
        x, y = self._placed(style)
        phase = style @ self.warp + self.warp_phase
        warped_x, warped_y = _warped(*self._petalled(x, y, style), phase)
        features = self._features(x, y, warped_x, warped_y, style, phase)
        folds = _layer(features, self.fold_in, self.bias_in, style @ self.style_in)
        folds = _layer(folds, self.fold_on, self.bias_on, style @ self.style_on) + folds
        out = self.fold_out + (style @ self.style_out).view(-1, _FIELDS, _WIDTH)
        fields = torch.bmm(out, folds)
        # Balanced within each picture, so that no z is all dark, all one hue or without relief.
        variance, mean = torch.var_mean(fields, dim=2, keepdim=True)
        fields = (fields - 0.8 * mean) * torch.rsqrt(0.4 * variance + 0.5)
        fields = fields.view(-1, _FIELDS, *self.coarse)
        return self.up_y @ fields @ self.up_x

    def _placed(self, style: Tensor) -> tuple[Tensor, Tensor]:
        """Coordinates ``[n, pixels]``, shifted, turned and zoomed."""
        turn, zoom, right, down = (style @ self.place).chunk(4, dim=1)
        scale = torch.exp(0.18 * zoom)
        cos, sin = torch.cos(0.6 * turn) * scale, torch.sin(0.6 * turn) * scale
        x, y = self.x - 0.25 * torch.tanh(right), self.y - 0.25 * torch.tanh(down)
        return cos * x - sin * y, sin * x + cos * y

    def _petalled(self, x: Tensor, y: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """Between the plane and a flower whose petals mirror each other.

        cos(k·angle) comes from powers of the direction x + iy: no atan2, no seam, and the
        direction is softened in the middle so that nothing is torn there.
        """
        soft = torch.rsqrt(x * x + y * y + 0.03)
        a, b = x * soft, y * soft
        a2, b2 = a * a - b * b, 2 * a * b
        a3, b3 = a2 * a - b2 * b, a2 * b + b2 * a
        rings = (a3, a2 * a3 - b2 * b3, a2 * a2 - b2 * b2, a3 * a3 - b3 * b3)  # 3, 5, 4, 6
        count = torch.softmax(2.5 * (style @ self.petal_count), dim=-1)
        ring = sum((count[:, i : i + 1] * ring for i, ring in enumerate(rings)), start=0 * a)
        share = 0.9 * torch.sigmoid(2.2 * (style @ self.petal_share) - 0.4)
        radius = 1 / soft
        return torch.lerp(x, radius * ring, share), torch.lerp(y, 1.5 * radius - 0.6, share)

    def _features(
        self, x: Tensor, y: Tensor, warped_x: Tensor, warped_y: Tensor, style: Tensor, phase: Tensor
    ) -> Tensor:
        """What the network sees of every pixel: ``[n, features, pixels]``."""
        mean_x, mean_y = 0.5 * (x + warped_x), 0.5 * (y + warped_y)
        soft = torch.rsqrt(mean_x * mean_x + mean_y * mean_y + 0.12)
        a, b = mean_x * soft, mean_y * soft
        a2, b2 = a * a - b * b, 2 * a * b
        a3, b3 = a2 * a - b2 * b, a2 * b + b2 * a
        p2, q2, p3, p5 = torch.tanh(style @ self.petals).chunk(4, dim=1)
        square = x * x + y * y
        waves = [
            torch.sin(u * warped_x + v * warped_y + phase[:, i : i + 1])
            for i, (u, v) in enumerate(self.wave)
        ]
        return torch.stack(
            [
                warped_x, warped_y, x, y, torch.sqrt(square + 0.01), 2 * torch.exp(-1.6 * square),
                p2 * a2, q2 * b2, 1.3 * p3 * a3, p5 * (a2 * a3 - b2 * b3), *waves,
            ],
            dim=1,
        )  # fmt: skip

    def _shade(self, fields: Tensor, colour: Tensor) -> Tensor:
        """Pictures ``[n, 3, h, w]`` of the fields; `colour` ``[n, 9]`` chooses hues and light."""
        field = fields.unbind(1)
        wave, light, side, hue, spread, accent_hue, thickness, saturation, partner = colour.view(
            -1, _COLOURS, 1, 1
        ).unbind(1)
        fold = field[0] + 0.5 * torch.sin(2.6 * field[1] + wave)
        lit, rim, gloss = _light(fold, 0.8 * light, min(self.size))
        tone = torch.sigmoid(3.0 * field[2] + 0.4 * fold + 0.1 - self.vignette)
        tone = tone * (0.35 + 0.65 * tone)
        second = torch.sigmoid(2.4 * field[3] + 0.8 * side)
        accent = torch.sigmoid(3.2 * field[6] - 2.6) * (0.3 + lit) * 0.9
        turn = _TURN * (0.1 * torch.sin(1.5 * field[4]) + 0.34 * hue)
        apart = 0.27 + 0.15 * torch.sin(1.3 * spread) + 0.03 * torch.sin(partner)
        second_turn = turn + _TURN * (apart + 0.06 * fold)
        accent_turn = _TURN * (0.34 * hue + 0.5 + 0.1 * accent_hue)
        film = 1.3 * field[5] + 1.1 * fold + 0.6 * thickness
        saturated = 0.31 + 0.15 * torch.sin(saturation)
        body = (0.0375 + 1.875 * lit * lit) * tone
        gloss = gloss * (0.3 + 0.7 * tone) * 0.7
        rim = rim * (0.15 + 0.85 * tone) * 0.9
        bands = []
        for band in range(3):
            shift = -band * _TURN / 3
            first = torch.cos(turn + shift)
            hues = torch.lerp(first, torch.cos(second_turn + shift), second)
            base = (0.5 + saturated * hues) * _GAIN[band]
            fringe = 0.5 + 0.5 * torch.cos(film * _FILM[band])
            spot = (0.5 + 0.5 * torch.cos(accent_turn + shift)).square()
            glow = base * base * body + fringe * rim * (0.25 + 0.75 * base)
            bands.append(glow + gloss * (0.25 + 0.75 * fringe) + accent * spot)
        # As film does: bright light saturates softly instead of clipping.
        return 1 - torch.exp(-3.1 * (torch.stack(bands, dim=1) + 0.006))


def _warped(x: Tensor, y: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
    """Bend the plane by `_OCTAVES` sines, each seeing what the ones before have bent."""
    frequency = 1.2
    for octave in range(_OCTAVES):
        swing, right, down, _ = phase[:, 4 * octave : 4 * octave + 4].chunk(4, dim=1)
        reach = (0.75 + 0.25 * torch.sin(swing)) * (0.5 / frequency)
        rate = 1.9 * frequency
        x = x + reach * torch.sin(rate * (y + 0.35 * x) + right)
        y = y + reach * torch.sin(rate * (x - 0.35 * y) + down)
        frequency *= 1.5
    return x, y


def _layer(features: Tensor, weight: Tensor, bias: Tensor, style: Tensor) -> Tensor:
    """sin(gain · (W x + b) + offset) with gain and offset by style.

    The gain goes into each picture's own weights, so it costs nothing per pixel.
    """
    gain, offset = 1 + 0.3 * style[:, :_WIDTH], 0.5 * style[:, _WIDTH:]
    own = weight * gain[:, :, None]
    return torch.baddbmm((bias * gain + offset)[:, :, None], own, features).sin_()


def _light(height: Tensor, angle: Tensor, short_side: int) -> tuple[Tensor, Tensor, Tensor]:
    """How the surface `height` is lit from `angle`: diffuse, steepness, gloss, each in [0, 1.4]."""
    steep = short_side / 32
    right, down = torch.empty_like(height), torch.empty_like(height)
    torch.sub(height[:, :, 2:], height[:, :, :-2], out=right[:, :, 1:-1])
    right[:, :, 0], right[:, :, -1] = right[:, :, 1], right[:, :, -2]
    torch.sub(height[:, 2:], height[:, :-2], out=down[:, 1:-1])
    down[:, 0], down[:, -1] = down[:, 1], down[:, -2]
    right, down = right.mul_(steep), down.mul_(steep)
    upright = torch.rsqrt(right * right + down * down + 1)
    slope = torch.cos(angle) * right + torch.sin(angle) * down
    lit = (0.78 - 0.55 * slope).mul_(upright).clamp_(min=0)
    return lit, 1 - upright, lit.square().square_().square_().square_()


def open_model(
    manifest: ModelManifest, device: str, threads: int, precision: Precision = "full"
) -> NetworkDecoder | TunedDecoder:
    """The procedural model of `manifest` on `device`. Raises InstrumentError on the device."""
    details = manifest.details
    assert isinstance(details, ProceduralDetails)
    chosen = choose_device(device, threads)

    def opened(form: Form) -> NetworkDecoder:
        network = ProceduralNetwork(manifest.latent.size, manifest.size, details.seed)
        if form.compiled and precision != "source":
            network.paint = CompiledPaint(package_of(manifest.spec), network)
        return NetworkDecoder(manifest.spec, network, chosen)

    found, warmup = with_compiled(manifest, chosen, precision, [FULL])
    return in_forms(manifest.spec, found, opened, chosen, threads, warmup)
