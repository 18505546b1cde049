"""What training keeps on disk: checkpoints to go on from, snapshots to play, a log.

Everything is written beside its place and then moved there, so that being killed at any moment
loses at most the work since the last checkpoint.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import torch
from safetensors.torch import save_file
from torch import Tensor

SNAPSHOT_RATIO = 1.18  # images from one kept snapshot to the next
SNAPSHOT_FIRST = 1000  # images


class TrainingError(Exception):
    """What the person training can put right, in one line."""


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file beside `path`, flush it to disk, then put it in place."""
    beside = path.with_name(path.name + ".part")
    write(beside)
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    beside.replace(path)


class StateFolder:
    """The folder of one training; only one training at a time may hold it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for folder in (path, path / "sheets", path / "snapshots"):
            folder.mkdir(parents=True, exist_ok=True)
        self._lock = (path / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise TrainingError(f"{path}: another training is using this folder") from None

    def load(self, device: torch.device | str = "cpu") -> dict[str, Any] | None:
        """The last checkpoint, its tensors on `device`, or None where there is none."""
        path = self.path / "checkpoint.pt"
        if not path.exists():
            return None
        try:
            checkpoint: dict[str, Any] = torch.load(path, device, weights_only=True)
        except Exception as error:
            reason = str(error).partition("\n")[0]
            raise TrainingError(f"{path}: cannot be read ({reason})") from error
        return checkpoint

    def save(self, checkpoint: dict[str, Any]) -> None:
        """Put a checkpoint in the place of the last."""
        write_whole(self.path / "checkpoint.pt", lambda path: torch.save(checkpoint, path))

    def snapshot(self, images: int, weights: dict[str, Tensor], about: dict[str, Any]) -> Path:
        """Keep averaged weights of this moment, with what they are in the file's metadata."""
        path = self.path / "snapshots" / f"{images:09d}.safetensors"
        halves = {name: tensor.half().contiguous().cpu() for name, tensor in weights.items()}
        metadata = {"images": str(images), "about": json.dumps(about)}
        write_whole(path, lambda place: save_file(halves, place, metadata))
        return path

    def forget_after(self, images: int) -> None:
        """Remove the snapshots of moments that are no more."""
        for path in (self.path / "snapshots").glob("*.safetensors"):
            if int(path.stem) > images:
                path.unlink()

    def log(self) -> TextIO:
        """The progress log, one JSON object a line, to append to."""
        return (self.path / "progress.jsonl").open("a", buffering=1)

    def close(self) -> None:
        """Let another training have the folder."""
        self._lock.close()


def snapshot_moments(last: int) -> list[int]:
    """Image counts at which a snapshot is kept: evenly spaced ratios, and the end."""
    moments, moment = [], float(SNAPSHOT_FIRST)
    while moment < last:
        moments.append(int(moment))
        moment *= SNAPSHOT_RATIO
    return [*moments, last]
