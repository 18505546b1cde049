"""Strict reading of the TOML files a performer writes: file, line, key and what is allowed.

And writing a file so that it is whole whatever happens.

A file is a msgspec ``Struct`` with ``forbid_unknown_fields``; nothing in it can run. This module
knows no particular file.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tomllib
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from instrument import InstrumentError

T = TypeVar("T")

LARGEST_FILE = 1 << 20  # bytes; the largest preset anybody wrote by hand is a hundredth of it
# tomllib's time for a.a.a.… grows with the square of its length: 20 000 parts take 10 s.
_ENDLESS_KEY = re.compile(
    r"(?:(?:[A-Za-z0-9_-]{1,64}|\"[^\"\n]{0,64}\"|'[^'\n]{0,64}')[ \t]{0,8}\.[ \t]{0,8}){64}"
)


_KEY = r"(?:\"[^\"]*\"|'[^']*'|[A-Za-z0-9_-]+)"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*\]\]?\s*(?:#.*)?$")
_ENTRY = re.compile(rf"\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*=")


def read_toml(path: Path, kind: type[T]) -> T:
    """The file at `path` as a `kind`. Raises InstrumentError, one line."""
    return parse_toml(read_text(path), kind, str(path))


def read_text(path: Path) -> str:
    """The text of a small file. Raises InstrumentError naming it."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InstrumentError(f"{path}: larger than {LARGEST_FILE >> 20} MiB")
        return path.read_text(encoding="utf-8-sig")  # some editors put a byte order mark first
    except FileNotFoundError:
        raise InstrumentError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise InstrumentError(f"{path}: not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise InstrumentError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:  # a path no system can have, with a zero byte in it
        raise InstrumentError(f"{str(path)!r}: cannot be read ({error})") from error


def write_whole(path: Path, data: bytes) -> None:
    """Put `data` at `path`, on the disk itself, whole or not at all. Raises OSError.

    Written beside it and renamed: whatever happens meanwhile, the old file or the new one is there.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, partial)
        os.replace(partial, path)  # noqa: PTH105 - the one call of the system this depends on
    finally:
        partial.unlink(missing_ok=True)
    if sys.platform != "win32":  # have the new name on the disk, too
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def parse_toml(text: str, kind: type[T], name: str) -> T:
    """`text` as a `kind`; `name` is what the error calls the file."""
    fields = _loads(text, name)
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).rpartition(" - at `$")
        reason, where = (reason, where.rstrip("`")) if reason else (where, "")
        table, inside, _ = where.partition("[...]")
        keys = _keys(table)
        if inside:  # msgspec keeps to itself which entry of a free table it was
            keys = [*keys, *_culprit(fields, kind, keys)]
        unknown = re.match(r"Object contains unknown field `(.*)`$", reason, re.DOTALL)
        if unknown:
            allowed = ", ".join(_allowed(kind, keys))
            reason = f"unknown key {unknown[1]!r}, allowed are {allowed}"
            keys = [*keys, unknown[1]]
        elif keys:
            reason = f"{_dotted(keys)}: {reason[:1].lower()}{reason[1:]}"
        raise InstrumentError(f"{name}:{line_of(text, keys)}: {reason}") from error


def _loads(text: str, name: str) -> dict[str, Any]:
    endless = _ENDLESS_KEY.search(text)
    if endless:
        line = text.count("\n", 0, endless.start()) + 1
        raise InstrumentError(f"{name}:{line}: tables nested too deep")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = re.search(r"^(.*) \(at (?:line (\d+), column \d+|end of document)\)$", str(error))
        reason = match[1] if match else str(error)
        line = int((match and match[2]) or text.rstrip("\n").count("\n") + 1)
        raise InstrumentError(f"{name}:{line}: {reason}") from error
    except RecursionError as error:
        raise InstrumentError(f"{name}:1: tables nested too deep") from error
    except ValueError as error:  # an integer of more than 4300 digits
        raise InstrumentError(f"{name}:1: a number with too many digits") from error


def line_of(text: str, keys: list[str | int]) -> int:
    """The line (from 1) where the value at `keys` is written, or of the table it belongs to."""
    best, depth = 1, 0
    table: list[str | int] = []
    seen: dict[str, int] = {}
    array: list[str | int] = []
    entries = 0  # inline tables so far in the array that was opened last
    for number, line in enumerate(text.split("\n"), start=1):
        header, entry = _HEADER.match(line), _ENTRY.match(line)
        if header:
            table = _inside(_split(header[2]), seen)
            if header[1] == "[[":
                seen[header[2]] = seen.get(header[2], -1) + 1
                table.append(seen[header[2]])
            here = table
        elif entry:
            here = array = [*table, *_split(entry[1])]
            entries = line.count("{")
        elif line.lstrip().startswith("{") and keys[: len(array)] == array:
            wanted = keys[len(array)] if len(keys) > len(array) else None
            before, entries = entries, entries + line.count("{")
            if not isinstance(wanted, int) or not before <= wanted < entries:
                continue
            here = [*array, wanted]
        else:
            continue
        shared = _shared(here, keys)
        if shared == min(len(here), len(keys)) and shared > depth:
            best, depth = number, shared
    return best


def _inside(parts: list[str], seen: dict[str, int]) -> list[str | int]:
    """``scene.parameters`` → ["scene", 2, "parameters"], under the third ``[[scene]]``."""
    table: list[str | int] = [parts[0]]
    for depth, part in enumerate(parts[1:], start=1):
        newest = seen.get(".".join(parts[:depth]))
        table += [part] if newest is None else [newest, part]
    return table


def _split(dotted: str) -> list[str]:
    parts = re.findall(_KEY, dotted)
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
    return tuple(getattr(_kind_at(kind, keys), "__struct_encode_fields__", ()))


def _culprit(fields: Any, kind: Any, keys: list[str | int]) -> list[str | int]:
    """The key of the first wrong value in the free table at `keys`."""
    for key in keys:
        fields = fields[key]
    allowed = typing.get_args(_kind_at(kind, keys))[1]
    for key, value in fields.items():
        try:
            msgspec.convert(value, allowed)
        except msgspec.ValidationError:
            return [key]
    return []


def _kind_at(kind: Any, keys: list[str | int]) -> Any:
    """The type of what stands at `keys` inside `kind`."""
    for key in keys:
        inside = [k for k in typing.get_args(kind) if k is not Ellipsis]
        if isinstance(key, int):
            kind = inside[0]
        elif typing.get_origin(kind) is dict:
            kind = inside[1]
        else:
            kind = typing.get_type_hints(kind).get(key, kind)
        if typing.get_origin(kind) in (typing.Union, types.UnionType):  # X | None
            kind = typing.get_args(kind)[0]
    return kind
