"""Tables in somebody's ``.pt`` from the stage's side: read by the process that opens checkpoints.

This module knows no torch.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
import numpy as np

from instrument import InstrumentError
from instrument.decoder.checkpoint_door import read_safetensors
from instrument.decoder.conversion import ask_reader
from instrument.latent.space import F32


class _Answer(msgspec.Struct, frozen=True):
    arrays: list[str]


def read_foreign_arrays(path: Path) -> dict[str, F32]:
    """The arrays of floats in a file of ``torch.save``, by their keys.

    Raises InstrumentError, one line that names `path`.
    """
    with tempfile.TemporaryDirectory(prefix="latent-instrument-") as folder:
        out = Path(folder) / "arrays.safetensors"
        ask_reader(path, _Answer, "--out", str(out), "--arrays")
        try:
            content = out.read_bytes()
        except OSError as error:
            raise InstrumentError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        found = read_safetensors(memoryview(content))
    except InstrumentError as error:
        raise InstrumentError(f"{path}: {error}") from error
    return {name: np.array(one, np.float32) for name, one in found.items()}
