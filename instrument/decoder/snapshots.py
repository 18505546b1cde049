"""A trained model with its training history: weights of neighbouring snapshots, blended live.

Snapshot 0 is the earliest, n - 1 the newest, and 4.25 lies a quarter of the way from 4 to 5.
One checkpoint is a history of one. This module knows no architecture: `Playable` tells it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from instrument.decoder.models import HistoryDetails, ModelManifest
from instrument.decoder.network import NetworkDecoder, choose_device
from instrument.decoder.protocol import Precision
from instrument.decoder.weights import Layout, Slot, read_weights
from instrument.timebase import WallClock

SNAPSHOT, TRUNCATION = "/model/snapshot", "/model/truncation"
_TRIALS = 4  # pictures decoded to see which precision is faster here
_PATIENCE = 2.0  # s of trying, after which a large model is taken as it is
_KEPT = 3  # snapshots unpacked at once: the two that are blended, and where we came from


@dataclass(frozen=True, slots=True)
class Playable:
    """A network, and how a picture comes out of it.

    `paint` takes z ``[n, *latent.shape]`` in float32 and how much of it truncation leaves, ``[n]``
    or None for all, and gives ``[n, 3, h, w]`` in 0..1. `halved` says which tensors may be held
    in half precision where that is faster.
    """

    network: nn.Module
    layout: Layout
    paint: Callable[[Tensor, Tensor | None], Tensor]
    halved: Callable[[Slot], bool]


class SnapshotNetwork(nn.Module):
    """z and a place in the training history → picture. Weights are blended only when it moves."""

    def __init__(
        self, playable: Playable, packed: Sequence[Mapping[str, Tensor]],
        device: torch.device, dtype: torch.dtype,
    ) -> None:  # fmt: skip
        super().__init__()
        self.network = playable.network
        self._paint, self._layout, self._packed = playable.paint, playable.layout, packed
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
        newest = float(len(self._packed) - 1)
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
            pictures.append(self._paint(z[start:stop], psi))
            start = stop
        return pictures[0] if len(pictures) == 1 else torch.cat(pictures)

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

    def _flat(self, index: int) -> Tensor:
        """Snapshot `index` unpacked, ``F32[length]``; the last few are kept."""
        flat = self._unpacked.pop(index, None)
        if flat is None:
            flat = self._layout.flatten(self._packed[index]).to(self._device)
            for old in list(self._unpacked)[: max(0, len(self._unpacked) + 1 - _KEPT)]:
                del self._unpacked[old]
        self._unpacked[index] = flat
        return flat


def open_history(
    manifest: ModelManifest, layout: Layout, make: Callable[[torch.device, torch.dtype], Playable],
    device: str, threads: int, precision: Precision,
) -> NetworkDecoder:  # fmt: skip
    """The decoder of a model with snapshots; `make` builds its network in some precision.

    Raises InstrumentError on device and files.
    """
    details = manifest.details
    assert isinstance(details, HistoryDetails)
    chosen = choose_device(device, threads)
    if precision == "full" and chosen.type == "cuda":
        # Else convolutions round to 10 bits there, and a film differs from that of another card.
        torch.backends.cudnn.allow_tf32 = False
    with torch.inference_mode():
        packed = [
            read_weights(manifest.folder / snapshot.file, snapshot.sha256, layout)
            for snapshot in details.snapshots
        ]
        best: tuple[float, NetworkDecoder] | None = None
        wishes = dtypes(chosen, precision)
        for dtype in wishes:
            network = SnapshotNetwork(make(chosen, dtype), packed, chosen, dtype)
            decoder = NetworkDecoder(manifest.spec, network, chosen)
            seconds = _seconds(decoder) if len(wishes) > 1 else 0.0
            if best is None or seconds < best[0]:
                best = seconds, decoder
            if seconds > _PATIENCE:
                break  # nobody performs with it, and to wait for another trial would be long
        assert best is not None
        return best[1]


def dtypes(device: torch.device, precision: Precision) -> list[torch.dtype]:
    """What to compute in, or what to try: films in float32, on stage whatever is faster.

    A CPU without instructions for bfloat16 is slower with it, and one with them not always
    faster: measured for the default model, convolutions take two thirds of the time and
    everything between them twice. The eye cannot tell the two apart (53 dB).
    """
    if precision == "full":
        return [torch.float32]
    if device.type == "cuda":
        return [torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16]
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        has = torch.cpu.get_capabilities()
        if has.get("avx512_bf16") or has.get("amx_bf16"):
            return [torch.float32, torch.bfloat16]
    return [torch.float32]


def _seconds(decoder: NetworkDecoder) -> float:
    """What a picture takes, at best."""
    z = np.ones((1, *decoder.spec.latent.shape), np.float32)
    clock = WallClock()
    times: list[float] = []
    while len(times) < _TRIALS and sum(times) < _PATIENCE:
        begun = clock.now()
        decoder.decode(z, {})
        times.append(clock.now() - begun)
    return min(times)
