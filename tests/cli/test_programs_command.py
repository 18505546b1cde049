"""A network with its own code on the command line: asked about, played and rendered."""

import json

import foreign_programs as made
import numpy as np
import pytest
import torch

from instrument.decoder.models import find_model
from instrument.latent.sequence import ModelReference, ZSequence, save_sequence
from instrument.latent.space import LatentSpec
from instrument.timebase import FrameRate

pytestmark = pytest.mark.usefixtures("painted_here")

STEPS = ("--headless", "--clock", "steps", "--seconds", "0.5")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def script():
    return made.scripted(made.Net())


def test_inspect_says_what_it_is_and_warns(run, tmp_path, script):
    network = made.write(tmp_path, script, made.toml(note='"of my own"'))
    for name in (network, network.with_suffix(".toml")):
        fields = json.loads(run("models", "inspect", name, "--json").out)
        assert (fields["architecture"], fields["latent"], fields["size"]) == (
            "program",
            "z16",
            [8, 8],
        )
        assert fields["format"] == "TorchScript program" and fields["folder"] == str(network)
        assert fields["sha256"] == find_model(network).sha256 and fields["note"] == "of my own"
        assert "all your rights" in fields["caution"]
    assert "decoder process" in run("models", "inspect", network).out


def test_inspect_of_an_export_says_who_wrote_it(run, tmp_path):
    data = made.exported(made.Net(), torch.randn(1, made.LATENT))
    network = made.write(tmp_path, data, name="net.pt2")
    fields = json.loads(run("models", "inspect", network, "--json").out)
    assert fields["format"] == "torch.export program" and fields["device"] == "cpu"
    assert fields["written_by"] == f"torch {torch.__version__}"


def test_inspect_of_a_bare_program_prints_a_toml_that_works(run, tmp_path, script):
    network = made.write(tmp_path, script, "-")
    ran = run("models", "inspect", network)
    assert ran.code == 0 and "save this as net.toml" in ran.err and "trust" in ran.err
    network.with_suffix(".toml").write_text(ran.out)
    assert find_model(network).latent == LatentSpec.shell(512)  # a guess, and said to be one
    network.with_suffix(".toml").unlink()
    fields = json.loads(run("models", "inspect", network, "--json").out)
    assert fields["template"] + "\n" == ran.out and fields["format"] == "TorchScript program"


def test_a_toml_beside_what_is_no_program(run, tmp_path):
    network = made.write(tmp_path, b"hello")
    ran = run("models", "inspect", network)
    assert ran.code == 1 and "net.pt: no checkpoint" in ran.error


def test_convert_says_that_it_is_played_as_it_is(run, tmp_path, script):
    network = made.write(tmp_path, script)
    for name in (network, network.with_suffix(".toml")):
        ran = run("models", "convert", name, "-o", tmp_path / "model")
        assert ran.code == 1 and "net.pt: is a program, which is played as it is" in ran.error
    network.with_suffix(".toml").unlink()
    ran = run("models", "convert", network, "-o", tmp_path / "model")
    assert ran.code == 1 and "it is played as it is, with a net.toml beside it" in ran.error
    assert not (tmp_path / "model").exists()


def test_a_bare_program_cannot_be_played(run, tmp_path, script):
    ran = run("play", "--model", made.write(tmp_path, script, "-"), *STEPS)
    assert ran.code == 1 and "net.pt: a TorchScript program" in ran.error
    assert "a net.toml beside it" in ran.error and "instrument models inspect " in ran.error


def test_it_is_played_in_one_step_and_the_take_names_it(run, tmp_path, script):
    card = made.toml(latent="shape = [512]\nradius = 22.627")  # of the bundled bank
    network = made.write(tmp_path, script, card)
    words = ("play", "--model", network.with_suffix(".toml"), *STEPS)
    ran = run(*words, "--take", tmp_path / "a.take")
    assert ran.code == 0 and "net.pt holds code" in ran.err
    named = json.loads((tmp_path / "a.take" / "z.json").read_text())["model"]
    assert named["name"] == "net" and named["sha256"] == find_model(network).sha256
    assert "holds code" not in run(*words).err


def test_a_wrong_toml_stops_the_command_with_its_line(run, tmp_path, script):
    network = made.write(tmp_path, script, made.toml(colour='"CMYK"'))
    ran = run("play", "--model", network, *STEPS)
    assert ran.code == 1 and "net.toml:6: colour: " in ran.error and "CMYK" in ran.error


def test_it_is_rendered_and_a_change_since_is_said(run, tmp_path, script):
    network = made.write(tmp_path, script)
    model = find_model(network)
    z = np.random.default_rng(0).standard_normal((2, made.LATENT)).astype(np.float32)
    reference = ModelReference("net", model.sha256)
    save_sequence(tmp_path / "z.npy", ZSequence(z, FrameRate(30), model.latent, reference))
    words = ("render", tmp_path / "z.npy", "-o", tmp_path / "f-%05d.png", "--model", network)
    network.with_suffix(".toml").write_text(made.toml(colour='"BGR"'))
    ran = run(*words)
    assert ran.code == 0, ran.err
    assert len(list(tmp_path.glob("f-*.png"))) == 2
    assert "net has changed since" in ran.err and model.sha256[:12] in ran.err
