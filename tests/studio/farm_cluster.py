"""Films for the nodes of a farm: what every one of them opens by its name, and its troubles."""

from __future__ import annotations

import json
import os
import time
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from instrument import InstrumentError
from instrument.decoder.models import find_model
from instrument.decoder.runtime import open_decoder
from instrument.latent.sequence import ZSequence
from instrument.studio.ahead import DecodeAhead
from instrument.studio.chunks import Job
from instrument.studio.encode import open_film
from instrument.studio.farm_task import Reply, Task
from instrument.studio.farm_unit import perform
from instrument.studio.finishing import PlainFrames
from instrument.studio.render_manifest import Manifest
from instrument.studio.shutter import Instant
from instrument.studio.workers import Here
from instrument.studio.workplace import Workplace
from instrument.timebase import FrameRange, FrameRate

RATE = FrameRate(30)
CHUNK, BATCH = 12, 4


def order_film(out: Path, frames: int, **trouble: object) -> Manifest:
    """Begin the film `out` of `frames` frames; `trouble` is for `task` to make."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").write_text(json.dumps({"frames": frames, **trouble}))
    job = _open(str(out))
    job.work.begin(job.manifest)
    return job.manifest


def walk(frames: int) -> ZSequence:
    """A short journey in the procedural model's space."""
    manifest = find_model("procedural-64")
    (dims,) = manifest.latent.shape
    ends = np.random.Generator(np.random.Philox(1)).standard_normal((2, dims))
    share = np.linspace(0, 1, frames)[:, None]
    z = (np.cos(share) * ends[0] + np.sin(share) * ends[1]).astype(np.float32)
    return ZSequence(z, RATE, manifest.latent)


@lru_cache(maxsize=2)
def _open(out: str) -> Job:
    wanted = json.loads(Path(out).with_suffix(".json").read_text())
    total = wanted["frames"]
    sequence = walk(total)
    decoder = open_decoder(find_model("procedural-64"), "cpu")
    size = decoder.spec.size
    manifest = Manifest(
        FrameRange(0, total), total, RATE, size, BATCH, CHUNK, {"film": "walk"}, {"torch": "2"}
    )
    here = Here(lambda: PlainFrames((), decoder, None), BATCH)
    ahead = DecodeAhead(Instant(sequence), here, total, decoder.spec.name, BATCH)
    return Job(Workplace(Path(out)), manifest, ahead, partial(_chunk, size=size))


def _chunk(path: Path, size: tuple[int, int]) -> object:
    return open_film(path, size, RATE, "lossless")


def task(out: str, wanted: Task) -> Reply:
    """A node's work, and the troubles that the film was ordered with."""
    trouble = json.loads(Path(out).with_suffix(".json").read_text())
    job = _open(out)
    if wanted.kind == "render":
        _attempt(Path(out), wanted.chunk, trouble)
        if trouble.get("slow"):
            time.sleep(trouble["slow"])
    return perform(job, wanted)


def _attempt(out: Path, chunk: int, trouble: dict[str, object]) -> None:
    """Note that the chunk was begun; fail where the film was ordered so, now and then."""
    attempts = out.parent / "attempts"
    attempts.mkdir(exist_ok=True)
    number = len(list(attempts.glob(f"{chunk}-*")))
    (attempts / f"{chunk}-{number}-{os.environ['FARM_NODE']}").touch()
    chance = np.random.Generator(np.random.Philox(key=[chunk, number])).random()
    if chance < float(str(trouble.get("failing", 0))):
        if number == 0 and chunk % 2:
            os._exit(1)  # as a crash of the driver of a graphics card would
        raise InstrumentError("it failed on purpose")
