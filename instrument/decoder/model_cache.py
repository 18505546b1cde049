"""Checkpoints that were converted before: a folder of models, each under its file's SHA-256."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from instrument import InstrumentError
from instrument.decoder.conversion import Tell, convert, series_fingerprint, silent
from instrument.decoder.models import ModelManifest, read_manifest
from instrument.decoder.series import Series, find_series

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
    folder = cache_folder() / f"{series_fingerprint(series)[:32]}-{_VERSION}"
    if folder.is_dir():
        try:
            return read_manifest(folder)
        except InstrumentError:
            shutil.rmtree(folder, ignore_errors=True)  # half deleted by some cleaner: make it anew
    tell(f"converting {series.source}, once")
    return convert(series, folder, tell=tell)
