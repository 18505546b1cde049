"""The index of a folder of journeys: ``index.json``, and which journeys need not be made anew.

A journey is kept where an index says that it was finished under the very same terms and all its
files are still there. The index is written after every journey, so that a run that was broken off
goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from instrument import InstrumentError
from instrument.latent.arrays import write_atomically

FORMAT = "journeys/1"
INDEX = "index.json"


def digest(terms: dict[str, Any]) -> str:
    """One word for everything that decides what a journey becomes."""
    return hashlib.sha256(json.dumps(terms, sort_keys=True).encode()).hexdigest()


class JourneyIndex:
    """The index of `folder`: what it said before, and what it says now."""

    def __init__(self, folder: Path, head: dict[str, Any]) -> None:
        """`head` is what is true of all journeys."""
        self.path = folder / INDEX
        self._folder, self._head = folder, head
        self._before = _read(self.path)
        self._entries: dict[str, dict[str, Any]] = {}

    def finished(self, name: str, terms: str) -> dict[str, Any] | None:
        """The entry of a journey that is already there, made under `terms`; else None."""
        entry = self._before.get(name)
        if entry is None or entry.get("terms") != terms:
            return None
        files = entry.get("files")
        if not isinstance(files, list) or not files or not all(isinstance(f, str) for f in files):
            return None
        # Names alone: an index written by somebody else leads nowhere but into its own folder.
        there = all(Path(f).name == f and (self._folder / f).is_file() for f in files)
        return entry if there else None

    def add(self, name: str, entry: dict[str, Any]) -> None:
        """A journey is finished."""
        self._entries[name] = {"name": name, **entry}
        self._write(self._all())

    def close(self) -> list[dict[str, Any]]:
        """All journeys are; those of another run are not among them. Gives the entries."""
        entries = [self._entries[name] for name in sorted(self._entries, key=_order)]
        self._write(entries)
        return entries

    def _all(self) -> list[dict[str, Any]]:
        """While journeys are being made, those of before that may still be kept count too."""
        together = {**self._before, **self._entries}
        return [together[name] for name in sorted(together, key=_order)]

    def _write(self, entries: Iterable[dict[str, Any]]) -> None:
        fields = {"format": FORMAT, **self._head, "journeys": list(entries)}
        with write_atomically(self.path) as file:
            file.write(json.dumps(fields, indent=1).encode() + b"\n")


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """Entries by their names; none where there is no index. Raises InstrumentError on another."""
    if not path.exists():
        return {}
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InstrumentError(f"{path}: not readable as JSON ({error})") from error
    entries = fields.get("journeys") if isinstance(fields, dict) else None
    if not isinstance(entries, list) or fields.get("format") != FORMAT:
        raise InstrumentError(f'{path}: format: must be "{FORMAT}"; choose another folder')
    named = [e for e in entries if isinstance(e, dict) and isinstance(e.get("name"), str)]
    return {entry["name"]: entry for entry in named}


def _order(name: str) -> tuple[int, str]:
    return len(name), name
