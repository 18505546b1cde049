"""The stage's side of a mapping: z in, w out, through a process that has torch.

What was asked once is kept beside the converted models, under the model's SHA-256 and that of the
rows, so a show that was played before starts without waiting. This module knows no torch.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from instrument import InstrumentError
from instrument.decoder.child import describe_exit, environment
from instrument.decoder.model_cache import cache_folder
from instrument.decoder.models import ModelManifest
from instrument.decoder.spaces import spaces_of
from instrument.latent.arrays import write_atomically
from instrument.latent.space import F32

_SECONDS = 180.0  # for importing torch and mapping a few rows
_VERSION = 1  # of what is kept: another number, and everything is mapped anew
_FAULTS = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True, slots=True, eq=False)
class Mapped:
    """`w F32[n, w_dim]`, and the scale of the model's w (see `LatentSpec`)."""

    w: F32
    scale: float


def map_rows(
    manifest: ModelManifest, z: F32, snapshots: F32, tell: Callable[[str], None]
) -> Mapped:
    """w of ``z F32[n, z_dim]``, without truncation, each at its training snapshot ``F32[n]``.

    `tell` hears when it must be computed. Raises InstrumentError naming the model.
    """
    width = spaces_of(manifest)["w"].size
    rows = np.column_stack([z, snapshots]).astype("<f4")
    key = hashlib.sha256(f"{_VERSION} {manifest.sha256} ".encode() + rows.tobytes()).hexdigest()
    path = cache_folder().parent / "mapped" / f"{key[:32]}.npz"
    with contextlib.suppress(*_FAULTS):
        with np.load(path, allow_pickle=False) as kept:
            return _checked(kept["w"], float(kept["scale"]), (len(z), width))
    what = f"where {len(z)} places lie in w" if len(z) else "how wide its w is"
    tell(f"asking {manifest.name} {what}, once")
    answer = np.frombuffer(_ask(manifest, rows.tobytes(), 4 + 4 * len(z) * width), "<f4")
    try:
        mapped = _checked(answer[1:].reshape(len(z), width), float(answer[0]), (len(z), width))
    except ValueError as error:
        raise InstrumentError(f"{manifest.name}: maps z to what is no finite w") from error
    with contextlib.suppress(InstrumentError, OSError):  # then it is asked again next time
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as file:
            np.savez(file, w=mapped.w, scale=np.float32(mapped.scale))
    return mapped


def _checked(w: F32, scale: float, shape: tuple[int, int]) -> Mapped:
    w = np.array(w, np.float32)
    if w.shape != shape or not np.isfinite(w).all() or not 0 <= scale < math.inf:
        raise ValueError("no w")
    return Mapped(w, scale)


def _ask(manifest: ModelManifest, rows: bytes, length: int) -> bytes:
    """The answer of the process, which must have `length` bytes."""
    command = [sys.executable, "-P", "-m", "instrument.decoder.mapping_child"]
    with subprocess.Popen(
        [*command, str(manifest.folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(),
    ) as process:  # fmt: skip
        timer = threading.Timer(_SECONDS, process.kill)
        timer.start()
        try:
            answer, _ = process.communicate(rows)
        finally:
            timer.cancel()
            process.kill()
    if process.returncode == 0 and len(answer) == length:
        return answer
    reason = answer.decode(errors="replace")[:500] if process.returncode == 1 else ""
    reason = reason or f"the process that mapped z to w {describe_exit(process.returncode)}"
    raise InstrumentError(reason if manifest.name in reason else f"{manifest.name}: {reason}")
