"""What tests of several packages share: a desktop, and the option that stores baselines."""

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from screens import wait_for_manager, x_server


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--store-baselines",
        action="store_true",
        default=False,
        help="write the baseline pictures of tests/display instead of comparing with them",
    )


@pytest.fixture(scope="module")
def desktop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A display with one monitor of 800x600, and openbox to manage windows where it exists."""
    for tool in ("Xvfb", "xdotool"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    log = tmp_path_factory.mktemp("xvfb") / "log"
    command = ["Xvfb", "-screen", "0", "800x600x24", "+extension", "GLX", "-nolisten", "tcp"]
    with x_server(command, log):
        openbox = shutil.which("openbox")
        if not openbox:
            yield os.environ["DISPLAY"]
            return
        with log.open("ab") as output:
            manager = subprocess.Popen([openbox], stdout=output, stderr=output)
        wait_for_manager()
        try:
            yield os.environ["DISPLAY"]
        finally:
            manager.terminate()
            manager.wait(10)
