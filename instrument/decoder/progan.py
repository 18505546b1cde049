"""Progressive GAN: z → picture (Karras et al. 2018), with the mathematics of pytorch_GAN_zoo.

Tensors are named as in pytorch_GAN_zoo (``formatLayer.module.weight``,
``groupScale0.0.module.bias``, ``scaleLayers.2.1.module.weight``,
``toRGBLayers.3.module.weight`` …), and one more, ``alpha``, which that code keeps in its
configuration: 1 shows the scale before alone, 0 the newest alone. It falls from 1 to 0 while a
scale is faded in, so it belongs to a snapshot as the weights do.
Shapes: n pictures, c channels, maps of h × w.
"""

from __future__ import annotations

import itertools
import math
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from instrument.decoder.architectures import ProGANSettings

SEED_SIZE = 4  # pixels a side of the first feature map


class Weights(nn.Module):
    """A weight with its bias; equalised: both times sqrt(2 / fan in), at run time."""

    def __init__(self, *shape: int, equalised: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(shape))
        self.bias = nn.Parameter(torch.zeros(shape[0]))
        self.gain = math.sqrt(2 / math.prod(shape[1:])) if equalised else 1.0

    def forward(self, x: Tensor) -> Tensor:
        """A linear layer on [n, into], a convolution on [n, into, h, w] that keeps the size."""
        # He's constant of this code multiplies the bias too, unlike that of the paper's code.
        bias = (self.bias * self.gain).to(x.dtype)
        if self.weight.dim() == 2:
            return F.linear(x, self.weight * self.gain, bias)
        return F.conv2d(x, self.weight * self.gain, bias, padding=self.weight.shape[-1] // 2)


class Equalised(nn.Module):
    """`Weights` under the name ``module``, where pytorch_GAN_zoo keeps them."""

    def __init__(self, *shape: int, equalised: bool) -> None:
        super().__init__()
        self.module = Weights(*shape, equalised=equalised)

    def forward(self, x: Tensor) -> Tensor:
        """See `Weights`."""
        y: Tensor = self.module(x)
        return y


class ProGAN(nn.Module):
    """The generator. Pictures are around [-1, 1]."""

    def __init__(self, settings: ProGANSettings) -> None:
        super().__init__()
        self.settings = settings
        first, colours, equal = settings.channels[0], settings.img_channels, settings.equalised
        self.formatLayer = Equalised(first * SEED_SIZE**2, settings.z_dim, equalised=equal)
        self.groupScale0 = nn.ModuleList([Equalised(first, first, 3, 3, equalised=equal)])
        self.scaleLayers = nn.ModuleList()
        for before, after in itertools.pairwise(settings.channels):
            pair = [Equalised(after, c, 3, 3, equalised=equal) for c in (before, after)]
            self.scaleLayers.append(nn.ModuleList(pair))
        self.toRGBLayers = nn.ModuleList(
            Equalised(colours, c, 1, 1, equalised=equal) for c in settings.channels
        )
        self.alpha = nn.Buffer(torch.zeros(()))

    def synthesise(self, z: Tensor, psi: Tensor | None = None) -> Tensor:
        """z [n, z_dim] → float32 [n, colours, size, size].

        `psi` [n] is how much stays of what z makes different; at 0 every z gives one picture.
        """
        dtype = cast(Equalised, self.groupScale0[0]).module.weight.dtype
        x = self._normalised(z).to(self.formatLayer.module.weight.dtype)
        x = self.formatLayer(x).view(len(z), -1, SEED_SIZE, SEED_SIZE).to(dtype)
        x = self._active(x.contiguous(memory_format=torch.channels_last))
        if psi is not None:
            mean = self.first_mean().to(x.dtype)
            x = mean + (x - mean) * psi.to(x.dtype)[:, None, None, None]
        x = older = self._active(self.groupScale0[0](x))
        for pair in self.scaleLayers:
            older = x  # [n, c, h / 2, w / 2]
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            for layer in cast(nn.ModuleList, pair):
                x = self._active(layer(x))
        newest: Tensor = self.toRGBLayers[-1](x).float()
        before = F.interpolate(self.toRGBLayers[-2](older).float(), scale_factor=2.0)
        picture = torch.lerp(newest, before, self.alpha.float())
        return picture.tanh() if self.settings.tanh else picture

    def forward(self, z: Tensor) -> Tensor:
        """See `synthesise`."""
        return self.synthesise(z)

    def first_mean(self) -> Tensor:
        """The mean over all z of the first feature map, [1, c, 4, 4]: where truncation leads.

        To scale z would change nothing, because it is normalised before and the map after the
        first layer. That layer's y are Gaussian of known mean m and deviation s, so that
        E max(y, 0) = mΦ(m/s) + sφ(m/s) and E max(y, 0)² = (m² + s²)Φ(m/s) + msφ(m/s), from
        which follow the mean and the power of a leaky ReLU of y. The mean of the quotient is
        taken for the quotient of the means: with hundreds of channels they are the same.
        """
        layer, leak = self.formatLayer.module, self.settings.leak
        mean, spread = layer.bias * layer.gain, layer.weight.norm(dim=1) * layer.gain
        t = mean / spread.clamp_min(1e-12)
        density = torch.exp(-0.5 * t.square()) / math.sqrt(2 * math.pi)
        share = 0.5 * (1 + torch.erf(t / math.sqrt(2)))
        first: Tensor = leak * mean + (1 - leak) * (mean * share + spread * density)
        first = first.view(1, -1, SEED_SIZE, SEED_SIZE)
        if not self.settings.pixel_norm:
            return first
        square = mean.square() + spread.square()
        above = square * share + mean * spread * density
        power: Tensor = (leak * leak * square + (1 - leak * leak) * above).view_as(first)
        return first * torch.rsqrt(power.mean(dim=1, keepdim=True) + 1e-8)

    def _active(self, x: Tensor) -> Tensor:
        return self._normalised(F.leaky_relu(x, self.settings.leak))

    def _normalised(self, x: Tensor) -> Tensor:
        """Every pixel's channels (or every z) divided by their root mean square."""
        if not self.settings.pixel_norm:
            return x
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)
