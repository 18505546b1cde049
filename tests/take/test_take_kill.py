"""``kill -9`` while recording costs no more than half a second."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from take_parts import header_of, rows_of

from instrument.take.reader import read_take
from instrument.take.repair import repair

ROOT = Path(__file__).resolve().parents[2]
ROWS = 600
LARGEST_LOSS = 30
# Plays at 60 frames a second and says every row it has handed over, until it is killed.
PLAYER = """
import os, sys
from pathlib import Path
from take_parts import ATTACHMENTS, header_of, rows_of
from instrument.event import ControlEvent
from instrument.take.recorder import TakeRecorder
from instrument.timebase import WallClock
header, clock = header_of("killed", (512,)), WallClock()
z, parameters = rows_of(header, 600)
recorder = TakeRecorder(Path(sys.argv[1]), header, ATTACHMENTS).open()
start = clock.now()
for row in range(600):
    clock.wait_until(start + row / 60)
    recorder.row(row, row / 60, z[row], parameters[row])
    recorder.event(ControlEvent("/key/space", float(row), row / 60))
    os.write(1, b"%d\\n" % row)
"""


def _start(folder: Path) -> subprocess.Popen[bytes]:
    path = os.pathsep.join((str(ROOT), str(Path(__file__).parent)))
    environment = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-c", PLAYER, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)


def _kill_after(player: subprocess.Popen[bytes], rows: int) -> int:
    """Kill the player once it has played `rows` rows; how many it has handed over."""
    assert player.stdout is not None
    said = b""
    while said.count(b"\n") < rows:
        said += os.read(player.stdout.fileno(), 65536)
    time.sleep(0.007)
    player.kill()
    said += player.stdout.read()
    player.wait(10)
    player.stdout.close()
    return said.count(b"\n")


@pytest.mark.parametrize("rows", [101, 143, 166])
def test_kill_loses_no_more_than_half_a_second(tmp_path, rows, record_property):
    handed_over = _kill_after(_start(tmp_path / "killed.take"), rows)
    z, _ = rows_of(header_of("killed", (512,)), ROWS)
    record = read_take(tmp_path / "killed.take")
    record_property("lost", handed_over - len(record))
    assert handed_over - len(record) <= LARGEST_LOSS
    assert record.gaps == () and not record.finished
    assert record.z.tobytes() == z[: len(record)].tobytes()
    assert len(record.events) >= len(record) - 1
    report = repair(tmp_path / "killed.take")
    assert (report.rows, report.recovered) == (len(record), len(record))
    assert read_take(tmp_path / "killed.take").damage == ()
