"""The benchmark runs; its small version already shows that nothing escapes and nothing is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bench_osc"


def test_a_small_bench_finds_nothing_wrong() -> None:
    options = "--datagrams 20000 --seconds 1 --rounds 1 --rates 5000".split()
    ended = subprocess.run(
        [sys.executable, str(SCRIPT), *options], capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["fuzz"]["escapes"] == 0 and found["fuzz"]["unsound_events"] == 0
    assert found["fuzz"]["events"] > 100
    assert found["messages_per_second"]["gate"] > 0
    [round_] = found["floods"]["5000"]
    assert round_["heard"]["last_values_right"] == 64
    assert round_["heard"]["heard_share"] == 1.0
    made, _, pressed = round_["heard"]["presses"].partition(" of ")
    assert made == pressed != "0"
