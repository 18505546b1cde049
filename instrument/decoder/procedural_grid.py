"""Where the procedural model computes: half the size of a picture, and the way up from there."""

from __future__ import annotations

import torch
from torch import Tensor


def half(pixels: int) -> int:
    """Half the size, except where that leaves too little to hold a fold."""
    return max(-(-pixels // 2), min(pixels, 96))


def coordinates(size: tuple[int, int], grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """y and x of the centres of `grid` cells over `size` pixels; the short side is [-1, 1]."""
    short = min(size)
    lines = [
        ((torch.arange(cells) + 0.5) * (length / cells) - length / 2) * (2 / short)
        for length, cells in zip(size, grid, strict=True)
    ]
    y, x = torch.meshgrid(*lines, indexing="ij")
    return y, x


def spline(fine: int, coarse: int) -> Tensor:
    """``[fine, coarse]``: cubic B-spline weights, smooth to the second derivative."""
    position = (torch.arange(fine) + 0.5) * (coarse / fine) - 0.5
    first = position.floor().long()
    t = position - first
    weights = torch.stack(
        [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], dim=1
    )
    matrix = torch.zeros(fine, coarse)
    for k in range(4):
        columns = (first + (k - 1)).clamp(0, coarse - 1)[:, None]
        matrix.scatter_add_(1, columns, weights[:, k : k + 1] / 6)
    return matrix
