"""What every film is while it is being written: frames in, whole or not at all.

This module knows neither codecs nor files; `encode` and `stills` do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from instrument import InstrumentError
from instrument.frame import U8
from instrument.timebase import FrameRate

Size = tuple[int, int]  # (height, width) in pixels


class FilmWriter(ABC):
    """A film that appears at `path` when it is closed, and not before.

    Leave the ``with`` block by an exception, or call `abort`, and nothing is left behind:
    what stood at `path` before stays as it was.
    """

    def __init__(self, path: Path, size: Size, rate: FrameRate) -> None:
        self.path = path
        self.size = size
        self.rate = rate
        self.frames = 0
        self._open = True

    def write(self, pixels: U8) -> None:
        """Add the next frame, ``U8[h, w, 3]``. Raises InstrumentError on another size."""
        if pixels.shape != (*self.size, 3) or pixels.dtype != np.uint8:
            raise InstrumentError(
                f"{self.path}: frame {self.frames} is {pixels.dtype}{list(pixels.shape)}, "
                f"the film takes uint8{[*self.size, 3]}"
            )
        self._add(np.ascontiguousarray(pixels))
        self.frames += 1

    def close(self) -> None:
        """Finish the film, count its frames on the disk, and put it in its place.

        Raises InstrumentError, and leaves nothing, when what was written is not exact.
        """
        if not self._open:
            return
        try:
            if self.frames == 0:
                raise InstrumentError(f"{self.path}: no frame was written")
            self._finish()
        finally:
            self.abort()  # after success there is nothing left to take away

    def abort(self) -> None:
        """Leave nothing of this film behind."""
        if self._open:
            self._open = False
            self._discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    @abstractmethod
    def _add(self, pixels: U8) -> None:
        """Write one frame of the right size, number `frames`."""

    @abstractmethod
    def _finish(self) -> None:
        """Complete the film, verify it and move it to `path`."""

    @abstractmethod
    def _discard(self) -> None:
        """Remove what is unfinished; raises nothing the disk can cause."""
