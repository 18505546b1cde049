"""``instrument doctor``: what this machine has, and the one line that mends what it has not."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from instrument import InstrumentError, __version__
from instrument.cli.console import report
from instrument.cli.sources import assemble
from instrument.decoder.models import bundled_models
from instrument.display.monitors import display_available, monitors
from instrument.display.offscreen import Offscreen


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look the machine over. Exit 1 when something the instrument cannot do without is missing."""
    findings = [
        _finding("python", lambda: platform.python_version()),
        _finding("torch", lambda: importlib.metadata.version("torch")),
        _finding("display", _display),
        _finding("OpenGL", _opengl),
        _finding("models", lambda: ", ".join(bundled_models())),
        _finding("preset", lambda: assemble("default", None, None, None).bank.name),
        _finding("disk", _disk),
    ]
    broken = [f["name"] for f in findings if not f["ok"] and f["name"] not in ("display", "OpenGL")]
    lines = [f"{'ok' if f['ok'] else '--':<3} {f['name']:<8} {f['finding']}" for f in findings]
    report({"version": __version__, "findings": findings}, as_json, "\n".join(lines))
    if broken:
        raise InstrumentError(f"not fit to play: {', '.join(broken)}")


def _finding(name: str, look: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"name": name, "ok": True, "finding": look()}
    except (InstrumentError, importlib.metadata.PackageNotFoundError) as error:
        return {"name": name, "ok": False, "finding": str(error)}


def _display() -> str:
    if not display_available():
        raise InstrumentError("none: play performs without a window and renders a film")
    return "; ".join(f"{m.index} {m.name} {m.size[0]}x{m.size[1]}" for m in monitors())


def _opengl() -> str:
    with Offscreen((64, 64)) as surface:
        return f"{surface.ctx.info['GL_RENDERER']}, {surface.ctx.info['GL_VERSION']}"


def _disk() -> str:
    free = shutil.disk_usage(Path.cwd()).free
    hours = free / (60 * 3600 * 4 * 600)  # 512-D z with its parameters at 60 rows a second
    return f"{free / 1e9:.0f} GB free here: {hours:.0f} hours of takes on {sys.platform}"
