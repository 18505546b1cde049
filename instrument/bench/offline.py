"""(f) A film against the slower of its halves: render / max(decode, encode), in turn."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from instrument.bench.filming import Costs, Filming
from instrument.bench.load import Background
from instrument.bench.rows import Effort, Row, row
from instrument.bench.stage import workspace
from instrument.decoder.models import ModelManifest, find_model

FRAMES = {256: 200, 512: 64, 1024: 16}
_QUICK = {256: 40}
_OVERLAP_TARGET, _PARALLEL_TARGET = 1.05, 0.6


def measure(effort: Effort) -> list[Row]:
    """For each size of picture a row of one worker, and one of as many as there are cores."""
    sizes = FRAMES if effort.full else _QUICK
    return [one for pixels, frames in sizes.items() for one in of_size(pixels, frames, effort)]


def of_size(pixels: int, frames: int, effort: Effort) -> list[Row]:
    """Films of the procedural model, H.264 of the usual quality."""
    workers = max(2, os.cpu_count() or 1)
    with (
        workspace() as folder,
        Filming(
            at_size(find_model("procedural"), pixels, folder), frames, workers, folder
        ) as filming,
        Background() as background,
    ):
        costs = Costs([filming.round(n) for n in range(effort.rounds)], frames, workers)
    overlap, parallel = costs.at_best
    about: dict[str, Any] = {
        "frames": frames, "without": "the tail: what an encoder still holds at the end",
        "ms_a_frame": {name: round(ms, 2) for name, ms in costs.milliseconds.items()},
    }  # fmt: skip
    return [
        row(f"film / max(decode, encode), {pixels} px", costs.overlaps, "",
            target=_OVERLAP_TARGET, background=background.cores, at_best=round(overlap, 3),
            all_in=round(costs.all_in("render", "decode", "encode"), 3), **about),
        row(f"film of all cores / decode, {pixels} px", costs.parallels, "",
            target=_PARALLEL_TARGET, background=background.cores, at_best=round(parallel, 3),
            all_in=round(costs.all_in("parallel", "decode"), 3), workers=workers, **about),
    ]  # fmt: skip


def at_size(model: ModelManifest, pixels: int, folder: Path) -> ModelManifest:
    """`model`, which paints any size, with pictures of `pixels` × `pixels`; it lies in `folder`."""
    place = folder / str(pixels)
    place.mkdir()
    said = json.loads((model.folder / "manifest.json").read_text(encoding="utf-8"))
    manifest = json.dumps({**said, "size": [pixels, pixels]})
    (place / "manifest.json").write_text(manifest, encoding="utf-8")
    return find_model(place)
