"""Checkpoints that were converted before: a folder of models, each under its file's SHA-256."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from instrument import InstrumentError
from instrument.decoder.conversion import Tell, convert, series_fingerprint, silent
from instrument.decoder.models import HistoryDetails, ModelManifest, read_manifest
from instrument.decoder.series import Series, find_series

_LONGEST_HEADER = 8 << 20  # bytes
_VERSION = 1  # of the conversion: another number, and everything is converted anew


def cache_folder(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """Where the system wants such things to lie."""
    if platform == "win32":
        home = environment.get("LOCALAPPDATA")
        base = Path(home) if home else Path.home() / "AppData" / "Local"
    elif platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        home = environment.get("XDG_CACHE_HOME")
        base = Path(home) if home and Path(home).is_absolute() else Path.home() / ".cache"
    return base / "latent-instrument" / "models"


def find_converted(text: str, tell: Tell | None = None) -> ModelManifest | None:
    """The model of the checkpoints `text` names; None where it names none."""
    series = find_series(text)
    return None if series is None else cached(series, tell or silent)


def cached(series: Series, tell: Tell = silent) -> ModelManifest:
    """The model of `series`, converted now unless it was before. Raises InstrumentError."""
    folder = cache_folder() / f"{_content_of(series)}-{_VERSION}"
    if folder.is_dir():
        with contextlib.suppress(InstrumentError, OSError, ValueError):
            model = read_manifest(folder)
            _must_be_whole(model)
            return model
        shutil.rmtree(folder, ignore_errors=True)  # half swept away by some cleaner: make it anew
    tell(f"converting {series.source}, once")
    return convert(series, folder, tell=tell)


def _content_of(series: Series) -> str:
    """The beginning of the SHA-256 of `series`, remembered for files that did not change since.

    To read a long run anew before every show takes longer than to open it: measured, 1.4 s a GB.
    """
    try:
        found = [(str(path.resolve()), path.stat()) for path, _ in series.files]
    except OSError as error:
        raise InstrumentError(f"{series.source}: cannot be read ({error.strerror})") from error
    state = json.dumps([(name, one.st_size, one.st_mtime_ns) for name, one in found])
    note = cache_folder() / "known" / hashlib.sha256(state.encode()).hexdigest()[:32]
    with contextlib.suppress(OSError, UnicodeDecodeError):
        known = note.read_text(encoding="ascii")
        if re.fullmatch(r"[0-9a-f]{32}", known):
            return known
    content = series_fingerprint(series)[:32]
    with contextlib.suppress(OSError):  # then it is read again next time
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(content, encoding="ascii")
    return content


def _must_be_whole(model: ModelManifest) -> None:
    """Raises OSError or ValueError where weights are missing or cut off.

    Only lengths are compared, because this happens before every show; the decoder compares
    checksums when it opens the model.
    """
    assert isinstance(model.details, HistoryDetails)
    for snapshot in model.details.snapshots:
        with (model.folder / snapshot.file).open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, _LONGEST_HEADER)))
            size = 8 + length + max(entry["data_offsets"][1] for entry in header.values())
            if os.fstat(file.fileno()).st_size != size:
                raise ValueError(f"{file.name} is cut off")
