"""StyleGAN3, T and R: z → w → picture without aliasing (Karras et al. 2021).

Tensors are named as in NVIDIA's PyTorch code (``mapping.fc0.weight``, ``synthesis.input.freqs``,
``synthesis.L4_52_1024.affine.bias``, ``synthesis.L4_52_1024.magnitude_ema`` …) but for filters,
which come from the settings, and the user's transform, which is an argument. Shapes: n pictures,
c channels, maps of h × w.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from instrument.decoder import filters
from instrument.decoder.architectures import StyleGAN3Settings
from instrument.decoder.mapping import Dense, MappedGenerator
from instrument.decoder.modulated import clamped, demodulation, folded, folding_pays, scaled
from instrument.decoder.stylegan3_table import LayerPlan, Signal, layer_plans

_CHANNELS = 16  # that a processor takes through the filters at once
_AT_ONCE = 1 << 27  # numbers that a graphics card takes through them at once


class FourierInput(nn.Module):
    """Sine waves in all directions, which w moves and turns, and the user after that."""

    def __init__(self, signal: Signal, w_dim: int) -> None:
        super().__init__()
        self.signal = signal
        channels = signal.channels
        self.affine = Dense(w_dim, 4)
        self.weight = nn.Parameter(torch.zeros(channels, channels))
        self.freqs = nn.Buffer(torch.zeros(channels, 2))
        self.phases = nn.Buffer(torch.zeros(channels))

    def forward(self, w: Tensor, transform: Tensor | None) -> Tensor:
        """w [n, w_dim], transform [3, 3] or [n, 3, 3] → float32 [n, channels, size, size].

        All in single precision: a phase in half precision would move the picture in steps.
        """
        placed = self._placement(w, transform)  # [n, 3, 3]
        freqs, phases = self.freqs.float(), self.phases.float()
        phases = phases + (freqs @ placed[:, :2, 2:]).squeeze(-1)  # [n, channels]
        freqs = freqs @ placed[:, :2, :2]  # [n, channels, 2]
        band, nyquist = self.signal.cutoff, self.signal.rate / 2
        loud = 1 - (freqs.norm(dim=-1) - band) / (nyquist - band)  # fades out what would alias
        size = self.signal.size
        at = (torch.arange(size, device=w.device) - (size - 1) / 2) / self.signal.rate
        waves = (
            freqs[:, None, None, :, 0] * at[:, None]
            + freqs[:, None, None, :, 1] * at[:, None, None]
        )
        waves = torch.sin(2 * math.pi * (waves + phases[:, None, None]))  # [n, h, w, channels]
        waves = waves * loud.clamp(0, 1)[:, None, None]
        weight = self.weight.float() / math.sqrt(self.weight.shape[1])
        return F.linear(waves, weight).permute(0, 3, 1, 2)

    def _placement(self, w: Tensor, transform: Tensor | None) -> Tensor:
        """Where in the plane of waves the picture lies: rotation · translation · transform."""
        turn = self.affine(w).float()  # [n, 4]: cosine, sine, x, y
        cosine, sine, x, y = (turn / turn[:, :2].norm(dim=1, keepdim=True)).unbind(1)
        none, one = torch.zeros_like(x), torch.ones_like(x)
        rotation = torch.stack((cosine, -sine, none, sine, cosine, none, none, none, one), dim=1)
        shift = torch.stack((one, none, -x, none, one, -y, none, none, one), dim=1)
        placed = rotation.view(-1, 3, 3) @ shift.view(-1, 3, 3)
        return placed if transform is None else placed @ transform.to(placed)


class FilteredLayer(nn.Module):
    """Modulated convolution → bias → up → leaky ReLU → down; to colours without the last three."""

    def __init__(self, plan: LayerPlan, settings: StyleGAN3Settings) -> None:
        super().__init__()
        self.plan, self.clamp = plan, settings.conv_clamp
        self.folds = False  # scales the weights and not the maps, where that pays
        source, target = plan.source, plan.target
        self.affine = Dense(settings.w_dim, source.channels)
        self.weight = nn.Parameter(
            torch.zeros(target.channels, source.channels, plan.kernel, plan.kernel)
        )
        self.bias = nn.Parameter(torch.zeros(target.channels))
        self.magnitude_ema = nn.Buffer(torch.ones(()))
        self.up_filter = nn.Buffer(_designed(plan.up_taps, source, plan.rate), persistent=False)
        self.down_filter = nn.Buffer(
            _designed(plan.down_taps, target, plan.rate, radial=plan.radial), persistent=False
        )

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x [n, source.channels, s, s], w [n, w_dim] → [n, target.channels, t, t]."""
        plan, x = self.plan, x.to(self.weight.dtype)
        loudness = torch.rsqrt(self.magnitude_ema.float())  # of the input, as training measured it
        if plan.colours:
            x = scaled(x, self.affine(w) * (loudness / math.sqrt(x.shape[1])))
            return clamped(F.conv2d(x, self.weight, self.bias.to(x.dtype)), self.clamp)
        before, after = demodulation(self.weight, self.affine(w))
        after, bias = after * loudness, self.bias.to(x.dtype)[:, None, None]
        if self.folds and folding_pays(x, self.weight):
            x = folded(x, self.weight, before, after, padding=plan.kernel - 1).add_(bias)
        else:
            x = F.conv2d(scaled(x, before), self.weight, padding=plan.kernel - 1)
            x = torch.addcmul(bias, x, after.to(x.dtype)[:, :, None, None])
        # At the high rate all channels at once would take gigabytes, and leave the caches of a
        # processor: a few at a time take it half the time. They come out the same.
        count = _CHANNELS
        if x.device.type != "cpu":
            count = max(count, _AT_ONCE // (len(x) * plan.high_size**2))
        return torch.cat([self._rectified(part) for part in torch.split(x, count, dim=1)], dim=1)

    def _rectified(self, x: Tensor) -> Tensor:
        """A leaky ReLU at the high rate: [n, c, h, w] → [n, c, target.size, target.size]."""
        plan = self.plan
        # The gains of the inserted zeros (up²) and of the ReLU (√2), shared by rows and columns.
        taps = self.up_filter * (plan.up * 2**0.25)
        x = filters.stretch(x, taps, plan.up, *plan.padding)
        x = clamped(F.leaky_relu_(x, 0.2), self.clamp)
        return filters.shrink(x, self.down_filter, plan.down)


class Synthesis(nn.Module):
    """w for the input and for every layer → picture."""

    def __init__(self, settings: StyleGAN3Settings) -> None:
        super().__init__()
        self.settings = settings
        plans = layer_plans(settings)
        self.input = FourierInput(plans[0].source, settings.w_dim)
        self.layers: list[FilteredLayer] = []
        for plan in plans:
            layer = FilteredLayer(plan, settings)
            self.layers.append(layer)
            self.add_module(plan.name, layer)

    def forward(self, ws: Tensor, transform: Tensor | None) -> Tensor:
        """ws [n, num_ws, w_dim] → float32 [n, colours, size, size]."""
        x: Tensor = self.input(ws[:, 0], transform)
        for index, layer in enumerate(self.layers):
            x = layer(x, ws[:, index + 1])
        return x.float() * self.settings.output_scale


class StyleGAN3(MappedGenerator):
    """The generator. Pictures are around [-1, 1]."""

    def __init__(self, settings: StyleGAN3Settings) -> None:
        super().__init__(settings)
        self.settings = settings
        self.synthesis = Synthesis(settings)

    def synthesise(self, w: Tensor, transform: Tensor | None = None) -> Tensor:
        """w [n, num_ws, w_dim], any w for any layer → float32 [n, colours, size, size].

        `transform` ([3, 3], or one for each picture [n, 3, 3]) says where each point of the picture
        is taken from, in picture widths from the middle, x right and y down: it is the inverse
        of what the picture seems to do.
        """
        picture: Tensor = self.synthesis(w, transform)
        return picture

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """z [n, z_dim] → picture, as it comes."""
        return self.synthesise(self.map(z, label))


def _designed(taps: int, signal: Signal, rate: int, *, radial: bool = False) -> Tensor:
    """The low-pass filter that belongs to a signal, at `rate`; a single 1 where nothing changes."""
    if taps == 1:
        return torch.ones(1)
    design = filters.radial_low_pass if radial else filters.low_pass
    return filters.tensor_of(design(taps, signal.cutoff, signal.half_width, rate))
