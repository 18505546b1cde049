"""A file that is written at once and in full, and folders that do not forget.

The only module here that asks the operating system for anything but reading.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl


class RecordFile:
    """A new file without a buffer of its own: what `write` returned from survives ``kill -9``.

    It is locked while open, so that nobody repairs a take somebody is recording.
    Every method raises OSError when the disk says no.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=0)
        self._size = 0
        self._mark = 0
        lock(self._file)

    def write(self, data: bytes | memoryview) -> int:
        """Write all of `data`: an unbuffered file may take a part and say so only by number."""
        rest = memoryview(data)
        while rest:
            written = self._file.write(rest)
            self._size += written
            rest = rest[written:]
        return len(data)

    def tell(self) -> int:
        """Bytes written."""
        return self._size

    def flush(self) -> None:
        """Nothing to do: nothing is held back."""

    def mark(self) -> None:
        """Remember this length as one at which the file is readable."""
        self._mark = self._size

    def rewind(self) -> None:
        """Cut off what a failed write left behind the mark, as far as the disk lets us."""
        with contextlib.suppress(OSError):
            self._file.truncate(self._mark)

    def sync(self) -> None:
        """Have the data on the disk itself; the size is part of what fdatasync keeps."""
        getattr(os, "fdatasync", os.fsync)(self._file.fileno())

    def close(self) -> None:
        """Let go of the file and its lock."""
        with contextlib.suppress(OSError):
            self._file.close()


def lock(file: BinaryIO) -> bool:
    """Lock `file` until it is closed; False when another process holds it.

    True where there are no locks (Windows, some network disks): better unlocked than not at all.
    """
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def sync_folder(folder: Path) -> None:
    """Have the names in `folder` on the disk, where the system can do that."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def reason_of(error: OSError) -> str:
    """What the system says, in its few words."""
    return error.strerror or str(error) or type(error).__name__
