"""A film and a disk that holds it once, but not twice."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from instrument.resources import child_environment
from instrument.studio import disk_room

CARD = {
    "format": "model/1", "name": "card", "architecture": "testcard",
    "latent": {"shape": [4], "space": "z", "radius": None}, "size": [64, 64],
    "licence": "CC0", "delay": 0.0, "fail": "decode",
}  # fmt: skip
FRAMES = 240


@pytest.fixture
def show(tmp_path: Path) -> Path:
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "manifest.json").write_text(json.dumps(CARD))
    z = np.zeros((FRAMES, 4), np.float32)
    z[:, 0] = np.arange(FRAMES) * 991
    np.save(tmp_path / "walk.npy", z)
    return tmp_path


@pytest.fixture
def disk(show: Path) -> Iterator[Path]:
    """A disk of its own, of a few hundred kilobytes."""
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("mounts a small disk")
    place = show / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place]).returncode:
        pytest.skip("may not mount")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def words(show: Path, out: Path, *more: object) -> list[str]:
    return ["render", str(show / "walk.npy"), "-o", str(out), "--model", str(show / "card"),
            "--codec", "lossless", "--chunk", "20", "--workers", "1", *map(str, more)]  # fmt: skip


def size_of_chunks(run, show: Path) -> int:
    """What the chunks of the film take, records and all."""
    part = run(*words(show, show / "probe.mov", "--part", "--frames", f"0:{FRAMES}"))
    assert part.code == 0, part.err
    return sum(
        -(-path.stat().st_size // 4096) * 4096
        for path in (show / ".probe.mov.render").rglob("*") if path.is_file()
    )  # fmt: skip


def resize(disk: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size // 1024}k", disk], check=True)


def test_a_film_that_fits_but_once_is_refused_before_anything_is_put_together(
    run, show: Path, disk: Path
) -> None:
    once = run(*words(show, show / "once.mov", "--json"))
    resize(disk, size_of_chunks(run, show) + (64 << 10))
    ran = run(*words(show, disk / "film.mov"))
    assert ran.code == 1
    assert "putting it together needs" in ran.error and "are free" in ran.error
    assert "film.mov will take about" in ran.err.replace("\n", " ")  # foretold, too
    kept = list((disk / ".film.mov.render" / "chunks").glob("*.json"))
    assert len(kept) == FRAMES // 20
    assert not (disk / "film.mov").exists()
    assert not list((disk / ".film.mov.render").glob("stage-*"))
    spared = run(*words(show, disk / "film.mov", "--spare", "--json"))
    assert spared.code == 0, spared.err
    made = json.loads(spared.out.splitlines()[-1])
    assert made["kept"] == FRAMES
    assert made["pictures_sha256"] == json.loads(once.out.splitlines()[-1])["pictures_sha256"]
    assert (disk / "film.mov").read_bytes() == (show / "once.mov").read_bytes()
    assert [path.name for path in disk.iterdir()] == ["film.mov"]


@pytest.mark.parametrize("spare", [False, True])
def test_killed_while_it_was_put_together(run, show: Path, spare: bool) -> None:
    """Without --spare nothing is rendered again, with it what was in the film already is."""
    once = run(*words(show, show / "once.mov", "--json"))
    die = "Workplace.forget" if spare else "splice.check_film"
    program = f"""
import os, signal, sys
import instrument.studio.splice as splice
from instrument.studio.workplace import Workplace
before, told = {die}, []
def and_die(*words):
    told.append(words)
    if len(told) == {5 if spare else 1}:
        os.kill(os.getpid(), signal.SIGKILL)
    before(*words)
{die} = and_die
from instrument.cli import main
main()
"""
    more = ["--spare"] if spare else []
    killed = subprocess.run(
        [sys.executable, "-c", program, *words(show, show / "film.mov", *more)],
        env=child_environment(), capture_output=True,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (show / "film.mov").exists()
    assert len(list((show / ".film.mov.render").glob("stage-*/whole"))) == 1
    again = run(*words(show, show / "film.mov", "--json", *more))
    assert again.code == 0, again.err
    made = json.loads(again.out.splitlines()[-1])
    assert made["kept"] == (FRAMES - 4 * 20 if spare else FRAMES)
    assert made["pictures_sha256"] == json.loads(once.out.splitlines()[-1])["pictures_sha256"]
    assert (show / "film.mov").read_bytes() == (show / "once.mov").read_bytes()
    assert not [path for path in show.iterdir() if path.name.startswith(".film")]


def test_what_is_refused_keeps_its_chunks_and_numbered_pictures_need_no_room(
    run, show: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_room.check_room, "__defaults__", (lambda _: 1000,))
    ran = run(*words(show, show / "film.mov"))
    assert ran.code == 1 and "1.0 kB are free" in ran.error
    still = words(show, show / "film")
    still[still.index("lossless")] = "png"
    assert run(*still).code == 0
    assert len(list((show / "film").iterdir())) == FRAMES
    monkeypatch.undo()
    made = run(*words(show, show / "film.mov", "--json"))
    assert json.loads(made.out.splitlines()[-1])["kept"] == FRAMES


def test_room_is_spared_only_where_a_film_is_put_together(run, show: Path) -> None:
    for more in (["--part", "--frames", "0:20"], ["--job", "openjd"]):
        assert "spare: not with" in run(*words(show, show / "film.mov", "--spare", *more)).error
