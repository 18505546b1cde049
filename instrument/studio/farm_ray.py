"""A Ray cluster as the machines of a farm. The only module that knows Ray.

Tasks carry the path of the work folder and a chunk's number; pictures go to the shared storage
and never through Ray. A task is bound to its node and Ray is told never to run it again: the
farm does that, for it knows which nodes are left out. Everybody who can reach a Ray cluster can
run programs on it, so its address belongs in a network one trusts.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from instrument import InstrumentError
from instrument.studio.farm_task import Answer, Node, Reply, Task, Unit
from instrument.timebase import Clock, WallClock

AUTO = "auto"
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
_PATIENCE = 5.0  # seconds
_STORE = 80_000_000  # bytes, the least Ray takes: nothing is put there


@contextmanager
def ray_pool(address: str, unit: Unit, work: str) -> Iterator[RayPool]:
    """The nodes of the cluster at `address`, ``HOST:PORT`` or ``auto``: found by Ray itself, or
    else started on this machine alone. Raises InstrumentError where there is none.
    """
    ray = _ray()
    if address != AUTO:
        _knock(address)
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        try:
            ray.init(address=address, **quiet)
        except ConnectionError:
            if address != AUTO:
                raise
            ray.init(address="local", include_dashboard=False, object_store_memory=_STORE, **quiet)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        raise InstrumentError(f"farm {address}: {_line(error)}") from error
    try:
        yield RayPool(ray, unit, work)
    finally:
        ray.shutdown()


class RayPool:
    """The nodes of the cluster this process has joined. A `Pool`."""

    def __init__(self, ray: Any, unit: Unit, work: str, clock: Clock | None = None) -> None:
        self._ray = ray
        self._unit = unit
        self._work = work
        self._clock = clock or WallClock()
        self._remote = ray.remote(max_retries=0, retry_exceptions=False)(_run)
        self._running: dict[Any, int] = {}  # Ray's reference → ticket
        self._tickets = 0

    def nodes(self) -> Sequence[Node]:
        """See `Pool.nodes`: those with a GPU have a slot for each, others one for each CPU."""
        found = []
        for facts in self._ray.nodes():
            resources = facts["Resources"]
            gpus, cpus = int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
            if facts["Alive"] and (gpus or cpus):
                # Two nodes may share a machine and its name.
                name = f"{facts['NodeName']}/{facts['NodeID'][:6]}"
                found.append(Node(facts["NodeID"], name, gpus or cpus, gpus > 0))
        return sorted(found, key=lambda node: node.id)

    def start(self, task: Task, node: Node) -> int:
        """See `Pool.start`."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        bound = self._remote.options(
            num_cpus=0 if node.gpu else 1,
            num_gpus=1 if node.gpu else 0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False),
        )
        self._tickets += 1
        self._running[bound.remote(self._unit, self._work, task)] = self._tickets
        return self._tickets

    def answers(self, seconds: float) -> Sequence[Answer]:
        """See `Pool.answers`."""
        if not self._running:
            self._clock.wait_until(self._clock.now() + seconds)
            return []
        references = list(self._running)
        ended, _ = self._ray.wait(references, timeout=seconds, fetch_local=False)
        if ended:  # and whatever else has ended by now
            ended, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
        return [self._answer(reference) for reference in ended]

    def stop(self) -> None:
        """See `Pool.stop`."""
        for reference in self._running:
            self._ray.cancel(reference, force=True)
        self._running.clear()

    def _answer(self, reference: Any) -> Answer:
        ticket = self._running.pop(reference)
        try:
            reply = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            cause = error.cause if isinstance(error.cause, InstrumentError) else error
            return Answer(ticket, None, _line(cause))
        except self._ray.exceptions.RayError as error:
            return Answer(ticket, None, f"its process ended ({type(error).__name__})")
        assert isinstance(reply, Reply)
        return Answer(ticket, reply)


def _run(unit: Unit, work: str, task: Task) -> Reply:
    """What runs on a node."""
    return unit(work, task)


def _ray() -> Any:
    """Ray itself, told to keep to itself. Raises InstrumentError where it is not installed."""
    os.environ.update(_QUIET)
    try:
        import ray
    except ImportError as error:
        raise InstrumentError(
            "farm: Ray is not installed here; pip install 'latent-instrument[farm]'"
        ) from error
    return ray


def _knock(address: str) -> None:
    """Raise InstrumentError where nobody listens at `address`: Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isascii() or not port.isdigit():
        raise InstrumentError(f"farm {address!r}: allowed are auto and HOST:PORT")
    try:
        socket.create_connection((host, int(port)), _PATIENCE).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InstrumentError(
            f"farm {address}: nobody answers there ({reason}); a cluster begins with "
            f"ray start --head, and every machine joins with ray start --address HOST:PORT"
        ) from error


def _line(error: BaseException) -> str:
    """What went wrong, in one line: the last, for Ray puts a traceback before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
