"""A trained model with its training history: weights of neighbouring snapshots, blended live.

Snapshot 0 is the earliest, n - 1 the newest, and 4.25 lies a quarter of the way from 4 to 5.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from instrument import InstrumentError
from instrument.decoder.models import ModelManifest, SkipDetails
from instrument.decoder.network import NetworkDecoder, choose_device
from instrument.decoder.protocol import Precision
from instrument.decoder.skip_generator import GeneratorSpec, SkipGenerator
from instrument.decoder.weights import Layout, read_weights
from instrument.timebase import WallClock

SNAPSHOT, TRUNCATION = "/model/snapshot", "/model/truncation"
MEAN = "mean_w"  # beside the network's own tensors: the average w, for truncation
_TRIALS = 4  # pictures decoded to see which precision is faster here
_KEPT = 3  # snapshots unpacked at once: the two that are blended, and where we came from


class SnapshotNetwork(nn.Module):
    """z and a place in the training history → picture. Weights are blended only when it moves."""

    def __init__(
        self, network: SkipGenerator, layout: Layout, packed: list[dict[str, Tensor]],
        device: torch.device, dtype: torch.dtype,
    ) -> None:  # fmt: skip
        super().__init__()
        self.network = network
        self._layout, self._packed = layout, packed
        self._unpacked: dict[int, Tensor] = {}
        self._device, self._dtype = device, dtype
        self._position = math.nan
        self._blended = torch.empty(layout.length, device=device)
        # The network's own weights; where it computes in float32 they are the blend itself.
        self._weights = self._blended.to(dtype)
        layout.bind(network, self._weights)
        self._mean = next(s for s in layout.slots if s.name == MEAN).view(self._weights)
        self.place(float(len(packed) - 1))

    def forward(self, z: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        """z ``[n, latent]`` → ``[n, 3, h, w]`` in 0..1. Rows of one snapshot go together."""
        newest = float(len(self._packed) - 1)
        snapshots = parameters.get(SNAPSHOT)
        truncation = parameters.get(TRUNCATION)
        places = [newest] * len(z) if snapshots is None else snapshots.tolist()
        pictures: list[Tensor] = []
        start = 0
        while start < len(z):
            stop = start + 1
            while stop < len(z) and places[stop] == places[start]:
                stop += 1
            self.place(places[start])
            psi = None if truncation is None else truncation[start:stop]
            pictures.append(self._decode(z[start:stop], psi))
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
        if share == 0.0:
            self._blended.copy_(self._flat(below))
        else:
            torch.lerp(self._flat(below), self._flat(below + 1), share, out=self._blended)
        if self._weights is not self._blended:
            self._weights.copy_(self._blended)

    def _decode(self, z: Tensor, psi: Tensor | None) -> Tensor:
        w = self.network.map(z.to(self._dtype))
        if psi is not None and bool((psi != 1.0).any()):
            w = torch.lerp(self._mean.expand_as(w), w, psi[:, None].to(w.dtype))
        return self.network.paint(w).float().add(1.0).mul(0.5)

    def _flat(self, index: int) -> Tensor:
        """Snapshot `index` unpacked, ``F32[length]``; the last few are kept."""
        flat = self._unpacked.pop(index, None)
        if flat is None:
            flat = self._layout.flatten(self._packed[index]).to(self._device)
            for old in list(self._unpacked)[: max(0, len(self._unpacked) + 1 - _KEPT)]:
                del self._unpacked[old]
        self._unpacked[index] = flat
        return flat


def layout_of(network: SkipGenerator) -> Layout:
    """The order of everything that changes in training, and the mean of w."""
    shapes = {name: tuple(tensor.shape) for name, tensor in network.named_parameters()}
    shapes["family_bias"] = tuple(network.family_bias.shape)
    shapes[MEAN] = (network.spec.mapped,)
    return Layout(shapes)


def open_model(
    manifest: ModelManifest, device: str, threads: int, precision: Precision = "full"
) -> NetworkDecoder:
    """The trained model of `manifest`. Raises InstrumentError on device, files or sizes."""
    details = manifest.details
    assert isinstance(details, SkipDetails)
    chosen = choose_device(device, threads)
    spec = GeneratorSpec.from_json(details.generator)
    if manifest.latent.shape != (spec.latent,) or manifest.size != (spec.size, spec.size):
        raise InstrumentError(
            f"{manifest.folder}: latent {manifest.latent} and size {list(manifest.size)} do not "
            f"go with a generator of {spec.latent} numbers and {spec.size} pixels"
        )
    with torch.inference_mode():
        layout = layout_of(SkipGenerator(spec))
        packed = [
            read_weights(manifest.folder / snapshot.file, snapshot.sha256, layout)
            for snapshot in details.snapshots
        ]
        networks = [
            SnapshotNetwork(SkipGenerator(spec).to(chosen, dtype), layout, packed, chosen, dtype)
            for dtype in dtypes(chosen, precision)
        ]
        decoders = [NetworkDecoder(manifest.spec, network, chosen) for network in networks]
        return min(decoders, key=_seconds) if len(decoders) > 1 else decoders[0]


def dtypes(device: torch.device, precision: Precision) -> list[torch.dtype]:
    """What to compute in, or what to try: films in float32, on stage whatever is faster.

    A CPU without instructions for bfloat16 is slower with it, and one with them not always
    faster: measured for this network, convolutions take two thirds of the time and everything
    between them twice. The eye cannot tell the two apart (53 dB).
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
    clock, times = WallClock(), []
    for _ in range(_TRIALS):
        begun = clock.now()
        decoder.decode(z, {})
        times.append(clock.now() - begun)
    return min(times)
