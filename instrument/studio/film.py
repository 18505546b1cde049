"""What every film is while it is being written: frames in, whole or not at all.

This module knows neither codecs nor files; `encode` and `stills` do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from instrument import InstrumentError
from instrument.timebase import FrameRate

Size = tuple[int, int]  # (height, width) in pixels
Pixels = NDArray[Any]  # a frame of a film: sRGB code values, U8, U16 or F32[h, w, 3]


def dtype_of(depth: int) -> np.dtype[Any]:
    """What a frame of a film with `depth` bits is made of."""
    return np.dtype(np.uint8 if depth <= 8 else np.uint16 if depth <= 16 else np.float32)


def _widened(pixels: Pixels, dtype: np.dtype[Any]) -> Pixels:
    """The same code values as `dtype`: 255 becomes 65535, or 1.0."""
    if pixels.dtype == dtype:
        return pixels
    return pixels * np.uint16(257) if dtype == np.uint16 else pixels / np.float32(255)


class FilmWriter(ABC):
    """A film that appears at `path` when it is closed, and not before.

    Leave the ``with`` block by an exception, or call `abort`, and nothing is left behind:
    what stood at `path` before stays as it was. `depth` is in bits and says what a frame is made
    of: ``U8`` up to 8, ``U16`` (from 0 to 65535, whatever the depth) up to 16, ``F32`` in 0..1
    above.
    """

    def __init__(self, path: Path, size: Size, rate: FrameRate, depth: int = 8) -> None:
        self.path = path
        self.depth = depth
        self.size = size
        self.rate = rate
        self.frames = 0
        self._open = True

    @property
    def dtype(self) -> np.dtype[Any]:
        """What a frame is made of."""
        return dtype_of(self.depth)

    def write(self, pixels: Pixels) -> None:
        """Add the next frame, ``[h, w, 3]`` of `dtype`; ``U8`` is taken by every film.

        Raises InstrumentError on another size or kind.
        """
        if pixels.shape != (*self.size, 3) or pixels.dtype not in (self.dtype, np.uint8):
            raise InstrumentError(
                f"{self.path}: frame {self.frames} is {pixels.dtype}{list(pixels.shape)}, "
                f"the film takes {self.dtype}{[*self.size, 3]}"
            )
        self._add(np.ascontiguousarray(_widened(pixels, self.dtype)))
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
    def _add(self, pixels: Pixels) -> None:
        """Write one frame of the right size, number `frames`."""

    @abstractmethod
    def _finish(self) -> None:
        """Complete the film, verify it and move it to `path`."""

    @abstractmethod
    def _discard(self) -> None:
        """Remove what is unfinished; raises nothing the disk can cause."""
