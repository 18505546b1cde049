"""Keeping what was learnt and saved in the preset's file, and the versions before it.

A file is replaced as a whole, and only by a text that has been read and composed; what stood there
before goes into a folder beside it. A preset the instrument brings along is left alone: the
performer gets a copy. Everything here may take its time and belongs on a thread of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

from instrument import InstrumentError
from instrument.document import LARGEST_FILE, write_whole
from instrument.performance.preset import Preset, preset_from_text
from instrument.performance.preset_changes import Changes, changed
from instrument.resources import bundled

VERSIONS = 20  # of every preset, so many are kept


def keep(
    preset: Preset,
    changes: Changes,
    begins: Mapping[str, float],
    folder: Path,
    compose: Callable[[Preset], object],
) -> Preset:
    """Write `changes` into the file of `preset`; the preset as it stands there now.

    `begins` are the values its performance begins with, by address. A bundled preset is copied
    into `folder`, the performer's own. `compose` raises InstrumentError where a preset cannot be
    played: then, and whenever the disk refuses, the old file stays as it is and InstrumentError
    says why in one line. What somebody wrote into the file meanwhile is kept.
    """
    path = Path(preset.where)
    base, mark = _standing(preset, path)
    try:
        text = changed(base, changes, begins)
    except InstrumentError as error:
        raise InstrumentError(f"{path}: not saved, {error}") from error
    if text == base:
        return preset
    if is_bundled(path):
        path = free_name(folder / path.name)
    data = mark + text.encode()
    if len(data) > LARGEST_FILE:
        raise InstrumentError(f"{path}: not saved, it would be larger than {LARGEST_FILE} bytes")
    written = preset_from_text(text.replace("\r\n", "\n"), str(path), path.parent)
    compose(written)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        target = path.resolve()  # a link stays one
        if target.is_file():
            _keep_version(path, target.read_bytes())
        write_whole(target, data)
    except OSError as error:
        raise InstrumentError(f"{path}: not saved ({error.strerror or error})") from error
    return written


def is_bundled(path: Path) -> bool:
    """Whether `path` is one of the files the instrument brings along."""
    return path.resolve().is_relative_to(bundled("presets").resolve())


def free_name(path: Path) -> Path:
    """`path`, or the first of ``NAME-2.toml``, ``NAME-3.toml`` … where nothing is yet."""
    others = (path.with_name(f"{path.stem}-{n}{path.suffix}") for n in itertools.count(2))
    return next(one for one in itertools.chain([path], others) if not one.exists())


def versions_of(path: Path) -> list[Path]:
    """What stood at `path` before, the oldest first."""
    folder = _versions_folder(path)
    if not folder.is_dir():
        return []
    return sorted(v for v in folder.glob("*.toml") if v.stem.isdigit())


def _versions_folder(path: Path) -> Path:
    return path.with_name(f"{path.stem}.versions")


def _keep_version(path: Path, data: bytes) -> None:
    older = versions_of(path)
    if older and older[-1].read_bytes() == data:
        return  # a save that failed after this had kept it already
    number = int(older[-1].stem) + 1 if older else 1
    _versions_folder(path).mkdir(exist_ok=True)
    write_whole(_versions_folder(path) / f"{number:06}.toml", data)
    for one in older[: max(len(older) + 1 - VERSIONS, 0)]:
        one.unlink(missing_ok=True)


def _standing(preset: Preset, path: Path) -> tuple[str, bytes]:
    """What stands in the file now, and the byte order mark before it, if there is one.

    Raises InstrumentError where that cannot be read as a preset: it is not written over.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return preset.text, b""
    except OSError as error:
        raise InstrumentError(f"{path}: not saved ({error.strerror or error})") from error
    mark = b"\xef\xbb\xbf" if data.startswith(b"\xef\xbb\xbf") else b""
    try:
        text = data[len(mark) :].decode()
        preset_from_text(text.replace("\r\n", "\n"), str(path), path.parent)
    except (UnicodeDecodeError, InstrumentError) as error:
        reason = f"{path}: not saved, somebody has changed it and it cannot be read"
        raise InstrumentError(f"{reason}: {error}") from error
    return text, mark
