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
