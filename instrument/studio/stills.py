"""Films as numbered PNG or EXR files: lossless, and every frame a file of its own.

The target is a folder (``NAME/000000.png``) or a pattern (``NAME.%05d.png``).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from instrument import InstrumentError
from instrument.frame import U8
from instrument.studio.codecs import Stills
from instrument.studio.deep import exr_of, png_of, read_deep
from instrument.studio.film import FilmWriter, Pixels, Size
from instrument.studio.light import to_levels
from instrument.timebase import FrameRate

PNG = Stills(".png", 8)
_FOLDER_DIGITS = 6  # an hour at 60 frames a second needs six
_PATTERN = re.compile(r"([^%]*)%0([1-9])d(\.png|\.exr)")


@dataclass(frozen=True, slots=True)
class Numbering:
    """Where numbered files lie, and how frame i is called."""

    folder: Path
    prefix: str
    digits: int
    suffix: str = ".png"

    @classmethod
    def of(cls, path: Path, suffix: str | None = None) -> Numbering | None:
        """Read ``NAME/`` or ``NAME.%05d.png``; None where `path` is neither.

        A folder holds files with this `suffix`, or those that are there where it is None.
        """
        if match := _PATTERN.fullmatch(path.name):
            return cls(path.parent, match[1], int(match[2]), match[3])
        if path.name and (not path.suffix or os.path.isdir(path)):  # noqa: PTH112 (long names too)
            if suffix is not None:
                return cls(path, "", _FOLDER_DIGITS, suffix)
            png, exr = (cls(path, "", _FOLDER_DIGITS, name) for name in (".png", ".exr"))
            return exr if exr.present() and not png.present() else png
        return None

    def name(self, frame: int) -> str:
        """The file of `frame`. The reverse of `frame`."""
        return f"{self.prefix}{frame:0{self.digits}d}{self.suffix}"

    def frame(self, name: str) -> int | None:
        """Which frame the file `name` holds, or None where it is no file of this film."""
        match = re.fullmatch(re.escape(self.prefix) + "([0-9]+)" + re.escape(self.suffix), name)
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
    """PNG or EXR files, collected in a hidden folder beside the target until all are written."""

    def __init__(
        self, path: Path, size: Size, rate: FrameRate, depth: int, target: Numbering, stage: Path
    ) -> None:
        super().__init__(path, size, rate, depth)
        self._target = target
        self._staged = replace(target, folder=stage)

    def _add(self, pixels: Pixels) -> None:
        file = self._staged.folder / self._staged.name(self.frames)
        try:
            if self.depth == 8:
                # Level 6 takes seven times as long for files a tenth smaller.
                Image.fromarray(pixels).save(file, "PNG", compress_level=1, pnginfo=_srgb())
            else:
                file.write_bytes(png_of(pixels) if self.depth == 16 else exr_of(pixels))
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


def _srgb() -> PngInfo:
    """What says in a PNG that its numbers are sRGB."""
    tags = PngInfo()
    tags.add(b"sRGB", b"\x00")
    return tags


def open_stills(path: Path, size: Size, rate: FrameRate, stills: Stills = PNG) -> StillsWriter:
    """Begin numbered files at ``NAME/`` or ``NAME.%05d.png``.

    Raises InstrumentError naming the target when it cannot be written.
    """
    target = Numbering.of(path, stills.suffix)
    if target is None:
        raise InstrumentError(f"{path}: numbered pictures go to NAME/ or NAME.%05d{stills.suffix}")
    other = Numbering.of(path)
    if other is not None and other.suffix != target.suffix and other.present():
        raise InstrumentError(f"{path}: holds a film of {other.suffix} files; name another folder")
    try:
        if path.is_file():
            raise InstrumentError(f"{path}: cannot be written (a file has this name)")
        inside = path if path.is_dir() else path.parent
        stage = inside / f".{path.name}.{os.getpid()}.part"
        stage.mkdir()
    except OSError as error:
        raise InstrumentError(f"{path}: cannot be written ({error.strerror})") from error
    return StillsWriter(path, size, rate, stills.depth, target, stage)


def read_stills(path: Path) -> Iterator[U8]:
    """The pictures of a folder or pattern in order, each ``U8[h, w, 3]``."""
    numbering = Numbering.of(path)
    assert numbering is not None
    for frame in numbering.present():
        file = numbering.folder / numbering.name(frame)
        if numbering.suffix == ".exr":
            yield np.asarray(to_levels(np.asarray(read_deep(file), np.float32), 8, None), np.uint8)
            continue
        try:
            with Image.open(file, formats=("PNG",)) as picture:
                yield np.asarray(picture.convert("RGB"))
        except (OSError, SyntaxError, ValueError, UnidentifiedImageError) as error:
            raise InstrumentError(f"{file}: not a PNG picture") from error
