"""``instrument bank``: rows become waypoints that can be played, with pictures that are theirs."""

import json
from pathlib import Path

import numpy as np
import pytest
from published import SMALL, lively, write_model

from instrument.decoder import mapped
from instrument.decoder.mapping_child import mapped_rows
from instrument.decoder.models import find_model
from instrument.decoder.runtime import open_decoder
from instrument.decoder.spaces import in_space
from instrument.latent.sequence import ModelReference, ZSequence, load_sequence, save_sequence
from instrument.latent.space import LatentSpec
from instrument.latent.waypoints import load_bank
from instrument.studio.survey import unbiased
from instrument.timebase import FrameRate

RATE = FrameRate(30)
MODEL = "procedural-64"


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def rows(tmp_path):
    """walk.npy: twelve places of the smallest model."""
    manifest = find_model(MODEL)
    z = unbiased(manifest.latent, 12, 0)
    reference = ModelReference(manifest.name, manifest.sha256)
    sequence = ZSequence(z, RATE, manifest.latent, reference)
    save_sequence(tmp_path / "walk.npy", sequence)
    return sequence


def test_rows_become_waypoints(run, tmp_path, rows):
    ran = run("bank", "walk.npy", "-o", "b.toml", "--pick", "7,0,3", "--names", "dawn,nova,moss",
              "--sheet", "b.png", "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["waypoints"] == {"dawn": 7, "nova": 0, "moss": 3}
    bank = load_bank(tmp_path / "b.toml")
    assert [w.name for w in bank] == ["dawn", "nova", "moss"]
    assert bank.model == rows.model
    assert bank.spec == rows.spec
    decoder = open_decoder(find_model(MODEL))
    for waypoint, row in zip(bank, (7, 0, 3), strict=True):
        assert waypoint.z.tobytes() == rows.z[row].tobytes()
        assert waypoint.snapshot is None
        assert waypoint.note == f"row {row} of walk.npy"
        assert np.array_equal(bank.pictures[waypoint.name], decoder.decode(waypoint.z[None], {})[0])
    assert (tmp_path / "b.png").read_bytes()[:4] == b"\x89PNG"


def test_names_are_the_rows_where_nobody_names_them(run, tmp_path, rows):
    assert run("bank", "walk.npy", "-o", "b.toml", "--pick", "2:4").code == 0
    assert [w.name for w in load_bank(tmp_path / "b.toml")] == ["row-2", "row-3"]


def test_clusters_of_a_survey_become_a_bank(run, tmp_path):
    words = ("--model", MODEL, "--size", "32x32", "--clusters", 4)
    assert run("survey", "-o", "s", "--count", 30, *words).code == 0
    assert run("bank", "s.npy", "-o", "b.toml", "--pick", "clusters").code == 0
    bank = load_bank(tmp_path / "b.toml")
    report = json.loads((tmp_path / "s.report.json").read_text())
    s = load_sequence(tmp_path / "s.npy")
    nearest = [cluster["examples"][0] for cluster in report["clusters"]]
    assert [w.tags for w in bank] == [(f"cluster-{n}",) for n in (1, 2, 3, 4)]
    assert all(np.array_equal(w.z, s.z[row]) for w, row in zip(bank, nearest, strict=True))
    (tmp_path / "s.report.json").rename(tmp_path / "else.json")
    ran = run("bank", "s.npy", "-o", "c.toml", "--pick", "clusters")
    assert "s.report.json: no such report" in ran.error
    ran = run("bank", "s.npy", "-o", "c.toml", "--pick", "clusters", "--report", "else.json")
    assert ran.code == 0


def test_the_snapshot_goes_into_the_waypoint_and_its_picture(run, tmp_path):
    history = [lively(SMALL["stylegan2"], seed) for seed in range(3)]
    manifest = write_model(tmp_path / "m", SMALL["stylegan2"], history)
    z = unbiased(manifest.latent, 3, 0)
    parameters = np.float32([[0, 1], [1.5, 1], [2, 1]])
    save_sequence(tmp_path / "walk.npy", ZSequence(
        z, RATE, manifest.latent, ModelReference(manifest.name, manifest.sha256), parameters,
        ("/model/snapshot", "/model/truncation")))  # fmt: skip
    assert run("bank", "walk.npy", "-o", "b.toml", "--pick", "0,1", "--model", "m").code == 0
    bank = load_bank(tmp_path / "b.toml")
    assert [w.snapshot for w in bank] == [0.0, 1.5]
    decoder = open_decoder(manifest)
    for waypoint in bank:
        at = {"/model/snapshot": np.float32([waypoint.snapshot])}
        expected = decoder.decode(waypoint.z[None], at)[0]
        assert np.array_equal(bank.pictures[waypoint.name], expected)


def test_a_foreign_model_gets_a_bank_it_can_be_played_with(run, tmp_path):
    write_model(tmp_path / "m", SMALL["stylegan2"], [lively(SMALL["stylegan2"], 0)])
    assert run("survey", "-o", "s", "--model", "m", "--count", 12).code == 0
    assert run("bank", "s.npy", "-o", "mine.toml", "--pick", "4,8,1", "--model", "m").code == 0
    (tmp_path / "show.toml").write_text(
        'format = "preset/1"\nmodel = "m"\nbank = "mine"\nhome = "row-4"\n'
    )
    ran = run("play", "show.toml", "--headless", "--clock", "steps", "--seconds", 0.2,
              "--take", "t.take")  # fmt: skip
    assert ran.code == 0, ran.err
    assert np.allclose(load_sequence(tmp_path / "t.take" / "z.npy").z[0],
                       load_sequence(tmp_path / "s.npy").z[4], atol=1e-5)  # fmt: skip


def test_a_bank_in_w_knows_how_wide_w_is(run, tmp_path, monkeypatch):
    manifest = write_model(tmp_path / "m", SMALL["stylegan2"], [lively(SMALL["stylegan2"], 0)])
    width = mapped_rows(manifest, np.zeros((0, 16), np.float32), np.zeros(0, np.float32))[1]
    monkeypatch.setattr(mapped, "_ask", lambda *_: np.float32(width).tobytes())
    w = np.random.default_rng(0).normal(size=(3, SMALL["stylegan2"].w_dim)).astype(np.float32)
    spec = LatentSpec(w.shape[1:], "w")
    reference = ModelReference(manifest.name, manifest.sha256)
    save_sequence(tmp_path / "w.npy", ZSequence(w, RATE, spec, reference))
    assert run("bank", "w.npy", "-o", "b.toml", "--pick", "all", "--model", "m").code == 0
    bank = load_bank(tmp_path / "b.toml")
    assert bank.spec == spec
    assert bank.spec.scale == pytest.approx(width, rel=1e-6)
    decoder = open_decoder(in_space(manifest, "w"))
    assert np.array_equal(bank.pictures["row-1"], decoder.decode(w[1:2], {})[0])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--pick", "12"], "pick: 12 is none of the 12, 0 to 11"),
        (["--pick", "1,1"], "names row 1 twice"),
        (["--pick", "x"], "pick 'x'"),
        (["--pick", ""], "pick"),
        (["--pick", "1,2", "--names", "one"], "names: 1 for 2 rows"),
        (["--pick", "1,2", "--names", "a,a"], "holds 'a' twice"),
        (["--pick", "1", "--names", "7up"], "waypoint name '7up'"),
        (["--pick", "clusters"], "walk.report.json: no such report"),
        (["--pick", "1", "--model", "nobody"], "model 'nobody'"),
        (["--pick", "1", "--model", "procedural"], "procedural takes z512"),
        (["--pick", "1", "-o", "b.npy"], "b.npy: a bank is written as NAME.toml"),
        (["--pick", "1", "-o", "walk.toml"], "would overwrite walk.npy"),
        (["--pick", "1", "-o", "walk.npy/b.toml"], "cannot be written"),
        (["--pick", "1", "--sheet", "no/where.png"], "no/where.png: cannot be written"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(run, tmp_path, rows, words, said):
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    ran = run("bank", "walk.npy", "-o", "b.toml", *words)
    assert ran.code == 1
    assert said in ran.error
    assert {p: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == before


def test_rows_that_nobody_knows_the_model_of(run, tmp_path):
    np.save(tmp_path / "bare.npy", unbiased(LatentSpec.shell(64), 3, 0))
    ran = run("bank", "bare.npy", "-o", "b.toml", "--pick", "0")
    assert "bare.npy: says no model; choose one with --model" in ran.error
    assert run("bank", "bare.npy", "-o", "b.toml", "--pick", "0", "--model", MODEL).code == 0
    assert load_bank(Path("b.toml")).spec == LatentSpec.shell(64)
    assert "no such file" in run("bank", "gone.npy", "-o", "b.toml", "--pick", "0").error
