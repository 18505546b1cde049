"""Worker processes: the same frames whoever makes them, whoever is killed, whoever goes away."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chunk_parts import job, manifest
from studio_fakes import indexed, read_barcode

from instrument import InstrumentError
from instrument.studio.ahead import DecodeAhead
from instrument.studio.assemble import pictures_sha256
from instrument.studio.chunks import Watch, render_chunks
from instrument.studio.crew import WorkerCrew
from instrument.studio.crew_size import CrewSize
from instrument.studio.shutter import Instant
from instrument.studio.worker_process import Machine, Opening
from instrument.studio.worker_wire import Slots
from instrument.timebase import FrameRange, WallClock

SHAPE = (32, 64, 3)


@pytest.fixture(autouse=True)
def _seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes find what they paint with beside this file."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


@contextmanager
def crew(
    workers: int = 2, batch: int = 1, told: list[str] | None = None, **order: Any
) -> Iterator[WorkerCrew]:
    told = told if told is not None else []
    with WorkerCrew(Opening("worker_paint", order, "barcodes"), told.append) as made:
        size = CrewSize(workers, 1000, batch, WallClock(), fixed=True)
        made.begin(Slots(batch, SHAPE, np.dtype(np.uint8)), size)
        yield made


def ahead(by: WorkerCrew, total: int = 40, batch: int = 1) -> DecodeAhead:
    return DecodeAhead(Instant(indexed(total)), by, total, "barcodes", batch)


def barcodes(running: DecodeAhead, total: int = 40) -> list[int]:
    return [read_barcode(frame) for _, frame, _ in running.frames([FrameRange(0, total)])]


def gone(pid: int) -> bool:
    """Whether a process has ended, its parent's wait notwithstanding."""
    try:
        return b") Z " in Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError:
        return True


def wait_for(what: Any) -> None:
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.01)


@pytest.mark.parametrize(("workers", "batch", "chunk"), [(1, 1, 7), (2, 4, 8), (3, 1, 600)])
def test_processes_make_what_is_made_here(
    tmp_path: Path, workers: int, batch: int, chunk: int
) -> None:
    what, shas = manifest(batch=batch, chunk=chunk), []
    with crew(workers, batch) as by:
        assert by.machine() == Machine("cpu of a test", 4)
        for name, one in (("here.mov", None), ("apart.mov", by)):
            ready = job(tmp_path / name, what, crew=one)
            ready.work.begin(what)
            tally = render_chunks(ready, what.chunks, Watch())
            shas.append(pictures_sha256(dict(sorted(tally.records.items(), key=_start))))
        assert by.at_work == workers
    assert shas[0] == shas[1]


def _start(record: Any) -> int:
    return record[0].start


def test_frames_are_made_a_few_ahead_and_no_further() -> None:
    with crew(2) as by:
        running = ahead(by, 10_000)
        frames = running.frames([FrameRange(0, 10_000)])
        next(frames)
        before = resident(by)
        assert all(read_barcode(frame) == row for row, frame, _ in frames)
        # Between the first frame and the last nothing stays: a picture has 6 kB.
        assert resident(by) - before < 20 << 20


def resident(by: WorkerCrew) -> int:
    """Bytes of all its processes together, and of this one."""
    pids = [os.getpid(), *by.pids]
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_worker_costs_no_frame_and_is_told_once(workers: int) -> None:
    told: list[str] = []
    with crew(workers, told=told, slow=0.005) as by:
        made = []
        for row, frame, _ in ahead(by, 60).frames([FrameRange(0, 60)]):
            made.append(read_barcode(frame))
            if row == 20:
                killed = by.pids[0]
                os.kill(killed, signal.SIGKILL)
        assert made == list(range(60))
        assert len(by.pids) == workers
        assert killed not in by.pids
    assert told == ["barcodes: its process was killed (Killed); what it held is made again"]


def test_all_killed_at_once_cost_no_frame_either() -> None:
    told: list[str] = []
    with crew(2, 4, told=told, slow=0.002) as by:
        made = []
        for row, frame, _ in ahead(by, 80, 4).frames([FrameRange(0, 80)]):
            made.append(read_barcode(frame))
            if row == 30:
                for pid in by.pids:
                    os.kill(pid, signal.SIGKILL)
        assert made == list(range(80))
    assert len(told) == 2


def test_rows_that_kill_whoever_decodes_them_are_named(tmp_path: Path) -> None:
    told: list[str] = []
    with (
        crew(1, told=told, kill=13, marks=str(tmp_path), times=9) as by,
        pytest.raises(InstrumentError, match=r"^frame 1[23]: barcodes failed \(its process was"),
    ):
        barcodes(ahead(by))
    assert 3 <= len(told) <= 5


def test_a_worker_lost_by_chance_while_decoding_is_replaced(tmp_path: Path) -> None:
    with crew(2, 4, kill=13, marks=str(tmp_path), times=1) as by:
        assert barcodes(ahead(by, batch=4)) == list(range(40))


def test_one_that_is_lost_before_it_says_anything_is_replaced(tmp_path: Path) -> None:
    told: list[str] = []
    with crew(1, told=told, lost=True, marks=str(tmp_path)) as by:
        assert by.machine() == Machine("cpu of a test", 4)
        assert barcodes(ahead(by)) == list(range(40))
    assert len(told) == 1


@pytest.mark.parametrize("batch", [1, 4])
def test_the_frame_that_fails_there_is_named_as_it_is_here(batch: int) -> None:
    with (
        crew(2, batch, fail=13) as by,
        pytest.raises(
            InstrumentError, match=r"^frame 13: barcodes failed \(KeyError: 'no such layer'\)$"
        ),
    ):
        barcodes(ahead(by, batch=batch))


def test_a_model_that_cannot_be_opened_says_so_in_its_own_words() -> None:
    with (
        crew(2, unopened="card: weights.safetensors is missing") as by,
        pytest.raises(InstrumentError, match=r"^card: weights.safetensors is missing$"),
    ):
        barcodes(ahead(by))


def test_an_order_that_cannot_be_read_says_why() -> None:
    with (
        crew(1, unread="card: the model has changed since it was chosen") as by,
        pytest.raises(InstrumentError, match=r"^card: the model has changed since it was chosen$"),
    ):
        by.machine()


def test_one_is_enough_where_two_cannot_be_opened(tmp_path: Path) -> None:
    told: list[str] = []
    with crew(2, told=told, second="no memory left", marks=str(tmp_path), slow=0.01) as by:
        by.machine()  # so that the first is well ahead of the second
        assert barcodes(ahead(by, 200), 200) == list(range(200))
        assert by.at_work == 1
    assert told == ["no more than 1 at work (no memory left)"]


def test_a_module_that_cannot_be_run_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []
    with WorkerCrew(Opening("no_such_module", {}, "barcodes"), told.append) as by:
        with pytest.raises(InstrumentError, match=r"^barcodes: its process ended by itself"):
            by.machine()
    assert len(told) == 1
    capfd.readouterr()


def test_none_is_left_when_it_is_closed() -> None:
    with crew(3, slow=0.05) as by:
        frames = ahead(by).frames([FrameRange(0, 40)])
        next(frames)
        pids = by.pids
        assert len(pids) == 3
    assert all(gone(pid) for pid in pids)
    frames.close()


def test_none_is_left_when_the_film_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, test_crew as t\n"
        "with t.crew(3, slow=0.05) as by:\n"
        "    frames = t.ahead(by, 4000).frames([t.FrameRange(0, 4000)])\n"
        "    next(frames)\n"
        "    print(*by.pids, flush=True)\n"
        "    list(frames)\n"
    )
    paths = os.pathsep.join([*sys.path, str(Path(__file__).parent)])
    film = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    assert film.stdout is not None
    pids = [int(word) for word in film.stdout.readline().split()]
    assert len(pids) == 3
    assert not any(gone(pid) for pid in pids)
    shared = shared_by(film.pid)
    film.kill()
    film.communicate()
    wait_for(lambda: all(gone(pid) for pid in pids))
    assert shared
    assert not any(Path(name).exists() for name in shared)


def shared_by(pid: int) -> set[str]:
    """The files of memory that a process shares with others."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    return set(re.findall(r"\S*/latent-instrument-\w+", maps))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_a_terminal_sends_to_all_does_not_end_them(number: signal.Signals) -> None:
    with crew(2, slow=0.005) as by:
        made = []
        for row, frame, _ in ahead(by, 40).frames([FrameRange(0, 40)]):
            made.append(read_barcode(frame))
            if row == 10:
                for pid in by.pids:
                    assert os.getpgid(pid) != os.getpgid(0)  # Ctrl-C does not even get there
                    os.kill(pid, number)
        assert made == list(range(40))


def test_the_pool_is_measured_and_what_is_too_much_is_let_go() -> None:
    with WorkerCrew(Opening("worker_paint", {"slow": 0.002}, "barcodes"), print) as by:
        by.begin(Slots(1, SHAPE, np.dtype(np.uint8)), size := CrewSize(2, 100_000, 1, WallClock()))
        frames = ahead(by, 100_000).frames([FrameRange(0, 100_000)])
        for _ in frames:
            if size.decided:
                break
        for row, frame, _ in frames:
            assert read_barcode(frame) == row % (1 << 14)
            if len(by.pids) == size.at_work:
                break
        frames.close()
        assert size.at_work in (1, 2)


def test_slots_are_fewer_where_they_are_large() -> None:
    film, uhd = np.dtype(np.uint8), np.dtype(np.float32)
    assert Slots(1, (256, 256, 3), film).count == 4
    assert Slots(1, (2160, 3840, 3), uhd).count == 2
    assert Slots(8, (1024, 1024, 3), film).bytes == 8 * 3 << 20
