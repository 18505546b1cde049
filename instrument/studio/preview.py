"""A look at a film while it is rendered: its newest frame as a small PNG, about once a second."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
from PIL import Image

from instrument import InstrumentError
from instrument.studio.encode import read_frames
from instrument.studio.film import Pixels
from instrument.studio.sheet import save_png
from instrument.timebase import Clock, WallClock

_EVERY = 1.0  # s
_LARGEST = 960  # pixels of the longer side


class Seldom:
    """True at first, and whenever a second has passed since it was true."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or WallClock()
        self._last: float | None = None

    def __call__(self) -> bool:
        """Whether it is time again."""
        now = self._clock.now()
        if self._last is not None and now - self._last < _EVERY:
            return False
        self._last = now
        return True


class Preview:
    """The newest frame at `path`: always a whole picture, whoever looks and whenever.

    Raises InstrumentError where the name is none for a PNG, or the disk says no.
    """

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        if path.suffix.lower() != ".png":
            raise InstrumentError(f"preview {path}: is named NAME.png")
        self._path = path
        self._due = Seldom(clock)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InstrumentError(f"{path}: cannot be written ({error.strerror})") from error

    def look(self, film: Path) -> None:
        """Look into a film (or a folder of pictures) that is finished: its first frame."""
        if self._due():
            with contextlib.suppress(InstrumentError, StopIteration):  # it may be replaced just now
                save_png(self._path, small(next(read_frames(film))))

    def see(self, _: int, frame: Pixels) -> None:
        """Be shown a frame of any depth."""
        if self._due():
            save_png(self._path, small(frame))


def small(frame: Pixels) -> Image.Image:
    """A frame of any depth in 256 levels, no larger than a preview is."""
    levels = frame
    if frame.dtype == np.uint16:
        levels = (frame >> 8).astype(np.uint8)
    elif frame.dtype != np.uint8:
        levels = (np.clip(frame, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    image = Image.fromarray(levels)
    image.thumbnail((_LARGEST, _LARGEST), Image.Resampling.BILINEAR)
    return image
