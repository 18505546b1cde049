"""Convolutions whose channels a style scales (StyleGAN2, Karras et al. 2020, section 2.2).

The paper scales the weights: w'ᵢⱼₖ = sᵢ wᵢⱼₖ, w″ = w' / sqrt(Σᵢₖ w'² + ε). The same can be done to
the maps before and after a convolution with the weights as they are: no sample needs weights of
its own. Which takes less time depends on what is larger, the map or the weights, and on the
device: `folded` is the paper's way, and `tuned` measures both.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

EPSILON = 1e-8
_ROOMY = 16  # pixels of a map for each scaled number of the weights of one channel


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


def folding_pays(x: Tensor, weight: Tensor) -> bool:
    """Whether there is so much more map than weights that scaling these takes less time.

    Measured on one core: 64 channels of 512 pixels take 0.63 of the time with folded weights, 256
    channels of 128 pixels 1.1.
    """
    return x.shape[2] * x.shape[3] >= _ROOMY * weight.shape[0] * weight.shape[2] * weight.shape[3]


def folded(
    x: Tensor, weight: Tensor, before: Tensor, after: Tensor, *, padding: int = 0,
    doubles: bool = False,
) -> Tensor:  # fmt: skip
    """Convolve x [n, in, h, w] by weights [out, in, k, k] scaled for each sample, one group each.

    The same as `scaled` by `before` [n, in], the convolution, and `scaled` by `after` [n, out].
    `doubles`: transposed, with a stride of 2.
    """
    count, into, high, wide = x.shape
    own = after[:, :, None, None, None] * weight * before[:, None, :, None, None]
    own = own.to(x.dtype)  # [n, out, in, k, k]
    if doubles:
        own = own.transpose(1, 2)
    kernel = own.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    together = x.reshape(1, count * into, high, wide)
    if doubles:
        y = F.conv_transpose2d(together, kernel, stride=2, groups=count)
    else:
        y = F.conv2d(together, kernel, padding=padding, groups=count)
    return y.view(count, -1, *y.shape[2:])
