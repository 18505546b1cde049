"""Convolutions whose channels a style scales (StyleGAN2, Karras et al. 2020, section 2.2).

The paper scales the weights: w'ᵢⱼₖ = sᵢ wᵢⱼₖ, w″ = w' / sqrt(Σᵢₖ w'² + ε). Here the same is done to
the maps before and after a convolution with the weights as they are: no sample needs weights of
its own, and a processor can keep them packed.
"""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-8


def demodulation(weight: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
    """What to scale the map by before ([n, in]) and after ([n, out]) a demodulated convolution.

    `weight` is [out, in, k, k], `style` [n, in]. Any common factor of a sample's style and of the
    weights cancels out, so the first is scaled until the convolution neither swells nor shrinks
    its input: else half precision would overflow.
    """
    power = weight.float().square().sum(dim=(2, 3))  # [out, in]
    style = style.float()
    style = style * torch.rsqrt(style.square().mean(dim=1, keepdim=True) + EPSILON)
    style = style * torch.rsqrt(power.sum(dim=1).mean() + EPSILON)
    return style, torch.rsqrt(style.square() @ power.T + EPSILON)


def clamped(x: Tensor, limit: float | None) -> Tensor:
    """x, within ± `limit`; in place."""
    return x if limit is None else x.clamp_(-limit, limit)


def scaled(x: Tensor, factor: Tensor) -> Tensor:
    """[n, c, h, w] times [n, c], in the precision of x."""
    return x * factor.to(x.dtype)[:, :, None, None]
