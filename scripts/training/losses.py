"""What the two networks want: the relativistic pairing loss, and the slopes that keep it stable."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from training import precision
from training.critic import Critic


def paired(better: Tensor, worse: Tensor) -> Tensor:
    """Mean loss of scores `better` [n] that should exceed `worse` [n], pair by pair."""
    return F.softplus(worse - better).mean()


def slope(critic: Critic, pictures: Tensor, family: Tensor) -> Tensor:
    """Mean squared gradient of the score by the picture (R1 on painted, R2 on generated ones)."""
    pictures = pictures.detach().requires_grad_(True)
    with precision.reduced(pictures.device):
        score = critic(pictures, family).sum()
    (gradient,) = torch.autograd.grad(score, pictures, create_graph=True)
    return gradient.float().square().sum(dim=(1, 2, 3)).mean()


def slope_weight(size: int, grown: float) -> float:
    """Weight gamma of the slopes: .5 at 64 pixels, 4 at 256.

    `grown` is how much of the last stage is done, 0 to 1. Over it the weight falls to a quarter:
    fine detail is little energy, so a critic held flat does not see it.
    """
    return float(0.5 * (size / 64) ** 1.5 * 0.25**grown)
