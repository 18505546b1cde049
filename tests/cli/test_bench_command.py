"""``instrument bench`` as it is typed: what is measured, told, kept and refused."""

import json
from pathlib import Path

import pytest
from PIL import Image

from instrument import InstrumentError
from instrument.bench import history
from instrument.bench.compare import Verdict
from instrument.bench.rows import check_parts, row
from instrument.cli import bench as command

ROWS = {
    "a": [row("frame", [1.0, 1.2], "ms", target=2.0, background=0.0)],
    "d": [
        row("step", [210.0], "µs", target=150.0, background=0.7),
        row("all of it", [900.0], "µs", target=1666.7, background=0.0, scale="W+, 200 bindings"),
    ],
}


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch) -> Path:
    """No user's history is touched."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return history.history_file({"XDG_STATE_HOME": str(tmp_path / "state")}, "linux")


@pytest.fixture
def measured(monkeypatch, state) -> list:
    """Parts that are measured at once; what was asked of each."""
    asked = []

    def apart(part, effort, out):
        asked.append((part.letter, effort))
        if part.letter not in ROWS:
            return {"part": part.letter, "title": part.title, "rows": [], "skipped": "no window"}
        return {"part": part.letter, "title": part.title, "rows": ROWS[part.letter]}

    monkeypatch.setattr(command, "measured_apart", apart)
    monkeypatch.setattr(history, "history_file", lambda: state)
    return asked


def test_the_usual_parts_are_measured_and_told(run, measured):
    ran = run("bench")
    assert ran.code == 0 and [letter for letter, _ in measured] == list("abcdefgh")
    assert all(effort.rounds == 2 and not effort.full for _, effort in measured)
    frame, step = (next(s for s in ran.out.splitlines() if s.startswith(n)) for n in
                   ("frame", "step"))  # fmt: skip
    assert "1.1 ms" in frame and "≤ 2" in frame and "missed" not in frame and "?" not in frame
    assert "0.70 cores" in step and "<- missed" in step and step.rstrip().endswith("?")
    assert "at scale" in ran.out and "W+, 200 bindings" in ran.out
    assert "h: start-up: left out, no window" in ran.err and "doubtful" in ran.err


def test_what_is_asked_for_is_measured(run, measured):
    assert run("bench", "--only", "d,a", "--rounds", 5).code == 0
    assert [(letter, effort.rounds) for letter, effort in measured] == [("d", 5), ("a", 5)]
    measured.clear()
    assert run("bench", "--all", "--hours", 8).code == 0
    assert [letter for letter, _ in measured] == list("abcdefghijk")
    assert all(e.full and e.hours == 8.0 and e.rounds == 9 for _, e in measured)


def test_a_file_holds_what_was_measured_and_a_history_grows(run, measured, state, tmp_path):
    out = tmp_path / "bench.json"
    assert run("bench", "--only", "a,d,h", "--json", out).code == 0
    assert run("bench", "--only", "a").code == 0
    document = json.loads(out.read_text())
    check_parts(document["parts"], "x")
    assert document["format"] == "bench/1" and len(document["parts"]) == 3
    kept = history.read_history(state)
    assert kept.runs[0] == document and len(kept.runs) == 2 and kept.damaged == 0


def test_figures_are_drawn(run, measured, state, tmp_path):
    state.parent.mkdir(parents=True)
    state.write_text("{\n")
    for _ in range(2):
        ran = run("bench", "--only", "a,d", "--plot", tmp_path / "plots")
        assert ran.code == 0 and "1 damaged lines are left out" in ran.err
    drawn = {path.name for path in (tmp_path / "plots").iterdir()}
    assert drawn == {"targets.png", "history.png"}, "nothing grew"
    assert Image.open(tmp_path / "plots" / "targets.png").size[0] > 400


def test_a_history_that_cannot_be_kept_is_no_failure(run, measured, state):
    state.parent.parent.mkdir(parents=True, exist_ok=True)
    state.parent.write_text("a file, and no folder")
    ran = run("bench", "--only", "a")
    assert ran.code == 0 and "1.1 ms" in ran.out and "not kept: " in ran.err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--only", "x"], "--only: no part 'x', allowed are a (a frame beside decoding), b"),
        (["--only", "a", "--all"], "--only and --all: one of them"),
        (["--rounds", 0], "--rounds 0: must be 1 to 1000"),
        (["--hours", 0], "--hours 0: must be .001 to 1000"),
        (["--hours", "nan"], "--hours nan: must be .001 to 1000"),
        (["--json", "no/such/folder/x.json"], "--json no/such/folder/x.json: no such folder"),
        (["--compare", "HEAD", "--rounds", 3], "--rounds 3: to compare, 6 or more"),
        (["--compare", "nowhere"], "--compare nowhere: no such commit"),
        (["--compare", "history"], "holds no other commit that was measured on this machine"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_measured(run, measured, words, complaint):
    ran = run("bench", *words)
    assert ran.code == 1 and complaint in ran.error and ran.out == ""
    assert measured == []


def test_a_real_part_in_a_real_process(run, state, tmp_path, monkeypatch):
    monkeypatch.setattr(history, "history_file", lambda: state)
    ran = run("bench", "--only", "d", "--rounds", 1, "--json", tmp_path / "d.json")
    assert ran.code == 0, ran.err
    (part,) = json.loads((tmp_path / "d.json").read_text())["parts"]
    assert len(part["rows"]) == 9 and "performer, one frame" in ran.out


def test_a_show_nobody_sees_has_no_first_light(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = run("play", "--headless", "--seconds", 0.1, "--osc-port", 0, "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["clock_s"] == {"first_picture": None, "first_decoded": None}


# --- two versions


def verdict(low: float, name: str = "frame") -> Verdict:
    return Verdict("a", name, "ms", 1.0, low + 0.05, low + 0.05, low, low + 0.1, 10, False)


@pytest.fixture
def compared(monkeypatch, state):
    """Comparisons that are over at once."""
    asked = {}

    def commits(clone, revision, parts, pairs, tell):
        asked.update(revision=revision, parts=[p.letter for p in parts], pairs=pairs)
        return "f" * 40, asked["verdicts"]

    monkeypatch.setattr(command, "compare_commits", commits)
    monkeypatch.setattr(history, "history_file", lambda: state)
    return asked


def test_what_is_dearer_ends_with_one(run, compared, tmp_path):
    compared["verdicts"] = [verdict(1.2), verdict(0.97, "step")]
    out = tmp_path / "x.json"
    ran = run("bench", "--compare", "HEAD~3", "--json", out)
    assert ran.code == 1
    assert ran.error == "error: dearer than at ffffffffffff: frame × 1.25"
    assert "SLOWER" in ran.out and "1.200 – 1.300" in ran.out and "as before" in ran.out
    assert compared["revision"] == "HEAD~3"
    assert (compared["parts"], compared["pairs"]) == (list("adg"), 10)
    document = json.loads(out.read_text())
    assert document["against"] == "f" * 40
    assert [one["regression"] for one in document["verdicts"]] == [True, False]


def test_what_is_not_dearer_ends_with_nothing(run, compared):
    compared["verdicts"] = [verdict(1.08)]
    ran = run("bench", "--compare", "HEAD", "--only", "d", "--rounds", 12)
    assert ran.code == 0 and "nothing is surely dearer" in ran.err
    assert (compared["parts"], compared["pairs"]) == (["d"], 12)


def test_the_commit_before_is_found_in_a_history(run, compared, state, tmp_path):
    compared["verdicts"] = [verdict(1.0)]
    for commit in ("a" * 40, "b" * 40):
        history.append(state, {**history.document([]), "commit": commit})
    assert run("bench", "--compare", "history").code == 0
    assert compared["revision"] == "b" * 40
    elsewhere = tmp_path / "other.jsonl"
    history.append(elsewhere, {**history.document([]), "commit": "c" * 40})
    with elsewhere.open("a") as file:
        file.write("rubbish\n")
    ran = run("bench", "--compare", elsewhere)
    assert ran.code == 0 and "1 damaged lines" in ran.err and compared["revision"] == "c" * 40


def test_without_a_clone_there_is_nothing_to_compare_with(run, monkeypatch):
    monkeypatch.setattr(command, "clone_of", lambda: None)
    assert "needs the clone" in run("bench", "--compare", "HEAD").error


def test_a_plain_line_where_a_child_says_nonsense(run, monkeypatch):
    def apart(part, effort, out):
        raise InstrumentError("part a: no JSON came back (x)")

    monkeypatch.setattr(command, "measured_apart", apart)
    assert run("bench", "--only", "a").error == "error: part a: no JSON came back (x)"


def test_the_program_says_what_it_does():
    path = Path(__file__).parents[2] / "scripts" / "bench"
    text = path.read_text()
    for word in ("--only", "--all", "--compare", "--json", "--plot"):
        assert word in text
