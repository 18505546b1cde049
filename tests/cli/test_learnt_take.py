"""Learnt, morphed and saved on the stage, recorded to a disk, verified from there."""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parent.parent / "take"))
from test_replay_learning import EVENTS, PRESET

from instrument.event import write_events


def test_a_take_of_the_stage_verifies(run, tmp_path) -> None:
    show, take = tmp_path / "show.toml", tmp_path / "t.take"
    show.write_text(PRESET)
    write_events(tmp_path / "script.jsonl", EVENTS)
    ran = run("play", show, "--headless", "--clock", "steps", "--seconds", 3, "--take", take,
              "--script", tmp_path / "script.jsonl", "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    verified = json.loads(run("takes", "verify", take, "--json").out)
    assert verified["largest_difference"] == 0.0
    z = np.load(take / "z.npy")
    assert len(z) == 180 and np.ptp(z, axis=0).max() > 0.5
    assert (take / "events.jsonl").read_text().count("/learn/") == 2
