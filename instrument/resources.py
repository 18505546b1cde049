"""Where the files lie that the instrument brings along: ``presets`` and ``shaders``."""

from __future__ import annotations

from pathlib import Path

from instrument import InstrumentError


def bundled(name: str) -> Path:
    """The folder `name` of the installed package, or of the clone it runs from."""
    package = Path(__file__).resolve().parent
    for folder in (package / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise InstrumentError(f"the folder {name!r} is missing beside {package}: install again")
