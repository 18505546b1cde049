"""``instrument trace``: back to the first rows, whatever became of the files."""

import json

import numpy as np
import pytest

from instrument.latent.sequence import ZSequence, save_sequence
from instrument.latent.space import LatentSpec
from instrument.latent.trace import Origin, Trace, copied, origin_of
from instrument.timebase import FrameRate

FREE = LatentSpec((4,))


def write(path, rows=10, trace=None, source=""):
    z = np.tile(np.arange(rows, dtype=np.float32)[:, None], (1, 4))
    save_sequence(path, ZSequence(z, FrameRate(25), FREE, source=source, trace=trace))
    return path


@pytest.fixture
def chain(tmp_path, monkeypatch):
    """c was made of b, b of a: each row of c is the next of b, each of b the next of a."""
    monkeypatch.chdir(tmp_path)
    a = write(tmp_path / "a.npy", 12, source="survey")
    b = write(tmp_path / "b.npy", 11, copied(origin_of(a), np.arange(1, 12)), "journeys")
    write(tmp_path / "c.npy", 10, copied(origin_of(b), np.arange(1, 11)), "conform")
    return tmp_path


def steps(ran) -> list[tuple]:
    listed = json.loads(ran.out)["steps"]
    return [
        (s["depth"], s["path"].split("/")[-1], s["row"], s["share"], s["state"]) for s in listed
    ]


def test_a_row_leads_through_every_step(run, chain):
    assert steps(run("trace", "c.npy", "--row", 4, "--json")) == [
        (0, "c.npy", 4, 1, "made"), (1, "b.npy", 5, 1, "made"), (2, "a.npy", 6, 1, "first"),
    ]  # fmt: skip


def test_people_read_it_indented(run, chain):
    lines = run("trace", "c.npy", "--row", 4).out.splitlines()
    assert lines[0] == "c.npy  row 4  (conform)"
    assert lines[1].startswith("  ")
    assert lines[2].endswith("a.npy  row 6  (survey)  the first there is")


def test_a_row_is_named_by_its_timecode_too(run, chain):
    one = run("trace", "c.npy", "--row", "00:00:00:04", "--json").out
    assert one == run("trace", "c.npy", "--row", 4, "--json").out


def test_without_a_row_the_origins_are_listed(run, chain):
    fields = json.loads(run("trace", "c.npy", "--json").out)
    assert [(o["state"], o["frames"]) for o in fields["origins"]] == [("there", 11)]
    assert "in 10 rows" in run("trace", "c.npy").out
    assert "its rows are the first there are" in run("trace", "a.npy").out


def test_a_mix_leads_to_both_with_their_shares(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    a, b = (origin_of(write(tmp_path / f"{name}.npy")) for name in "ab")
    rows = np.array([[0, 2, 1, 5.5, 0.25]])
    write(tmp_path / "mixed.npy", 1, Trace((a, b), rows))
    assert steps(run("trace", "mixed.npy", "--row", 0, "--json"))[1:] == [
        (1, "a.npy", 2, 0.75, "first"), (1, "b.npy", 5.5, 0.25, "first"),
    ]  # fmt: skip


@pytest.mark.parametrize("fault", ["missing", "changed", "garbage", "shorter"])
def test_a_source_that_is_no_longer_what_it_was_is_named(run, chain, fault):
    b = chain / "b.npy"
    if fault == "missing":
        b.unlink()
    elif fault == "garbage":
        b.write_text("no array")
    elif fault == "changed":
        np.save(b, np.ones((11, 4), np.float32))
    else:
        write(b, 3)
    expected = "missing" if fault in ("missing", "garbage") else "changed"
    assert steps(run("trace", "c.npy", "--row", 4, "--json"))[1:] == [(1, "b.npy", 5, 1, expected)]
    assert expected in run("trace", "c.npy").out


def test_a_row_beyond_its_source_leads_nowhere(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    a = origin_of(write(tmp_path / "a.npy"))
    write(tmp_path / "b.npy", 1, copied(a, np.array([99])))
    assert steps(run("trace", "b.npy", "--row", 0, "--json"))[1:] == [
        (1, "a.npy", 99, 1, "missing")
    ]


def test_a_cycle_ends(run, tmp_path, monkeypatch):
    """No honest trace has one, for a file cannot know its own hash: but a forged one can.

    Here the arrays are as the traces say, and only the sidecars lead in a circle.
    """
    monkeypatch.chdir(tmp_path)
    paths = [write(tmp_path / f"{name}.npy") for name in "ab"]
    hashes = [origin_of(path).sha256 for path in paths]
    for mine, other in ((0, 1), (1, 0)):
        origin = Origin(str(paths[other]), hashes[other], 10)
        write(paths[mine], 10, copied(origin, np.arange(10)))
    found = steps(run("trace", "a.npy", "--row", 3, "--json"))
    assert [(name, state) for _, name, _, _, state in found] == [
        ("a.npy", "made"), ("b.npy", "made"), ("a.npy", "cycle"),
    ]  # fmt: skip


def test_a_way_back_that_doubles_at_every_step_is_one_line(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "0.npy", 4)
    for number in range(1, 25):
        origin = origin_of(path)
        rows = np.array(
            [[0, 0, 0, 1, 0.5], [0, 1, 0, 2, 0.5], [0, 2, 0, 3, 0.5], [0, 3, 0, 0, 0.5]]
        )
        path = write(tmp_path / f"{number}.npy", 4, Trace((origin,), rows))
    ran = run("trace", path, "--row", 0)
    assert ran.code == 1
    assert "made in more than 10000 steps" in ran.error


@pytest.mark.parametrize(
    ("row", "says"),
    [("10", "allowed are 0 to 9"), ("-1", "write it as 120"), ("x", "write it as 120"),
     ("00:00:09:00", "allowed are 0 to 9")],
)  # fmt: skip
def test_a_wrong_row_is_one_line(run, chain, row, says):
    ran = run("trace", "c.npy", f"--row={row}")
    assert ran.code == 1
    assert says in ran.error


def test_what_is_no_z_sequence_is_one_line(run, chain):
    (chain / "text.npy").write_text("no")
    for name in ("missing.npy", "text.npy", "."):
        assert run("trace", name).code == 1
