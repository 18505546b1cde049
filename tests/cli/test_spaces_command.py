"""One bank in z, played in every space a StyleGAN has: performed, verified, rendered."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from published import SMALL, lively, network, write_model

from instrument.decoder import mapped
from instrument.decoder.mapping_child import mapped_rows
from instrument.latent.sequence import ModelReference
from instrument.latent.space import LatentSpec
from instrument.latent.waypoints import Waypoint, WaypointBank, load_bank, save_bank
from instrument.take.reader import read_take
from instrument.take.replay import performer_of

pytestmark = pytest.mark.usefixtures("painted_here")

PRESET = """\
format = "preset/1"
model = "{model}"
bank = "places"
home = "two"
{more}
[parameters]
"/spring/frequency" = 1.0
"/noise/strength" = 6.0

[pad]
place = [
  {{ waypoint = "one", at = [0.0, 0.0] }},
  {{ waypoint = "two", at = [1.0, 0.0] }},
  {{ waypoint = "three", at = [0.5, 1.0] }},
]
"""
SCRIPT = [
    (0.1, "/waypoint/one/go", 1.0), (0.5, "/pad/x", 0.3), (0.6, "/performance/flick", 1.0),
    (0.8, "/raw/model/truncation", 0.7), (0.9, "/performance/hold", 1.0),
]  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def here(monkeypatch):
    """Maps in this process, which has torch already: another takes seconds to start."""

    def answer(manifest, rows, length):
        table = np.frombuffer(rows, "<f4").reshape(-1, 17)
        w, scale = mapped_rows(manifest, table[:, :-1], table[:, -1])
        return np.float32(scale).tobytes() + w.tobytes()

    monkeypatch.setattr(mapped, "_ask", answer)


def places(spec, seed=3, **more):
    z = np.random.default_rng(seed).normal(size=(3, *spec.shape)).astype(np.float32)
    if spec.radius is not None:
        z *= spec.radius / np.linalg.norm(z, axis=-1, keepdims=True)
    names = ("one", "two", "three")
    waypoints = tuple(Waypoint(n, row) for n, row in zip(names, z, strict=True))
    return WaypointBank("places", spec, waypoints, **more)


@pytest.fixture
def stage(tmp_path):
    """``stage("stylegan2", bank)``: a preset beside a model and a bank."""

    def set_up(architecture="stylegan2", bank=None, more="", count=1):
        settings = SMALL[architecture]
        history = [lively(settings, seed) for seed in range(count)]
        write_model(tmp_path / "model", settings, history)
        save_bank(tmp_path / "places.toml", bank or places(LatentSpec.shell(16)))
        path = tmp_path / "show.toml"
        path.write_text(PRESET.format(model=tmp_path / "model", more=more))
        lines = [json.dumps({"time": t, "address": a, "value": v}) for t, a, v in SCRIPT]
        (tmp_path / "script.jsonl").write_text("\n".join(lines))
        return path

    return set_up


def perform(run, tmp_path, preset, take, *words):
    ran = run("play", preset, "--headless", "--clock", "steps", "--seconds", 1, "--json",
              "--script", tmp_path / "script.jsonl", "--take", take, *words)  # fmt: skip
    assert ran.code == 0, ran.err
    verified = run("takes", "verify", take, "--json")
    assert json.loads(verified.out)["largest_difference"] == 0.0
    return ran


def frames_of(run, source, tmp_path, name, *words):
    out = tmp_path / f"{name}-%05d.png"
    ran = run("render", source, "-o", out, "--model", tmp_path / "model", *words)
    assert ran.code == 0, ran.err
    files = sorted(tmp_path.glob(f"{name}-*.png"))
    return np.array([np.asarray(Image.open(file)) for file in files]).astype(int)


@pytest.mark.parametrize("architecture", ["stylegan2", "stylegan3"])
def test_a_bank_in_z_is_played_in_every_space(run, stage, tmp_path, architecture):
    preset, settings = stage(architecture), SMALL[architecture]
    shapes = {"z": (16,), "w": (12,), "layers": (settings.num_ws, 12)}
    first = {}
    for space, shape in shapes.items():
        take = tmp_path / f"{space}.take"
        ran = perform(run, tmp_path, preset, take, "--space", space)
        z = np.load(take / "z.npy")
        assert z.shape == (60, *shape)
        assert ("3 places lie in w, once" in ran.err) == (space == "w"), "layers ask nothing new"
        fields = json.loads((take / "z.json").read_text())["latent"]
        assert fields["shape"] == list(shape) and fields["space"] == ("z" if space == "z" else "w")
        first[space] = z[0]
    bank = load_bank(tmp_path / "places.toml")
    home = network(settings).map(torch.from_numpy(bank["two"].z[None]))[0].numpy()
    assert np.abs(first["w"] - home[0]).max() < 0.5, "the drift of six degrees, and no more"
    assert np.abs(first["layers"] - home).max() < 0.5


@pytest.mark.parametrize("space", ["w", "layers"])
def test_a_waypoint_shows_the_same_picture_in_z_and_in_w(run, stage, here, tmp_path, space):
    preset = stage()
    preset.write_text(preset.read_text().replace('"/noise/strength" = 6.0', ""))
    (tmp_path / "script.jsonl").write_text("")
    pictures = []
    for played in ("z", space):
        perform(run, tmp_path, preset, tmp_path / f"{played}.take", "--space", played)
        take = tmp_path / f"{played}.take"
        pictures.append(frames_of(run, take, tmp_path, played, "--frames", "0:1"))
    assert np.abs(pictures[0] - pictures[1]).max() <= 1


def test_the_preset_may_name_the_space_and_the_command_another(run, stage, here, tmp_path):
    preset = stage(more='space = "w"')
    for take, words, shape in (("a", (), [12]), ("b", ("--space", "z"), [16])):
        perform(run, tmp_path, preset, tmp_path / take, *words)
        fields = json.loads((tmp_path / take / "z.json").read_text())
        assert fields["latent"]["shape"] == shape


def test_a_take_carries_the_places_and_the_scale_it_was_played_with(run, stage, here, tmp_path):
    preset = stage(more='space = "layers"')
    perform(run, tmp_path, preset, tmp_path / "t.take")
    record = read_take(tmp_path / "t.take")
    performer, _ = performer_of(record.attachments, "t")
    assert performer.spec == record.header.spec == LatentSpec((8, 12), "w")
    assert performer.spec.scale == record.header.spec.scale > 0
    (tmp_path / "places.toml").unlink()
    (tmp_path / "model" / "manifest.json").unlink()
    ran = run("takes", "verify", tmp_path / "t.take", "--json")
    assert json.loads(ran.out)["largest_difference"] == 0.0


def test_other_rates_sample_the_same_path(run, stage, here, tmp_path):
    perform(run, tmp_path, stage(), tmp_path / "t.take", "--space", "layers")
    rows = {}
    for rate in (30, 120):
        out = tmp_path / f"at{rate}"
        assert run("takes", "export", tmp_path / "t.take", "-o", out, "--rate", rate).code == 0
        rows[rate] = np.load(out.with_suffix(".npy"))
    assert rows[30].shape == (30, 8, 12)
    np.testing.assert_array_equal(rows[120][::4], rows[30])


def test_a_bank_in_w_is_played_in_w_and_in_layers(run, stage, here, tmp_path):
    bank = places(LatentSpec((12,), "w"))
    preset = stage(bank=bank)
    (tmp_path / "script.jsonl").write_text("")
    preset.write_text(preset.read_text().replace('"/noise/strength" = 6.0', ""))
    for space in ("w", "layers"):
        ran = perform(run, tmp_path, preset, tmp_path / f"{space}.take", "--space", space)
        row = np.load(tmp_path / f"{space}.take" / "z.npy")[-1]
        assert (row == bank["two"].z).all() and "places lie" not in ran.err
    full = places(LatentSpec((8, 12), "w"), model=ModelReference("other", "ab" * 32))
    preset = stage(bank=full)
    ran = perform(run, tmp_path, preset, tmp_path / "own.take", "--space", "layers")
    assert "was made with another model than 'small'" in ran.err


@pytest.mark.parametrize(
    ("spec", "words", "says"),
    [
        (LatentSpec((12,), "w"), (), ["w12", "z16", "--space w", "no way from w back to z"]),
        (LatentSpec((8, 12), "w"), ("--space", "w"), ["w8×12", "w12", "--space layers"]),
        (LatentSpec.shell(512), (), ["z512", "z16", "choose a bank made for that model"]),
        (LatentSpec.shell(512), ("--space", "w"), ["z512", "w12", "choose a bank"]),
        (LatentSpec((99,), "w"), ("--space", "layers"), ["w99", "w8×12", "choose a bank"]),
        (LatentSpec.shell(16), ("--space", "y"), ["'y'", "z, w, layers"]),
    ],
)
def test_what_cannot_be_played_is_one_line_that_names_both(run, stage, spec, words, says):
    preset = stage(bank=places(spec))
    ran = run("play", preset, "--headless", "--clock", "steps", "--seconds", 1, *words)
    assert ran.code == 1
    for part in says:
        assert part in ran.error


def test_a_space_the_model_has_not_names_the_presets_line(run, stage, tmp_path):
    preset = stage("progan", more='space = "w"')
    ran = run("play", preset, "--headless", "--clock", "steps", "--seconds", 1)
    assert ran.code == 1 and "show.toml:5: " in ran.error
    assert "'small' cannot be played in w, only in z" in ran.error
    preset = stage(more='space = "y"')
    ran = run("play", preset, "--headless", "--clock", "steps", "--seconds", 1)
    assert "show.toml:5: space: invalid enum value 'y'" in ran.error


def test_waypoints_are_mapped_by_the_snapshot_they_are_meant_for(run, stage, here, tmp_path):
    bank = places(LatentSpec.shell(16))
    one, _, three = bank.waypoints
    wanted = (Waypoint("one", one.z, 0.0), Waypoint("two", one.z), Waypoint("three", three.z, 1.0))
    preset = stage(bank=WaypointBank("places", bank.spec, wanted), count=3, more='space = "w"')
    text = preset.read_text().replace('"/noise/strength" = 6.0', '"/model/snapshot" = 1.0')
    preset.write_text(text)
    perform(run, tmp_path, preset, tmp_path / "t.take")
    performer, _ = performer_of(read_take(tmp_path / "t.take").attachments, "t")
    for name, seed in (("one", 0), ("two", 1), ("three", 1)):
        z = torch.from_numpy({"three": three.z}.get(name, one.z)[None])
        w = network(SMALL["stylegan2"], seed).map(z)[0, 0].numpy()
        np.testing.assert_allclose(performer.bank[name].z, w, rtol=1e-4, atol=1e-5)


def test_a_bare_array_is_rendered_in_the_space_of_its_shape(run, stage, tmp_path):
    stage()
    pictures = {}
    for name, shape in (("w", (3, 12)), ("layers", (3, 8, 12))):
        np.save(tmp_path / f"{name}.npy", np.ones(shape, np.float32))
        pictures[name] = frames_of(run, tmp_path / f"{name}.npy", tmp_path, name)
    assert (pictures["w"] == pictures["layers"]).all() and len(pictures["w"]) == 3
    np.save(tmp_path / "no.npy", np.ones((3, 13), np.float32))
    ran = run("render", tmp_path / "no.npy", "-o", tmp_path / "no.png", "--model",
              tmp_path / "model")  # fmt: skip
    assert ran.code == 1 and "13" in ran.error and "z16" in ran.error


def test_inspect_names_the_spaces(run, stage, tmp_path):
    stage()
    fields = json.loads(run("models", "inspect", tmp_path / "model", "--json").out)
    assert fields["spaces"] == "z, w, layers"
    assert json.loads(run("models", "inspect", "procedural", "--json").out)["spaces"] == "z"


def test_coarse_and_fine_layers_follow_different_waypoints(run, stage, here, tmp_path):
    """From the events to the picture: what the network paints of the mixed w, no more, no less."""
    preset = stage()
    preset.write_text(preset.read_text().replace('"/noise/strength" = 6.0', ""))
    lines = [
        {"time": 0.0, "address": "/raw/spring/frequency", "value": 8.0},
        {"time": 0.0, "address": "/style/coarse/waypoint/one/go", "value": 1.0},
        {"time": 0.1, "address": "/style/fine/waypoint/3/go", "value": 1.0},
    ]
    (tmp_path / "script.jsonl").write_text("\n".join(map(json.dumps, lines)))
    perform(run, tmp_path, preset, tmp_path / "t.take", "--space", "layers")
    made, bank = network(SMALL["stylegan2"]), load_bank(tmp_path / "places.toml")
    one, two, three = (made.map(torch.from_numpy(w.z[None]))[0] for w in bank)
    mixed = torch.cat((one[:3], two[3:5], three[5:]))
    last = np.load(tmp_path / "t.take" / "z.npy")[-1]
    np.testing.assert_allclose(last, mixed, atol=1e-3)
    (film,) = frames_of(run, tmp_path / "t.take", tmp_path, "mix", "--frames", "59:60")
    wanted = made.synthesise(mixed[None])[0].add(1).mul(127.5).clamp(0, 255)
    assert np.abs(film - wanted.permute(1, 2, 0).numpy()).max() <= 2
    whole = made.synthesise(one[None])[0].add(1).mul(127.5).clamp(0, 255)
    assert np.abs(film - whole.permute(1, 2, 0).numpy()).mean() > 5


def test_styles_need_layers(run, stage, tmp_path):
    preset = stage(more="[style]\ncoarse = [0, 2]\n")
    ran = run("play", preset, "--headless", "--clock", "steps", "--seconds", 1)
    assert "show.toml:5: style: groups layers, but z16 has none" in ran.error
    (tmp_path / "script.jsonl").write_text("")
