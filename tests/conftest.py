"""What tests of several packages share: a desktop, and the option that stores baselines."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from screens import wait_for_manager, x_server

# These are about time, windows and servers: they want the machine to themselves. All others are
# arithmetic and may share its cores (`scripts/test` runs them two at a time).
ALONE = frozenset(
    """
    cli/test_bench_swap cli/test_hands_and_ears cli/test_swapping
    control/test_ear control/test_ear_servers control/test_link control/test_midi_jack
    control/test_midi_rig control/test_osc_bench control/test_osc_discovery
    control/test_osc_server control/test_osc_web
    studio/test_melt studio/test_farm_ray cli/test_farm_command
    test_film_benches test_scripts test_timebase test_wheel
    """.split()
)
ALONE_FOLDERS = ("display", "live")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "alone: wants the machine to itself")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        place = item.path.relative_to(here).with_suffix("").as_posix()
        if place in ALONE or place.startswith(ALONE_FOLDERS):
            item.add_marker("alone")


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


@pytest.fixture(scope="session")
def ray_nodes() -> Iterator[object]:
    """A Ray cluster of one node, for all tests together: starting one takes seconds."""
    pytest.importorskip("ray", reason="Ray is not installed: the farm is tested with fakes alone")
    here = Path(__file__).resolve().parent
    sys.path.append(str(here.parent / "scripts"))
    from ray_nodes import cluster

    with cluster([here.parent, here / "studio"]) as nodes:
        yield nodes
