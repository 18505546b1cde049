"""A TOML text as the blocks it is written in, so that one can be changed and no other moves.

A block is a table header with the lines below it. tomlkit keeps the comments inside a table it
changes, but moves tables of one name together when others stand between them; so each block is
changed by itself. Knows no preset.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tomlkit
from tomlkit.items import AoT

Keys = tuple[str, ...]  # those of a table's header

_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|'
    r"'''.*?'{3,5}|"
    r'"(?:[^"\\\n]|\\.)*"|'
    r"'[^'\n]*'|"
    r"#[^\n]*|\n|[\[{]|[\]}]|[^\S\n]+|[^\s\[\]{}\"'#]+",
    re.DOTALL,
)


@dataclass(slots=True)
class Block:
    """A header, or none for the first block of a file, and what stands below it.

    `text` ends with the last line that belongs to the table, `tail` is what comes after: empty
    lines, and comments that lead over to the next table. `path` is empty for the first block;
    `entry` says that it is one of an array of tables.
    """

    path: Keys
    entry: bool
    text: str
    tail: str = ""

    def change(self, values: Mapping[str, Any], gone: Sequence[str] = (), at: Keys = ()) -> None:
        """Set `values` and take out the keys `gone`, in the table `at` below this one.

        What has its value already keeps the way it is written.
        """
        document = tomlkit.parse(self.text)
        table: Any = document
        for key in (*self.path, *at):
            if key not in table:
                table[key] = tomlkit.inline_table()
            table = table[key]
            if isinstance(table, AoT):
                table = table[0]
        for key in gone:
            table.pop(key, None)
        for key, value in values.items():
            if key not in table or table[key] != value:
                table[key] = value
        self.text = tomlkit.dumps(document)


def blocks_of(text: str) -> list[Block]:
    """The blocks of `text`, which is valid TOML. Joined again they are `text`, to the byte."""
    starts = [0, *_headers(text)]
    cut = [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]
    return [_block(piece, first=number == 0) for number, piece in enumerate(cut)]


def text_of(blocks: Sequence[Block]) -> str:
    """The reverse of `blocks_of`."""
    return "".join(block.text + block.tail for block in blocks)


def new_block(path: Keys, entry: bool, values: Mapping[str, Any], eol: str) -> Block:
    """A table of its own, with `values`."""
    table = tomlkit.table()
    for key, value in values.items():
        table.add(key, value)
    name = ".".join(tomlkit.key(part).as_string() for part in path)
    header = f"[[{name}]]" if entry else f"[{name}]"
    text = f"{header}\n{table.as_string()}"
    return Block(path, entry, text.replace("\n", eol) if eol != "\n" else text)


def insert(blocks: list[Block], block: Block, after: int, eol: str) -> None:
    """Put `block` behind number `after`, an empty line between them; the tail moves on."""
    before = blocks[after]
    if before.text and not before.text.endswith("\n"):
        before.text += eol
    block.tail, before.tail = before.tail, eol if before.text else ""
    blocks.insert(after + 1, block)


def remove(blocks: list[Block], number: int) -> None:
    """Take out block `number`; comments that lead over to the next one stay."""
    tail = blocks.pop(number).tail
    # The block before has empty lines of its own.
    blocks[number - 1].tail += re.sub(r"\A(?:[ \t]*\r?\n)+", "", tail)


def _headers(text: str) -> list[int]:
    """Where the lines with headers begin."""
    found, depth, line, blank = [], 0, 0, True
    for match in _TOKEN.finditer(text):
        piece = match[0]
        if piece == "\n":
            line, blank = match.end(), True
            continue
        if piece in "[{":
            if piece == "[" and depth == 0 and blank:
                found.append(line)
            depth += 1
        elif piece in "]}":
            depth -= 1
        blank = blank and piece.isspace()
    return found


def _block(piece: str, first: bool) -> Block:
    lines = re.findall(r"[^\n]*\n|[^\n]+", piece)
    end = _last_of_the_table(lines)
    head = "" if first else lines[0]
    path, entry = _read_header(head)
    return Block(path, entry, "".join(lines[:end]), "".join(lines[end:]))


def _last_of_the_table(lines: list[str]) -> int:
    """How many lines belong to the table: all but the empty ones and comments at its end.

    Comments right below its last line belong to it, unless they stand right above the next.
    """
    end = len(lines)
    while end > 0 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    below = end
    while below < len(lines) and lines[below].strip():
        below += 1
    return below if below < len(lines) or (lines and not lines[-1].endswith("\n")) else end


def _read_header(line: str) -> tuple[Keys, bool]:
    inside: Any = tomllib.loads(line)
    path: list[str] = []
    entry = False
    while inside:
        ((key, inside),) = inside.items()
        path.append(key)
        entry = isinstance(inside, list)
        inside = inside[0] if entry else inside
    return tuple(path), entry
