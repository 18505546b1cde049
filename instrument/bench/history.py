"""What was measured before: a line of JSON for every run, in the user's state folder.

Lines that are damaged, or of another version, are left alone and left out.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instrument import InstrumentError
from instrument.bench.machine import clone_of, commit_of, machine, versions
from instrument.bench.rows import FORMAT, check_parts

_NAME = "bench.jsonl"


def history_file(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """Where the system wants such things to lie."""
    if platform == "win32":
        home = environment.get("LOCALAPPDATA")
        base = Path(home) if home else Path.home() / "AppData" / "Local"
    elif platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        home = environment.get("XDG_STATE_HOME")
        base = Path(home) if home and Path(home).is_absolute() else Path.home() / ".local" / "state"
    return base / "latent-instrument" / _NAME


def document(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """A run: what was measured, when, of what and on what."""
    when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {
        "format": FORMAT, "when": when, **commit_of(clone_of()), "versions": versions(),
        "machine": machine(), "parts": parts,
    }  # fmt: skip


def append(path: Path, run: dict[str, Any]) -> None:
    """Add a run, whole or not at all as far as the system can. Raises InstrumentError."""
    line = json.dumps(run, separators=(",", ":")) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size and not _ends_a_line(path):
            line = "\n" + line  # somebody was stopped while writing: that line alone is lost
        with path.open("ab") as file:
            file.write(line.encode())
    except OSError as error:
        raise InstrumentError(f"{path}: cannot be written ({error.strerror})") from error


@dataclass(frozen=True, slots=True)
class History:
    """The runs of a file in the order in which they were written, and how many lines are none."""

    path: Path
    runs: list[dict[str, Any]]
    damaged: int

    def here(self) -> list[dict[str, Any]]:
        """The runs of this very machine: those of another say nothing about this one."""
        ours = machine()["fingerprint"]
        return [run for run in self.runs if run["machine"].get("fingerprint") == ours]

    def commit_before(self, commit: str | None) -> str:
        """The newest commit measured on this machine that is not `commit`.

        Raises InstrumentError where there is none.
        """
        found = [run["commit"] for run in self.here() if run["commit"] not in (None, commit)]
        if not found:
            raise InstrumentError(
                f"{self.path}: holds no other commit that was measured on this machine; "
                "name one: --compare REV"
            )
        return str(found[-1])


def read_history(path: Path) -> History:
    """What is in the file at `path`; nothing where there is none. Raises InstrumentError."""
    try:
        lines = path.read_bytes().split(b"\n") if path.exists() else []
    except OSError as error:
        raise InstrumentError(f"{path}: cannot be read ({error.strerror})") from error
    runs, damaged = [], 0
    for line in lines:
        if not line.strip():
            continue
        try:
            runs.append(_run(line))
        except (InstrumentError, ValueError, RecursionError):
            damaged += 1
    return History(path, runs, damaged)


def _run(line: bytes) -> dict[str, Any]:
    run = json.loads(line)
    if not isinstance(run, dict) or run.get("format") != FORMAT:
        raise InstrumentError(f"format: must be {FORMAT}")
    commit = run.get("commit")
    if commit is not None and not (isinstance(commit, str) and commit.isalnum()):
        raise InstrumentError("commit: must be a word or null")
    if not isinstance(run.get("machine"), dict) or not isinstance(run.get("when"), str):
        raise InstrumentError("machine must be an object, when text")
    check_parts(run.get("parts"), "history")
    return {**run, "commit": commit}


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
