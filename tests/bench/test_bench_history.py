"""The history: kept whole, read whatever happened to it, and never of another machine."""

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.bench import history
from instrument.bench.history import append, document, history_file, read_history
from instrument.bench.machine import commit_of, git, machine, versions
from instrument.bench.rows import row

PARTS = [{"part": "d", "title": "t", "rows": [row("x", [1.0, 2.0], "ms")]}]


def run_of(commit: str | None, fingerprint: str | None = None) -> dict:
    made = {**document(PARTS), "commit": commit}
    if fingerprint is not None:
        made["machine"] = {**made["machine"], "fingerprint": fingerprint}
    return made


def test_what_is_kept_is_read_again(tmp_path):
    file = tmp_path / "deep" / "bench.jsonl"
    runs = [run_of("a1"), run_of("b2")]
    for run in runs:
        append(file, run)
    read = read_history(file)
    assert read.runs == json.loads(json.dumps(runs)) and read.damaged == 0
    assert file.read_bytes().count(b"\n") == 2


def test_there_need_be_none(tmp_path):
    read = read_history(tmp_path / "none.jsonl")
    assert read.runs == [] and read.damaged == 0
    with pytest.raises(InstrumentError, match="no other commit that was measured on this machine"):
        read.commit_before("a1")


@pytest.mark.parametrize(
    "line",
    [
        b"{", b"[]", b"null", b"{}", b"\xff\xfe", b"0" * 5000, b"[" * 100000,
        b'{"format":"bench/2","parts":[]}',
        json.dumps({**run_of("a1"), "parts": [{"part": "d", "rows": [{}]}]}).encode(),
        json.dumps({**run_of("a1"), "commit": "a; rm -rf"}).encode(),
        json.dumps({**run_of("a1"), "commit": "--upload-pack=x"}).encode(),
        json.dumps({**run_of("a1"), "machine": None}).encode(),
        json.dumps({**run_of("a1"), "when": 3}).encode(),
    ],
)  # fmt: skip
def test_a_damaged_line_is_left_out_and_counted(tmp_path, line):
    file = tmp_path / "bench.jsonl"
    append(file, run_of("a1"))
    with file.open("ab") as out:
        out.write(line + b"\n")
    append(file, run_of("b2"))
    read = read_history(file)
    assert [run["commit"] for run in read.runs] == ["a1", "b2"] and read.damaged == 1


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 400), st.binary(max_size=40))
def test_a_torn_end_costs_one_line_alone(tmp_path, cut, rubbish):
    file = tmp_path / "bench.jsonl"
    file.unlink(missing_ok=True)
    append(file, run_of("a1"))
    whole = file.read_bytes()
    # What was being written when it was stopped: a piece of a line, and whatever a disk leaves.
    file.write_bytes(whole + whole[: min(cut, len(whole) - 2)] + rubbish.replace(b"\n", b""))
    append(file, run_of("b2"))
    assert [run["commit"] for run in read_history(file).runs] == ["a1", "b2"]


def test_another_machine_says_nothing_about_this_one(tmp_path):
    file = tmp_path / "bench.jsonl"
    for run in (run_of("a1"), run_of("b2", "elsewhere"), run_of(None), run_of("c3")):
        append(file, run)
    read = read_history(file)
    assert len(read.runs) == 4 and len(read.here()) == 3
    assert read.commit_before("c3") == "a1"
    assert read.commit_before("zz") == "c3"
    assert read.commit_before(None) == "c3"


def test_a_file_that_cannot_be_written_or_read_is_named(tmp_path):
    (tmp_path / "bench.jsonl").mkdir()
    for of in (lambda path: append(path, run_of("a1")), read_history):
        with pytest.raises(InstrumentError, match=r"bench\.jsonl: cannot be"):
            of(tmp_path / "bench.jsonl")


@pytest.mark.parametrize(
    ("platform", "environment", "place"),
    [
        ("linux", {"XDG_STATE_HOME": "/s"}, "/s/latent-instrument/bench.jsonl"),
        (
            "linux",
            {"XDG_STATE_HOME": "not/absolute"},
            "~/.local/state/latent-instrument/bench.jsonl",
        ),
        ("linux", {}, "~/.local/state/latent-instrument/bench.jsonl"),
        ("darwin", {}, "~/Library/Application Support/latent-instrument/bench.jsonl"),
        ("win32", {"LOCALAPPDATA": "/l"}, "/l/latent-instrument/bench.jsonl"),
        ("win32", {}, "~/AppData/Local/latent-instrument/bench.jsonl"),
    ],
)
def test_it_lies_where_the_system_wants_it(platform, environment, place):
    assert history_file(environment, platform) == Path(place).expanduser()


# --- of what and on what


def test_a_run_says_of_what_and_on_what():
    run = document(PARTS)
    assert run["format"] == "bench/1" and run["parts"] == PARTS
    assert run["when"].endswith("+00:00")
    assert run["versions"].keys() >= {"instrument", "python", "numpy", "torch"}
    assert run["machine"]["cores"] >= 1 and len(run["machine"]["fingerprint"]) == 12
    assert machine() == machine() and versions() == versions()


def test_a_machine_has_no_name_of_anybody():
    import getpass
    import socket

    told = json.dumps(machine())
    for name in (socket.gethostname(), getpass.getuser()):
        assert f'"{name}"' not in told


def test_another_processor_is_another_machine(monkeypatch):
    before = machine()["fingerprint"]
    monkeypatch.setattr("instrument.bench.machine._processor", lambda: "Another 9000")
    assert machine()["fingerprint"] != before


@pytest.fixture
def clone(tmp_path) -> Path:
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"]):
        who = ["-c", "user.name=x", "-c", "user.email=x@x"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True)
    (tmp_path / "file").write_text("1")
    subprocess.run(["git", "add", "file"], cwd=tmp_path, check=True)
    return tmp_path


def test_a_commit_and_whether_it_was_changed(clone, tmp_path):
    commit = git(clone, "rev-parse", "HEAD")
    assert commit_of(clone) == {"commit": commit, "changed": True}
    subprocess.run(["git", "rm", "-q", "--cached", "file"], cwd=clone, check=True)
    assert commit_of(clone) == {"commit": commit, "changed": False}, "what git does not know"
    assert commit_of(None) == {"commit": None, "changed": None}


def test_without_git_nobody_knows(clone, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert git(clone, "status") is None
    assert commit_of(clone) == {"commit": None, "changed": None}
    assert history.document([])["commit"] is None
