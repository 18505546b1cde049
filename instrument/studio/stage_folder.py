"""Folders in which one process alone makes what is to appear whole; those of killed ones go.

A process holds a lock on the folder it works in: one that nobody holds any more was left behind.
Where there are no such locks (Windows, some network disks), it stays until its render is done.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def stage_in(place: Path) -> Iterator[Path]:
    """A new folder within `place`, gone afterwards. Raises OSError."""
    for old in place.glob("stage-*"):
        if _abandoned(old):
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="stage-", dir=place))
    lock = (folder / "lock.new").open("wb")
    try:
        _lock(lock.fileno())
        if os.name == "posix":
            # Only now is it seen: whoever found it not yet held would remove the folder.
            (folder / "lock.new").replace(folder / "lock")
        yield folder
    finally:
        lock.close()
        shutil.rmtree(folder, ignore_errors=True)


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        return
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _abandoned(stage: Path) -> bool:
    """Whether the process that made `stage` is gone."""
    try:
        import fcntl

        with (stage / "lock").open("rb") as lock:
            fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True
