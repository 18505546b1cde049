"""What else the machine did while something was measured. Linux tells; elsewhere nobody knows."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from instrument.timebase import WallClock

QUIET = 0.1  # cores: with more than that beside it, a measurement is doubtful
_SHORTEST = 0.2  # s: the system counts in hundredths, so of less it says nothing


class Background:
    """Cores that others kept busy while its block ran: `cores`, None where nobody counts.

    Own are this process and everything it started.
    """

    def __init__(self) -> None:
        self.cores: float | None = None
        self._clock = WallClock()
        self._begun = self._busy = self._own = 0.0

    def __enter__(self) -> Self:
        self._begun, self._busy, self._own = self._clock.now(), machine_seconds(), own_seconds()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        wall = self._clock.now() - self._begun
        busy, own = machine_seconds() - self._busy, own_seconds() - self._own
        if _stat().exists() and wall >= _SHORTEST:
            self.cores = max(0.0, round((busy - own) / wall, 3))


def machine_seconds() -> float:
    """Seconds that all cores together have worked, or been taken away by a host; 0 if unknown."""
    if not _stat().exists():
        return 0.0
    user, nice, system, _, _, irq, soft, steal, *_ = map(int, _stat().read_text().split()[1:11])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    """Processor seconds of this process and its descendants, those that have ended included."""
    if not _stat().exists():
        times = os.times()
        return times.user + times.system + times.children_user + times.children_system
    parents, used = dict[int, int](), dict[int, float]()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # gone meanwhile
            continue
        pid = int(path.parent.name)
        parents[pid] = int(fields[1])
        used[pid] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return sum(seconds for pid, seconds in used.items() if _is_ours(pid, parents))


def _is_ours(pid: int, parents: dict[int, int]) -> bool:
    for _ in range(len(parents)):
        if pid == os.getpid():
            return True
        if pid not in parents:
            return False
        pid = parents[pid]
    return False


def _stat() -> Path:
    return Path("/proc/stat")
