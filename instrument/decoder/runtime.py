"""Opens models: the table of architectures, and on which device they run.

Every architecture is one module with ``open_model(manifest, device, threads, precision)``, which
gives a `Decoder`, imported only when asked for. A model that brings its own code is opened in a
decoder process, whoever asks (see `apart`). This module itself imports no torch, so that
what needs none (the test double) starts in a tenth of a second.
"""

from __future__ import annotations

import importlib
from typing import cast

from instrument import InstrumentError
from instrument.decoder.apart import open_apart
from instrument.decoder.models import ModelManifest
from instrument.decoder.protocol import Decoder, Precision

_ARCHITECTURES = {
    "procedural": "instrument.decoder.procedural",
    "skip": "instrument.decoder.skip_model",
    "stylegan2": "instrument.decoder.generators",
    "stylegan3": "instrument.decoder.generators",
    "progan": "instrument.decoder.generators",
    "fastgan": "instrument.decoder.generators",
    "program": "instrument.decoder.program",
    "testcard": "instrument.decoder.testcard",
}
_WITH_CODE = ("program",)


def open_decoder(
    manifest: ModelManifest,
    device: str = "auto",
    threads: int = 1,
    precision: Precision = "full",
) -> Decoder:
    """A decoder ready to be played.

    `device` is ``auto`` (cuda, else mps, else cpu), ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    `threads` is how many CPU threads torch may use in this whole process. One is the default
    because OpenMP threads wait by spinning: two of them on a busy machine decode twenty times
    slower than one, unless ``OMP_WAIT_POLICY=passive`` was set before torch was imported.
    Raises InstrumentError when model, device or threads cannot be had.
    """
    if threads < 1:
        raise InstrumentError(f"decoder threads {threads}: must be 1 or more")
    if manifest.architecture in _WITH_CODE:
        return open_apart(manifest, device, threads, precision)
    return open_here(manifest, device, threads, precision)


def open_here(manifest: ModelManifest, device: str, threads: int, precision: Precision) -> Decoder:
    """A decoder in this very process, whatever code it brings: for a decoder process alone."""
    module = importlib.import_module(_ARCHITECTURES[manifest.architecture])
    return cast(Decoder, module.open_model(manifest, device, threads, precision))
