"""Manifests: what is found, what is refused, and in which words."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from instrument import InstrumentError
from instrument.decoder.models import bundled_models, find_model, read_manifest
from instrument.resources import bundled

GOOD = json.loads((bundled("presets") / "models/procedural-64/manifest.json").read_text())


def _write(folder: Path, fields: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text(fields if isinstance(fields, str) else json.dumps(fields))
    return folder


def test_bundled_models_are_found_by_name():
    assert {"procedural", "procedural-64"} <= set(bundled_models())
    model = find_model("procedural")
    assert model.spec.latent.shape == (512,)
    assert model.spec.size == (256, 256)
    assert len(model.sha256) == 64
    assert model.latent.radius == pytest.approx(512**0.5)


def test_every_bundled_manifest_is_good():
    assert all(find_model(name).name == name for name in bundled_models())


def test_a_folder_and_its_manifest_are_the_same_model(tmp_path):
    folder = _write(tmp_path / "mine", GOOD)
    assert find_model(folder) == find_model(str(folder)) == find_model(folder / "manifest.json")


def test_a_bundled_name_wins_over_a_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _write(tmp_path / "procedural", GOOD | {"seed": 99})
    assert find_model("procedural").folder != (tmp_path / "procedural").resolve()
    assert find_model("./procedural").folder == (tmp_path / "procedural").resolve()


def test_sha256_ignores_layout_but_not_the_seed(tmp_path):
    one = find_model(_write(tmp_path / "a", json.dumps(GOOD, indent=7)))
    two = find_model(_write(tmp_path / "b", json.dumps(dict(reversed(GOOD.items())))))
    other = find_model(_write(tmp_path / "c", GOOD | {"seed": 8}))
    assert one.sha256 == two.sha256 != other.sha256


def test_a_larger_picture_is_the_same_model():
    model = find_model("procedural-64")
    larger = dataclasses.replace(model, size=(96, 128))
    assert larger.spec.size == (96, 128)
    assert larger.sha256 == model.sha256


def test_unknown_model_names_the_bundled_ones():
    with pytest.raises(InstrumentError, match=r"no such folder.*procedural-64"):
        find_model("no-such-model")


def test_folder_without_manifest(tmp_path):
    with pytest.raises(InstrumentError, match=r"manifest\.json: missing"):
        find_model(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seeed": 1}, r"seeed.*keys of procedural: .*seed"),
        ({"seed": "seven"}, r"Expected `int`, got `str`.*\$\.seed"),
        ({"seed": -1}, r"\$\.seed"),
        ({"size": [256]}, r"\$\.size"),
        ({"size": [256, 100000]}, r"\$\.size"),
        ({"format": "model/2"}, r"model/2.*\$\.format"),
        ({"architecture": "magic"}, r"'magic': must be one of procedural, .*stylegan2.*testcard"),
        ({"architecture": 3}, r"3: must be one of"),
        ({"latent": {"shape": [0]}}, r"latent shape \(0,\)"),
        ({"latent": {"shape": [8, 64]}}, r"takes one integer"),
        ({"latent": {"shape": [64], "color": 1}}, r"color.*\$\.latent"),
        ({"latent": {"shape": [64], "radius": -1}}, r"radius -1"),
        ({"delay": 1.0}, r"delay"),
    ],
)
def test_a_wrong_key_is_named_with_its_file_in_one_line(tmp_path, change, words):
    folder = _write(tmp_path / "mine", GOOD | change)
    with pytest.raises(InstrumentError, match=words) as caught:
        find_model(folder)
    assert "manifest.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '{"format": ', "[" * 100_000])
def test_what_is_no_object_is_refused(tmp_path, text):
    with pytest.raises(InstrumentError, match=r"manifest\.json"):
        read_manifest(_write(tmp_path / "mine", text))


def test_bytes_that_are_no_text_and_files_too_large_are_refused(tmp_path):
    (tmp_path / "manifest.json").write_bytes(b'{"name": "\xff\xfe"}')
    with pytest.raises(InstrumentError):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_bytes(b" " * (2 << 20))
    with pytest.raises(InstrumentError, match="larger than"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("key", [key for key in GOOD if key not in ("note", "architecture")])
def test_a_missing_key_is_named(tmp_path, key):
    fields = {name: value for name, value in GOOD.items() if name != key}
    with pytest.raises(InstrumentError, match=key):
        read_manifest(_write(tmp_path / "mine", fields))


def test_a_manifest_cut_anywhere_is_refused_in_words(tmp_path):
    text = json.dumps(GOOD)
    for end in range(0, len(text), 7):
        with pytest.raises(InstrumentError):
            read_manifest(_write(tmp_path / "mine", text[:end]))
    shutil.rmtree(tmp_path / "mine")
    with pytest.raises(InstrumentError):
        read_manifest(tmp_path / "mine")
