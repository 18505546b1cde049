"""Painted pictures kept at hand: a file of bytes, refreshed piece by piece.

The file is a row of slots of `SLOT` pictures, each of one family. Piece p of the painter's work
(pieces are counted from 0 and seeded by their number) goes to slot p modulo the number of slots,
so where the painter stands is one number and every piece can be painted again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from painter import FAMILIES, paint

SLOT = 32


def slot_families(slots: int, shares: Tensor) -> Tensor:
    """Which family each slot holds, int64 [slots]: in these shares, at least one each, mixed."""
    ends = (shares.cumsum(0) * (slots - len(shares))).round().long()
    counts = torch.diff(ends, prepend=torch.zeros(1, dtype=torch.long)) + 1
    families = torch.repeat_interleave(torch.arange(len(shares)), counts)
    return families[torch.randperm(slots, generator=torch.Generator().manual_seed(0))]


class Pictures:
    """`slots` × 32 pictures of `size` pixels in a memory-mapped file, drawn by family."""

    def __init__(self, path: Path, size: int, slots: int, shares: Tensor, seed: int) -> None:
        self.path, self.size, self.slots, self.seed = path, size, slots, seed
        self.families = slot_families(slots, shares)
        self.of_family = [torch.nonzero(self.families == f)[:, 0] for f in range(len(FAMILIES))]
        self.position = 0  # pieces painted so far
        self.credit = 0.0  # pictures the painter owes
        numbers = slots * SLOT * size * size * 3
        self.kept = path.exists() and path.stat().st_size == numbers
        file = torch.from_file(str(path), shared=True, size=numbers, dtype=torch.uint8)
        self.data = file.view(slots * SLOT, size, size, 3)

    def open(self, position: int, told: Callable[[int, int], None]) -> None:
        """Go on from `position`; a missing file is painted anew, `told` how far (done, all)."""
        self.position = position
        if self.kept and position >= self.slots:
            return
        self.position = max(0, position - self.slots)
        for done in range(self.slots):
            self.paint_next()
            told(done + 1, self.slots)

    def paint_next(self) -> None:
        """Paint one piece over the oldest slot."""
        slot = self.position % self.slots
        # sizes use seeds of their own, so that growing shows new pictures
        seed = (self.seed * 1_000 + self.size) * 10_000_000 + self.position
        pictures = paint(int(self.families[slot]), SLOT, self.size, seed)
        self.data[slot * SLOT : (slot + 1) * SLOT] = pictures
        self.position += 1

    def refresh(self, pictures: float) -> None:
        """Let the painter do its part: `pictures` more, in whole pieces as they add up."""
        self.credit += pictures
        while self.credit >= SLOT:
            self.credit -= SLOT
            self.paint_next()

    def draw(self, families: Tensor, generator: torch.Generator) -> Tensor:
        """One picture of each of `families` [n], half of them mirrored: [n, 3, s, s] in [-1, 1]."""
        chance = torch.rand(3, len(families), generator=generator)
        rows = torch.empty(len(families), dtype=torch.long)
        for index, family in enumerate(families.tolist()):
            slots = self.of_family[family]
            slot = slots[int(chance[0, index] * len(slots))]
            rows[index] = slot * SLOT + int(chance[1, index] * SLOT)
        pictures = self.data[rows].permute(0, 3, 1, 2).float() / 127.5 - 1
        mirrored = torch.where(chance[2].view(-1, 1, 1, 1) < 0.5, pictures.flip(3), pictures)
        return mirrored.contiguous(memory_format=torch.channels_last)
