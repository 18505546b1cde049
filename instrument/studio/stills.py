"""Films as numbered PNG files: lossless, and every frame a file of its own.

The target is a folder (``NAME/000000.png``) or a pattern (``NAME.%05d.png``).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from instrument import InstrumentError
from instrument.frame import U8
from instrument.studio.film import FilmWriter, Size
from instrument.timebase import FrameRate

_FOLDER_DIGITS = 6  # an hour at 60 frames a second needs six
_PATTERN = re.compile(r"([^%]*)%0([1-9])d(\.png)")


@dataclass(frozen=True, slots=True)
class Numbering:
    """Where numbered files lie, and how frame i is called."""

    folder: Path
    prefix: str
    digits: int

    @classmethod
    def of(cls, path: Path) -> Numbering | None:
        """Read ``NAME/`` or ``NAME.%05d.png``; None where `path` is neither."""
        if match := _PATTERN.fullmatch(path.name):
            return cls(path.parent, match[1], int(match[2]))
        if path.name and (not path.suffix or os.path.isdir(path)):  # noqa: PTH112 (long names too)
            return cls(path, "", _FOLDER_DIGITS)
        return None

    def name(self, frame: int) -> str:
        """The file of `frame`. The reverse of `frame`."""
        return f"{self.prefix}{frame:0{self.digits}d}.png"

    def frame(self, name: str) -> int | None:
        """Which frame the file `name` holds, or None where it is no file of this film."""
        match = re.fullmatch(re.escape(self.prefix) + r"([0-9]+)\.png", name)
        if match and len(match[1]) < 10 and self.name(int(match[1])) == name:
            return int(match[1])
        return None

    def present(self) -> list[int]:
        """The frames that are there, in order; empty where there is no folder."""
        if not self.folder.is_dir():
            return []
        found = (self.frame(file.name) for file in self.folder.iterdir())
        return sorted(frame for frame in found if frame is not None)


class StillsWriter(FilmWriter):
    """PNG files, collected in a hidden folder beside the target until all are written."""

    def __init__(self, path: Path, size: Size, rate: FrameRate, stage: Path) -> None:
        super().__init__(path, size, rate)
        numbering = Numbering.of(path)
        assert numbering is not None
        self._target = numbering
        self._staged = Numbering(stage, numbering.prefix, numbering.digits)

    def _add(self, pixels: U8) -> None:
        file = self._staged.folder / self._staged.name(self.frames)
        try:
            # Level 6 takes seven times as long for files a tenth smaller.
            Image.fromarray(pixels).save(file, "PNG", compress_level=1)
        except OSError as error:
            reason = error.strerror or error
            raise InstrumentError(
                f"{self.path}: frame {self.frames} cannot be written ({reason})"
            ) from error

    def _finish(self) -> None:
        if (found := self._staged.present()) != list(range(self.frames)):
            raise InstrumentError(
                f"{self.path}: {self.frames} frames were written, {len(found)} are on the disk"
            )
        try:
            self._move()
        except OSError as error:
            reason = error.strerror or error
            raise InstrumentError(f"{self.path}: cannot be put in place ({reason})") from error

    def _move(self) -> None:
        target, staged = self._target, self._staged
        if not target.folder.exists():
            staged.folder.replace(target.folder)
            return
        for frame in range(self.frames):
            (staged.folder / staged.name(frame)).replace(target.folder / target.name(frame))
        # A longer film that stood here before would otherwise go on after the end of this one.
        for frame in target.present()[self.frames :]:
            (target.folder / target.name(frame)).unlink()

    def _discard(self) -> None:
        shutil.rmtree(self._staged.folder, ignore_errors=True)


def open_stills(path: Path, size: Size, rate: FrameRate) -> StillsWriter:
    """Begin numbered files at ``NAME/`` or ``NAME.%05d.png``.

    Raises InstrumentError naming the target when it cannot be written.
    """
    target = Numbering.of(path)
    if target is None:
        raise InstrumentError(f"{path}: numbered pictures go to NAME/ or NAME.%05d.png")
    try:
        if path.is_file():
            raise InstrumentError(f"{path}: cannot be written (a file has this name)")
        inside = path if path.is_dir() else path.parent
        stage = inside / f".{path.name}.{os.getpid()}.part"
        stage.mkdir()
    except OSError as error:
        raise InstrumentError(f"{path}: cannot be written ({error.strerror})") from error
    return StillsWriter(path, size, rate, stage)


def read_stills(path: Path) -> Iterator[U8]:
    """The pictures of a folder or pattern in order, each ``U8[h, w, 3]``."""
    numbering = Numbering.of(path)
    assert numbering is not None
    for frame in numbering.present():
        file = numbering.folder / numbering.name(frame)
        try:
            with Image.open(file, formats=("PNG",)) as picture:
                yield np.asarray(picture.convert("RGB"))
        except (OSError, SyntaxError, ValueError, UnidentifiedImageError) as error:
            raise InstrumentError(f"{file}: not a PNG picture") from error
