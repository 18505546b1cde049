"""Offscreen contexts, X servers of our own, and the pictures drawings are compared with."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from screens import x_server

from instrument import InstrumentError
from instrument.display.offscreen import Offscreen
from instrument.frame import U8

HERE = Path(__file__).parent
DUMMY_DRIVER = "drivers/dummy_drv.so"


@pytest.fixture(scope="session")
def _gl() -> None:
    try:
        with Offscreen((8, 8)):
            pass
    except InstrumentError as error:
        pytest.skip(f"no OpenGL here: {error}")


@pytest.fixture
def offscreen(_gl: None) -> Iterator[Callable[..., Offscreen]]:
    """``offscreen((w, h))`` opens one; all are closed after the test."""
    opened = []

    def open_one(size: tuple[int, int]) -> Offscreen:
        surface = Offscreen(size)
        surface.__enter__()
        opened.append(surface)
        return surface

    yield open_one
    for surface in reversed(opened):
        surface.__exit__()


@pytest.fixture
def baseline(request: pytest.FixtureRequest) -> Callable[[str, U8], None]:
    """``baseline("name", pixels)`` compares with, or stores, ``baselines/name.png``."""

    def compare(name: str, pixels: U8) -> None:
        path = HERE / "baselines" / f"{name}.png"
        if request.config.getoption("--store-baselines", default=False):
            Image.fromarray(pixels).save(path, optimize=True)
            return
        wanted = np.asarray(Image.open(path).convert("RGB")).astype(int)
        assert wanted.shape == pixels.shape
        apart = np.abs(wanted - pixels)
        # Drivers round a level apart, and the edge of a letter or a disc somewhat more.
        assert apart.mean() < 0.5, f"{name}: {apart.mean():.2f} levels apart on average"
        assert (apart > 24).mean() < 0.002, f"{name}: {(apart > 24).mean():.2%} clearly differ"

    return compare


@pytest.fixture(scope="session")
def garden() -> U8:
    """A smooth picture ``U8[96, 128, 4]`` with something different in each corner."""
    y, x = np.mgrid[0:96, 0:128] / 96
    waves = [120 * np.sin(9 * x + 3 * y), 120 * np.sin(7 * y + 5 * x * y), 120 * np.cos(8 * x - y)]
    pixels = np.stack([*(128 + wave for wave in waves), 255 + 0 * x], axis=-1)
    pixels = pixels.clip(0, 255).astype(np.uint8)
    pixels[:8, :8, :3] = (255, 0, 0)
    pixels[-8:, -8:, :3] = (0, 0, 255)
    return pixels


@pytest.fixture(scope="module")
def two_monitors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A display with monitors DUMMY0 1920x1080 and, to its right, DUMMY1 1280x720."""
    xorg, xrandr = shutil.which("Xorg"), shutil.which("xrandr")
    modules = os.environ.get("XORG_MODULES", "/usr/lib/xorg/modules")
    if not xorg or not xrandr or not (Path(modules) / DUMMY_DRIVER).exists():
        pytest.skip("needs Xorg, xrandr and the package xserver-xorg-video-dummy")
    folder = tmp_path_factory.mktemp("xorg")
    command = [xorg, "-noreset", "-novtswitch", "-sharevts", "-keeptty", "-nolisten", "tcp"]
    command += ["-config", str(HERE / "two_monitors.conf"), "-logfile", str(folder / "x.log")]
    command += ["-modulepath", modules]
    with x_server(command, folder / "log"):
        mode = "74.50 1280 1344 1472 1664 720 723 728 748 -hsync +vsync".split()
        # The last, bare question makes the server look at its outputs: till then the second
        # is switched on and yet not connected.
        right = ["--output", "DUMMY1", "--mode", "1280x720_60", "--right-of", "DUMMY0"]
        add = ["--addmode", "DUMMY1", "1280x720_60"]
        for step in (["--newmode", "1280x720_60", *mode], add, right, []):
            subprocess.run([xrandr, *step], check=True, stdout=subprocess.DEVNULL)
        yield os.environ["DISPLAY"]
