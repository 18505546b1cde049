"""Models are listed and inspected without being opened."""

import json

from instrument.decoder.models import bundled_models, find_model


def test_every_bundled_model_is_listed(run):
    ran = run("models", "list", "--json")
    assert ran.code == 0
    assert [m["name"] for m in json.loads(ran.out)["models"]] == list(bundled_models())
    plain = run("models", "list")
    assert all(name in plain.out for name in bundled_models())


def test_inspecting_says_what_the_manifest_says(run):
    ran = run("models", "inspect", "procedural", "--json")
    fields = json.loads(ran.out)
    manifest = find_model("procedural")
    assert fields["sha256"] == manifest.sha256
    assert fields["size"] == list(manifest.size) and fields["snapshots"] == 1
    assert "z512" in run("models", "inspect", "procedural").out


def test_what_is_no_model_is_called_so(run, tmp_path):
    ran = run("models", "inspect", tmp_path / "nothing")
    assert ran.code == 1 and "nothing" in ran.error and "procedural" in ran.error
    (tmp_path / "manifest.json").write_text("{")
    ran = run("models", "inspect", tmp_path)
    assert ran.code == 1 and "manifest.json" in ran.error


def test_a_model_is_compiled_once_and_measured_each_time(run, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    compiled = []
    monkeypatch.setattr("instrument.decoder.compiled.compile_apart", compiled.append)
    ran = run("models", "compile", "procedural-64", "--json")
    fields = json.loads(ran.out)
    assert ran.code == 0 and [one.name for one in compiled] == ["procedural-64"]
    assert fields["ms_before"] > 0.0 and fields["ms_after"] > 0.0
    assert fields["form"] == "float32 plain" and fields["package"].endswith(".pt2")
    # There is one already, though none that can be opened: it is thrown away, and the model plays.
    package = tmp_path / "cache" / "latent-instrument" / "compiled" / "x"
    package = package.with_name(fields["package"].rpartition("/")[2])
    package.parent.mkdir(parents=True)
    package.write_bytes(b"no package")
    again = run("models", "compile", "procedural-64")
    assert again.code == 0 and len(compiled) == 1 and "ms a picture" in again.out
    assert not package.exists()


def test_what_cannot_be_compiled_is_said_in_a_line(run, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    card = {
        "format": "model/1", "name": "card", "architecture": "testcard", "licence": "MIT",
        "latent": {"shape": [4], "space": "z", "radius": 2.0}, "size": [16, 16],
    }  # fmt: skip
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "manifest.json").write_text(json.dumps(card))
    ran = run("models", "compile", tmp_path / "card")
    assert ran.code == 1 and "card: models of this kind are not compiled" in ran.error
