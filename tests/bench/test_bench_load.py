"""What else the machine does: others count, and whatever is ours does not."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from instrument.bench import load
from instrument.bench.load import Background, machine_seconds, own_seconds

linux = pytest.mark.skipif(not Path("/proc/stat").exists(), reason="reads /proc")
WORK = "import time\nwhile time.process_time() < {}: pass"


def test_own_work_is_own():
    before, used = own_seconds(), time.process_time()
    while time.process_time() - used < 0.3:
        pass
    assert own_seconds() - before >= 0.25  # counted in hundredths


@linux
def test_children_are_own_while_they_live_and_when_they_have_ended():
    before = own_seconds()
    code = WORK.format(0.3) + "\nprint(flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        child.stdout.readline()
        assert own_seconds() - before >= 0.25
        child.communicate("\n")
    assert own_seconds() - before >= 0.25


@linux
def test_grandchildren_are_own():
    before = own_seconds()
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WORK.format(0.3)!r}])"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert own_seconds() - before >= 0.25


@linux
def test_the_machine_works_at_least_as_much_as_we_do():
    machine, own = machine_seconds(), own_seconds()
    used = time.process_time()
    while time.process_time() - used < 0.3:
        pass
    assert machine_seconds() - machine >= own_seconds() - own - 0.05


@pytest.mark.parametrize(
    ("busy", "own", "cores"), [(0.0, 0.0, 0.0), (3.0, 1.0, 1.0), (1.0, 2.0, 0.0), (2.5, 0.5, 1.0)]
)
def test_the_background_is_what_is_left(monkeypatch, busy, own, cores):
    now = iter([10.0, 12.0])
    background = Background()
    monkeypatch.setattr(background._clock, "now", lambda: next(now), raising=False)
    counts = {"machine": iter([100.0, 100.0 + busy]), "own": iter([5.0, 5.0 + own])}
    monkeypatch.setattr(load, "machine_seconds", lambda: next(counts["machine"]))
    monkeypatch.setattr(load, "own_seconds", lambda: next(counts["own"]))
    monkeypatch.setattr(load, "_stat", lambda: Path(__file__))  # some file that exists
    with background:
        pass
    assert background.cores == cores


def test_where_nobody_counts_nothing_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(load, "_stat", lambda: tmp_path / "none")
    with Background() as background:
        time.sleep(0.25)
    assert background.cores is None
    assert machine_seconds() == 0.0 and own_seconds() > 0.0


def test_of_a_moment_nothing_is_said():
    with Background() as background:
        pass
    assert background.cores is None
