"""Strict TOML: each error names line and key, and no file, however hostile, does more than that."""

import time
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.document import line_of, parse_toml, read_text, read_toml


class Leaf(msgspec.Struct, forbid_unknown_fields=True):
    """The innermost table."""

    at: tuple[float, ...] = ()
    kind: Literal["a", "b"] = "a"


class Branch(msgspec.Struct, forbid_unknown_fields=True):
    """A table in a table."""

    leaf: tuple[Leaf, ...] = ()
    one: Leaf | None = None


class Tree(msgspec.Struct, forbid_unknown_fields=True):
    """The whole file."""

    name: str
    size: int = 0
    free: dict[str, float] = {}
    rooms: dict[str, Leaf] = {}
    branch: Branch = msgspec.field(default_factory=Branch)
    bough: tuple[Branch, ...] = ()


GOOD = """\
name = "oak"  # a comment = with [brackets]
size = 3

[free]
"/spring/frequency" = 1.5
'b' = 2

[branch.one]
at = [1.0, 2.0]

[[branch.leaf]]
kind = "a"

[[branch.leaf]]
kind = "b"
at = [
  3.0,
  4.0
]

[[bough]]
leaf = [{ kind = "a" }, { kind = "b", at = [5.0] }]

[[bough]]
leaf = [
  { kind = "a" }, { kind = "a" },
  { kind = "b", at = [6.0] },
]
one.at = [7.0]
"""


def test_a_good_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "tree.toml"
    path.write_bytes(GOOD.replace("\n", "\r\n").encode("utf-8-sig"))
    tree = read_toml(path, Tree)
    assert tree.free == {"/spring/frequency": 1.5, "b": 2.0}
    assert tree.bough[1].leaf[2].at == (6.0,)
    assert tree.branch.leaf[1].at == (3.0, 4.0)


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("size = 3", "sise = 3", 2, "unknown key 'sise', allowed are name, size, free, rooms, br"),
        ("size = 3", "size = 3.5", 2, "size: expected `int`, got `float`"),
        ("size = 3", "size = true", 2, "size: expected `int`, got `bool`"),
        ("size = 3", "size = 2020-01-01", 2, "size: expected `int`, got `date`"),
        ("size = 3", "size = ", 2, "Invalid value"),
        ("size = 3", "size = 3 4", 2, "Expected newline"),
        ("size = 3", "size = 3\nsize = 4", 3, "Cannot overwrite a value"),
        ('"/spring/frequency" = 1.5', '"/spring/frequency" = "x"', 5, "free./spring/frequency: e"),
        ("'b' = 2", "'b' = []", 6, "free.b: expected `float`, got `array`"),
        ("[branch.one]", "[branch.two]", 8, "unknown key 'two', allowed are leaf, one"),
        ("at = [1.0, 2.0]", "at = 1.0", 9, "branch.one.at: expected `array`, got `float`"),
        ("at = [1.0, 2.0]", "a = 1.0", 9, "unknown key 'a', allowed are at, kind"),
        ('kind = "a"\n\n', 'kind = "c"\n\n', 12, "leaf.0..kind: invalid enum value 'c'"),
        ('kind = "b"\nat', 'kynd = "b"\nat', 15, "unknown key 'kynd', allowed are at, kind"),
        ("  4.0\n", '  "4"\n', 16, "branch.leaf.1..at.1.: expected `float`, got `str`"),
        ('kind = "b", at = [5.0]', 'kind = "d"', 22, "bough.0..leaf.1..kind: invalid enum"),
        ('kind = "b", at = [6.0]', "kin = 3", 27, "unknown key 'kin', allowed are at, kind"),
        ("one.at = [7.0]", "one.at = 7", 29, "bough.1..one.at: expected `array`"),
        ("one.at = [7.0]", "one.as = 7", 29, "unknown key 'as', allowed are at, kind"),
        ("one.at = [7.0]", "one = [7.0]", 29, "bough.1..one: expected `object.*got `array`"),
        ("one.at = [7.0]", 'one.at = "7', 29, "Illegal|Unterminated|nclosed|character|Expected"),
        ("one.at = [7.0]", '[rooms]\na = { kind = "z" }', 30, "rooms.a: invalid enum value 'z'"),
        ("one.at = [7.0]", "[rooms]\nb = 3", 30, "rooms.b: expected `object`, got `int`"),
        ('name = "oak"', "", 1, "missing required field `name`"),
        ('name = "oak"', '"a\\nb" = 1', 1, r"unknown key 'a\\nb', allowed are"),
    ],
)
def test_an_error_names_its_line(old: str, new: str, line: int, says: str) -> None:
    assert GOOD.count(old) == 1
    with pytest.raises(InstrumentError, match=says) as caught:
        parse_toml(GOOD.replace(old, new), Tree, "tree.toml")
    message = str(caught.value)
    assert message.startswith(f"tree.toml:{line}: "), message
    assert "\n" not in message


def test_lines_are_counted_as_editors_count_them() -> None:
    text = 'name = "a\u2028b\u0085c"\n\n# \u2029\nsise = 1\n'
    with pytest.raises(InstrumentError, match=r"^f:4: "):
        parse_toml(text, Tree, "f")


def test_the_line_of_a_table_stands_in_for_what_is_missing() -> None:
    assert line_of(GOOD, ["branch", "one", "kind"]) == 8
    assert line_of(GOOD, ["bough", 1]) == 24
    assert line_of(GOOD, ["nowhere"]) == 1
    assert line_of("[a.b]\nx = 1\n", ["a"]) == 1
    assert line_of("\n[a.b]\nx = 1\n", ["a"]) == 2


# Hostile files.

HOSTILE = {
    "arrays": "name = " + "[" * 200_000,
    "tables": "name = " + "{a=" * 100_000,
    "dots": "a." * 100_000 + "a = 1",
    "quoted dots": '"a" . ' * 50_000 + "a = 1",
    "deep header": "[" + "a." * 100_000 + "a]",
    "digits": "size = " + "9" * 100_000,
    "hexadecimal": "free = { a = 0x" + "f" * 100_000 + " }",
    "huge float": "free = { a = " + "9" * 400 + " }",
    "no end": 'name = """' + "x" * 100_000,
    "zero bytes": "name = \0",
    "control": "name = 'a\x1bb'",
    "one word": "x" * 500_000,
    "many words": "x " * 200_000,
    "many headers": "[x]\n" * 50_000,
    "month 13": "size = 2020-13-01",
    "backticks": '"a` - at `$.size" = 1',
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_one_line_and_soon(text: str) -> None:
    began = time.perf_counter()
    with pytest.raises(InstrumentError, match=r"^f:\d+: ") as caught:
        parse_toml(text, Tree, "f")
    assert time.perf_counter() - began < 5.0
    assert "\n" not in str(caught.value)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.data())
def test_no_damage_gets_further_than_an_error(data) -> None:
    at = data.draw(st.integers(0, len(GOOD)))
    cut = data.draw(st.integers(0, 5))
    put = data.draw(st.text(alphabet='[]{}="\n.,#a1 -\x00ü\\', max_size=4))
    try:
        parse_toml(GOOD[:at] + put + GOOD[at + cut :], Tree, "f")
    except InstrumentError as error:
        assert "\n" not in str(error)
        assert str(error).startswith("f:")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    big, latin = tmp_path / "big.toml", tmp_path / "latin.toml"
    big.write_bytes(b"#" * (1 << 20) + b"\n")
    latin.write_bytes(b'name = "\xe4"')
    for path, reason in (
        (big, r"big\.toml: larger than 1 MiB"),
        (latin, r"latin\.toml: not UTF-8 text \(byte 8\)"),
        (tmp_path, "cannot be read"),
        (tmp_path / "none", "none: no such file"),
        (big / "under", "cannot be read"),
        (tmp_path / "a\0b", "cannot be read"),
        (tmp_path / ("x" * 300), "cannot be read"),
    ):
        with pytest.raises(InstrumentError, match=reason) as caught:
            read_text(path)
        assert "\n" not in str(caught.value)
        with pytest.raises(InstrumentError, match=reason):
            read_toml(path, Tree)
