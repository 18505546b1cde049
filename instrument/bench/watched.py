"""Two screens that can say when a pixel changed: one with refreshes, and a window that has none.

`Refreshing` is a framebuffer whose swap returns at the refreshes of a clock, as a window's does
that waits for its screen; `on_xvfb` gives a real window on a virtual X server, whose swap returns
at once. Neither has a cable, a scaler, a lamp or a liquid crystal.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from instrument import InstrumentError
from instrument.display.monitors import start_glfw
from instrument.display.offscreen import Offscreen
from instrument.display.window import Window
from instrument.timebase import Clock

Seen = list[tuple[float, int]]  # clock second, 0xRRGGBB


@dataclass(slots=True)
class Sights:
    """What was seen of the middle pixel, in order, and when swaps began and returned."""

    seen: Seen = field(default_factory=list)
    swaps: list[tuple[float, float]] = field(default_factory=list)


class Refreshing(Offscreen):
    """A framebuffer with a refresh: a swap returns at the next one, and the pixel is looked at."""

    def __init__(self, size: int, refresh: float, clock: Clock, sights: Sights) -> None:
        super().__init__((size, size))
        self._refresh, self._clock, self._sights = refresh, clock, sights
        self._first = clock.now()

    @property
    def waits_for_refresh(self) -> bool:
        """As a window's that somebody sees."""
        return True

    def swap(self) -> float:
        """Wait for the refresh; then look."""
        begun = self._clock.now()
        super().swap()
        gone = (self._clock.now() - self._first) * self._refresh
        self._clock.wait_until(self._first + math.ceil(gone) / self._refresh)
        swapped = self._clock.now()
        middle = (self.framebuffer_size[0] // 2, self.framebuffer_size[1] // 2, 1, 1)
        colour = int.from_bytes(self.framebuffer.read(middle, components=3), "big")
        self._sights.swaps.append((begun, swapped))
        if not self._sights.seen or self._sights.seen[-1][1] != colour:
            self._sights.seen.append((self._clock.now(), colour))
        return swapped - begun


class Watched(Window):
    """A window that notes its swaps."""

    def __init__(self, size: int, clock: Clock, sights: Sights) -> None:
        super().__init__((size, size), clock=clock)
        self._clock, self._sights = clock, sights

    def swap(self) -> float:
        """See `Window.swap`."""
        begun = self._clock.now()
        took = super().swap()
        self._sights.swaps.append((begun, self._clock.now()))
        return took


@contextmanager
def on_xvfb(size: int, clock: Clock, sights: Sights) -> Iterator[Watched]:
    """A window that fills a virtual screen of `size` × `size`; `sights` is whole afterwards.

    Its clock must be the machine's. Raises InstrumentError where there is no Xvfb.
    """
    with tempfile.TemporaryDirectory() as folder, _server(size, Path(folder)):
        with Watched(size, clock, sights) as window:
            window.swap()
            middle = str(size // 2)
            file = str(Path(folder) / "Xvfb_screen0")
            probe = subprocess.Popen(
                [sys.executable, "-P", str(Path(__file__).with_name("pixel_probe.py")),
                 file, middle, middle],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert probe.stdout is not None
            probe.stdout.readline()
            try:
                yield window
            finally:
                said, _ = probe.communicate()
                for line in said.splitlines():
                    when, colour = line.split()
                    sights.seen.append((float(when), int(colour)))


@contextmanager
def _server(size: int, folder: Path) -> Iterator[None]:
    xvfb = shutil.which("Xvfb")
    if xvfb is None:
        raise InstrumentError("no Xvfb here (Debian: xvfb): measure on the screen `refreshing`")
    read_end, write_end = os.pipe()
    before = {name: os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")}
    server = subprocess.Popen(
        [xvfb, "-displayfd", str(write_end), "-fbdir", str(folder), "-nolisten", "tcp",
         "-screen", "0", f"{size}x{size}x24", "+extension", "GLX"],
        pass_fds=[write_end], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(write_end)
    try:
        with os.fdopen(read_end) as pipe:
            number = pipe.readline().strip()
        if not number:
            raise InstrumentError("Xvfb does not start here")
        os.environ["DISPLAY"] = f":{number}"
        os.environ.pop("WAYLAND_DISPLAY", None)
        yield
    finally:
        start_glfw().terminate()  # else losing its server would end this process
        server.terminate()
        server.wait(10)
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
