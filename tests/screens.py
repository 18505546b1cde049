"""X servers of our own: a display number of their choice, ended with the test."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def x_server(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
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


def wait_for_manager() -> None:
    """Until a window manager answers: windows made before it would be reparented later."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        asked = subprocess.run(["xdotool", "get_desktop"], capture_output=True, check=False)
        if asked.returncode == 0:
            return
        time.sleep(0.05)
