"""StyleGAN2: z → w → picture, from the papers (Karras et al. 2020; 2020b on labels and clamps).

Tensors are named as in NVIDIA's PyTorch code (``mapping.fc0.weight``, ``mapping.w_avg``,
``synthesis.b8.conv0.affine.bias``, ``synthesis.b8.torgb.weight``, ``synthesis.b8.skip.weight`` …)
but for the filters, which come from the settings. Shapes: n pictures, c channels, maps of h × w.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from instrument.decoder import filters
from instrument.decoder.architectures import StyleGAN2Settings
from instrument.decoder.mapping import Dense, MappedGenerator
from instrument.decoder.modulated import clamped, demodulation, folded, folding_pays, scaled

Noise = Literal["const", "random", "none"]
SEED_SIZE = 4  # pixels a side of the learned constant


class ModulatedLayer(nn.Module):
    """3×3 convolution scaled by w → noise → bias → leaky ReLU; may double the size before."""

    def __init__(
        self, into: int, out: int, size: int, settings: StyleGAN2Settings, *, doubles: bool
    ) -> None:
        super().__init__()
        self.doubles, self.clamp = doubles, settings.conv_clamp
        self.folds = False  # scales the weights and not the maps, where that pays
        self.affine = Dense(settings.w_dim, into)
        self.weight = nn.Parameter(torch.zeros(out, into, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out))
        self.noise_const = nn.Buffer(torch.zeros(size, size))
        self.noise_strength = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, w: Tensor, taps: Tensor, noise: Tensor | None) -> Tensor:
        """x [n, into, h, w], w [n, w_dim], noise [1 or n, 1, H, W] → [n, out, H, W]."""
        before, after = demodulation(self.weight, self.affine(w))
        # A leaky ReLU lets positive factors pass: its gain of √2 is had with the scaling.
        after, bias = after * math.sqrt(2), self.bias * math.sqrt(2)
        if self.folds and folding_pays(x, self.weight):
            x = folded(x, self.weight, before, after, padding=1, doubles=self.doubles)
            x = self._filtered(x, taps) if self.doubles else x
            x = x.add_(bias.to(x.dtype)[:, None, None])
        else:
            x = self._convolved(scaled(x, before), taps)
            x = torch.addcmul(
                bias.to(x.dtype)[:, None, None], x, after.to(x.dtype)[:, :, None, None]
            )
        if noise is not None:
            x += (noise * (self.noise_strength * math.sqrt(2))).to(x.dtype)
        return clamped(F.leaky_relu_(x, 0.2), self.clamp)

    def _convolved(self, x: Tensor, taps: Tensor) -> Tensor:
        if not self.doubles:
            return F.conv2d(x, self.weight, padding=1)
        return self._filtered(F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2), taps)

    @staticmethod
    def _filtered(x: Tensor, taps: Tensor) -> Tensor:
        """A transposed convolution gives 2h + 1 pixels, and the filter takes them to 2h.

        Of the gain of 4 that makes up for the inserted zeros, rows and columns take 2 each.
        """
        return filters.stretch(x, 2 * taps, 1, (len(taps) - 1) // 2, (len(taps) - 2) // 2)

    def noise(self, kind: Noise, count: int, chance: torch.Generator | None) -> Tensor | None:
        """The map that `forward` adds: the stored one, fresh ones for each picture, or none."""
        if kind == "none":
            return None
        if kind == "const":
            return self.noise_const[None, None]
        shape = (count, 1, *self.noise_const.shape)
        return torch.randn(shape, generator=chance, device=self.noise_const.device)


class ToRGB(nn.Module):
    """1×1 convolution to colours, scaled by w but not demodulated."""

    def __init__(self, into: int, settings: StyleGAN2Settings) -> None:
        super().__init__()
        self.clamp = settings.conv_clamp
        self.affine = Dense(settings.w_dim, into)
        self.weight = nn.Parameter(torch.zeros(settings.img_channels, into, 1, 1))
        self.bias = nn.Parameter(torch.zeros(settings.img_channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x [n, into, h, w], w [n, w_dim] → float32 [n, colours, h, w]."""
        x = scaled(x, self.affine(w) / math.sqrt(x.shape[1]))
        x = F.conv2d(x, self.weight, self.bias.to(x.dtype))
        return clamped(x, self.clamp).float()


class PlainSkip(nn.Module):
    """The way around a residual block: 1×1 convolution at an equalised rate, no bias."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(out, into, 1, 1))

    def forward(self, x: Tensor, taps: Tensor) -> Tensor:
        """[n, into, h, w] → [n, out, 2h, 2w], times √½."""
        x = F.conv2d(x, self.weight * (math.sqrt(0.5) / math.sqrt(x.shape[1])))
        return doubled(x, taps)


class Block(nn.Module):
    """All layers of one size: one convolution at 4 pixels, two from there up."""

    def __init__(self, index: int, settings: StyleGAN2Settings) -> None:
        super().__init__()
        size, out = SEED_SIZE << index, settings.channels[index]
        into = settings.channels[index - 1]
        last = index == len(settings.channels) - 1
        self.const = nn.Parameter(torch.zeros(out, size, size)) if index == 0 else None
        self.conv0 = ModulatedLayer(into, out, size, settings, doubles=True) if index else None
        self.conv1 = ModulatedLayer(out, out, size, settings, doubles=False)
        self.torgb = ToRGB(out, settings) if last or settings.architecture == "skip" else None
        residual = settings.architecture == "resnet" and index > 0
        self.skip = PlainSkip(into, out) if residual else None

    @property
    def convs(self) -> list[ModulatedLayer]:
        """Its modulated layers in order."""
        return [self.conv1] if self.conv0 is None else [self.conv0, self.conv1]

    def forward(
        self, x: Tensor | None, ws: Tensor, taps: Tensor, kind: Noise,
        chance: torch.Generator | None,
    ) -> Tensor:  # fmt: skip
        """x [n, c, h/2, w/2] and ws [n, convs, w_dim] → [n, out, h, w]."""
        if x is None:
            assert self.const is not None
            x = self.const.to(self.conv1.weight.dtype).expand(len(ws), -1, -1, -1)
            x = x.contiguous(memory_format=torch.channels_last)
        around = None if self.skip is None else self.skip(x, taps)
        for index, conv in enumerate(self.convs):
            x = conv(x, ws[:, index], taps, conv.noise(kind, len(ws), chance))
        return x if around is None else torch.add(around, x, alpha=math.sqrt(0.5))


class Synthesis(nn.Module):
    """w for every layer → picture."""

    def __init__(self, settings: StyleGAN2Settings) -> None:
        super().__init__()
        self.settings = settings
        self.blocks: list[Block] = []
        for index in range(len(settings.channels)):
            block = Block(index, settings)
            self.blocks.append(block)
            self.add_module(f"b{SEED_SIZE << index}", block)
        row = torch.tensor(settings.resample_filter)
        self.taps = nn.Buffer(row / row.sum(), persistent=False)

    def forward(self, ws: Tensor, kind: Noise, chance: torch.Generator | None) -> Tensor:
        """ws [n, num_ws, w_dim] → float32 [n, colours, size, size]."""
        x: Tensor | None = None
        picture: Tensor | None = None
        at = 0  # ToRGB shares its w with the first convolution of the next block
        for block in self.blocks:
            count = len(block.convs)
            x = block(x, ws[:, at : at + count], self.taps, kind, chance)
            at += count
            if picture is not None:
                picture = doubled(picture, self.taps)
            if block.torgb is not None:
                colours = block.torgb(x, ws[:, at])
                picture = colours if picture is None else picture + colours
        assert picture is not None
        return picture


class StyleGAN2(MappedGenerator):
    """The generator. Pictures are around [-1, 1]."""

    def __init__(self, settings: StyleGAN2Settings) -> None:
        super().__init__(settings)
        self.settings = settings
        self.synthesis = Synthesis(settings)

    def synthesise(
        self, w: Tensor, noise: Noise = "const", chance: torch.Generator | None = None
    ) -> Tensor:
        """w [n, num_ws, w_dim], any w for any layer → float32 [n, colours, size, size].

        `chance` is where ``random`` noise is drawn from, on the device of the network.
        """
        picture: Tensor = self.synthesis(w, noise, chance)
        return picture

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """z [n, z_dim] → picture, as it comes."""
        return self.synthesise(self.map(z, label))


def doubled(x: Tensor, taps: Tensor) -> Tensor:
    """[n, c, h, w] → [n, c, 2h, 2w]: zeros between, then the filter with gain 4."""
    k = len(taps)
    return filters.stretch(x, 2 * taps, 2, (k + 1) // 2, (k - 2) // 2)
