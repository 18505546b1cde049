"""``instrument pace``, ``snapshots``, ``plot``: files that go together, faults in one line."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from instrument.decoder.models import find_model
from instrument.latent import geometry
from instrument.latent.sequence import ModelReference, ZSequence, load_sequence, save_sequence
from instrument.latent.trace import origin_of
from instrument.latent.trajectory import Trajectory
from instrument.studio.encode import count_frames, read_frames
from instrument.timebase import FrameRate

MODEL = find_model("procedural-64")


def journey(n: int = 16, **more) -> ZSequence:
    spec = MODEL.latent
    keys = np.random.default_rng(5).standard_normal((2, *spec.shape))
    a, b = geometry.project(keys, spec.radius or 1.0)
    # Hurried at first, so that there is something to even.
    z = geometry.slerp(a, b, 0.3 * np.linspace(0.0, 1.0, n) ** 0.4)
    reference = ModelReference("procedural-64", MODEL.sha256)
    return ZSequence(z.astype(np.float32), FrameRate(30), spec, reference, **more)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "walk.npy"
    save_sequence(path, journey())
    return path


def left(folder) -> set[str]:
    return {name for name in os.listdir(folder) if not name.startswith("walk.")}


def test_pace_writes_rows_film_report_and_plot(run, source, tmp_path) -> None:
    ran = run("pace", source, "-o", tmp_path / "even", "--plots", "--json", "--size", "64x64")
    assert ran.code == 0, ran.err
    said = json.loads(ran.out)
    assert left(tmp_path) == {
        "even.npy", "even.json", "even.trace.npy", "even.report.json", "even.png", "even.mp4",
    }  # fmt: skip
    assert said["after"]["cv"] < 0.5 * said["before"]["cv"]
    assert said["path"]["largest_distance_rad"] < 1e-3
    written = json.loads((tmp_path / "even.report.json").read_text())
    assert written.items() <= said.items()
    made, before = load_sequence(tmp_path / "even.npy"), load_sequence(source)
    assert len(made) == count_frames(tmp_path / "even.mp4") == 16
    assert made.z[[0, -1]].tobytes() == before.z[[0, -1]].tobytes()
    assert made.model == before.model
    assert made.trace is not None
    assert made.trace.origins[0].sha256 == origin_of(source).sha256
    again = Trajectory(before).z(made.trace.rows[:, 1])
    assert again.tobytes() == made.z.tobytes()  # the trace leads back


def test_pace_for_people(run, source, tmp_path) -> None:
    ran = run("pace", source, "-o", tmp_path / "even", "--no-proxy", "--curve", "swell",
              "--seconds", 1, "--strength", 0.5, "--iterations", 0)  # fmt: skip
    assert ran.code == 0, ran.err
    for word in ("rows", "report", "before", "after", "swell", "rad", "30 frames"):
        assert word in ran.out
    assert "even.mp4" not in left(tmp_path)
    assert len(load_sequence(tmp_path / "even.npy")) == 30


def test_parameters_travel_along(run, tmp_path) -> None:
    path = tmp_path / "walk.npy"
    columns = np.stack([np.linspace(0.2, 1.0, 16), np.repeat([0.0, 1.0], 8)], axis=1)
    addresses = ("/model/truncation", "/display/blackout")
    save_sequence(path, journey(parameters=columns.astype(np.float32), addresses=addresses))
    assert run("pace", path, "-o", tmp_path / "even", "--no-proxy").code == 0
    made = load_sequence(tmp_path / "even.npy")
    assert made.addresses == addresses
    assert set(made.parameters[:, 1].tolist()) == {0.0, 1.0}
    assert made.trace is not None
    wanted = np.interp(made.trace.rows[:, 1], np.arange(16), columns[:, 0])
    assert made.parameters[:, 0] == pytest.approx(wanted, abs=1e-6)


def test_a_loop_goes_on_over_its_seam(run, source, tmp_path) -> None:
    ran = run("pace", source, "-o", tmp_path / "round", "--loop", "--no-proxy", "--json")
    assert ran.code == 0, ran.err
    said = json.loads(ran.out)
    assert said["before"]["steps"] == said["after"]["steps"] == 16
    made = load_sequence(tmp_path / "round.npy")
    assert made.trace is not None
    assert (made.trace.rows[:, 2] >= 0).any()  # rows over the seam have two


def test_what_was_frozen_on_stage_is_passed_over_and_traced(run, tmp_path) -> None:
    """Rows 4 to 11 showed row 3: the eye sees a halt, and the trace knows which row it saw."""
    path = tmp_path / "walk.npy"
    frozen = np.zeros((16, 1), np.float32)
    frozen[4:12] = 1.0
    save_sequence(path, journey(parameters=frozen, addresses=("/display/freeze",)))
    ran = run("pace", path, "-o", tmp_path / "even", "--no-proxy", "--json")
    assert ran.code == 0, ran.err
    said = json.loads(ran.out)
    assert said["before"]["longest_stall_s"] > said["after"]["longest_stall_s"]
    made, before = load_sequence(tmp_path / "even.npy"), load_sequence(path)
    assert made.trace is not None
    rows = made.trace.rows
    alone = rows[:, 2] < 0
    again = Trajectory(before).z(rows[alone, 1])
    assert again.tobytes() == made.z[alone].tobytes()
    pairs = {(a, b) for a, b in rows[~alone][:, [1, 3]].tolist()}
    assert pairs <= {(3.0, 12.0)}


def test_fades_are_in_the_film(run, tmp_path) -> None:
    path = tmp_path / "walk.npy"
    gain = np.ones((16, 1), np.float32)
    gain[:8] = 0.0
    save_sequence(path, journey(parameters=gain, addresses=("/master/gain",)))
    assert run("pace", path, "-o", tmp_path / "same", "--strength", 0).code == 0
    light = [picture.mean() for picture in read_frames(tmp_path / "same.mp4")]
    assert max(light[:8]) < 5.0 < min(light[8:])


def test_an_odd_film_is_refused_before_anything_is_looked_at(run, source, tmp_path) -> None:
    ran = run("pace", source, "-o", tmp_path / "even", "--size", "65x64")
    assert (ran.code, "must be even" in ran.error) == (1, True)
    assert left(tmp_path) == set()


def test_stillness_is_said_and_kept(run, tmp_path) -> None:
    path = tmp_path / "walk.npy"
    still = journey()
    save_sequence(path, replace(still, z=np.repeat(still.z[:1], 16, axis=0)))
    ran = run("pace", path, "-o", tmp_path / "even", "--no-proxy")
    assert ran.code == 0
    assert "no picture differs" in ran.err
    assert "nothing moves" in ran.out
    assert load_sequence(tmp_path / "even.npy").z.tobytes() == load_sequence(path).z.tobytes()


def test_an_older_film_does_not_stay_beside_new_rows(run, source, tmp_path) -> None:
    (tmp_path / "even.mp4").write_bytes(b"old")
    assert run("pace", source, "-o", tmp_path / "even", "--no-proxy").code == 0
    assert "even.mp4" not in left(tmp_path)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--seconds", "0"], ["seconds 0"]),
        (["--seconds", "nan"], ["seconds"]),
        (["--seconds", "1", "--frames", "30"], ["--seconds", "--frames"]),
        (["--frames", "1"], ["frames 1", "2 or more"]),
        (["--frames", "99999999999"], ["frames", "10000000"]),
        (["--strength", "2"], ["strength 2", "0 to 1"]),
        (["--curve", "wobbly"], ["wobbly", "even, ease", "0:1,0.5:2,1:1"]),
        (["--curve", "breathe:0"], ["breathe:0"]),
        (["--distance", "taste"], ["taste", "own and lpips"]),
        (["--distance", "lpips"], ["lpips", "--distance own"]),
        (["--iterations", "-1"], ["iterations -1"]),
        (["--cut", "0"], ["cut 0"]),
        (["--size", "64"], ["64"]),
        (["--model", "nowhere"], ["nowhere", "procedural"]),
        (["--model", "procedural"], ["procedural", "z512", "z64"]),
    ],
)
def test_what_pace_cannot_do_is_one_line(run, source, tmp_path, words, names) -> None:
    ran = run("pace", source, "-o", tmp_path / "even", *words)
    assert ran.code == 1
    for name in names:
        assert name in ran.error
    assert left(tmp_path) == set()


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "no such file"), (b"", "not a .npy"), (b"PK\x03\x04zip", "not a .npy")],
)
def test_a_file_that_is_no_z_sequence_is_named(run, tmp_path, content, says) -> None:
    path = tmp_path / "walk.npy"
    if content is not None:
        path.write_bytes(content)
    for command in ("pace", "snapshots"):
        ran = run(command, path, "-o", tmp_path / "even")
        assert (ran.code, says in ran.error, str(path) in ran.error) == (1, True, True)
    ran = run("plot", path, "-o", tmp_path / "even.png")
    assert (ran.code, says in ran.error) == (1, True)
    assert left(tmp_path) == set()


def test_numbers_that_are_none_are_named(run, tmp_path) -> None:
    path = tmp_path / "walk.npy"
    z = np.array(journey().z)
    z[7, 3] = np.nan
    np.save(path, z)
    assert "row 7 is not finite" in run("pace", path, "-o", tmp_path / "even").error


def test_one_row_is_no_path(run, tmp_path) -> None:
    path = tmp_path / "walk.npy"
    save_sequence(path, journey().cut(range_of(1)))
    assert "frames 1" in run("pace", path, "-o", tmp_path / "even").error
    assert "no path" in run("pace", path, "-o", tmp_path / "even", "--frames", 9).error


def range_of(stop: int):
    from instrument.timebase import FrameRange

    return FrameRange(0, stop)


def test_rows_are_not_written_over_themselves(run, source) -> None:
    assert "is what is to be paced" in run("pace", source, "-o", source).error


def test_a_place_that_cannot_be_written_is_named(run, source, tmp_path) -> None:
    (tmp_path / "walk.file").write_text("")
    for command, name in (("pace", "even"), ("snapshots", "even"), ("plot", "even.png")):
        ran = run(command, source, "-o", tmp_path / "walk.file" / name)
        assert (ran.code, "cannot be written" in ran.error) == (1, True), command


# --- snapshots


def test_snapshots_of_the_default_model(run, tmp_path) -> None:
    model = find_model("default")
    path = tmp_path / "walk.npy"
    z = np.random.default_rng(0).standard_normal((3, 512))
    z = geometry.project(z, model.latent.radius or 1.0).astype(np.float32)
    reference = ModelReference("default", model.sha256)
    save_sequence(path, ZSequence(z, FrameRate(25), model.latent, reference))
    ran = run("snapshots", path, "-o", tmp_path / "all", "--snapshots", "0,20.5,newest",
              "--sequences", "--plots", "--json", "--tile", "64x64")  # fmt: skip
    assert ran.code == 0, ran.err
    said = json.loads(ran.out)
    names = {"all.report.json", "all.png", "all.grid.mp4", "all.plot.png"}
    for number in ("01", "02", "03"):
        names |= {f"all.{number}.{end}" for end in ("npy", "json", "params.npy", "trace.npy")}
    assert left(tmp_path) == names
    assert [s["snapshot"] for s in said["snapshots"]] == [0.0, 20.5, 27.0]
    assert said["snapshots"][2]["distance_from_edit"] == 0.0  # no snapshot named: the newest
    assert said["snapshots"][0]["distance_from_edit"] > 0.1
    assert "images" in said["snapshots"][0]
    assert "images" not in said["snapshots"][1]
    assert np.array(said["distance"]).shape == (3, 3)
    second = load_sequence(tmp_path / "all.02.npy")
    assert second.z.tobytes() == z.tobytes()
    assert second.column("/model/snapshot").tolist() == [20.5] * 3
    assert second.trace is not None
    assert second.trace.rows[:, 1].tolist() == [0, 1, 2]
    assert len(list(read_frames(tmp_path / "all.grid.mp4"))) == 3


def test_a_model_of_one_snapshot_has_one(run, source, tmp_path) -> None:
    ran = run("snapshots", source, "-o", tmp_path / "one", "--no-grid", "--rows", "0,15")
    assert ran.code == 0, ran.err
    assert left(tmp_path) == {"one.report.json", "one.png"}
    assert "100 %" in ran.out


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--snapshots", "1"], ["1", "procedural"]),
        (["--snapshots", "0,0"], ["twice"]),
        (["--rows", "16"], ["16"]),
        (["--rows", "x"], ["x", "3,10:20"]),
        (["--columns", "0"], ["columns 0"]),
        (["--clusters", "0"], ["clusters 0", "1 to 16"]),
        (["--clusters", "99"], ["clusters 99"]),
        (["--tile", "0x0"], ["0x0"]),
        (["--tile", "9000x9000"], ["at most 8192"]),
    ],
)
def test_what_snapshots_cannot_do_is_one_line(run, source, tmp_path, words, names) -> None:
    ran = run("snapshots", source, "-o", tmp_path / "all", *words)
    assert ran.code == 1
    for name in names:
        assert name in ran.error
    assert left(tmp_path) == set()


# --- plot


def test_plots_of_one_and_of_two(run, source, tmp_path) -> None:
    assert run("plot", source, "-o", tmp_path / "one.svg").code == 0
    ran = run("plot", source, source, "-o", tmp_path / "new" / "two.png", "--look", "--json")
    assert ran.code == 0, ran.err
    said = json.loads(ran.out)
    assert said["sequences"][0] == said["sequences"][1]
    assert said["sequences"][0]["look"]["cv"] > 0.1
    assert (tmp_path / "one.svg").stat().st_size > 1000
    assert (tmp_path / "new" / "two.png").stat().st_size > 1000


@pytest.mark.parametrize("name", ["plot.gif", "plot", "plot.npy"])
def test_a_plot_of_another_kind_is_refused(run, source, tmp_path, name) -> None:
    assert "NAME.png" in run("plot", source, "-o", tmp_path / name).error
    assert left(tmp_path) == set()
