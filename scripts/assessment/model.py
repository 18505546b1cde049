"""The model as a performer has it: through the decoder, at any snapshot."""

from __future__ import annotations

import statistics
import time

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from instrument.decoder.models import ModelManifest, SkipDetails
from instrument.decoder.process import DecoderProcess
from instrument.decoder.runtime import open_decoder
from instrument.decoder.skip_generator import GeneratorSpec, SkipGenerator
from instrument.decoder.skip_model import layout_of
from instrument.decoder.snapshots import SNAPSHOT
from instrument.decoder.weights import read_weights
from training.world import on_shell

_BATCH = 32


class Model:
    """Pictures of a bundled or exported model."""

    def __init__(self, manifest: ModelManifest, threads: int, device: str = "cpu") -> None:
        details = manifest.details
        if not isinstance(details, SkipDetails):
            raise ValueError(f"{manifest.name}: only trained models have families to assess")
        self.manifest, self.snapshots = manifest, details.snapshots
        self.dims = manifest.latent.size
        self._decoder = open_decoder(manifest, device, threads)
        # Which family a z is meant to be: read from the weights, the decoder does not tell.
        self._families = SkipGenerator(GeneratorSpec.from_json(details.generator))
        newest = details.snapshots[-1]
        layout = layout_of(self._families)
        tensors = read_weights(manifest.folder / newest.file, newest.sha256, layout)
        self._families.family_bias.copy_(tensors["family_bias"].float())

    def family(self, z: Tensor) -> Tensor:
        """The family each z [n, d] is meant to be, int64 [n]."""
        return self._families.family(z)

    def decode(self, z: Tensor, snapshot: float | None = None, size: int | None = None) -> Tensor:
        """z [n, d] → U8[n, s, s, 3], made smaller by averaging where `size` is given."""
        parts = []
        for rows in z.split(_BATCH):
            place = len(self.snapshots) - 1.0 if snapshot is None else snapshot
            values = {SNAPSHOT: np.full(len(rows), place, np.float32)}
            pixels = torch.from_numpy(self._decoder.decode(rows.numpy(), values))
            parts.append(pixels if size is None else _smaller(pixels, size))
        return torch.cat(parts)


def _smaller(pixels: Tensor, size: int) -> Tensor:
    floats = pixels.permute(0, 3, 1, 2).float()
    small = F.avg_pool2d(floats, pixels.shape[1] // size)
    return small.round().to(torch.uint8).permute(0, 2, 3, 1)


def continuity(model: Model, steps: int = 40) -> dict[str, float]:
    """How evenly the pictures of eight z change while the snapshot moves on by twentieths."""
    z = on_shell(8, model.dims, torch.Generator().manual_seed(4))
    last = len(model.snapshots) - 1.0
    places = np.linspace(last - 2.0, last, steps + 1)
    pictures = torch.stack([model.decode(z, float(place)) for place in places]).float()
    moved = (pictures[1:] - pictures[:-1]).square().mean(dim=(1, 2, 3, 4)).sqrt()
    return {
        "median_step": moved.median().item(),
        "largest_over_median": (moved.max() / moved.median().clamp_min(1e-6)).item(),
    }


def apart(model: Model, other: Model, count: int = 32) -> dict[str, float]:
    """By how many levels two decoders of one model differ, over the whole history."""
    z = on_shell(count, model.dims, torch.Generator().manual_seed(8))
    places = np.linspace(0, len(model.snapshots) - 1, 4)
    here = torch.cat([model.decode(z, float(place)) for place in places]).int()
    there = torch.cat([other.decode(z, float(place)) for place in places]).int()
    levels = (here - there).abs()
    return {"largest": float(levels.max()), "mean": levels.double().mean().item()}


def timing(manifest: ModelManifest, device: str = "cpu", seconds: float = 5.0) -> dict[str, float]:
    """Through the decoder process, as on stage: start, pictures a second, cost of moving."""
    z = on_shell(1, manifest.latent.size, torch.Generator().manual_seed(6)).numpy()[0]
    last = manifest.spec.snapshots - 1.0
    begun = time.perf_counter()
    with DecoderProcess(manifest, device) as process:
        stage = _Stage(process, z)
        stage.picture(last)
        started = time.perf_counter() - begun
        still = stage.times(seconds, [last])
        moving = stage.times(seconds, [last * step / 500 for step in range(500)])
    return {
        "first_picture_seconds": started,
        "pictures_a_second": 1.0 / statistics.fmean(still),
        "decode_ms": 1e3 * statistics.median(still),
        "moving_snapshot_over_still": statistics.median(moving) / statistics.median(still),
    }


class _Stage:
    """Asks for one picture after the other, each as soon as the last is there."""

    def __init__(self, process: DecoderProcess, z: np.ndarray) -> None:
        self._process, self._z, self._index = process, z, 0

    def picture(self, snapshot: float) -> None:
        """Ask for a picture and wait for it."""
        self._index += 1
        self._process.post(self._index, self._z, {SNAPSHOT: snapshot})
        if self._process.newest(self._index - 1, 60.0) is None:
            raise ValueError(f"no picture within a minute: {self._process.message}")

    def times(self, seconds: float, snapshots: list[float]) -> list[float]:
        """Seconds a picture took, going round `snapshots` for so long."""
        times: list[float] = []
        while sum(times) < seconds:
            begun = time.perf_counter()
            self.picture(snapshots[len(times) % len(snapshots)])
            times.append(time.perf_counter() - begun)
        return times
