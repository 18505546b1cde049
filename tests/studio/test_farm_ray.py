"""A film on real Ray nodes, one of which dies, while tasks fail on purpose: the same frames."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed: the farm is tested with fakes alone")

from farm_cluster import order_film, task
from farm_fakes import Told

from instrument import InstrumentError
from instrument.studio.assemble import complete, pictures_sha256
from instrument.studio.chunks import Watch, render_chunks
from instrument.studio.farm import Farm
from instrument.studio.farm_order import FarmReport, Order, Policy
from instrument.studio.farm_ray import ray_pool
from instrument.studio.workplace import Workplace

QUICK = Policy(rest=0.5, tries=30, patience=20, alone=20)


FRAMES = 96


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What one machine makes of the film: the SHA-256 of all pictures."""
    from farm_cluster import _open

    out = tmp_path_factory.mktemp("alone") / "film.mov"
    manifest = order_film(out, FRAMES)
    job = _open(str(out))
    render_chunks(job, manifest.chunks, Watch())
    return pictures_sha256(complete(job.work, manifest, {}))


def farm(out: Path, frames: int, address: str, told: Told, **trouble: object) -> FarmReport:
    manifest = order_film(out, frames, **trouble)
    order = Order(dict(enumerate(manifest.chunks)), lambda chunk: None)
    with ray_pool(address, task, str(out)) as pool:
        return Farm(pool, order, QUICK, told.words.append, told.steps.append).run()


def test_a_node_dies_and_a_third_of_the_tasks_fail(tmp_path: Path, alone: str, ray_nodes) -> None:
    told = Told()
    out = tmp_path / "films" / "film.mov"
    second = ray_nodes.start()
    killer = threading.Thread(target=_kill_after, args=(out, lambda: ray_nodes.kill(second)))
    killer.start()
    try:
        report = farm(out, FRAMES, ray_nodes.address, told, failing=0.3, slow=0.3)
    finally:
        killer.join(60)
    work = Workplace(out)
    manifest = work.read()
    assert manifest is not None
    records = complete(work, manifest, {})  # no chunk is missing, and each is what its record says
    assert pictures_sha256(records) == alone
    names = {path.name for path in work.chunks.iterdir()}
    assert len(names) == 2 * len(manifest.chunks)  # a film and its record each, and nothing else
    attempts = [path.name for path in (out.parent / "attempts").iterdir()]
    assert len({name.split("-")[2] for name in attempts}) >= 2  # both nodes had their share
    assert any("is gone" in words for words in told.words)
    assert report.again + sum(node.failures for node in report.nodes) > 0
    assert sum(step.frames for step in told.steps[-1:]) == FRAMES


def _kill_after(out: Path, kill: Callable[[], None]) -> None:
    """When the second node has begun its second task."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and len(list(out.parent.glob("attempts/*-1"))) < 2:
        time.sleep(0.05)
    kill()


def test_no_cluster_at_that_address(tmp_path: Path) -> None:
    with pytest.raises(InstrumentError, match=r"^farm 127.0.0.1:1: nobody answers"):
        with ray_pool("127.0.0.1:1", task, str(tmp_path)):
            pass


@pytest.mark.parametrize("address", ["", "here", "ray://127.0.0.1:1", "a:b", ":1", "a:²"])
def test_no_address(address: str, tmp_path: Path) -> None:
    with pytest.raises(InstrumentError, match="allowed are auto and HOST:PORT"):
        with ray_pool(address, task, str(tmp_path)):
            pass
