"""A painter of a brief history of almost everything: the world the default model learns.

Nine families, from nebulae to cathedrals, each of a few kinds, drawn by numbers alone.
`paint` gives pictures of one family; the same seed gives the same pictures at every size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from painter import cathedral, cell, face, flower, forest, mountain, nebula, ocean, planet
from painter.canvas import Canvas

# pictures painted together: on a CPU few enough to stay in its cache at 64 pixels, on a GPU
# enough to be worth starting so many kernels
CHUNK, CHUNK_GPU = 32, 256

Kind = Callable[[Canvas], Tensor]


@dataclass(frozen=True)
class Family:
    """A name, its share of the world, and its kinds with their shares of the family."""

    name: str
    share: float
    kinds: tuple[tuple[float, Kind], ...]


FAMILIES = (
    Family("nebula", 0.30, ((0.7, nebula.clouds), (0.3, nebula.galaxy))),
    Family("planet", 0.15, ((0.35, planet.giant), (0.35, planet.world), (0.3, planet.ringed))),
    Family("ocean", 0.13, ((0.7, ocean.sea), (0.3, ocean.breaker))),
    Family("mountain", 0.12, ((0.7, mountain.land), (0.3, mountain.lake))),
    Family("forest", 0.09, ((0.65, forest.glade), (0.35, forest.firs))),
    Family("flower", 0.08, ((0.5, flower.single), (0.35, flower.double), (0.15, flower.bunch))),
    Family("face", 0.05, ((1.0, face.mask),)),
    Family("cell", 0.04, ((0.5, cell.cells), (0.25, cell.bacteria), (0.25, cell.diatom))),
    Family(
        "cathedral", 0.04, ((0.45, cathedral.nave), (0.3, cathedral.facade), (0.25, cathedral.city))
    ),
)


def paint(
    family: int, count: int, size: int, seed: int, device: torch.device | str = "cpu"
) -> Tensor:
    """`count` pictures U8[count, size, size, 3] of a family, the same for the same seed.

    Every kind of device has chance of its own: a GPU paints other pictures than a CPU.
    """
    device = torch.device(device)
    chance = torch.Generator().manual_seed(seed * 1009 + family)
    shares = torch.tensor([share for share, _ in FAMILIES[family].kinds])
    chosen = torch.multinomial(shares, count, replacement=True, generator=chance)
    pictures = torch.empty(count, size, size, 3, dtype=torch.uint8, device=device)
    chunk = CHUNK if device.type == "cpu" else CHUNK_GPU
    for index, (_, kind) in enumerate(FAMILIES[family].kinds):
        for rows in torch.nonzero(chosen == index)[:, 0].split(chunk):
            start = int(torch.randint(1 << 40, (1,), generator=chance))
            with device:
                picture = kind(Canvas(len(rows), size, start)).clamp(0, 1)
                painted = (picture * 255 + 0.5).to(torch.uint8).permute(0, 2, 3, 1)
            pictures[rows.to(device)] = painted
    return pictures
