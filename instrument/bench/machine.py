"""On what, and of what, was measured: machine, versions, commit. Nobody's name."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from instrument import __version__

_LIBRARIES = ("numpy", "torch", "av", "moderngl", "mcap")


def machine() -> dict[str, Any]:
    """Processor, cores, memory and system, and a `fingerprint` of them all."""
    fields = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": _memory(),
        "system": f"{platform.system()} {platform.release()}",
    }
    # Not the kernel's release: an update is no other machine.
    lasting = json.dumps([fields["processor"], fields["cores"], platform.system()])
    return {**fields, "fingerprint": hashlib.sha256(lasting.encode()).hexdigest()[:12]}


def versions() -> dict[str, str]:
    """Of the instrument, Python and the libraries that do the work; absent ones are left out."""
    found = {"instrument": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def clone_of() -> Path | None:
    """The clone this package lies in, if it does."""
    home = Path(__file__).resolve().parent.parent.parent
    return home if (home / ".git").exists() else None


def commit_of(clone: Path | None) -> dict[str, Any]:
    """The commit a clone stands at, and whether it was changed since; nulls where nobody knows."""
    if clone is None:
        return {"commit": None, "changed": None}
    commit = git(clone, "rev-parse", "HEAD")
    status = git(clone, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit or None, "changed": None if status is None else bool(status)}


def git(clone: Path, *words: str) -> str | None:
    """What git says, without its last line end; None where there is no git, or it refuses."""
    # In a container the clone may belong to somebody else, which git refuses by default.
    command = ["git", "-c", "safe.directory=*", "-C", str(clone), *words]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace")
    except OSError:
        return None
    return ended.stdout.strip() if ended.returncode == 0 else None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30), 1)
    except (AttributeError, OSError, ValueError):  # a system that does not say
        return None
