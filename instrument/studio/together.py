"""Several files that belong together: all of them appear, or none.

They are made in a hidden folder beside where they go, and moved when the last one is whole.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from instrument import InstrumentError


class Together:
    """Files on their way to `folder`; see `together`."""

    def __init__(self, folder: Path, stage: Path) -> None:
        self.folder = folder
        self._stage = stage
        self._names: list[str] = []

    def path(self, name: str) -> Path:
        """Where to write what will be called `name`."""
        self._names.append(name)
        return self._stage / name

    def write(self, name: str, content: bytes) -> None:
        """Write a whole file that will be called `name`. Raises InstrumentError."""
        try:
            self.path(name).write_bytes(content)
        except OSError as error:
            reason = error.strerror or error
            raise InstrumentError(f"{self.folder / name}: cannot be written ({reason})") from error

    def publish(self, last: Callable[[], None] | None = None) -> None:
        """Move everything to its place, then do what comes `last`.

        Where that fails, what was moved is taken away again. Raises InstrumentError.
        """
        moved: list[Path] = []
        try:
            for name in self._names:
                target = self.folder / name
                try:
                    (self._stage / name).replace(target)
                except OSError as error:
                    reason = error.strerror or error
                    raise InstrumentError(f"{target}: cannot be written ({reason})") from error
                moved.append(target)
            if last:
                last()
        except InstrumentError:
            for target in moved:
                with contextlib.suppress(OSError):
                    target.unlink()
            raise


@contextlib.contextmanager
def together(folder: Path, name: str) -> Iterator[Together]:
    """A place for files that will lie in `folder`, made if need be; `name` is for error messages.

    Nothing appears unless `Together.publish` is called. Raises InstrumentError where the folder
    cannot be written to.
    """
    stage = folder / f".{name}.{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stage.mkdir()
    except OSError as error:
        reason = error.strerror or error
        raise InstrumentError(f"{folder / name}: cannot be written ({reason})") from error
    try:
        yield Together(folder, stage)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
