"""Painted pictures kept at hand, refreshed piece by piece.

They lie in a row of slots, each of one family. Piece p of the painter's work (pieces are counted
from 0 and seeded by their number) goes to slot p modulo the number of slots, so where the painter
stands is one number and every piece can be painted again. On a CPU the slots are a file, on a GPU
they are in its memory.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from painter import CHUNK, CHUNK_GPU, FAMILIES, paint

KEPT_BYTES = {"cpu": 800_000_000, "cuda": 12_000_000_000}  # most that the pictures may take


def slot_families(slots: int, shares: Tensor) -> Tensor:
    """Which family each slot holds, int64 [slots]: in these shares, at least one each, mixed."""
    ends = (shares.cumsum(0) * (slots - len(shares))).round().long()
    counts = torch.diff(ends, prepend=torch.zeros(1, dtype=torch.long)) + 1
    families = torch.repeat_interleave(torch.arange(len(shares)), counts)
    return families[torch.randperm(slots, generator=torch.Generator().manual_seed(0))]


class Pictures:
    """Slots of painted pictures of `size` pixels, drawn by family.

    `wanted` pictures are kept, or as many as there is room for.
    """

    def __init__(
        self, path: Path, size: int, wanted: int, shares: Tensor, seed: int, device: torch.device
    ) -> None:
        self.path, self.size, self.seed, self.device = path, size, seed, device
        self.slot = CHUNK if device.type == "cpu" else CHUNK_GPU  # pictures of one slot
        most = min(wanted, KEPT_BYTES[device.type] // (size * size * 3))
        self.slots = max(most // self.slot, len(FAMILIES))
        self.families = slot_families(self.slots, shares)
        by_family = self.families.argsort(stable=True)
        counts = torch.bincount(self.families, minlength=len(FAMILIES))
        self._slots_of = by_family.to(device)  # slot numbers, those of a family together
        self._first, self._count = (counts.cumsum(0) - counts).to(device), counts.to(device)
        self.position = 0  # pieces painted so far
        self.credit = 0.0  # pictures the painter owes
        self.data, self.kept = self._room()

    def _room(self) -> tuple[Tensor, bool]:
        """Where the pictures lie, U8[slots · slot, size, size, 3], and whether they are there."""
        shape = (self.slots * self.slot, self.size, self.size, 3)
        if self.device.type != "cpu":
            return torch.empty(shape, dtype=torch.uint8, device=self.device), False
        numbers = shape[0] * self.size**2 * 3
        kept = self.path.exists() and self.path.stat().st_size == numbers
        file = torch.from_file(str(self.path), shared=True, size=numbers, dtype=torch.uint8)
        return file.view(shape), kept

    def open(self, position: int, told: Callable[[int, int], None]) -> None:
        """Go on from `position`; what is missing is painted anew, `told` how far (done, all)."""
        self.position = position
        if self.kept and position >= self.slots:
            return
        self.position = max(0, position - self.slots)
        for done in range(self.slots):
            self.paint_next()
            told((done + 1) * self.slot, self.slots * self.slot)

    def paint_next(self) -> None:
        """Paint one piece over the oldest slot."""
        slot = self.position % self.slots
        # sizes use seeds of their own, so that growing shows new pictures
        seed = (self.seed * 1_000 + self.size) * 10_000_000 + self.position
        pictures = paint(int(self.families[slot]), self.slot, self.size, seed, self.device)
        self.data[slot * self.slot : (slot + 1) * self.slot] = pictures
        self.position += 1

    def refresh(self, pictures: float) -> None:
        """Let the painter do its part: `pictures` more, in whole pieces as they add up."""
        self.credit += pictures
        while self.credit >= self.slot:
            self.credit -= self.slot
            self.paint_next()

    def draw(self, families: Tensor, generator: torch.Generator) -> Tensor:
        """One picture each of `families` [n], half of them mirrored: [n, 3, s, s] in [-1, 1]."""
        n, device = len(families), self.device
        chance = torch.rand(3, n, generator=generator, device=device)
        among = (chance[0] * self._count[families]).long()
        slots = self._slots_of[self._first[families] + among]
        rows = slots * self.slot + (chance[1] * self.slot).long()
        pictures = self.data[rows].permute(0, 3, 1, 2).float() / 127.5 - 1
        mirrored = torch.where(chance[2].view(-1, 1, 1, 1) < 0.5, pictures.flip(3), pictures)
        return mirrored.contiguous(memory_format=torch.channels_last)
