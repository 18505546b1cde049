"""What paints the films of `filming`: a worker process, or one that decodes and does nothing else.

Started by `filming`, never by hand. ``python -m instrument.bench.film_worker MODEL FRAMES`` decodes
all frames whenever a line comes, and says how long it took; without words it is a worker.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from instrument.decoder.models import ModelManifest, find_model
from instrument.latent.sequence import ZSequence
from instrument.studio.finishing import Frames, PlainFrames
from instrument.studio.worker_child import work
from instrument.timebase import FrameRate

RATE = FrameRate(30)


@dataclass(frozen=True, slots=True)
class Bench:
    """A model's pictures as they are. A `Painting`."""

    model: ModelManifest

    def machine(self) -> tuple[str, int]:
        """One picture at a time, on the processor."""
        return "cpu", 1

    def open(self, batch: int) -> Frames:
        """The frames."""
        from instrument.decoder.runtime import open_decoder  # torch

        return PlainFrames((), open_decoder(self.model), None)


def bench_from_json(said: Mapping[str, Any]) -> Bench:
    """Of a folder with a model."""
    return Bench(find_model(Path(said["model"])))


def walk(model: ModelManifest, frames: int) -> ZSequence:
    """Neighbours look alike, as in films."""
    random = np.random.Generator(np.random.Philox(1))
    ends = random.standard_normal((2, *model.latent.shape))
    share = np.linspace(0, 1, frames).reshape(-1, *[1] * len(model.latent.shape))
    z = ((1 - share) * ends[0] + share * ends[1]).astype(np.float32)
    return ZSequence(z, RATE, model.latent)


def decode_whenever_asked(model: ModelManifest, frames: int) -> None:
    """A line ``wall processor`` in seconds for every line that comes."""
    from instrument.decoder.runtime import open_decoder  # torch

    decoder, z = open_decoder(model), np.array(walk(model, frames).z)
    for _ in sys.stdin:
        began, used = time.perf_counter(), time.process_time()
        for row in range(frames):
            decoder.decode(z[row : row + 1], {})
        sys.stdout.write(f"{time.perf_counter() - began} {time.process_time() - used}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        decode_whenever_asked(find_model(Path(sys.argv[1])), int(sys.argv[2]))
    else:
        work(bench_from_json)
