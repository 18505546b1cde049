"""Memory that two processes share: a file that only they know, gone when neither maps it."""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
from pathlib import Path


def create(size: int) -> tuple[Path, mmap.mmap]:
    """A fresh file of `size` bytes, mapped: in /dev/shm where there is room, else among temp files.

    Raises OSError when neither has room.
    """
    folders = [Path("/dev/shm"), Path(tempfile.gettempdir())]  # noqa: S108 - mkstemp makes the name
    folders = [folder for folder in folders if folder.is_dir()]
    for folder in folders[:-1]:
        try:
            return _create_in(folder, size)
        except OSError:
            continue  # full or not ours to write; the temp folder is slower, not worse
    return _create_in(folders[-1], size)


def _create_in(folder: Path, size: int) -> tuple[Path, mmap.mmap]:
    descriptor, name = tempfile.mkstemp(prefix="latent-instrument-", dir=folder)
    try:
        _reserve(descriptor, size)
        return Path(name), mmap.mmap(descriptor, size)
    except OSError:
        Path(name).unlink()
        raise
    finally:
        os.close(descriptor)


def _reserve(descriptor: int, size: int) -> None:
    # A sparse file on a full /dev/shm kills whoever writes to it (SIGBUS); better an error now.
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, size)
            return
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
    os.ftruncate(descriptor, size)


def open_once(path: Path, size: int) -> mmap.mmap:
    """Map the file another process made with `create`.

    Its name goes away at once where the system allows (not on Windows): the memory then lives
    exactly as long as somebody maps it, and no crash leaves it behind.
    """
    with path.open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), size)
    if os.name == "posix":
        path.unlink()
    return mapped


def forget(path: Path) -> None:
    """Take the name away, if nobody has done so yet."""
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        pass  # Windows, while somebody still looks at it: the temp folder keeps it
