"""Shares of the families: in the world, in training, and in the space of z."""

from __future__ import annotations

import torch
from torch import Tensor

from painter import FAMILIES

# pictures of many small things are learnt last: they are shown more often than their share
HARD = {"cell": 1.3, "cathedral": 1.3}


def world_shares() -> Tensor:
    """[families] share of each family in the world, sum 1."""
    shares = torch.tensor([family.share for family in FAMILIES])
    return shares / shares.sum()


def training_shares() -> Tensor:
    """[families] share in training: flatter than the world, so that the rare are learnt too."""
    boost = torch.tensor([HARD.get(family.name, 1.0) for family in FAMILIES])
    shares = world_shares().sqrt() * boost
    return shares / shares.sum()


def family_bias(shares: Tensor, rounds: int = 120) -> Tensor:
    """[families] numbers to add to z[:families] so that the largest falls out in these `shares`.

    Found on a fixed sample by raising what comes too seldom; right to about .005.
    """
    z = torch.randn(40_000, len(shares), generator=torch.Generator().manual_seed(1))
    bias = torch.zeros(len(shares))
    for _ in range(rounds):
        won = torch.bincount((z + bias).argmax(dim=1), minlength=len(shares)) / len(z)
        bias += 0.3 * (shares.log() - won.clamp_min(1e-4).log())
    return bias - bias.mean()


def on_shell(
    count: int,
    dims: int,
    generator: torch.Generator | None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """`count` random z [count, dims] on the shell of radius sqrt(dims), by `generator`'s chance.

    None is the device's own chance.
    """
    z = torch.randn(count, dims, generator=generator, device=device)
    return z * (dims**0.5 / z.norm(dim=1, keepdim=True))
