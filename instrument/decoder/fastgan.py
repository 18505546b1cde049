"""FastGAN: z → picture (Liu et al. 2021, "Towards Faster and Stabilized GAN Training").

Tensors are named as in the authors' code (``init.init.0.weight``, ``feat_8.3.running_mean``,
``se_64.main.1.weight``, ``to_big.weight`` …), but spectral normalisation is resolved beforehand:
``X.weight`` stands for ``X.weight_orig``, ``X.weight_u`` and ``X.weight_v``; see
`resolve_spectral_norm`. The authors draw new noise for every picture; an instrument that must give
the same picture twice keeps one map for each layer, from a seed. Shapes: n pictures, c channels,
maps of h × w.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from instrument.decoder.architectures import FastGANSettings

Noise = Literal["const", "random", "none"]
Statistics = Literal["running", "batch"]
SMALL = 128  # pixels a side of the second, smaller picture
_SHARES = {4: 16, 8: 8, 16: 4, 32: 2, 64: 2, 128: 1, 256: 0.5, 512: 0.25, 1024: 0.125}
_NOISY = (8, 32, 128, 512)  # sizes at which a block has two convolutions and noise
_EXCITED = {64: 4, 128: 8, 256: 16, 512: 32}  # a size, and the one that excites its channels


def channels_of(settings: FastGANSettings) -> dict[int, int]:
    """Channels of each size in pixels, up to that of the picture."""
    sizes = [size for size in _SHARES if size <= settings.resolution]
    return {size: max(1, int(settings.ngf * _SHARES[size])) for size in sizes}


def resolve_spectral_norm(state: Mapping[str, Tensor], steps: int = 0) -> dict[str, Tensor]:
    """A state dict of the authors' code with plain weights: ``weight_orig`` / σ, σ = u · (W v).

    `steps` power iterations come first, one where the authors' training mode is meant.
    """
    resolved = {}
    for name, tensor in state.items():
        stem, _, ending = name.rpartition(".")
        if ending in ("weight_u", "weight_v"):
            continue
        if ending != "weight_orig":
            resolved[name] = tensor
            continue
        # In a transposed convolution (of `init`, the only one) the output is the second axis.
        rows = tensor.transpose(0, 1) if stem == "init.init.0" else tensor
        matrix = rows.flatten(1)
        u, v = state[f"{stem}.weight_u"], state[f"{stem}.weight_v"]
        for _ in range(steps):
            v = F.normalize(matrix.T @ u, dim=0, eps=1e-12)
            u = F.normalize(matrix @ v, dim=0, eps=1e-12)
        resolved[f"{stem}.weight"] = tensor / torch.dot(u, matrix @ v)
    return resolved


class Convolution(nn.Module):
    """A convolution without bias that keeps the size."""

    def __init__(self, into: int, out: int, side: int, padding: int | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(out, into, side, side))
        self.padding = side // 2 if padding is None else padding

    def forward(self, x: Tensor) -> Tensor:
        """[n, into, h, w] → [n, out, h, w]."""
        return F.conv2d(x, self.weight, padding=self.padding)


class Seed(nn.Module):
    """z as one pixel, spread to 4 × 4 by a transposed convolution."""

    def __init__(self, z_dim: int, out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(z_dim, out, 4, 4))

    def forward(self, z: Tensor) -> Tensor:
        """[n, z_dim] → [n, out, 4, 4]."""
        return F.conv_transpose2d(z.to(self.weight.dtype)[:, :, None, None], self.weight)


class NoiseInjection(nn.Module):
    """Adds noise, the same to all channels."""

    def __init__(self, size: int, seed: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        chance = torch.Generator("cpu").manual_seed(seed)
        noise = torch.randn(1, 1, size, size, generator=chance, device="cpu")
        self.noise_const = nn.Buffer(noise, persistent=False)

    def forward(self, x: Tensor, kind: Noise, chance: torch.Generator | None) -> Tensor:
        """[n, c, h, w] → the same."""
        if kind == "none":
            return x
        noise: Tensor = self.noise_const
        if kind == "random":
            shape = (len(x), 1, *x.shape[2:])
            noise = torch.randn(shape, generator=chance, device=x.device)
        return x + (noise * self.weight).to(x.dtype)


class Normalisation(nn.Module):
    """Batch normalisation that never learns: by stored statistics, or by those of the batch."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.running_mean = nn.Buffer(torch.zeros(channels))
        self.running_var = nn.Buffer(torch.ones(channels))

    def forward(self, x: Tensor, statistics: Statistics) -> Tensor:
        """[n, c, h, w] → the same."""
        mean: Tensor | None = self.running_mean
        variance: Tensor | None = self.running_var
        if statistics == "batch":
            mean = variance = None
        return F.batch_norm(
            x, mean, variance, self.weight, self.bias, training=mean is None, eps=1e-5
        )


class Gate(nn.Module):
    """A gated linear unit: the first half of the channels, times the sigmoid of the second."""

    def forward(self, x: Tensor) -> Tensor:
        """[n, 2c, h, w] → [n, c, h, w]."""
        return F.glu(x, dim=1)


class Doubling(nn.Module):
    """Pixels repeated to twice the size."""

    def forward(self, x: Tensor) -> Tensor:
        """[n, c, h, w] → [n, c, 2h, 2w]."""
        return F.interpolate(x, scale_factor=2.0, mode="nearest")


class Chain(nn.ModuleList):
    """Layers one after the other; those that need to know are told of noise and statistics."""

    def forward(
        self, x: Tensor, kind: Noise, chance: torch.Generator | None, statistics: Statistics
    ) -> Tensor:
        """[n, c, h, w] → what the last layer gives."""
        for layer in self:
            if isinstance(layer, NoiseInjection):
                x = layer(x, kind, chance)
            elif isinstance(layer, Normalisation):
                x = layer(x, statistics)
            else:
                x = layer(x)
        return x


class Excitation(nn.Module):
    """Skip-layer excitation (section 3.1): a small map says how loud a large one's channels are."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        layers = {"1": Convolution(into, out, 4, padding=0), "3": Convolution(out, out, 1)}
        self.main = nn.ModuleDict(layers)

    def forward(self, small: Tensor, large: Tensor) -> Tensor:
        """small [n, into, s, s], large [n, out, h, w] → [n, out, h, w]."""
        x = self.main["1"](F.adaptive_avg_pool2d(small, 4))  # [n, out, 1, 1]
        return large * torch.sigmoid(self.main["3"](F.silu(x)))


class FastGAN(nn.Module):
    """The generator. Pictures are around [-1, 1]; only those of 1024 pixels are bounded (tanh)."""

    def __init__(self, settings: FastGANSettings) -> None:
        super().__init__()
        self.settings = settings
        channels = channels_of(settings)
        self.init = nn.ModuleDict(
            {"init": Chain([Seed(settings.z_dim, 2 * channels[4]), Normalisation(2 * channels[4]),
                            Gate()])}
        )  # fmt: skip
        for size in [size for size in channels if size > 4]:
            self.add_module(f"feat_{size}", _block(channels[size // 2], channels[size], size))
        for size, source in _EXCITED.items():
            if size in channels:
                self.add_module(f"se_{size}", Excitation(channels[source], channels[size]))
        self.to_128 = Convolution(channels[SMALL], settings.img_channels, 1)
        self.to_big = Convolution(channels[settings.resolution], settings.img_channels, 3)

    def synthesise(
        self, z: Tensor, noise: Noise = "const", chance: torch.Generator | None = None,
        statistics: Statistics = "running",
    ) -> Tensor:  # fmt: skip
        """z [n, z_dim] → float32 [n, colours, size, size].

        With the statistics of the ``batch`` a picture depends on those it is made with.
        """
        return self.both(z, noise, chance, statistics)[0]

    def both(
        self, z: Tensor, noise: Noise = "const", chance: torch.Generator | None = None,
        statistics: Statistics = "running",
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """The picture as `synthesise` gives it, and the one of 128 pixels."""
        told = (noise, chance, statistics)
        x = self.init["init"](z, *told)
        maps = {4: x.contiguous(memory_format=torch.channels_last)}
        for size in [size for size in _SHARES if 4 < size <= self.settings.resolution]:
            x = self.get_submodule(f"feat_{size}")(maps[size // 2], *told)  # [n, c, size, size]
            if size in _EXCITED:
                x = self.get_submodule(f"se_{size}")(maps[_EXCITED[size]], x)
            maps[size] = x
        pictures = (self.to_big(x).float(), self.to_128(maps[SMALL]).float())
        return (
            (pictures[0].tanh(), pictures[1].tanh())
            if self.settings.resolution == 1024
            else pictures
        )

    def forward(self, z: Tensor) -> Tensor:
        """See `synthesise`."""
        return self.synthesise(z)


def _block(into: int, out: int, size: int) -> Chain:
    """What leads to a map of `size` pixels from one of half the size."""
    layers = [Doubling(), Convolution(into, 2 * out, 3)]
    if size not in _NOISY:
        return Chain([*layers, Normalisation(2 * out), Gate()])
    layers += [NoiseInjection(size, 2 * size), Normalisation(2 * out), Gate()]
    layers += [Convolution(out, 2 * out, 3), NoiseInjection(size, 2 * size + 1)]
    return Chain([*layers, Normalisation(2 * out), Gate()])
