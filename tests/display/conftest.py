"""Offscreen contexts, X servers of our own, and the pictures drawings are compared with."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instrument import InstrumentError
from instrument.display.offscreen import Offscreen
from instrument.frame import U8

HERE = Path(__file__).parent
DUMMY_DRIVER = "drivers/dummy_drv.so"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--store-baselines",
        action="store_true",
        default=False,
        help="write the baseline pictures of tests/display instead of comparing with them",
    )


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


@contextmanager
def _display(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run an X server on a display number of its own choice; DISPLAY names it meanwhile."""
    read_end, write_end = os.pipe()
    before = {name: os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")}
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*command, "-displayfd", str(write_end)],
            pass_fds=[write_end],
            stdout=output,
            stderr=output,
        )
    os.close(write_end)
    try:
        with os.fdopen(read_end) as pipe:
            number = pipe.readline().strip()
        if not number:
            pytest.skip(f"{command[0]} does not start: {log.read_text(errors='replace')[-300:]}")
        os.environ["DISPLAY"] = f":{number}"
        os.environ.pop("WAYLAND_DISPLAY", None)
        yield server
    finally:
        import glfw

        glfw.terminate()  # else losing its server would end this process
        server.terminate()
        server.wait(10)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@pytest.fixture(scope="module")
def desktop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A display with one monitor of 800x600, and openbox to manage windows where it exists."""
    for tool in ("Xvfb", "xdotool"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    log = tmp_path_factory.mktemp("xvfb") / "log"
    command = ["Xvfb", "-screen", "0", "800x600x24", "+extension", "GLX", "-nolisten", "tcp"]
    with _display(command, log):
        openbox = shutil.which("openbox")
        if not openbox:
            yield os.environ["DISPLAY"]
            return
        with log.open("ab") as output:
            manager = subprocess.Popen([openbox], stdout=output, stderr=output)
        _wait_for_manager()
        try:
            yield os.environ["DISPLAY"]
        finally:
            manager.terminate()
            manager.wait(10)


def _wait_for_manager() -> None:
    """Until a window manager answers: windows made before it would be reparented later."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        asked = subprocess.run(["xdotool", "get_desktop"], capture_output=True, check=False)
        if asked.returncode == 0:
            return
        time.sleep(0.05)


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
    with _display(command, folder / "log"):
        mode = "74.50 1280 1344 1472 1664 720 723 728 748 -hsync +vsync".split()
        # The last, bare question makes the server look at its outputs: till then the second
        # is switched on and yet not connected.
        right = ["--output", "DUMMY1", "--mode", "1280x720_60", "--right-of", "DUMMY0"]
        add = ["--addmode", "DUMMY1", "1280x720_60"]
        for step in (["--newmode", "1280x720_60", *mode], add, right, []):
            subprocess.run([xrandr, *step], check=True, stdout=subprocess.DEVNULL)
        yield os.environ["DISPLAY"]
