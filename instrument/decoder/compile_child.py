"""The process that compiles a model, or compares its forms: started by `compiled`, never by hand.

``FOLDER SPACE HEIGHT WIDTH HOW``, see `compiled.compiling`. It ends when its standard input does.
Exits with 0 once the package lies in its place, or the comparison is printed, else with 1 and a
line.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import statistics
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from instrument import InstrumentError
from instrument.decoder.models import ModelManifest, read_manifest
from instrument.decoder.protocol import Decoder, DirectDecoder
from instrument.decoder.spaces import in_space
from instrument.timebase import WallClock

_ROUNDS = 9


def main(folder: str, space: str, height: str, width: str, how: str) -> int:
    """Compile, or compare; the exit code."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if how == "gently":
        _stand_back()
    try:
        manifest = in_space(read_manifest(Path(folder)), space)
        manifest = dataclasses.replace(manifest, size=(int(height), int(width)))
        if how == "compare":
            sys.stdout.write(json.dumps(_compared(manifest)))
        else:
            _compile(manifest)
    except InstrumentError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _compile(manifest: ModelManifest) -> None:
    import torch

    from instrument.decoder.compiled import compile_into, package_of
    from instrument.decoder.network import NetworkDecoder
    from instrument.decoder.runtime import open_decoder

    if manifest.architecture in ("program", "testcard"):
        raise InstrumentError(f"{manifest.name}: models of this kind are not compiled")
    decoder = open_decoder(manifest, "cpu", 1, "source")
    assert isinstance(decoder, NetworkDecoder)
    z = torch.ones(1, *manifest.latent.shape)
    compile_into(package_of(manifest.spec), decoder.network, z)


def _compared(manifest: ModelManifest) -> tuple[float, float, str]:
    """Seconds a picture of the safe form and of the one that will play, in turn; its name."""
    from instrument.decoder.forms import FULL
    from instrument.decoder.runtime import open_decoder
    from instrument.decoder.tuned import TunedDecoder

    best, form = open_decoder(manifest, "cpu", 1, "fast"), FULL.name
    if isinstance(best, TunedDecoder):
        best.settle()
        form = best.form.name
    works = [_once(open_decoder(manifest, "cpu")), _once(best)]
    taken = [[work() for work in works] for _ in range(_ROUNDS)]
    before, after = (statistics.median(one) for one in zip(*taken, strict=True))
    return before, after, form


def _once(decoder: Decoder) -> Callable[[], float]:
    """What a picture takes, and one is made now: the first is no measure."""
    assert isinstance(decoder, DirectDecoder)
    z = np.ones((1, *decoder.spec.latent.shape), np.float32)
    pixels = np.empty((*decoder.spec.size, 4), np.uint8)
    clock = WallClock()

    def timed() -> float:
        begun = clock.now()
        decoder.decode_into(pixels, z, {})
        return clock.now() - begun

    timed()
    return timed


def _end_with_parent() -> None:
    while os.read(0, 64):
        pass
    os._exit(1)


def _stand_back() -> None:
    with contextlib.suppress(OSError, AttributeError):
        os.nice(19)
    with contextlib.suppress(OSError, AttributeError):  # Linux: only where a core would be idle
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
