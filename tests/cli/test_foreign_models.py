"""Somebody's checkpoint on the command line: asked about, converted, played and rendered."""

import json
import pickle

import numpy as np
import official
import pytest

from instrument.latent.sequence import ModelReference, ZSequence, save_sequence
from instrument.latent.space import LatentSpec
from instrument.timebase import FrameRate

pytestmark = pytest.mark.usefixtures("painted_here")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "latent-instrument" / "models"


def write(path, z_dim=8, **more):
    state = official.stylegan2_state(z_dim=z_dim, **more)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(official.nvidia(state, official.stylegan2_attributes(state, conv_clamp=256)))
    return path


def test_inspect_says_what_a_file_is_and_writes_nothing(run, tmp_path, cache):
    path = write(tmp_path / "network-snapshot-000123.pkl")
    fields = json.loads(run("models", "inspect", path, "--json").out)
    assert fields["architecture"] == "stylegan2" and fields["size"] == [16, 16]
    assert (fields["latent"], fields["w"], fields["labels"]) == ("z8", 7, 0)
    assert fields["seen"] == 123_000 and fields["parameters"] > 1000
    assert "not for commercial use" in fields["licence"]
    plain = run("models", "inspect", path)
    assert "stylegan2" in plain.out and "16" in plain.out and plain.code == 0
    assert not cache.exists()


def test_inspect_of_a_run_counts_its_snapshots(run, tmp_path):
    for at in (0, 200):
        write(tmp_path / "run" / f"network-snapshot-{at:06d}.pkl")
    fields = json.loads(run("models", "inspect", tmp_path / "run", "--json").out)
    assert fields["snapshots"] == [0, 200_000]


def test_convert_writes_a_model_that_inspect_knows(run, tmp_path):
    path = write(tmp_path / "cats.pkl")
    ran = run("models", "convert", path, "-o", tmp_path / "cats", "--name", "Cats", "--json")
    assert ran.code == 0 and "reading cats.pkl" in ran.err
    fields = json.loads(ran.out)
    assert fields["name"] == "Cats" and fields["size"] == [16, 16]
    again = json.loads(run("models", "inspect", tmp_path / "cats", "--json").out)
    assert again == fields
    assert "is already there" in run("models", "convert", path, "-o", tmp_path / "cats").error


def test_what_cannot_be_converted_is_one_line(run, tmp_path):
    ran = run("models", "convert", tmp_path / "none.pkl", "-o", tmp_path / "model")
    assert ran.code == 1 and "none.pkl: no such file" in ran.error
    (tmp_path / "text.pkl").write_text("hello")
    ran = run("models", "inspect", tmp_path / "text.pkl")
    assert ran.code == 1 and "text.pkl: no checkpoint" in ran.error
    (tmp_path / "bad.pkl").write_bytes(pickle.dumps({"G_ema": print}, 4))
    ran = run("models", "convert", tmp_path / "bad.pkl", "-o", tmp_path / "model")
    assert ran.code == 1
    assert "bad.pkl: wants builtins.print, which no checkpoint needs" in ran.error
    assert not (tmp_path / "model").exists()


def test_weights_that_do_not_fit_each_other_are_found_when_converting(run, tmp_path):
    state = official.stylegan2_state()
    state["synthesis.b8.conv0.affine.bias"] = np.ones(9, np.float32)
    path = tmp_path / "bad.pkl"
    path.write_bytes(official.nvidia(state, official.stylegan2_attributes(state, conv_clamp=None)))
    ran = run("models", "convert", path, "-o", tmp_path / "model")
    assert ran.code == 1 and "b8.conv0.affine.bias is [9]" in ran.error
    assert str(tmp_path / "model") in ran.error and not (tmp_path / "model").exists()


def test_a_checkpoint_is_played_in_one_step(run, tmp_path, cache):
    path = write(tmp_path / "cats.pkl", z_dim=512)
    words = (
        "play",
        "--model",
        path,
        "--headless",
        "--clock",
        "steps",
        "--seconds",
        "0.5",
        "--json",
    )
    ran = run(*words)
    assert ran.code == 0, ran.err
    assert "converting cats.pkl, once" in ran.err
    assert len(list(cache.glob("*/manifest.json"))) == 1
    assert "converting" not in run(*words).err


def test_a_checkpoint_is_rendered_in_one_step(run, tmp_path):
    path = write(tmp_path / "cats.pkl", z_dim=512)
    z = np.random.default_rng(0).standard_normal((3, 512)).astype(np.float32)
    spec = LatentSpec((512,), "z", 512**0.5)
    sequence = ZSequence(z, FrameRate(30), spec, ModelReference("", ""))
    save_sequence(tmp_path / "z.npy", sequence)
    ran = run("render", tmp_path / "z.npy", "-o", tmp_path / "film-%05d.png", "--model", path)
    assert ran.code == 0, ran.err
    assert len(list(tmp_path.glob("film-*.png"))) == 3


def test_a_model_of_other_dimensions_than_the_bank_is_named_with_both(run, tmp_path):
    path = write(tmp_path / "small.pkl", z_dim=64)
    ran = run("play", "--model", path, "--headless", "--clock", "steps", "--seconds", "0.5")
    assert ran.code == 1 and "holds z512" in ran.error and "takes z64" in ran.error


def test_a_checkpoint_that_cannot_be_opened_stops_the_command_in_one_line(run, tmp_path):
    path = write(tmp_path / "cats.pkl", z_dim=512)
    path.write_bytes(path.read_bytes()[:5000])
    ran = run("play", "--model", path, "--headless", "--clock", "steps", "--seconds", "0.5")
    assert ran.code == 1 and "cats.pkl: the pickle ends in the middle" in ran.error
