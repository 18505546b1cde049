"""The header says what a take is of, and refuses what it cannot be."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from take_parts import header_of

from instrument import InstrumentError
from instrument.latent.sequence import ModelReference
from instrument.latent.space import LatentSpec
from instrument.take.header import TakeHeader, header_from_bytes, header_to_bytes
from instrument.take.layout import take_folder
from instrument.timebase import FrameRate


def test_json_and_back():
    header = header_of(shape=(18, 32))
    assert TakeHeader.from_json(json.loads(json.dumps(header.to_json()))) == header
    assert header_from_bytes(header_to_bytes(header, ("a", "b"))) == (header, ("a", "b"))


def test_a_header_lists_models_only_where_there_are_several():
    assert "models" not in header_of().to_json()
    several = (ModelReference("night", "ab" * 32), ModelReference("somewhere"))
    header = replace(header_of(), models=several)
    assert header_from_bytes(header_to_bytes(header, ()))[0].models == several


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", "take/2"),
        ("rate", [60]),
        ("rate", [60, 0]),
        ("rate", [60.0, 1]),
        ("rate", [10**400, 1]),
        ("latent", {"shape": [1 << 60]}),
        ("latent", None),
        ("latent", {"shape": [512], "radius": float("nan")}),
        ("addresses", "/a"),
        ("addresses", ["no slash"]),
        ("addresses", ["/a", "/a"]),
        ("addresses", ["/a"] * 5000),
        ("model", {"name": "x"}),
        ("model", {"name": 3, "sha256": ""}),
        ("seed", True),
        ("seed", 1 << 70),
        ("name", "../../etc"),
        ("name", ""),
        ("name", "a\nb"),
        ("started", 5),
        ("surplus", 1),
        ("models", None),
        ("models", {"name": "x", "sha256": ""}),
        ("models", ["night"]),
    ],
)
def test_what_is_wrong_is_named(key, value):
    fields = header_of().to_json()
    fields[key] = value
    with pytest.raises(InstrumentError, match=key) as caught:
        TakeHeader.from_json(fields)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["format", "name", "rate", "latent", "model", "seed", "started"])
def test_what_is_missing_is_named(key):
    fields = header_of().to_json()
    del fields[key]
    with pytest.raises(InstrumentError, match=key):
        TakeHeader.from_json(fields)


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"[" * 100_000, b'{"attachments": 3}'])
def test_bytes_that_are_no_header(body):
    with pytest.raises(InstrumentError):
        header_from_bytes(body)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "C:x", "x" * 300, "a\0b", "tail "])
def test_names_that_are_no_file_name(name, tmp_path):
    with pytest.raises(InstrumentError, match="name"):
        take_folder(tmp_path, name)
    with pytest.raises(InstrumentError, match="name"):
        TakeHeader(name, FrameRate(60), LatentSpec((4,)))


def test_a_folder_of_its_own(tmp_path):
    assert take_folder(tmp_path, "morgen röte") == tmp_path / "morgen röte.take"
