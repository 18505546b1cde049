"""Strict reading of the TOML files a performer writes: file, line, key and what is allowed.

A file is a msgspec ``Struct`` with ``forbid_unknown_fields``; nothing in it can run. This module
knows no particular file.
"""

from __future__ import annotations

import re
import tomllib
import typing
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from instrument import InstrumentError

T = TypeVar("T")

_LARGEST_FILE = 4 << 20  # bytes; the largest preset anybody wrote by hand is a thousandth of it


def read_toml(path: Path, kind: type[T]) -> T:
    """The file at `path` as a `kind`. Raises InstrumentError, one line."""
    return parse_toml(read_text(path), kind, str(path))


def read_text(path: Path) -> str:
    """The text of a small file. Raises InstrumentError naming it."""
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InstrumentError(f"{path}: larger than {_LARGEST_FILE >> 20} MiB")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InstrumentError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise InstrumentError(f"{path}: not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise InstrumentError(f"{path}: cannot be read ({error.strerror})") from error


def parse_toml(text: str, kind: type[T], name: str) -> T:
    """`text` as a `kind`; `name` is what the error calls the file."""
    try:
        fields = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = re.search(r"^(.*) \(at line (\d+), column \d+\)$", str(error))
        line, reason = (match[2], match[1]) if match else ("1", str(error))
        raise InstrumentError(f"{name}:{line}: {reason}") from error
    except RecursionError as error:
        raise InstrumentError(f"{name}:1: tables nested too deep") from error
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at `$")
        keys = _keys(where.rstrip("`"))
        unknown = re.match(r"Object contains unknown field `(.*)`$", reason)
        if unknown:
            allowed = ", ".join(_allowed(kind, keys))
            reason = f"unknown key {unknown[1]!r}, allowed are {allowed}"
            keys = [*keys, unknown[1]]
        elif keys:
            reason = f"{_dotted(keys)}: {reason[:1].lower()}{reason[1:]}"
        raise InstrumentError(f"{name}:{line_of(text, keys)}: {reason}") from error


def line_of(text: str, keys: list[str | int]) -> int:
    """The line (from 1) where the value at `keys` is written, or of the table it belongs to."""
    best, depth = 1, 0
    table: list[str | int] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*(\[\[?)\s*([^\]]+?)\s*\]", line)
        if header:
            table = list(_split(header[2]))
            if header[1] == "[[":
                seen[header[2]] = seen.get(header[2], -1) + 1
                table.append(seen[header[2]])
            here = table
        else:
            entry = re.match(
                r"\s*((?:\"[^\"]*\"|'[^']*'|[A-Za-z0-9_-]+)(?:\s*\.\s*\S+)*)\s*=", line
            )
            if not entry:
                continue
            here = [*table, *_split(entry[1])]
        shared = _shared(here, keys)
        if shared == len(here) and shared > depth:
            best, depth = number, shared
    return best


def _split(dotted: str) -> list[str]:
    parts = re.findall(r"\"[^\"]*\"|'[^']*'|[A-Za-z0-9_-]+", dotted)
    return [part.strip("\"'") for part in parts]


def _shared(here: list[str | int], keys: list[str | int]) -> int:
    count = 0
    for a, b in zip(here, keys, strict=False):
        if a != b:
            break
        count += 1
    return count


def _keys(path: str) -> list[str | int]:
    """``.binding[2].mode`` → ["binding", 2, "mode"]."""
    found = re.findall(r"\.([^.\[\]]+)|\[(\d+)\]", path)
    return [name if name else int(index) for name, index in found]


def _dotted(keys: list[str | int]) -> str:
    return "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in keys).lstrip(".")


def _allowed(kind: Any, keys: list[str | int]) -> tuple[str, ...]:
    """The keys of the struct that stands at `keys` inside `kind`."""
    for key in keys:
        if isinstance(key, int) or typing.get_origin(kind) in (tuple, list):
            kind = next((k for k in typing.get_args(kind) if k is not Ellipsis), kind)
        else:
            kind = typing.get_type_hints(kind).get(key, kind)
        for choice in typing.get_args(kind):  # X | None
            if hasattr(choice, "__struct_fields__") and typing.get_origin(kind) is not tuple:
                kind = choice
    return tuple(getattr(kind, "__struct_encode_fields__", ()))
