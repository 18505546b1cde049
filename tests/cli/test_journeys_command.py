"""``instrument journeys``: what it writes, keeps, avoids, and what it says of bad words."""

from __future__ import annotations

import json

import numpy as np
import pytest

from instrument.decoder.models import find_model
from instrument.latent.sequence import ModelReference, ZSequence, load_sequence, save_sequence
from instrument.latent.waypoints import Waypoint, WaypointBank, save_bank
from instrument.timebase import FrameRate

MODEL = find_model("procedural-64")
QUICK = ["--seconds", 0.5, "--rate", 12, "--size", "32x32"]


@pytest.fixture
def rows(tmp_path):
    z = np.random.default_rng(3).normal(size=(30, *MODEL.latent.shape))
    z *= MODEL.latent.radius / np.linalg.norm(z, axis=1, keepdims=True)
    reference = ModelReference(MODEL.name, MODEL.sha256)
    path = tmp_path / "rows.npy"
    save_sequence(path, ZSequence(z.astype(np.float32), FrameRate(30), MODEL.latent, reference))
    return path


@pytest.fixture
def bank(tmp_path):
    z = np.random.default_rng(4).normal(size=(2, *MODEL.latent.shape)).astype(np.float32)
    reference = ModelReference(MODEL.name, MODEL.sha256)
    ways = (Waypoint("dawn", z[0]), Waypoint("nova", z[1]))
    save_bank(tmp_path / "two.toml", WaypointBank("two", MODEL.latent, ways, reference))
    return tmp_path / "two.toml"


def index_of(folder):
    return json.loads((folder / "index.json").read_text())


def test_journeys_are_drawn(run, rows, tmp_path):
    out = tmp_path / "out"
    ran = run("journeys", rows, "-o", out, "--count", 3, "--keys", "2:3", *QUICK, "--json")
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert [entry["name"] for entry in told["journeys"]] == ["001", "002", "003"]
    assert told["kept"] == 0
    for entry in told["journeys"]:
        assert set(entry["files"]) <= {path.name for path in out.iterdir()}
        journey = load_sequence(out / f"{entry['name']}.npy")
        assert len(journey) == 6
        assert journey.model.name == MODEL.name
        source = load_sequence(rows)
        assert (journey.z[0] == source.z[entry["keys"][0]["row"]]).all()
        assert (journey.z[-1] == source.z[entry["keys"][-1]["row"]]).all()
    again = run("journeys", rows, "-o", out, "--count", 3, "--keys", "2:3", *QUICK)
    assert "(3, 3 of them kept)" in again.out


def test_picks_waypoints_and_vias(run, rows, bank, tmp_path):
    ran = run("journeys", rows, "-o", tmp_path / "out", "--pick", "4,dawn,7", "--pick", "2:5",
              "--via", "nova", "--bank", bank, *QUICK, "--no-proxy",
              "--path", "spherical", "--hold", 0.05)  # fmt: skip
    assert ran.code == 0, ran.err
    first, second = index_of(tmp_path / "out")["journeys"]
    assert first["through"] == ["4", "dawn", "nova", "7"]
    assert second["through"] == ["2", "3", "nova", "4"]
    assert first["keys"][1] == {"waypoint": "dawn", "row": 0}
    assert not list((tmp_path / "out").glob("*.mp4"))
    trace = load_sequence(tmp_path / "out" / "001.npy").trace
    assert trace is not None
    assert [origin.path.rpartition("/")[2] for origin in trace.origins] == ["rows.npy", "two.npy"]
    assert 1.0 in trace.rows[:, 0]


def test_what_is_avoided_is_told(run, rows, tmp_path):
    ran = run("journeys", rows, "-o", tmp_path / "out", "--count", 2, "--keys", 2, *QUICK,
              "--avoid", "3,10:14", "--alike", 2, "--json", "--no-proxy")  # fmt: skip
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert told["unwanted"] <= told["unwanted_straight"]
    assert index_of(tmp_path / "out")["avoid"] == {
        "rows": [3, 10, 11, 12, 13], "alike": 2, "among": 400
    }  # fmt: skip
    for entry in told["journeys"]:
        assert not {"3", "10", "11", "12", "13"} & set(entry["through"])
        assert len(entry["detours"]) == 1


def test_a_file_of_rows_and_clusters_of_a_report(run, rows, tmp_path):
    (tmp_path / "bad.txt").write_text("3, 10:12\n14\n")
    ran = run("journeys", rows, "-o", tmp_path / "a", "--count", 1, *QUICK, "--no-proxy",
              "--avoid", tmp_path / "bad.txt")  # fmt: skip
    assert ran.code == 0, ran.err
    assert index_of(tmp_path / "a")["avoid"]["rows"] == [3, 10, 11, 14]
    labels = [1 + (row % 5 == 0) + (row % 7 == 0) for row in range(30)]
    clusters = [{"number": n, "share": 0.3, "examples": [0]} for n in (1, 2, 3)]
    fields = {"format": "survey-report/1", "labels": labels, "clusters": clusters}
    (tmp_path / "rows.report.json").write_text(json.dumps(fields))
    ran = run("journeys", rows, "-o", tmp_path / "b", "--count", 1, *QUICK, "--no-proxy",
              "--avoid", "@clusters:2,3")  # fmt: skip
    assert ran.code == 0, ran.err
    wanted = [row for row, label in enumerate(labels) if label > 1]
    assert index_of(tmp_path / "b")["avoid"]["rows"] == wanted
    refused = run("journeys", rows, "-o", tmp_path / "c", *QUICK, "--avoid", "@clusters:9")
    assert refused.code == 1
    assert "'9'" in refused.error
    assert "1 to 3" in refused.error


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--count", 0], ["count 0", "1 to"]),
        (["--keys", "1:2"], ["keys 1:2", "2:3"]),
        (["--keys", "many"], ["many", "2:3"]),
        (["--keys", "40"], ["40:40", "30 rows"]),
        (["--seconds", 0], ["seconds 0", "above 0"]),
        (["--seconds", "nan"], ["nan"]),
        (["--seconds", 0.01], ["fewer than 2 rows"]),
        (["--rate", "fast"], ["fast"]),
        (["--path", "bezier"], ["bezier", "physical", "spherical"]),
        (["--damping", 0], ["damping 0.0", "0.05"]),
        (["--arrive", 2], ["arrive 2.0", "0.9"]),
        (["--hold", 5], ["pause of 5.0 s"]),
        (["--noise", -1], ["noise -1"]),
        (["--noise", "nan"], ["noise nan"]),
        (["--noise", 5, "--noise-rate", 0], ["noise rate 0.0"]),
        (["--key-noise", 120], ["key noise 120"]),
        (["--seed", -1], ["seed -1"]),
        (["--pick", "3"], ["pick '3'", "2 keys"]),
        (["--pick", "3,99"], ["pick", "99"]),
        (["--pick", "3,4x"], ["4x"]),
        (["--pick", "3,dawn"], ["dawn", "--bank"]),
        (["--pick", "3,dawn", "--bank", "nowhere"], ["nowhere", "brief-history"]),
        (["--pick", "3,dawn", "--bank", "brief-history"], ["z512", "z64"]),
        (["--via", "31"], ["via", "31"]),
        (["--avoid", "31"], ["avoid", "31"]),
        (["--avoid", "all"], ["every row"]),
        (["--avoid", "5", "--pick", "4,5"], ["row 5", "avoided"]),
        (["--avoid", "5", "--alike", -1], ["alike -1"]),
        (["--avoid", "5", "--among", 0], ["among 0"]),
        (["--avoid", "@clusters:1"], ["rows.report.json", "survey"]),
        (["--model", "default"], ["z64", "z512"]),
        (["--model", "nowhere"], ["nowhere"]),
        (["--size", "big"], ["big", "1280x720"]),
    ],
)
def test_what_a_performer_can_put_right_is_one_line(run, rows, tmp_path, words, names):
    ran = run("journeys", rows, "-o", tmp_path / "out", *words)
    assert ran.code == 1
    for name in names:
        assert name in ran.error
    assert not (tmp_path / "out").exists()


def test_a_source_that_is_none(run, tmp_path):
    (tmp_path / "broken.npy").write_bytes(b"nothing")
    for name in ("missing.npy", "broken.npy"):
        ran = run("journeys", tmp_path / name, "-o", tmp_path / "out")
        assert ran.code == 1
        assert name in ran.error
    np.save(tmp_path / "nan.npy", np.full((4, 64), np.nan, np.float32))
    ran = run("journeys", tmp_path / "nan.npy", "-o", tmp_path / "out")
    assert "not finite" in ran.error
    one = np.ones((1, 64), np.float32)
    np.save(tmp_path / "one.npy", one)
    ran = run("journeys", tmp_path / "one.npy", "-o", tmp_path / "out", "--model", MODEL.name)
    assert "only 1 rows" in ran.error
    assert not (tmp_path / "out").exists()


def test_rows_of_another_model_want_to_be_asked(run, rows, tmp_path):
    fields = json.loads(rows.with_suffix(".json").read_text())
    fields["model"] = {"name": MODEL.name, "sha256": "ff" * 32}
    rows.with_suffix(".json").write_text(json.dumps(fields))
    ran = run("journeys", rows, "-o", tmp_path / "out", "--count", 1, *QUICK)
    assert ran.code == 1
    assert "ffffffffffff" in ran.error
    asked = run("journeys", rows, "-o", tmp_path / "out", "--count", 1, *QUICK,
                "--model", MODEL.name)  # fmt: skip
    assert asked.code == 0, asked.err
    assert load_sequence(tmp_path / "out" / "001.npy").model.sha256 == MODEL.sha256


def test_a_folder_that_cannot_be(run, rows, tmp_path):
    (tmp_path / "file").write_text("x")
    ran = run("journeys", rows, "-o", tmp_path / "file" / "out", "--count", 1, *QUICK)
    assert ran.code == 1
    assert "cannot be written" in ran.error
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "index.json").write_text('{"mine": 1}')
    ran = run("journeys", rows, "-o", tmp_path / "other", "--count", 1, *QUICK)
    assert ran.code == 1
    assert "index.json" in ran.error
    assert (tmp_path / "other" / "index.json").read_text() == '{"mine": 1}'
