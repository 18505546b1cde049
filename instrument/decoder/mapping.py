"""From z and a label to w: the mapping network that StyleGAN2 and StyleGAN3 share.

Tensors are named as in NVIDIA's PyTorch code: ``fc0.weight`` …, ``embed.weight`` where there are
labels, ``w_avg``. Source: Karras et al., StyleGAN (2019) and StyleGAN2-ADA (2020).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from instrument.decoder.architectures import StyleSettings


class Dense(nn.Module):
    """A linear layer at an equalised learning rate: weights times `rate` / sqrt(fan in)."""

    def __init__(self, into: int, out: int, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(out, into))
        self.bias = nn.Parameter(torch.zeros(out))
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """[n, into] → [n, out], in the precision of the weights."""
        weight = self.weight * (self.rate / math.sqrt(self.weight.shape[1]))
        return F.linear(x.to(weight.dtype), weight, self.bias * self.rate)


def normalised(x: Tensor) -> Tensor:
    """[n, d], every row divided by its root mean square."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


class Mapping(nn.Module):
    """z [n, z_dim] and label [n, c_dim] → w [n, num_ws, w_dim]."""

    def __init__(self, settings: StyleSettings) -> None:
        super().__init__()
        self.settings = settings
        w_dim, into = settings.w_dim, settings.z_dim
        self.embed = Dense(settings.c_dim, w_dim) if settings.c_dim else None
        into += w_dim if settings.c_dim else 0
        self.layers: list[Dense] = []
        for index in range(settings.mapping_layers):
            dense = Dense(into if index == 0 else w_dim, w_dim, settings.mapping_lr_multiplier)
            self.layers.append(dense)
            self.add_module(f"fc{index}", dense)
        self.w_avg = nn.Buffer(torch.zeros(w_dim))

    def forward(
        self, z: Tensor, label: Tensor | None = None,
        psi: float | Tensor = 1.0, cutoff: int | None = None,
    ) -> Tensor:  # fmt: skip
        """One w for every layer: [n, num_ws, w_dim], drawn to the average as in `truncated`.

        `label` is one row of weights for each label, usually a single 1. Raises ValueError when
        a network with labels gets none, or one without labels gets some.
        """
        w = self.plain(z, label)
        return self.truncated(w[:, None].expand(-1, self.settings.num_ws, -1), psi, cutoff)

    def plain(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """w [n, w_dim] without truncation, the same for all layers."""
        x = normalised(z.to(self.w_avg.dtype))
        wanted = (len(z), self.settings.c_dim)
        if self.embed is None:
            if label is not None:
                raise ValueError("this network knows no labels")
        elif label is None or tuple(label.shape) != wanted:
            given = "none" if label is None else str(list(label.shape))
            raise ValueError(f"label must be {list(wanted)}, not {given}")
        else:
            x = torch.cat((x, normalised(self.embed(label))), dim=1)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2) * math.sqrt(2)
        return x

    def truncated(self, w: Tensor, psi: float | Tensor, cutoff: int | None = None) -> Tensor:
        """w [n, num_ws, w_dim] drawn to the average: psi (one number, or [n]) is what stays of w.

        Only the first `cutoff` layers are drawn, all of them if that is None.
        """
        if isinstance(psi, Tensor):
            # What is compiled (`compiled`) cannot go by what numbers say: 1 leaves w all the same.
            if not torch.compiler.is_exporting() and bool((psi == 1.0).all()):
                return w
            psi = psi.to(w)[:, None, None]
        elif psi == 1.0:
            return w
        drawn = self.w_avg + (w[:, :cutoff] - self.w_avg) * psi
        return drawn if cutoff is None else torch.cat((drawn, w[:, cutoff:]), dim=1)


class MappedGenerator(nn.Module):
    """A generator that turns z into w first. Of its `state_dict` the mapping comes first."""

    def __init__(self, settings: StyleSettings) -> None:
        super().__init__()
        self.mapping = Mapping(settings)

    def map(
        self, z: Tensor, label: Tensor | None = None,
        psi: float | Tensor = 1.0, cutoff: int | None = None,
    ) -> Tensor:  # fmt: skip
        """z [n, z_dim] → w [n, num_ws, w_dim]; see `Mapping`."""
        w: Tensor = self.mapping(z, label, psi, cutoff)
        return w
