"""The door to XML: what is let in unchanged, and every bomb refused in one line, quickly."""

import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.studio import xml_door
from instrument.studio.xml_door import DEEPEST, LARGEST, parse_xml, read_xml

LAUGHS = b"<!DOCTYPE x [<!ENTITY a 'ha'>%s]><x>&a9;</x>" % b"".join(
    b"<!ENTITY a%d '%s'>" % (n, b"&a%d;" % (n - 1) * 10 if n else b"&a;" * 10) for n in range(10)
)
REFUSED = {
    "laughs": (LAUGHS, "declarations of its own"),
    "quadratic": (
        b"<!DOCTYPE x [<!ENTITY a '%s'>]><x>%s</x>" % (b"a" * 50_000, b"&a;" * 50_000),
        "declarations of its own",
    ),
    "file": (
        b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>",
        "declarations of its own",
    ),
    "parameter": (
        b"<!DOCTYPE x [<!ENTITY % p SYSTEM 'http://127.0.0.1:1/p'> %p;]><x/>",
        "declarations of its own",
    ),
    "grammar": (b"<!DOCTYPE x [<!ELEMENT x ANY>]><x/>", "declarations of its own"),
    "system": (b"<!DOCTYPE x SYSTEM 'http://127.0.0.1:1/x.dtd'><x/>", "another file"),
    "public": (b"<!DOCTYPE x PUBLIC '-//x' 'x.dtd'><x/>", "another file"),
    "undefined": (b"<!DOCTYPE x><x>&b;</x>", "undefined entity"),
    "nest": (b"<x>" * 200_000 + b"</x>" * 200_000, f"deeper than {DEEPEST}"),
    "attribute": (b"<x a='" + b"a" * (12 << 20) + b"'/>", "longer than 4 MiB"),
    "comment": (b"<!--" + b"a" * (12 << 20) + b"--><x/>", "longer than 4 MiB"),
    "attributes": (
        b"<x " + b" ".join(b"a%d=''" % n for n in range(1_000_000)) + b"/>",
        "longer than 4 MiB",
    ),
    "twice": (b"<x a='1' a='2'/>", "duplicate attribute"),
    "cut short": (b"<x><y></x>", "mismatched tag"),
    "unfinished": (b"<x><y>", "no element found"),
    "second root": (b"<x/><y/>", "junk after document element"),
    "words": (b"make it nice", "syntax error"),
    "nothing": (b" \n ", "empty"),
    "zeros": (b"<x>\0</x>", "not well-formed"),
    "not utf-8": (b"<x>\xff</x>", "not well-formed"),
    "encoding": (b"<?xml version='1.0' encoding='klingon'?><x/>", "klingon"),
    "wide encoding": (b"<?xml version='1.0' encoding='utf-7'?><x/>", "not XML"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused_in_one_line(case: str) -> None:
    data, reason = REFUSED[case]
    with pytest.raises(InstrumentError) as caught:
        parse_xml(data, "edit.xml")
    assert str(caught.value).startswith("edit.xml: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_bombs_cost_no_time() -> None:
    started = time.process_time()
    for data, _ in REFUSED.values():
        with pytest.raises(InstrumentError):
            parse_xml(data, "x")
    assert time.process_time() - started < 10  # each bomb alone would take minutes, or the memory


def test_errors_name_the_line() -> None:
    with pytest.raises(InstrumentError, match="line 3"):
        parse_xml(b"<x>\n\n<y></x>", "x")


@pytest.mark.parametrize("kind", ["fcpxml", "xmeml"])
def test_a_bare_doctype_passes(kind: str) -> None:
    root = parse_xml(b"<?xml version='1.0'?>\n<!DOCTYPE %s>\n<%s/>" % ((kind.encode(),) * 2), "x")
    assert root.tag == kind


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "utf-8-sig"])
def test_encodings_are_read(encoding: str) -> None:
    name = "utf-8" if encoding == "utf-8-sig" else encoding
    text = f"<?xml version='1.0' encoding='{name}'?><x name='Prélude'>è</x>"
    root = parse_xml(text.encode(encoding), "x")
    assert (root.get("name"), root.text) == ("Prélude", "è")


def test_a_long_text_is_whole() -> None:
    text = "notes of a long night & more " * 400_000
    root = parse_xml(b"<x>" + text.replace("&", "&amp;").encode() + b"</x>", "x")
    assert root.text == text


def test_too_many_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_door, "MOST", 5)
    assert len(parse_xml(b"<x>" + b"<y/>" * 4 + b"</x>", "x")) == 4
    with pytest.raises(InstrumentError, match="more than 5 elements"):
        parse_xml(b"<x>" + b"<y/>" * 5 + b"</x>", "x")


def test_the_root_is_what_was_asked_for() -> None:
    assert parse_xml(b"<mlt/>", "x", "mlt", "westley").tag == "mlt"
    with pytest.raises(InstrumentError, match=r"begins with <svg>, allowed is <mlt> or <westley>"):
        parse_xml(b"<svg/>", "x", "mlt", "westley")


# --- files


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "edit.xml"
    path.write_bytes(b"<mlt><playlist id='a'/></mlt>")
    assert [child.get("id") for child in read_xml(path, "mlt")] == ["a"]


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "edit.xml"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(InstrumentError, match=f"larger than {LARGEST >> 20} MiB"):
        read_xml(path)


@pytest.mark.parametrize("name", ["missing.xml", "folder", "zero\0byte"])
def test_what_cannot_be_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InstrumentError, match=r"no such file|cannot be read"):
        read_xml(tmp_path / name)


# --- laws

NAMES = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0xD7FF), max_size=20)
TREES = st.recursive(
    st.tuples(NAMES, st.dictionaries(NAMES, TEXT, max_size=3), TEXT, st.just(())),
    lambda inner: st.tuples(
        NAMES, st.dictionaries(NAMES, TEXT, max_size=2), TEXT, st.tuples(inner, inner)
    ),
    max_leaves=8,
)


def grown(tree: tuple) -> ElementTree.Element:
    tag, attributes, text, inner = tree
    element = ElementTree.Element(tag, attributes)
    element.text = text or None
    element.extend(grown(child) for child in inner)
    return element


@given(TREES)
def test_what_is_written_is_read(tree: tuple) -> None:
    data = ElementTree.tostring(grown(tree))
    assert ElementTree.tostring(parse_xml(data, "x")) == data


@settings(max_examples=300)
@given(st.binary(max_size=200) | st.text("<>/!x ='\"&;[]-?", max_size=60).map(str.encode))
def test_noise_is_xml_or_one_line(data: bytes) -> None:
    try:
        parse_xml(data, "x")
    except InstrumentError as error:
        assert "\n" not in str(error)
