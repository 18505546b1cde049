"""What tests of several packages share: a desktop, and the option that stores baselines."""

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from screens import wait_for_manager, x_server

# These are about time: they want the machine to themselves, but for one of the other group. All
# others may share its cores (`scripts/test` runs them two at a time). A JACK server is named to
# the whole machine, every Link session on it hears every other, and two Ray clusters are one too
# many: those keep to one group.
ALONE = {
    "stage": """
        bench/test_bench_shows cli/test_bench_swap control/test_osc_bench
        control/test_osc_discovery control/test_osc_server control/test_osc_web
        live/test_decks live/test_kill live/test_on_stage studio/test_melt
    """.split(),
    "servers": """
        cli/test_farm_command cli/test_hands_and_ears control/test_ear control/test_ear_servers
        control/test_link control/test_midi_jack control/test_midi_rig studio/test_farm_ray
        test_film_benches
    """.split(),
}
HERE = Path(__file__).parent


def group_of(path: Path) -> str | None:
    """The group of `ALONE` that a file of tests belongs to."""
    place = path.relative_to(HERE).with_suffix("").as_posix()
    return next((group for group, places in ALONE.items() if place in places), None)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "alone: wants the machine to itself")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Half of the tests need not be read to run the other half."""
    half = config.option.markexpr
    if half not in ("alone", "not alone") or collection_path.suffix != ".py":
        return None
    return True if (group_of(collection_path) is None) == (half == "alone") else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if group_of(item.path):
            item.add_marker("alone")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object | None:
    """Where only they are run, each group of `ALONE` has a process, one test after the other."""
    if config.option.markexpr != "alone":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(HERE.parent / nodeid.partition("::")[0]) or nodeid

    return Groups(config, log)


def pytest_collection_finish() -> None:
    """What thousands of tests are made of is no garbage, and is not searched for any."""
    gc.collect()
    gc.freeze()


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
