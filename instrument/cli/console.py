"""What people and programs read: one line for an error, JSON on stdout, progress on stderr."""

from __future__ import annotations

import json
import sys
from typing import Any, NoReturn

from rich.console import Console

STDERR = 2  # its file descriptor


def console() -> Console:
    """Where progress and words go: stderr, so that stdout is what a program asked for."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """A line for people."""
    console().print(text, markup=False)


def report(fields: dict[str, Any], as_json: bool, text: str) -> None:
    """The result of a command: `fields` for programs, `text` for people."""
    if as_json:
        print(json.dumps(fields))
    else:
        print(text)


def fail(reason: str) -> NoReturn:
    """One line, exit 1."""
    print(f"error: {' '.join(reason.split())}", file=sys.stderr)
    raise SystemExit(1)
