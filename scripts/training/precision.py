"""In which numbers the networks learn: bfloat16 where that is faster, else float32."""

from __future__ import annotations

import functools
import time

import torch
import torch.nn.functional as F  # noqa: N812


def reduced(device: torch.device) -> torch.autocast:
    """A context in which products are computed in bfloat16 if `device` is faster with it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=is_faster(device.type))


@functools.cache
def is_faster(kind: str) -> bool:
    """Whether bfloat16 is faster: a GPU always, a processor as measured.

    Instructions for it prove nothing: on one processor that has them a lesson took 2 / 5 as long
    in bfloat16, on another 7 / 5.
    """
    return kind != "cpu" or _seconds(torch.bfloat16) < _seconds(torch.float32)


def _seconds(dtype: torch.dtype) -> float:
    """A convolution of the size they have here, forwards and backwards, at best."""
    x = torch.randn(8, 64, 32, 32, dtype=dtype).to(memory_format=torch.channels_last)
    weight = torch.randn(64, 64, 3, 3, dtype=dtype, requires_grad=True)
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        F.conv2d(x, weight, padding=1).square().mean().backward()
        times.append(time.perf_counter() - begun)
    return min(times)
