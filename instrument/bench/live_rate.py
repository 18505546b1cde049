"""(b) Pictures a second through the decoder process, against the same decoder in a bare loop."""

from __future__ import annotations

from typing import Any

import numpy as np

from instrument import InstrumentError
from instrument.bench.load import Background
from instrument.bench.rows import Effort, Row, row
from instrument.bench.turns import in_turn, wall
from instrument.decoder.models import ModelManifest, find_model
from instrument.decoder.process import DecoderProcess
from instrument.decoder.protocol import DirectDecoder, PatientDecoder
from instrument.decoder.runtime import open_decoder
from instrument.latent.space import F32

_TARGET = 0.97
_THREADS = 1  # more of them wait for a busy neighbour
_PATIENCE = 60.0  # s for a picture


def measure(effort: Effort, model: str = "default", pictures: int = 12) -> list[Row]:
    """The ratio of both rates, and both."""
    manifest = find_model(model)
    z = some_z(manifest, pictures)
    decoder, form = _tuned(manifest)
    pixels = np.empty((*manifest.size, 4), np.uint8)
    index = 0

    def bare() -> None:
        for position in z:
            decoder.decode_into(pixels, position[None], {})

    with DecoderProcess(manifest, threads=_THREADS) as process:

        def live() -> None:
            nonlocal index
            for position in z:  # the next z waits while a picture is made, as on stage
                process.post(index + 1, position, {})
                frame = process.newest(index, _PATIENCE)
                assert frame is not None, process.message
                index = frame.index

        live()
        bare()
        with Background() as background:
            seconds = in_turn({"bare": wall(bare), "live": wall(live)}, max(3, effort.rounds))
    rates = {name: [pictures / s for s in taken] for name, taken in seconds.items()}
    shares = [b / a for a, b in zip(seconds["live"], seconds["bare"], strict=True)]
    about: dict[str, Any] = {"model": model, "size": list(manifest.size), "form": form,
             "threads": _THREADS}  # fmt: skip
    cores = background.cores
    return [
        row("live decode rate / bare decoder loop", shares, "", better="higher", target=_TARGET,
            background=cores, **about),
        *(
            row(f"pictures a second, {name}", rates[name], "/s", better="higher",
                background=cores, **about)
            for name in ("live", "bare")
        ),
    ]  # fmt: skip


def some_z(manifest: ModelManifest, count: int) -> F32:
    """``F32[count, *shape]``: positions of a model."""
    random = np.random.Generator(np.random.Philox(0))
    return random.standard_normal((count, *manifest.latent.shape)).astype(np.float32)


def _tuned(manifest: ModelManifest) -> tuple[DirectDecoder, str]:
    """The model as a decoder process opens it, in the form it plays once it has found out, and
    that form's name."""
    decoder = open_decoder(manifest, threads=_THREADS, precision="fast")
    if not isinstance(decoder, DirectDecoder):
        raise InstrumentError(f"{manifest.name}: does not write into the stage's memory")
    while isinstance(decoder, PatientDecoder) and decoder.idle():
        pass
    return decoder, str(getattr(getattr(decoder, "form", None), "name", "the only one"))
