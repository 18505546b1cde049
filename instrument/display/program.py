"""Shader programs by name, and compile errors that name the line in the file.

``load_program(ctx, "hud")`` compiles ``shaders/hud.vert.glsl`` and ``shaders/hud.frag.glsl``. A
line ``#include "name.glsl"`` takes in another file of the folder, one level deep. This module knows
no picture.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import moderngl

from instrument import InstrumentError
from instrument.resources import bundled

_INCLUDE = re.compile(r'\s*#include\s+"([^"/\\]+)"\s*$')
# How drivers name a line: Mesa "0:12(3): error: …", NVIDIA "0(12) : error C1008: …", Apple and
# ANGLE "ERROR: 0:12: …". The first number is that of the string, of which there is one.
_DRIVER_LINES = (
    re.compile(r"^0:(?P<line>\d+)\(\d+\):\s*(?P<text>.*)$"),
    re.compile(r"^0\((?P<line>\d+)\)\s*:\s*(?P<text>.*)$"),
    re.compile(r"^(?:ERROR|WARNING):\s*0:(?P<line>\d+):\s*(?P<text>.*)$"),
)
_SEVERITY = re.compile(r"^(?P<kind>error|warning|fatal error)\b(?:\s+C\d+)?\s*:\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ShaderSource:
    """GLSL with its includes put in; `origins` names file and line for each line of `text`."""

    text: str
    origins: tuple[tuple[str, int], ...]


def read_shader(path: Path) -> ShaderSource:
    """Read one shader. Raises InstrumentError if it, or what it includes, cannot be read."""
    lines: list[str] = []
    origins: list[tuple[str, int]] = []
    for number, line in enumerate(_lines_of(path), start=1):
        include = _INCLUDE.match(line)
        if not include:
            lines.append(line)
            origins.append((_label(path), number))
            continue
        where = f"{_label(path)}:{number}"
        included = path.parent / include[1]
        for inner_number, inner in enumerate(_lines_of(included, where), start=1):
            if _INCLUDE.match(inner):
                raise InstrumentError(
                    f"{_label(included)}:{inner_number}: an included file includes no other"
                )
            lines.append(inner)
            origins.append((_label(included), inner_number))
    return ShaderSource("\n".join(lines) + "\n", tuple(origins))


def _lines_of(path: Path, included_at: str = "") -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        where = f"{included_at}: " if included_at else ""
        reason = getattr(error, "strerror", None) or "is not text"
        raise InstrumentError(f"{where}{_label(path)}: {reason}") from error


def _label(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def explain(log: str, source: ShaderSource) -> list[str]:
    """The driver's errors as ``shaders/hud.frag.glsl:12: 'foo' undeclared``, in its order.

    Warnings are left out. Empty when the driver speaks in no way known here.
    """
    found = []
    for line in log.splitlines():
        match = next((m for p in _DRIVER_LINES if (m := p.match(line.strip()))), None)
        if not match:
            continue
        severity = _SEVERITY.match(match["text"])
        if (severity and severity["kind"].lower() == "warning") or line.startswith("WARNING"):
            continue
        text = match["text"][severity.end() :] if severity else match["text"]
        # Some drivers report an error at the end of the text one line behind it.
        number = min(max(int(match["line"]), 1), len(source.origins))
        file, in_file = source.origins[number - 1]
        found.append(f"{file}:{in_file}: {text.replace('`', chr(39)).strip()}")
    return found


def load_program(
    ctx: moderngl.Context, name: str, folder: Path | None = None, *, vertex: str | None = None
) -> moderngl.Program:
    """Compile and link the vertex and fragment shader called `name`, or the one called `vertex`.

    `folder` is the bundled ``shaders`` by default. Raises InstrumentError with a line for each
    error, so that a caller who reloads still holds the program that worked.
    """
    folder = folder if folder is not None else bundled("shaders")
    corners = read_shader(folder / f"{vertex or name}.vert.glsl")
    fragment = read_shader(folder / f"{name}.frag.glsl")
    try:
        return ctx.program(vertex_shader=corners.text, fragment_shader=fragment.text)
    except moderngl.Error as error:
        log = str(error)
        # moderngl heads the driver's log with the kind of shader that failed.
        source = corners if "vertex_shader" in log else fragment
        told = explain(log, source) or [f"{folder.name}/{name}: {' '.join(log.split())}"]
        raise InstrumentError("\n".join(told)) from error
