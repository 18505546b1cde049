"""A display for a window: the one that is there, else one of our own that nobody sees."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from instrument import InstrumentError
from instrument.display.monitors import display_available

_NO_DISPLAY = "needs a window, and there is no display (nor Xvfb to make one)"


@contextmanager
def some_display() -> Iterator[dict[str, str]]:
    """Environment variables that lead to a display. Raises InstrumentError where none can be."""
    if display_available():
        yield {}
        return
    xvfb = shutil.which("Xvfb")
    if xvfb is None:
        raise InstrumentError(_NO_DISPLAY)
    reading, writing = os.pipe()
    command = [xvfb, "-screen", "0", "1280x1024x24", "+extension", "GLX", "-nolisten", "tcp"]
    server = subprocess.Popen(
        [*command, "-displayfd", str(writing)], pass_fds=[writing],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(writing)
    try:
        with os.fdopen(reading) as pipe:
            number = pipe.readline().strip()
        if not number:
            raise InstrumentError(f"{_NO_DISPLAY}: Xvfb does not start")
        yield {"DISPLAY": f":{number}"}
    finally:
        server.terminate()
        server.wait()
