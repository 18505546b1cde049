"""The measurement itself: on test cards, quickly."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from instrument import InstrumentError
from instrument.bench.belongings import belongings, children, resident
from instrument.cli import bench_swap, measured
from instrument.display.offscreen import Offscreen

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def cards(tmp_path) -> list[str]:
    """Two test cards that fit the bundled bank, as options."""
    try:
        with Offscreen((8, 8)):
            pass
    except InstrumentError as error:
        pytest.skip(f"no OpenGL here: {error}")
    options = []
    for name in ("a", "b"):
        fields = {
            "format": "model/1", "name": name, "architecture": "testcard", "licence": "MIT",
            "latent": {"shape": [512], "space": "z", "radius": 22.627416997969522},
            "size": [32, 32],
        }  # fmt: skip
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(json.dumps(fields))
        options += ["--model", str(tmp_path / name)]
    return options


def test_two_swaps_are_measured(run, cards, tmp_path, monkeypatch):
    monkeypatch.setattr(bench_swap, "_STEADY", 0.5)
    monkeypatch.setattr(bench_swap, "_PAUSE", 0.1)
    monkeypatch.setattr(bench_swap, "_killing", lambda programme, fade: [])
    before = belongings()
    out = tmp_path / "swaps.json"
    ran = run("bench-swap", "--swaps", 2, "--fade", 0.2, *cards, "--json", "-o", out)
    assert ran.code == 0, ran.err
    assert json.loads(ran.out) == json.loads(out.read_text())
    rows = json.loads(ran.out)["rows"]
    assert len(rows) == 7
    by_name = {row["name"].removeprefix("2 swaps: "): row for row in rows}
    assert by_name["rows lost, or other than the replay"]["value"] == 0
    assert by_name["threads, files, processes more than before"]["value"] == 0
    held = by_name["longest hold beyond a normal one"]
    assert held["models"] == "a and b" and held["pictures"] > 20 and held["normal_ms"] > 10
    mib = by_name["memory of the decoders, more than before"]["mib"]
    assert len(mib) == 4 and all(10 < size < 2000 for size in mib)
    assert belongings().counts == before.counts


def test_a_kill_is_measured(cards, monkeypatch):
    monkeypatch.setattr(bench_swap, "_PAUSE", 0.1)
    programme = bench_swap.assemble("default", cards[1::2], None, None)
    alive, left = bench_swap._killed(programme, 0.6, "swap", 2)
    assert 0 <= alive["value"] < 30 and 0 < alive["longest_hold_s"] < 30
    assert left["value"] == 0


def test_what_it_cannot_measure(run, cards):
    for more in (["--swaps", 3], ["--swaps", 0], ["--fade", 31]):
        assert "swaps: an even number" in run("bench-swap", *cards, *more).error
    assert "needs two models" in run("bench-swap", *cards[:2]).error


def test_memory_and_children_are_counted():
    with subprocess.Popen(["sleep", "60"]) as child:
        pid = str(child.pid)
        assert pid in children() and str(os.getpid()) not in children()
        assert belongings().processes >= 1
        assert resident("self") > 10 << 20
        os.kill(child.pid, signal.SIGKILL)
        time.sleep(0.1)
        assert pid in children(), "dead, and nobody waited for it: it is left"
    assert pid not in children() and resident(pid) == 0


def test_a_table_marks_what_is_over(capsys, tmp_path):
    rows = [measured.row("good", 1.23456, 2.0, "ms"), measured.row("bad", 3, 2, "s", more=1)]
    measured.report_rows(rows, 0.5, tmp_path / "x.json", as_json=False)
    said = capsys.readouterr()
    good, bad = said.out.splitlines()[1:]
    assert "1.235" in good and "<- over" not in good and bad.endswith("s  <- over")
    assert said.err.strip() == "over target: bad"
    document = json.loads((tmp_path / "x.json").read_text())
    assert document["load_before"] == 0.5 and document["rows"][1]["more"] == 1
    assert Path(tmp_path / "x.json").read_text().endswith("\n")
