"""The process that compiles a model: started by `compiled`, never by hand.

``FOLDER SPACE HEIGHT WIDTH [gently]``. It ends when its standard input does. Exits with 0 once the
package lies in its place, else with 1 and a line.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import threading
from pathlib import Path

from instrument import InstrumentError
from instrument.decoder.models import read_manifest
from instrument.decoder.spaces import in_space


def main(folder: str, space: str, height: str, width: str, how: str = "") -> int:
    """Compile; the exit code."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if how == "gently":
        _stand_back()
    import torch

    from instrument.decoder.compiled import compile_into, package_of
    from instrument.decoder.network import NetworkDecoder
    from instrument.decoder.runtime import open_decoder

    try:
        manifest = in_space(read_manifest(Path(folder)), space)
        manifest = dataclasses.replace(manifest, size=(int(height), int(width)))
        if manifest.architecture in ("program", "testcard"):
            raise InstrumentError(f"{manifest.name}: models of this kind are not compiled")
        decoder = open_decoder(manifest, "cpu", 1, "source")
        assert isinstance(decoder, NetworkDecoder)
        z = torch.ones(1, *manifest.latent.shape)
        compile_into(package_of(manifest.spec), decoder.network, z)
    except InstrumentError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


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
