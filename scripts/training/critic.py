"""The discriminator: how much a picture looks like a painted one of the family it should be.

It grows as the generator does: every size has a stem of its own, and what a finer size
adds begins at zero. So a new size fades in by itself, and the weights never change shape.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

SIZES = (64, 128, 256)
STEM_WIDTHS = (3, 2, 1)  # × width: channels of the stems of 64, 128 and 256 pixels
WIDTHS = (3, 5, 7, 8)  # × width: channels at 32, 16, 8 and 4 pixels
GROUP = 4  # pictures compared with one another for variety


class Down(nn.Module):
    """Two convolutions, the second at half the size, beside a plain path if `skips`.

    Halving by strides instead of pooling is a fifth faster, but a new critic is then twenty times
    steeper, and at 256 pixels leaves the generator behind within a hundred steps.
    """

    def __init__(self, before: int, after: int, *, skips: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, before, 3, padding=1)
        self.second = nn.Conv2d(before, after, 3, padding=1)
        self.skip = nn.Conv2d(before, after, 1, bias=False) if skips else None
        if not skips:
            for parameter in self.second.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """[n, before, h, w] → [n, after, h/2, w/2]."""
        y = F.avg_pool2d(F.leaky_relu(self.first(F.leaky_relu(x, 0.2)), 0.2), 2)
        y = self.second(y)
        if self.skip is not None:
            y = (y + self.skip(F.avg_pool2d(x, 2))) * 0.5**0.5
        return y


class Critic(nn.Module):
    """Picture and family → one number, larger for pictures taken for painted."""

    def __init__(self, families: int, width: int = 12) -> None:
        super().__init__()
        stems, widths = [width * n for n in STEM_WIDTHS], [width * n for n in WIDTHS]
        self.stems = nn.ModuleList(nn.Conv2d(12, stem, 3, padding=1) for stem in stems)
        finer = zip(stems[1:], stems, strict=False)
        self.joins = nn.ModuleList(Down(fine, coarse, skips=False) for fine, coarse in finer)
        pairs = itertools.pairwise(widths)
        self.downs = nn.ModuleList(Down(before, after, skips=True) for before, after in pairs)
        self.last = nn.Conv2d(widths[-1] + 1, widths[-1], 3, padding=1)
        self.hidden = nn.Linear(widths[-1] * 16, widths[-1])
        self.score = nn.Linear(widths[-1], families)
        self.apply(_init)

    def forward(self, picture: Tensor, family: Tensor) -> Tensor:
        """picture [n, 3, s, s], family int64 [n] → [n]."""
        x: Tensor | None = None
        for level in range(SIZES.index(picture.shape[-1]), -1, -1):
            stem = self.stems[level](F.pixel_unshuffle(picture, 2))  # [n, width, s/2, s/2]
            x = stem if x is None else stem + x
            if level:
                x = self.joins[level - 1](x)
                picture = F.avg_pool2d(picture, 2)
        assert x is not None
        for down in self.downs:
            x = down(x)  # … [n, 8 · width, 4, 4]
        x = F.leaky_relu(self.last(torch.cat((x, _variety(x)), dim=1)), 0.2)
        x = F.leaky_relu(self.hidden(x.flatten(1)), 0.2)
        return self.score(x).float().gather(1, family[:, None])[:, 0]


def _init(module: nn.Module) -> None:
    """Normal weights that keep the variance, except where a Down begins at zero."""
    if isinstance(module, nn.Conv2d | nn.Linear) and bool(module.weight.any()):
        fan = module.weight[0].numel()
        nn.init.normal_(module.weight, std=(2 / fan) ** 0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _variety(x: Tensor) -> Tensor:
    """Mean deviation within groups of pictures, as one more channel [n, 1, h, w]."""
    n, _, height, width = x.shape
    group = GROUP if n % GROUP == 0 else 1
    grouped = x.float().reshape(n // group, group, -1)
    away = grouped - grouped.mean(dim=1, keepdim=True)
    spread = (away.square().mean(dim=1) + 1e-8).sqrt().mean(dim=1)  # [n/group]
    return spread.repeat_interleave(group).view(n, 1, 1, 1).expand(n, 1, height, width).to(x.dtype)
