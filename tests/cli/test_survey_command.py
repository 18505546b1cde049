"""``instrument survey``: everything it writes goes together, and what cannot be is one line."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from published import SMALL, lively, write_model

from instrument.decoder import mapped
from instrument.decoder.mapping_child import mapped_rows
from instrument.latent import geometry
from instrument.latent.sequence import ModelReference, ZSequence, load_sequence, save_sequence
from instrument.latent.space import LatentSpec
from instrument.studio.encode import count_frames
from instrument.timebase import FrameRate

SMALLEST = ("--model", "procedural-64", "--size", "32x32")


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def here(monkeypatch):
    """Maps in this process, which has torch already: another takes seconds to start."""

    def answer(manifest, rows, length):
        table = np.frombuffer(rows, "<f4").reshape(-1, 17)
        w, scale = mapped_rows(manifest, table[:, :-1], table[:, -1])
        return np.float32(scale).tobytes() + w.tobytes()

    monkeypatch.setattr(mapped, "_ask", answer)


def survey(run, name, *more, count=24):
    ran = run("survey", "-o", name, "--count", count, *more, "--json")
    assert ran.code == 0, ran.err
    return json.loads(ran.out), load_sequence_of(name)


def load_sequence_of(name):
    return load_sequence(Path(f"{name}.npy"))


def angles(a, b):
    return np.degrees(geometry.angle(np.asarray(a, np.float64), np.asarray(b, np.float64)))


def test_all_that_is_written_goes_together(run, tmp_path):
    told, made = survey(run, "a", *SMALLEST, "--tiles", 10, "--rate", "25", "--label")
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "cache") == [
        "a.01.png", "a.02.png", "a.03.png", "a.clusters.png", "a.json", "a.mp4", "a.npy",
        "a.report.json",
    ]  # fmt: skip
    assert len(made) == count_frames(tmp_path / "a.mp4") == told["rows"] == 24
    assert (made.rate, made.seed, made.model.name) == (FrameRate(25), 0, "procedural-64")
    assert np.allclose(np.linalg.norm(made.z, axis=1), 8.0, rtol=1e-6)
    assert told["sheets"] == ["a.01.png", "a.02.png", "a.03.png", "a.clusters.png"]
    for sheet in told["sheets"]:
        Image.open(sheet).verify()
    report = json.loads((tmp_path / "a.report.json").read_text())
    assert len(report["labels"]) == 24
    assert sum(c["share"] for c in report["clusters"]) == pytest.approx(1)
    assert report["how"] == "unbiased"


def test_people_read_the_same(run):
    ran = run("survey", "-o", "a", *SMALLEST, "--count", 30, "--clusters", 3)
    assert ran.code == 0
    assert "effective sample size 30; 3 clusters" in ran.out
    assert ran.out.count("even share") == 3


def test_the_same_seed_gives_the_same_bytes_and_a_prefix(run, tmp_path):
    survey(run, "a", *SMALLEST)
    survey(run, "b", *SMALLEST)
    survey(run, "more", *SMALLEST, count=30)
    survey(run, "other", *SMALLEST, "--seed", 1)
    for kind in ("npy", "mp4", "png", "clusters.png"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
    a = load_sequence_of("a").z
    assert np.array_equal(load_sequence_of("more").z[:24], a)
    assert not np.allclose(load_sequence_of("other").z, a)


def test_a_shorter_survey_leaves_no_older_pages(run, tmp_path):
    survey(run, "a", *SMALLEST, "--tiles", 6)
    survey(run, "a", *SMALLEST, "--tiles", 12)
    assert sorted(p.name for p in tmp_path.glob("a.*.png")) == [
        "a.01.png", "a.02.png", "a.clusters.png",
    ]  # fmt: skip
    survey(run, "a", *SMALLEST, "--no-sheet")
    assert (tmp_path / "a.01.png").exists()  # nobody asked for sheets: nothing is said of them


def test_snapshots_come_in_blocks(run, tmp_path):
    history = [lively(SMALL["stylegan2"], seed) for seed in range(3)]
    write_model(tmp_path / "m", SMALL["stylegan2"], history)
    told, made = survey(run, "a", "--model", "m", "--snapshots", "0,2", "--truncation", 0.7)
    assert made.addresses == ("/model/snapshot", "/model/truncation")
    assert made.column("/model/snapshot").tolist() == [0.0] * 12 + [2.0] * 12
    assert set(made.column("/model/truncation").tolist()) == {np.float32(0.7)}
    report = json.loads((tmp_path / "a.report.json").read_text())
    assert report["snapshots"]["rows"] == [12, 12]
    assert np.shape(report["snapshots"]["total_variation"]) == (2, 2)
    assert told["rows"] == 24


@pytest.mark.parametrize("space", ["w", "layers"])
def test_w_comes_of_z_through_the_mapping(run, tmp_path, here, space):
    history = [lively(SMALL["stylegan2"], seed) for seed in range(2)]
    manifest = write_model(tmp_path / "m", SMALL["stylegan2"], history)
    _, z = survey(run, "z", "--model", "m", "--space", "z", count=8)
    _, w = survey(run, "w", "--model", "m", "--space", space, "--snapshots", "0,1", count=8)
    expected, scale = mapped_rows(manifest, z.z, np.repeat(np.float32([0, 1]), 4))
    rows = w.z if space == "w" else w.z[:, 0]
    assert np.array_equal(rows, expected)
    assert w.spec.scale == pytest.approx(scale)
    if space == "layers":
        assert (w.z == w.z[:, :1]).all()
    # Neighbours in w lie as far off as the width of w says.
    _, near = survey(run, "near", "--around", "w.npy", "--model", "m", "--noise", 10, count=64)
    away = np.linalg.norm(near.z - w.z[np.arange(64) % 8], axis=-1)
    assert math.sqrt(np.mean(away**2)) == pytest.approx(scale * math.radians(10), rel=0.1)


def test_neighbours_of_rows(run):
    _, base = survey(run, "base", *SMALLEST)
    told, near = survey(
        run, "near", "--around", "base.npy", "--rows", "3,10:12", "--noise", 8, count=90
    )
    rows = np.array([3, 10, 11] * 30)
    found = angles(near.z, base.z[rows])
    assert math.sqrt(np.mean(found**2)) == pytest.approx(8, rel=0.06)
    assert np.allclose(np.linalg.norm(near.z, axis=1), 8, rtol=1e-6)
    assert near.model == base.model
    assert near.trace.rows[:, 1].tolist() == rows.tolist()
    assert near.trace.origins[0].frames == 24
    assert told["effective_rows"] == pytest.approx(3)
    assert (told["how"], told["noise_degrees"]) == ("around", 8.0)


def test_no_noise_copies_every_bit(run):
    _, base = survey(run, "base", *SMALLEST)
    _, same = survey(run, "same", "--around", "base.npy", "--noise", 0)
    assert same.z.tobytes() == np.asarray(base.z).tobytes()


def edited(name, picks):
    """An edit of base.npy: some of its rows, some more than once."""
    base = load_sequence_of("base")
    save_sequence(Path(name), ZSequence(
        np.array(base.z[picks]), base.rate, base.spec, base.model, source="edit"))  # fmt: skip


def test_an_edited_set_is_a_prior(run, tmp_path):
    survey(run, "base", *SMALLEST)
    edited("edit.npy", [0] * 6 + [5, 5, 9])
    told, drawn = survey(run, "drawn", "--balance", "edit.npy", "--no-sheet", count=200)
    rows = drawn.trace.rows[:, 1].astype(int)
    shares = np.bincount(np.array([0] * 6 + [1, 1, 2])[rows], minlength=3) / 200
    assert 0.5 * np.abs(shares - np.array([6, 2, 1]) / 9).sum() < 0.1
    edit = load_sequence_of("edit")
    assert np.array_equal(drawn.z, edit.z[rows])
    report = json.loads((tmp_path / "drawn.report.json").read_text())
    assert report["prior_rows"] == 9
    assert report["prior_distinct_rows"] == report["distinct_rows"] == 3
    assert report["prior_effective_rows"] == pytest.approx(81 / 41, abs=0.01)
    counts = np.round(shares * 200)
    assert told["effective_rows"] == pytest.approx(200**2 / (counts**2).sum())


def test_clusters_are_evened_out(run, tmp_path):
    survey(run, "base", *SMALLEST)
    edited("edit.npy", [0] * 20 + [5, 9, 3])
    told, _ = survey(run, "a", "--balance", "edit.npy", "--even", "--clusters", 2, "--no-sheet",
                     "--noise", 3, count=120)  # fmt: skip
    assert told["even"] is True
    assert max(told["prior_shares"]) > 0.8
    assert told["drawn_shares"] == pytest.approx([0.5, 0.5], abs=0.12)
    ran = run("survey", "-o", "b", "--balance", "edit.npy", "--even", "--clusters", 2, "--count", 9)
    assert "evened   2 clusters of edit.npy: from" in ran.out


def test_snapshots_of_the_source_are_kept_or_replaced(run, tmp_path):
    history = [lively(SMALL["stylegan2"], seed) for seed in range(3)]
    write_model(tmp_path / "m", SMALL["stylegan2"], history)
    survey(run, "base", "--model", "m", "--snapshots", "0,1")
    _, kept = survey(run, "kept", "--model", "m", "--around", "base.npy", "--rows", "11,12")
    assert kept.column("/model/snapshot").tolist() == [0.0, 1.0] * 12
    _, moved = survey(run, "moved", "--model", "m", "--around", "base.npy", "--snapshots", "newest")
    assert set(moved.column("/model/snapshot").tolist()) == {2.0}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--count", "0"], "count 0: allowed are 1 to"),
        (["--count", "-5"], "count -5"),
        (["--seed", "-1"], "seed -1"),
        (["--model", "nobody"], "model 'nobody'"),
        (["--space", "w"], "cannot be played in w"),
        (["--snapshots", "1"], "procedural-64 has 0, the only one"),
        (["--noise", "5"], "--noise: goes with --around"),
        (["--rows", "5"], "--rows: goes with --around"),
        (["--even"], "--even: goes with --balance"),
        (["--around", "a.npy", "--balance", "a.npy"], "has one of them"),
        (["--around", "gone.npy"], "gone.npy: no such file"),
        (["--balance", "bad.npy"], "row 1 is not finite"),
        (["--around", "text.npy"], "text.npy: not a .npy array"),
        (["--around", "good.npy", "--rows", "0,9"], "9 is none of the 4, 0 to 3"),
        (["--around", "good.npy", "--noise", "181"], "noise 181: allowed are 0 to 180"),
        (["--around", "good.npy", "--noise", "nan"], "noise nan"),
        (["--around", "good.npy", "--space", "w"], "says itself that it is z64"),
        (["--around", "narrow.npy"], "procedural-64 takes z64"),
        (["--truncation", "1.5"], "truncation 1.5"),
        (["--size", "33x33"], "even sizes only"),
        (["--size", "9"], "size '9'"),
        (["--rate", "0"], "rate"),
        (["--tiles", "0"], "tiles 0"),
        (["--clusters", "99"], "clusters 99: allowed are 1 to 6"),
        (["--clusters", "0"], "clusters 0"),
        (["-o", "good.npy", "--around", "good.npy"], "is what the survey starts from"),
        (["-o", "text.npy/x"], "cannot be written"),
        (["--report", "no/where.json"], "no/where.json: cannot be written"),
        (["--report", "out.npy"], "has the name of the z-sequence"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(run, tmp_path, words, said):
    good = np.random.default_rng(0).normal(size=(4, 64)).astype(np.float32)
    np.save(tmp_path / "good.npy", good)
    bad = good.copy()
    bad[1, 3] = np.nan
    np.save(tmp_path / "bad.npy", bad)
    np.save(tmp_path / "narrow.npy", good[:, :7].copy())
    (tmp_path / "text.npy").write_text("no array")
    before = sorted(p.name for p in tmp_path.iterdir())
    start = () if "--model" in words else ("--model", "procedural-64")
    ran = run("survey", "-o", "out", "--count", 6, *start, *words)
    assert ran.code == 1
    assert said in ran.error
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_a_z_sequence_of_another_model_must_be_asked_for(run, tmp_path):
    z = np.random.default_rng(0).normal(size=(4, 64)).astype(np.float32)
    spec = LatentSpec.shell(64)
    path = tmp_path / "theirs.npy"
    save_sequence(path, ZSequence(z, FrameRate(30), spec, ModelReference("theirs", "cc" * 32)))
    ran = run("survey", "-o", "out", "--around", path)
    assert "'theirs', which is not here; choose one with --model" in ran.error
    told, made = survey(run, "out", "--around", path, "--model", "procedural-64", count=4)
    assert made.model.name == told["model"] == "procedural-64"
    np.save(path, z)
    path.with_suffix(".json").unlink()
    assert "says no model; choose one" in run("survey", "-o", "out", "--around", path).error
    models = (ModelReference("a", "aa" * 32), ModelReference("b", "bb" * 32))
    save_sequence(path, ZSequence(z, FrameRate(30), spec, models[0], models=models))
    ran = run("survey", "-o", "out", "--around", path, "--model", "procedural-64")
    assert "plays several models (a, b)" in ran.error


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a folder it may not touch")
def test_a_folder_it_may_not_write_to(run, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    ran = run("survey", "-o", "closed/a", *SMALLEST, "--count", 4)
    assert "closed/a: cannot be written" in ran.error


def test_wrong_usage(run):
    assert run("survey").code == 2
    assert run("survey", "-o", "a", "--count", "many").code == 2
    assert "must be NAME" in run("survey", "-o", "..").error
