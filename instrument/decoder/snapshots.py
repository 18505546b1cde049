"""A trained model with its training history: weights of neighbouring snapshots, blended live.

Snapshot 0 is the earliest, n - 1 the newest, and 4.25 lies a quarter of the way from 4 to 5.
One checkpoint is a history of one. This module knows no architecture: `Playable` tells it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from instrument.decoder.weights import Layout, Slot

SNAPSHOT, TRUNCATION = "/model/snapshot", "/model/truncation"
_KEPT = 3  # snapshots unpacked at once: the two that are blended, and where we came from


@dataclass(frozen=True, slots=True)
class Playable:
    """A network, and how a picture comes out of it.

    `paint` takes z ``[n, *latent.shape]`` in float32 and how much of it truncation leaves, ``[n]``
    or None for all, and gives ``[n, 3, h, w]`` in 0..1, or a fourth band of ones with them.
    `halved` says which tensors may be held in half precision where that is faster. `moved` is
    told when the weights have other values.
    """

    network: nn.Module
    layout: Layout
    paint: Callable[[Tensor, Tensor | None], Tensor]
    halved: Callable[[Slot], bool]
    moved: Callable[[], None] = lambda: None


class SnapshotNetwork(nn.Module):
    """z and a place in the training history → picture. Weights are blended only when it moves."""

    def __init__(
        self, playable: Playable, packed: Sequence[Mapping[str, Tensor]],
        device: torch.device, dtype: torch.dtype,
    ) -> None:  # fmt: skip
        super().__init__()
        self.network = playable.network
        self.paint, self._moved = playable.paint, playable.moved
        self._layout, self._packed = playable.layout, packed
        self._unpacked: dict[int, Tensor] = {}
        self._device = device
        self._position = math.nan
        self._blended = torch.empty(self._layout.length, device=device)
        # The network's own weights; where it computes in float32 they are the blend itself.
        self._weights = self._blended.to(dtype)
        self._layout.bind(self.network, self._blended)
        self._layout.bind(self.network, self._weights, playable.halved)
        self.place(float(len(packed) - 1))

    def forward(self, z: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        """z ``[n, *latent.shape]`` → ``[n, 3, h, w]`` in 0..1. Rows of one snapshot go together."""
        newest = self.newest
        snapshots = parameters.get(SNAPSHOT)
        truncation = parameters.get(TRUNCATION)
        if truncation is not None and bool((truncation == 1.0).all()):
            truncation = None  # nothing is drawn anywhere: as if nobody had asked
        places = [newest] * len(z) if snapshots is None else snapshots.tolist()
        pictures: list[Tensor] = []
        start = 0
        while start < len(z):
            stop = start + 1
            while stop < len(z) and places[stop] == places[start]:
                stop += 1
            self.place(places[start])
            psi = None if truncation is None else truncation[start:stop]
            pictures.append(self.paint(z[start:stop], psi))
            start = stop
        return pictures[0] if len(pictures) == 1 else torch.cat(pictures)

    @property
    def newest(self) -> float:
        """The place of the last snapshot."""
        return float(len(self._packed) - 1)

    def place(self, position: float) -> None:
        """Go to `position` in the history; what lies outside it is its nearest end."""
        position = min(max(position, 0.0), len(self._packed) - 1.0)
        if position == self._position:
            return
        self._position = position
        below = min(int(position), len(self._packed) - 1)
        share = position - below
        if len(self._packed) == 1:
            self._layout.flatten(self._packed[0], self._blended)
        elif share == 0.0:
            self._blended.copy_(self._flat(below))
        else:
            torch.lerp(self._flat(below), self._flat(below + 1), share, out=self._blended)
        if self._weights is not self._blended:
            self._weights.copy_(self._blended)
        self._moved()

    def _flat(self, index: int) -> Tensor:
        """Snapshot `index` unpacked, ``F32[length]``; the last few are kept."""
        flat = self._unpacked.pop(index, None)
        if flat is None:
            flat = self._layout.flatten(self._packed[index]).to(self._device)
            for old in list(self._unpacked)[: max(0, len(self._unpacked) + 1 - _KEPT)]:
                del self._unpacked[old]
        self._unpacked[index] = flat
        return flat
