"""A Ray cluster of this machine's own, and films for it: what every node opens by its name.

Nodes are processes in a group of their own each, so that one can be killed as a machine dies,
and nothing is left of them afterwards.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from instrument import InstrumentError
from instrument.decoder.models import find_model
from instrument.decoder.runtime import open_decoder
from instrument.latent.sequence import ZSequence
from instrument.studio.chunks import Job
from instrument.studio.encode import open_film
from instrument.studio.farm_task import Reply, Task
from instrument.studio.farm_unit import perform
from instrument.studio.finishing import PlainFrames
from instrument.studio.render_manifest import Manifest
from instrument.studio.workplace import Workplace
from instrument.timebase import FrameRange, FrameRate

ROOT = Path(__file__).resolve().parent.parent.parent
RATE = FrameRate(30)
CHUNK, BATCH = 12, 4
# A dead node is noticed after about a second: by itself Ray gives it half a minute.
SOON = {"RAY_health_check_period_ms": "400", "RAY_health_check_timeout_ms": "2000",
        "RAY_health_check_failure_threshold": "3",
        "RAY_health_check_initial_delay_ms": "0"}  # fmt: skip


def paths() -> str:
    """What a node needs to import us and the tests' units."""
    return os.pathsep.join([str(ROOT), str(Path(__file__).parent)])


class Nodes:
    """`ray start`, one process group a node, on the loopback interface."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._groups: list[subprocess.Popen[bytes]] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def start(self) -> subprocess.Popen[bytes]:
        """One more node with one CPU; the first is the head."""
        ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1",
               "--node-ip-address=127.0.0.1", "--disable-usage-stats"]  # fmt: skip
        if not self._groups:
            ray += ["--head", f"--port={self._port}", "--include-dashboard=false",
                    f"--temp-dir={self._folder}", "--object-store-memory=80000000"]  # fmt: skip
        else:
            ray += [f"--address={self.address}", "--object-store-memory=80000000"]
        with (self._folder / f"node{len(self._groups)}.log").open("wb") as log:
            node = subprocess.Popen(
                ray, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                env={**os.environ, "PYTHONPATH": paths(), "RAY_USAGE_STATS_ENABLED": "0",
                     **SOON, "FARM_NODE": str(len(self._groups))},
            )  # fmt: skip
        self._groups.append(node)
        deadline = time.monotonic() + 20
        while b"started" not in Path(log.name).read_bytes():
            assert node.poll() is None, Path(log.name).read_text()
            assert time.monotonic() < deadline, Path(log.name).read_text()
            time.sleep(0.05)
        return node

    def kill(self, node: subprocess.Popen[bytes]) -> None:
        """As if somebody had pulled the plug."""
        try:
            os.killpg(node.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        node.wait(10)

    def close(self) -> None:
        for node in reversed(self._groups):
            self.kill(node)


@contextmanager
def cluster() -> Iterator[Nodes]:
    """One node, and more as they are started; nothing of them afterwards."""
    # Ray's sockets lie in its folder, and a socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        nodes = Nodes(Path(folder))
        try:
            nodes.start()
            yield nodes
        finally:
            nodes.close()


# --- a film whose job every node opens from what lies beside it


def order_film(out: Path, frames: int, **trouble: object) -> Manifest:
    """Begin the film `out` of `frames` frames; `trouble` is for `task` to make."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").write_text(json.dumps({"frames": frames, **trouble}))
    job = _open(str(out))
    job.work.begin(job.manifest)
    return job.manifest


def walk(frames: int) -> ZSequence:
    """A short journey in the procedural model's space."""
    manifest = find_model("procedural-64")
    (dims,) = manifest.latent.shape
    ends = np.random.Generator(np.random.Philox(1)).standard_normal((2, dims))
    share = np.linspace(0, 1, frames)[:, None]
    z = (np.cos(share) * ends[0] + np.sin(share) * ends[1]).astype(np.float32)
    return ZSequence(z, RATE, manifest.latent)


@lru_cache(maxsize=2)
def _open(out: str) -> Job:
    wanted = json.loads(Path(out).with_suffix(".json").read_text())
    total = wanted["frames"]
    sequence = walk(total)
    decoder = open_decoder(find_model("procedural-64"), "cpu")
    size = decoder.spec.size
    manifest = Manifest(
        FrameRange(0, total), total, RATE, size, BATCH, CHUNK, {"film": "walk"}, {"torch": "2"}
    )
    return Job(
        Workplace(Path(out)), manifest, [PlainFrames(sequence, decoder, None)],
        partial(_chunk, size=size), decoder,
    )  # fmt: skip


def _chunk(path: Path, size: tuple[int, int]) -> object:
    return open_film(path, size, RATE, "lossless")


def task(out: str, wanted: Task) -> Reply:
    """A node's work, and the troubles that the film was ordered with."""
    trouble = json.loads(Path(out).with_suffix(".json").read_text())
    job = _open(out)
    if wanted.kind == "render":
        _attempt(Path(out), wanted.chunk, trouble)
        if trouble.get("slow"):
            time.sleep(trouble["slow"])
    return perform(job, wanted)


def _attempt(out: Path, chunk: int, trouble: dict[str, object]) -> None:
    """Note that the chunk was begun; fail where the film was ordered so, now and then."""
    attempts = out.parent / "attempts"
    attempts.mkdir(exist_ok=True)
    number = len(list(attempts.glob(f"{chunk}-*")))
    (attempts / f"{chunk}-{number}-{os.environ['FARM_NODE']}").touch()
    chance = np.random.Generator(np.random.Philox(key=[chunk, number])).random()
    if chance < float(str(trouble.get("failing", 0))):
        if number == 0 and chunk % 2:
            os._exit(1)  # as a crash of the driver of a graphics card would
        raise InstrumentError("it failed on purpose")
