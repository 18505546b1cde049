"""The process that asks a model where its z lie in w.

Started by `mapped` and never by hand: torch is here, and the stage may not know it. Standard input
holds rows of float32, each a z and the training snapshot it is meant for; standard output, where
all went well, the scale of w, then one w a row. What went wrong is said there in one line, and the
exit code is 1. Only what belongs to the mapping is read of the weights.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from instrument import InstrumentError
from instrument.decoder.architectures import StyleSettings
from instrument.decoder.mapping import Mapping
from instrument.decoder.models import (
    GeneratorDetails,
    HistoryDetails,
    ModelManifest,
    SkipDetails,
    read_manifest,
)
from instrument.decoder.skip_generator import GeneratorSpec, SkipGenerator
from instrument.decoder.spaces import spaces_of
from instrument.decoder.weights import read_some
from instrument.latent.space import F32

SAMPLES = 2048  # random z from which the scale of w is taken
State = dict[str, Tensor]
ToW = Callable[[Tensor], Tensor]


def main() -> int:
    """Read rows, answer, leave; 1 when there is no w to be had."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(prog="instrument.decoder.mapping_child")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    try:
        manifest = read_manifest(options.folder)
        width = spaces_of(manifest)["z"].size + 1
        rows = np.frombuffer(sys.stdin.buffer.read(), "<f4").reshape(-1, width)
        w, scale = mapped_rows(manifest, rows[:, :-1], rows[:, -1])
    except (InstrumentError, OSError, RuntimeError, ValueError, MemoryError) as error:
        sys.stdout.buffer.write(" ".join(str(error).split())[:500].encode(errors="replace"))
        return 1
    sys.stdout.buffer.write(np.float32(scale).tobytes() + w.astype("<f4").tobytes())
    return 0


def mapped_rows(manifest: ModelManifest, z: F32, snapshots: F32) -> tuple[F32, float]:
    """w ``F32[n, w_dim]`` of ``z F32[n, z_dim]``, each at its snapshot; and the scale of w.

    The scale is that of the newest snapshot, sqrt(E |w - E w|²) over random z. Raises
    InstrumentError naming the model or its files.
    """
    wanted, to_w = _mapping_of(manifest)
    history = _History(manifest, wanted)
    with torch.inference_mode():
        w = [
            to_w(history.at(float(place)), torch.from_numpy(np.array(row))[None])[0].numpy()
            for row, place in zip(z, snapshots, strict=True)
        ]
        chance = torch.Generator().manual_seed(0)
        samples = torch.randn(SAMPLES, z.shape[1], generator=chance)
        samples *= np.sqrt(z.shape[1]) / samples.norm(dim=1, keepdim=True)
        cloud = to_w(history.at(np.inf), samples).double()
        scale = float((cloud - cloud.mean(dim=0)).square().sum(dim=1).mean().sqrt())
    width = cloud.shape[1]
    return np.array(w, np.float32).reshape(len(z), width), scale


class _History:
    """The weights of a mapping at any place in the training."""

    def __init__(self, manifest: ModelManifest, wanted: Callable[[str], bool]) -> None:
        details = manifest.details
        assert isinstance(details, HistoryDetails)
        self._files = [manifest.folder / snapshot.file for snapshot in details.snapshots]
        self._wanted = wanted
        self._read: dict[int, State] = {}

    def at(self, place: float) -> State:
        """The tensors at `place`: those of its neighbours blended, as `snapshots` does it."""
        place = min(max(place, 0.0), len(self._files) - 1.0)
        below = int(place)
        if place == below:
            return self._state(below)
        pair = self._state(below), self._state(below + 1)
        return {
            name: torch.lerp(one, pair[1][name], place - below) for name, one in pair[0].items()
        }

    def _state(self, number: int) -> State:
        if number not in self._read:
            self._read[number] = read_some(self._files[number], self._wanted)
        return self._read[number]


def _mapping_of(
    manifest: ModelManifest,
) -> tuple[Callable[[str], bool], Callable[[State, Tensor], Tensor]]:
    """Which tensors the mapping of `manifest` has, and what it makes of them and z [n, z_dim]."""
    details = manifest.details
    if isinstance(details, SkipDetails):
        skip = SkipGenerator(GeneratorSpec.from_json(details.generator))

        def skip_w(state: State, z: Tensor) -> Tensor:
            skip.load_state_dict(state, strict=False)
            return skip.map(z)

        return lambda name: name.startswith(("map_", "family_bias")), skip_w
    if not (isinstance(details, GeneratorDetails) and isinstance(details.settings, StyleSettings)):
        raise InstrumentError(f"{manifest.name}: has no w")
    network, classes = Mapping(details.settings), details.settings.c_dim
    label = torch.eye(classes)[details.label : details.label + 1] if classes else None

    def style_w(state: State, z: Tensor) -> Tensor:
        network.load_state_dict({n.removeprefix("mapping."): t for n, t in state.items()})
        return network.plain(z, None if label is None else label.expand(len(z), -1))

    return lambda name: name.startswith("mapping."), style_w


if __name__ == "__main__":
    sys.exit(main())
