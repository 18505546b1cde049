"""The script for a machine with a card, walked where there is none: on a card of memory."""

import json
import os
import sys
import tempfile
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import numpy as np
import pytest
from pretended_card import Pretended

from instrument.cuda import Runtime
from instrument.decoder.models import read_manifest
from instrument.display.card_link import CardLink

TESTS = Path(__file__).resolve().parent.parent


@pytest.fixture
def script():
    path = TESTS.parent / "scripts" / "check_gpu"
    loader = SourceFileLoader("check_gpu", str(path))
    module = module_from_spec(spec_from_loader("check_gpu", loader))
    before, bytecode = list(sys.path), sys.dont_write_bytecode
    sys.dont_write_bytecode = True  # it would lie beside the script
    loader.exec_module(module)
    sys.path[:], sys.dont_write_bytecode = before, bytecode
    return module


@pytest.fixture
def on_memory(script, monkeypatch, tmp_path, offscreen):
    """Models are test cards on a card, and the script's own process has the same one."""
    paths = [str(TESTS / "pretended"), str(TESTS), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))
    (tmp_path / "manifest.json").write_text(json.dumps({
        "format": "model/1", "name": "card", "architecture": "testcard", "licence": "MIT",
        "latent": {"shape": [4], "space": "z", "radius": 2.0}, "size": [16, 24], "card": True,
    }))  # fmt: skip
    manifest = read_manifest(tmp_path)
    monkeypatch.setattr(script, "find_model", lambda name: manifest)
    monkeypatch.setattr(script, "SIZES", ((16, 24),))
    monkeypatch.setattr(script, "some_z", lambda manifest, count: np.abs(
        np.random.default_rng(0).integers(1, 1 << 20, (count, 4))).astype(np.float32))  # fmt: skip
    true = script.Stage.__init__

    def made(self, manifest, device, surface):
        binding = Pretended(ctx=surface.ctx)
        monkeypatch.setattr(script, "CardLink", lambda: CardLink(lambda: Runtime(binding)))
        true(self, manifest, device, surface)

    monkeypatch.setattr(script.Stage, "__init__", made)
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield manifest


def test_what_is_compared_did_stay_on_the_card(script, on_memory):
    found = script.of_same("cuda", pictures=5)
    assert found["default"] == {"compared": 5, "stayed_on_card": 5, "differ": 0}
    assert "failed" not in found


def test_pictures_that_differ_or_never_stayed_fail(script, on_memory, monkeypatch):
    monkeypatch.setattr(script.Stage, "seen", lambda self: np.zeros((16, 24, 3), np.uint8))
    assert script.of_same("cuda", pictures=2)["failed"]
    monkeypatch.undo()
    monkeypatch.setattr(script, "find_model", lambda name: on_memory)
    monkeypatch.setattr(script, "CardLink", None)  # as without the binding: all by the host
    found = script.of_same("cuda", pictures=2)
    assert found["default"]["stayed_on_card"] == 0 and found["failed"]


def test_every_way_is_timed(script, on_memory):
    (found,) = script.of_ways("cuda").values()
    assert {"plain", "buffers", "card"} < set(found)
    assert all(found[way] > 0.0 for way in ("plain", "buffers", "card"))


def test_live_pictures_are_counted_each_once(script, on_memory):
    with script.staged(on_memory, "cuda") as stage:
        z = script.some_z(on_memory, 8)
        for card in (False, True):
            stage.picture(z[0], card)
            row = stage._row
            assert script.live_rate(stage, z, 12) > 0.0
            assert stage._row == row + 13


def test_a_part_that_fails_costs_no_other_and_says_why(script, monkeypatch, capsys):
    def fails(device):
        raise RuntimeError("out of memory")

    monkeypatch.setenv("XDG_CACHE_HOME", os.environ.get("XDG_CACHE_HOME", ""))  # put back after
    for part in ("hardware", "same", "ways", "rates", "layers"):
        monkeypatch.setattr(script, f"of_{part}", lambda device, part=part: {"is": part})
    monkeypatch.setattr(script, "of_ways", fails)
    monkeypatch.setattr(sys, "argv", ["check_gpu", "--device", "cpu"])
    assert script.main() == 1
    found = json.loads(capsys.readouterr().out)
    assert found["ways"] == {"failed": "RuntimeError: out of memory"}
    assert found["layers"] == {"is": "layers"} and found["seconds"] >= 0.0
    monkeypatch.setattr(sys, "argv", ["check_gpu", "--device", "cpu", "--seconds", "-1", "rates"])
    assert script.main() == 1
    assert json.loads(capsys.readouterr().out)["rates"] == {"failed": "no time left"}
