"""From ``models directions`` to a film: found, named in a preset, played, verified, rendered."""

import json

import numpy as np
import pytest
import torch
from official import saved
from PIL import Image
from published import SMALL, lively, write_model

from instrument.decoder.runtime import open_decoder
from instrument.decoder.spaces import in_space
from instrument.latent.space import LatentSpec
from instrument.latent.waypoints import Waypoint, WaypointBank, save_bank
from instrument.take.reader import read_take

pytestmark = pytest.mark.usefixtures("painted_here")

PRESET = """\
format = "preset/1"
model = "model"
bank = "places"
space = "{space}"
directions = {directions}
[parameters]
"/noise/strength" = 4.0
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """What was asked of the one model of all these tests is not asked again: it takes seconds."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def model(tmp_path, cache, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.chdir(tmp_path)
    return write_model(tmp_path / "model", SMALL["stylegan2"], [lively(SMALL["stylegan2"])])


@pytest.fixture
def preset(tmp_path):
    """``preset("w", '"d.npy"')``: a show in that space along those directions."""

    def write(space, directions):
        shape = {"w": (12,), "layers": (8, 12), "z": (16,)}[space]
        spec = LatentSpec.shell(16) if space == "z" else LatentSpec(shape, "w")
        z = np.random.default_rng(3).normal(size=(2, *shape)).astype(np.float32)
        z *= 4.0 / np.linalg.norm(z, axis=-1, keepdims=True)
        bank = WaypointBank("places", spec, (Waypoint("a", z[0]), Waypoint("b", z[1])))
        save_bank(tmp_path / "places.toml", bank)
        path = tmp_path / "show.toml"
        path.write_text(PRESET.format(space=space, directions=directions))
        return path

    return write


def script(tmp_path, *events):
    lines = [json.dumps({"time": t, "address": a, "value": v}) for t, a, v in events]
    (tmp_path / "script.jsonl").write_text("\n".join(lines))
    return tmp_path / "script.jsonl"


def perform(run, path, events, take):
    ran = run("play", path, "--headless", "--clock", "steps", "--seconds", 1, "--take", take,
              "--script", events, "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    verified = json.loads(run("takes", "verify", take, "--json").out)
    assert verified["largest_difference"] == 0.0
    return np.load(take / "z.npy")


def test_found_played_verified_and_rendered(run, model, preset, tmp_path):
    ran = run("models", "directions", "model", "-o", "cats.npy", "--count", 4, "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["count"] == 4 and found["latent"] == "w12" and found["strength"][0] == 1.0
    rows = np.load(tmp_path / "cats.npy")
    sidecar = json.loads((tmp_path / "cats.json").read_text())
    assert rows.shape == (4, 12) and sidecar["format"] == "directions/1"
    assert sidecar["latent"]["space"] == "w" and sidecar["model"]["sha256"] == model.sha256

    path = preset("w", '{ file = "cats.npy", count = 3 }')
    events = script(tmp_path, (0.25, "/direction/2", 0.8), (0.5, "/waypoint/b/go", 1.0))
    z = perform(run, path, events, tmp_path / "t.take")
    quiet = perform(run, path, script(tmp_path, (0.5, "/waypoint/b/go", 1.0)), tmp_path / "q.take")
    assert (z[:15] == quiet[:15]).all()
    wanted = np.broadcast_to(3.0 * rows[1], quiet[15:].shape)
    np.testing.assert_allclose(z[15:] - quiet[15:], wanted, atol=1e-5)
    record = read_take(tmp_path / "t.take")
    ways = [a for a in record.header.addresses if a.startswith("/direction/")]
    assert ways == ["/direction/1", "/direction/2", "/direction/3"]
    assert record.parameters[20, record.header.addresses.index("/direction/2")] == 3.0
    assert "directions.npy" in record.attachments

    # What was recorded is what is decoded, with or without the file of directions.
    (tmp_path / "cats.npy").unlink()
    out = tmp_path / "f-%05d.png"
    ran = run("render", "t.take", "-o", out, "--model", "model", "--frames", "20:21")
    assert ran.code == 0, ran.err
    (film,) = (np.asarray(Image.open(file)) for file in tmp_path.glob("f-*.png"))
    decoder = open_decoder(in_space(model, "w"), "cpu")
    assert np.abs(film.astype(int) - decoder.decode(z[20:21], {})[0]).max() <= 1
    assert np.abs(film.astype(int) - decoder.decode(quiet[20:21], {})[0]).max() > 10
    verified = json.loads(run("takes", "verify", "t.take", "--json").out)
    assert verified["largest_difference"] == 0.0
    assert run("takes", "export", "t.take", "-o", "at30", "--rate", 30).code == 0
    assert (np.load(tmp_path / "at30.npy") == z[::2]).all()


def test_some_layers_alone(run, model, preset, tmp_path):
    words = ("models", "directions", "model", "-o", "coarse.npy", "--count", 2)
    assert run(*words, "--layers", "0:3").code == 0
    rows = np.load(tmp_path / "coarse.npy")
    assert rows.shape == (2, 8, 12) and (rows[:, 3:] == 0).all()
    assert (rows[:, 0] == rows[:, 2]).all() and rows[:, 0].any()
    path = preset("layers", '"coarse.npy"')
    z = perform(run, path, script(tmp_path, (0.5, "/direction/1", 1.0)), tmp_path / "t.take")
    step = z[30] - z[29]
    assert np.abs(step[:3]).max() > 10 * np.abs(step[3:]).max()
    path = preset("w", '"coarse.npy"')
    ran = run("play", path, "--headless", "--clock", "steps", "--seconds", 1)
    assert "show.toml:5: " in ran.error and "no directions for w12" in ran.error


@pytest.mark.parametrize("space", ["w", "layers", "z"])
def test_those_of_others(run, model, preset, tmp_path, space):
    dims = 16 if space == "z" else 12
    table = np.linalg.qr(np.random.default_rng(1).normal(size=(dims, dims)))[0].astype(np.float32)
    deviations = np.arange(1, dims + 1, dtype=np.float32)
    np.savez_compressed(tmp_path / "ganspace.npz", lat_comp=table[:, None], lat_stdev=deviations)
    content = {"ckpt": "x.pt", "eigvec": torch.from_numpy(table.T.copy())}
    (tmp_path / "factor.pt").write_bytes(saved(content))
    np.save(tmp_path / "bare.npy", table)
    moved = {}
    for name, times in (("ganspace.npz", 2.0), ("factor.pt", 1.0), ("bare.npy", 1.0)):
        path = preset(space, f'"{name}"')
        events = script(tmp_path, (0.0, "/raw/noise/strength", 0.0),
                        (0.5, "/raw/direction/2", 1.5 / times))  # fmt: skip
        z = perform(run, path, events, tmp_path / f"{name}.take")
        moved[name] = z[-1] - z[0]
    np.testing.assert_allclose(moved["factor.pt"], moved["bare.npy"], atol=1e-5)
    np.testing.assert_allclose(moved["ganspace.npz"], moved["bare.npy"], atol=1e-5)
    if space != "z":
        wanted = np.broadcast_to(1.5 * table[1], moved["bare.npy"].shape)
        np.testing.assert_allclose(moved["bare.npy"], wanted, atol=1e-5)


def test_directions_of_w_are_not_played_in_z(run, model, preset, tmp_path):
    assert run("models", "directions", "model", "-o", "w.npy", "--count", 2).code == 0
    ran = run("play", preset("z", '"w.npy"'), "--headless", "--clock", "steps", "--seconds", 1)
    assert ran.code == 1 and "show.toml:5: " in ran.error
    assert "directions of w12, but z16 is played" in ran.error
    assert run("models", "directions", "model", "-o", "z.npy", "--space", "z").code == 0
    assert perform(run, preset("z", '"z.npy"'), script(tmp_path), tmp_path / "z.take").any()


def test_the_default_model_has_directions(run, tmp_path):
    out = tmp_path / "d.npy"
    ran = run("models", "directions", "default", "-o", out, "--count", 3, "--json")
    assert ran.code == 0 and np.load(out).shape == (3, 512)
    assert json.loads(ran.out)["latent"] == "z512"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--count", 0), "count 0: allowed are 1 to 64"),
        (("--count", 13), "13 directions: small has 1 to 12 in w"),
        (("--method", "pca"), "method 'pca': allowed is sefa"),
        (("--space", "layers"), "space 'layers': allowed are z and w"),
        (("--layers", "3"), "layers '3': write them as 0:4"),
        (("--layers", "5:9"), "layers 5:9: allowed are 0:7"),
        (("--layers", "0:2", "--space", "z"), "allowed are none, in z"),
    ],
)
def test_wrong_options_are_one_line(run, model, tmp_path, words, says):
    ran = run("models", "directions", "model", "-o", "d.npy", *words)
    assert ran.code == 1 and says in ran.error
    assert not (tmp_path / "d.npy").exists()


def test_a_wrong_name_is_one_line(run, model, preset, tmp_path):
    assert "NAME.npy" in run("models", "directions", "model", "-o", "d.txt").error
    assert "nonesuch" in run("models", "directions", "nonesuch", "-o", "d.npy").error
    ran = run("models", "directions", "procedural", "-o", "d.npy")
    assert "procedural: has no weights for z" in ran.error
    for name in ("none.npy", "none.npz", "none.pt"):
        ran = run("play", preset("w", f'"{name}"'), "--headless", "--clock", "steps",
                  "--seconds", 1)  # fmt: skip
        assert ran.code == 1 and "show.toml:5: " in ran.error and name in ran.error
