"""Nodes of a Ray cluster on this machine, for benches and tests: processes that can be killed.

Each is a process in a group of its own, so that one can be killed as a machine dies, and nothing
is left of any of them afterwards. They listen on the loopback interface alone.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# A dead node is noticed after about a second: by itself Ray gives it half a minute.
_SOON = {
    "RAY_health_check_period_ms": "400", "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3", "RAY_health_check_initial_delay_ms": "0",
}  # fmt: skip
_STORE = 80_000_000  # bytes, the least Ray takes
_PATIENCE = 60.0  # seconds

Node = subprocess.Popen[bytes]


class Nodes:
    """`ray start`, with one CPU a node. `paths` is what they import from.

    A node finds its number, from 0, in the environment as ``FARM_NODE``.
    """

    def __init__(self, folder: Path, paths: Sequence[Path]) -> None:
        self._folder = folder
        self._paths = os.pathsep.join(map(str, paths))
        self._nodes: list[Node] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]

    @property
    def address(self) -> str:
        """Where the cluster is found."""
        return f"127.0.0.1:{self._port}"

    def start(self) -> Node:
        """One more node, in service when this returns; the first is the head."""
        ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1",
               "--node-ip-address=127.0.0.1", "--disable-usage-stats",
               f"--object-store-memory={_STORE}"]  # fmt: skip
        if not self._nodes:
            ray += ["--head", f"--port={self._port}", "--include-dashboard=false",
                    f"--temp-dir={self._folder}"]  # fmt: skip
        else:
            ray += [f"--address={self.address}"]
        path = self._folder / f"node{len(self._nodes)}.log"
        with path.open("wb") as log:
            node = subprocess.Popen(
                ray, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                env={**os.environ, "PYTHONPATH": self._paths, "RAY_USAGE_STATS_ENABLED": "0",
                     **_SOON, "FARM_NODE": str(len(self._nodes))},
            )  # fmt: skip
        self._nodes.append(node)
        deadline = time.monotonic() + _PATIENCE
        while b"started" not in path.read_bytes():
            if node.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"ray start: {path.read_text()}")
            time.sleep(0.05)
        return node

    def kill(self, node: Node) -> None:
        """As if somebody had pulled the plug."""
        try:
            os.killpg(node.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        node.wait(10)

    def close(self) -> None:
        """End all of them, the head last."""
        for node in reversed(self._nodes):
            self.kill(node)


@contextmanager
def cluster(paths: Sequence[Path]) -> Iterator[Nodes]:
    """One node, and more as they are started; nothing of them afterwards."""
    # Ray's sockets lie in its folder, and a socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        nodes = Nodes(Path(folder), paths)
        try:
            nodes.start()
            yield nodes
        finally:
            nodes.close()
