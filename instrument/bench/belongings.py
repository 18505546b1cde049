"""What this process has: memory, threads, files and children. Linux, which tells in /proc."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Belongings:
    """What the stage has, and what its child processes have: bytes, and counts."""

    stage: int
    children: int
    threads: int
    descriptors: int
    processes: int
    pictures: int  # mapped files of shared pictures

    @property
    def counts(self) -> tuple[int, ...]:
        """Everything but bytes."""
        return (self.threads, self.descriptors, self.processes, self.pictures)


def belongings() -> Belongings:
    """What there is now."""
    pids = children()
    return Belongings(
        resident("self"),
        sum(resident(pid) for pid in pids),
        threading.active_count(),
        len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - the folder itself is one of them
        len(pids),
        Path("/proc/self/maps").read_text().count("latent-instrument-"),
    )


def resident(pid: str) -> int:
    """Bytes of memory a process has; none once it is gone. Takes ``self``, too."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:  # gone meanwhile
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def children() -> list[str]:
    """Processes whose parent is this one, dead ones that nobody waited for included."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.append(path.parent.name)
    return found
