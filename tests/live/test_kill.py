"""The stage itself is killed while it records: what it had played is on the disk."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from instrument.cli import main
from instrument.take.reader import read_take
from instrument.take.repair import repair
from instrument.take.replay import verify

# Plays as `instrument play` does, and says which row it has handed to the recorder.
STAGE = """
import sys
from pathlib import Path
from instrument.cli.play import _Shelf, _open_take
from instrument.cli.sources import assemble, bundled_script
from instrument.event import read_events
from instrument.live.loop import Loop, Show
from instrument.live.tape import Tape
from instrument.timebase import WallClock

class SayingTape(Tape):
    def row(self, time, z, parameters):
        super().row(time, z, parameters)
        print(self._row, flush=True)

programme = assemble("default", None, None, None)
shelf = _Shelf(Path(sys.argv[1]), Path("takes"))
tape = SayingTape(lambda began: _open_take(programme, shelf, began, False))
script = read_events(bundled_script())
Loop(Show(programme.performer, programme.rate, WallClock(), tape, script=script,
          seconds=60.0, record=True)).run()
"""


@pytest.mark.parametrize("after", [0.5, 1.1, 2.3])
def test_at_most_thirty_frames_are_lost(tmp_path, after, capsys, monkeypatch):
    take = tmp_path / "t.take"
    stage = subprocess.Popen(
        [sys.executable, "-c", STAGE, str(take)], stdout=subprocess.PIPE, text=True
    )
    assert stage.stdout is not None
    stage.stdout.readline()  # the first row: from here on it plays
    time.sleep(after)
    os.kill(stage.pid, signal.SIGKILL)
    played = int(stage.stdout.read().split()[-1])
    stage.wait(10)

    before = read_take(take)
    assert played - len(before) <= 30
    monkeypatch.setattr(sys, "argv", ["instrument", "takes", "repair", str(take)])
    with pytest.raises(SystemExit) as left:
        main()
    assert not left.value.code
    assert "recovered" in capsys.readouterr().out
    record = read_take(take)
    assert len(record) >= played - 30
    assert np.array_equal(np.load(take / "z.npy"), record.z)
    assert verify(record, "take").largest == 0.0
    assert repair(take).recovered == len(record)
