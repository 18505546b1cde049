"""Contact sheets: many pictures on one, for people to look at."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from torch import Tensor


def tiled(pictures: Tensor, columns: int) -> Image.Image:
    """Pictures U8[n, h, w, 3] in rows of `columns`, what does not fill a row left out."""
    rows = len(pictures) // columns
    _, height, width, _ = pictures.shape
    grid = pictures[: rows * columns].view(rows, columns, height, width, 3)
    return Image.fromarray(
        grid.permute(0, 2, 1, 3, 4).reshape(rows * height, columns * width, 3).numpy()
    )


def to_bytes(pictures: Tensor) -> Tensor:
    """[n, 3, h, w] in [-1, 1] → U8[n, h, w, 3]."""
    return (pictures.float() * 127.5 + 128).clamp(0, 255).byte().permute(0, 2, 3, 1)


def save(pictures: Tensor, columns: int, path: Path) -> None:
    """Write a sheet as PNG."""
    tiled(pictures, columns).save(path, compress_level=4)
