"""What was found fastest is remembered, and nothing in that file can do harm."""

import dataclasses
import json
import os

import pytest

from instrument.decoder import choices
from instrument.decoder.choices import Choice, choice_key, recall, remember
from instrument.decoder.models import find_model

SPEC = find_model("procedural").spec
KEY = "0123456789abcdef" * 2


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(choices, "cache_folder", lambda: tmp_path / "own" / "models")
    return tmp_path / "own" / "decoding"


def test_what_is_remembered_is_recalled():
    assert recall(KEY) is None
    remember(Choice(KEY, "bfloat16 rows", 2))
    assert recall(KEY) == Choice(KEY, "bfloat16 rows", 2)
    remember(Choice(KEY, "float32 plain", 1))
    assert recall(KEY) == Choice(KEY, "float32 plain", 1)


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"\xff\xfe\x00", b"[]", b"null", b'{"key": 1}', b"{}" * 5000,
     json.dumps({"key": KEY, "form": "f", "threads": 0}).encode(),
     json.dumps({"key": KEY, "form": "f", "threads": 99999}).encode(),
     json.dumps({"key": KEY, "form": 3, "threads": 1}).encode(),
     json.dumps({"key": "another", "form": "f", "threads": 1}).encode(),
     json.dumps({"key": KEY, "form": "f", "threads": 1, "more": 1}).encode()],
)  # fmt: skip
def test_a_damaged_file_is_none(cache, damage):
    cache.mkdir(parents=True)
    (cache / f"{KEY}.json").write_bytes(damage)
    assert recall(KEY) is None
    remember(Choice(KEY, "float32 plain", 1))
    assert recall(KEY) == Choice(KEY, "float32 plain", 1)


def test_a_folder_that_cannot_be_written_is_a_pity_and_no_more(cache):
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where the folder should be")
    remember(Choice(KEY, "float32 plain", 1))
    assert recall(KEY) is None


def test_a_folder_of_that_name_is_none(cache):
    (cache / f"{KEY}.json").mkdir(parents=True)
    assert recall(KEY) is None
    remember(Choice(KEY, "float32 plain", 1))


def test_the_key_tells_apart_all_that_matters(monkeypatch):
    one = choice_key(SPEC, "cpu", "2.13", 0)
    assert one == choice_key(SPEC, "cpu", "2.13", 0) and len(one) == 32
    others = {
        choice_key(SPEC, "mps", "2.13", 0), choice_key(SPEC, "cpu", "2.14", 0),
        choice_key(SPEC, "cpu", "2.13", 1),
        choice_key(dataclasses.replace(SPEC, size=(8, 8)), "cpu", "2.13", 0),
        choice_key(dataclasses.replace(SPEC, sha256="0" * 64), "cpu", "2.13", 0),
    }  # fmt: skip
    monkeypatch.setattr(choices, "processor", lambda: "another")
    others.add(choice_key(SPEC, "cpu", "2.13", 0))
    monkeypatch.setattr(os, "cpu_count", lambda: 77)
    others.add(choice_key(SPEC, "cpu", "2.13", 0))
    assert len(others | {one}) == 8
