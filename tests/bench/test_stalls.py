"""When cores stood still: found where one did, and what took place meanwhile is told apart."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument.bench.stalls import Stalls, touched
from instrument.timebase import WallClock

PROBE = Path(__file__).resolve().parents[2] / "instrument/bench/stall_probe.py"
# A process that nothing comes before but one of a higher priority: it takes a core for a while.
HOG = """
import os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(9))
begin = time.perf_counter()
while time.perf_counter() < begin + 0.06: pass
print(begin, time.perf_counter())
"""
moments = st.floats(0.0, 10.0, allow_nan=False)
spans = st.lists(st.tuples(moments, moments).map(sorted), max_size=8)


@pytest.fixture
def _privileged():
    if not hasattr(os, "sched_setscheduler"):
        pytest.skip("this system has no real-time priorities")
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        pytest.skip("this user may not have real-time priority")
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@pytest.mark.usefixtures("_privileged")
def test_a_core_that_is_taken_away_is_a_stall():
    core, clock = min(os.sched_getaffinity(0)), WallClock()
    with Stalls() as stalls:
        clock.wait_until(clock.now() + 0.05)
        done = subprocess.run(
            [sys.executable, "-c", HOG, str(core)], capture_output=True, text=True, check=True
        )
        clock.wait_until(clock.now() + 0.05)
    begin, end = map(float, done.stdout.split())
    assert touched(np.array([[begin, end]]), stalls.spans).all()
    inside = [min(e, end) - max(b, begin) for b, e in stalls.spans]
    assert max(inside) > 0.03, "nearly all of it"


@pytest.mark.usefixtures("_privileged")
def test_they_are_told_in_order_and_nothing_is_left_running():
    with Stalls() as stalls:
        probes = list(stalls._probes)
    assert stalls.spans.shape[1] == 2
    assert (np.diff(stalls.spans[:, 0]) >= 0.0).all() and (np.diff(stalls.spans) > 0.0).all()
    assert len(probes) == len(os.sched_getaffinity(0))
    assert [probe.returncode for probe in probes] == [0] * len(probes)


def test_where_nobody_may_watch_nothing_is_claimed(monkeypatch, tmp_path):
    refusing = tmp_path / "probe.py"
    refusing.write_text("print('refused: not here')", encoding="utf-8")
    monkeypatch.setattr("instrument.bench.stalls._PROBE", refusing)
    with Stalls() as stalls:
        pass
    assert stalls.spans is None


def test_a_system_without_priorities_is_not_watched(monkeypatch):
    monkeypatch.delattr("os.sched_setscheduler", raising=False)
    with Stalls() as stalls:
        pass
    assert stalls.spans is None


def test_a_core_that_is_not_there_is_refused_in_a_line():
    done = subprocess.run(
        [sys.executable, "-P", str(PROBE), "9999"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and done.stdout.startswith("refused: ") and not done.stderr


@given(spans, spans)
def test_a_way_is_touched_if_it_shares_a_moment_with_a_stall(ways, stalls):
    found = touched(np.array(ways).reshape(-1, 2), np.array(stalls).reshape(-1, 2))
    assert found.tolist() == [any(b < end and e > begin for b, e in stalls) for begin, end in ways]
