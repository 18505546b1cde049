"""Renders that are killed, stopped, out of room, or shared: what is on the disk goes on."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from instrument.resources import bundled, child_environment
from instrument.studio.encode import count_frames, read_frames

FRAMES = 600
BARE = {
    "format": "model/1", "name": "card", "architecture": "testcard",
    "latent": {"shape": [4], "space": "z", "radius": None}, "size": [16, 16],
    "licence": "CC0", "delay": 0.0, "fail": "decode",
}  # fmt: skip


@pytest.fixture
def show(tmp_path: Path) -> Path:
    """A folder with `walk.npy`, `FRAMES` rows of numbers that a test card shows as colours."""
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "manifest.json").write_text(json.dumps(BARE))
    slow = {**BARE, "name": "slow", "delay": 0.006}
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "manifest.json").write_text(json.dumps(slow))
    z = np.zeros((FRAMES, 4), np.float32)
    z[:, 0] = np.arange(FRAMES) * 991
    np.save(tmp_path / "walk.npy", z)
    return tmp_path


def words(show: Path, out: str, *more: object, model: str = "card") -> list[str]:
    return ["render", str(show / "walk.npy"), "-o", str(show / out), "--model", str(show / model),
            *map(str, more)]  # fmt: skip


def begun(show: Path, out: str, *more: object, model: str = "slow") -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "instrument", *words(show, out, *more, model=model)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=child_environment()
    )


def summary(ran) -> dict:
    assert ran.code == 0, ran.err
    return json.loads(ran.out.splitlines()[-1])


def hidden(show: Path) -> list[str]:
    return [path.name for path in show.iterdir() if path.name.startswith(".")]


def colours(path: Path) -> list[int]:
    return [int("".join(f"{c:02x}" for c in frame[3, 5]), 16) for frame in read_frames(path)]


def finished(chunks: Path) -> int:
    return len(list(chunks.glob("*.json")))


def wait_for_chunks(chunks: Path, wanted: int, process: subprocess.Popen[bytes]) -> None:
    wait_for(lambda: finished(chunks) >= wanted and chunks.exists(), process)


def wait_for(what, process: subprocess.Popen[bytes]) -> None:
    for _ in range(3000):
        if what() or process.poll() is not None:
            return
        time.sleep(0.01)
    raise AssertionError("nothing happened")


def test_killed_five_times_it_is_the_film_of_one_go(run, show):
    once = summary(run(*words(show, "once.mov", "--codec", "lossless", "--chunk", 40,
                              "--hashes", show / "once.json", "--json", model="slow")))  # fmt: skip
    chance, chunks = random.Random(7), show / ".film.mov.render" / "chunks"
    more = ("--codec", "lossless", "--chunk", 40, "--workers", 1)
    kills = 0
    for life in range(5):
        process = begun(show, "film.mov", *more)
        # After so many chunks of this life, and then at any moment of the next one.
        wait_for_chunks(chunks, finished(chunks) + chance.randint(int(life == 1), 1), process)
        time.sleep(chance.random() * 0.2)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills == 5
    assert not (show / "film.mov").exists()
    kept = finished(chunks)
    last = summary(run(*words(show, "film.mov", *more, "--hashes", show / "film.json", "--json",
                              "--resume", model="slow")))  # fmt: skip
    assert last["kept"] == 40 * kept > 0
    assert (show / "film.mov").read_bytes() == (show / "once.mov").read_bytes()
    films = [json.loads((show / name).read_text()) for name in ("once.json", "film.json")]
    assert films[0]["pictures"] == films[1]["pictures"]
    assert len(films[0]["pictures"]) == FRAMES
    assert once["pictures_sha256"] == last["pictures_sha256"] == films[1]["pictures_sha256"]
    assert colours(show / "film.mov") == [row * 991 for row in range(FRAMES)]
    assert hidden(show) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_once_it_finishes_its_chunk_and_says_how_to_go_on(run, show, number):
    process = begun(show, "film.mp4", "--chunk", 60, "--json")
    chunks = show / ".film.mp4.render" / "chunks"
    assert process.stdout is not None
    while b'"progress"' not in process.stdout.readline():
        pass
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"finishing this chunk" in err
    assert b"chunks are kept" in err
    assert f"instrument render {show}/walk.npy -o {show}/film.mp4".encode() in err
    assert b"Traceback" not in err
    assert json.loads(out.splitlines()[-1])["event"] == "stopped"
    kept = sorted(path.name for path in chunks.glob("*.json"))
    assert kept[0] == "0000000-0000060.json"
    assert not list((show / ".film.mp4.render").glob("stage-*"))
    assert summary(run(*words(show, "film.mp4", "--chunk", 60, "--json", model="slow")))[
        "kept"
    ] == 60 * len(kept)


def test_asked_twice_it_stops_at_once(show):
    process = begun(show, "film.mp4")  # one chunk of 600
    assert process.stderr is not None
    stage = show / ".film.mp4.render"
    wait_for(lambda: list(stage.glob("stage-*")), process)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    said = b""
    while b"finishing this chunk" not in said:  # two signals at once would be one
        said += process.stderr.read1(4096)
        assert process.poll() is None, said
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"nothing is kept" in err
    assert b"Traceback" not in err
    assert hidden(show) == []


def test_a_full_disk_says_so_and_keeps_what_is_finished(run, show):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    z = np.load(show / "walk.npy")
    np.save(show / "walk.npy", z[:200])
    more = ("--codec", "png", "--chunk", 100)
    try:
        # The frames fit, the record of the chunk does not.
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
        ran = run(*words(show, "film", *more))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert ran.code == 1
    assert "cannot be written (File too large)" in ran.error
    assert hidden(show) == []
    assert summary(run(*words(show, "film", *more, "--json")))["frames"] == 200


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="mounts a small disk")
def test_a_disk_that_fills_up_keeps_its_chunks(run, show):
    disk = show / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("may not mount")
    try:
        more = ("--size", "64x64", "--chunk", 40, "--codec", "lossless")
        ran = run(*words(show, "disk/film.mov", *more))
        assert ran.code == 1
        assert "No space left on device" in ran.error
        assert "frames are kept" in ran.error
        kept = list((disk / ".film.mov.render" / "chunks").glob("*.json"))
        assert kept
        assert not (disk / "film.mov").exists()
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        made = summary(run(*words(show, "disk/film.mov", *more, "--json")))
        assert made["kept"] == 40 * len(kept)
        assert [path.name for path in disk.iterdir()] == ["film.mov"]
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.usefixtures("painted_here")
def test_parts_are_assembled_into_the_film_of_one_go(run, show):
    more = ("--chunk", 100, "--size", "32x32")
    once = summary(run(*words(show, "once.mp4", *more, "--json")))
    for part in ("300:600", "0:100", "100:300", "100:200"):  # one of them twice
        made = summary(run(*words(show, "film.mp4", *more, "--part", "--frames", part, "--json")))
        assert made["part"] == [int(end) for end in part.split(":")]
        assert made["frames"] == made["part"][1] - made["part"][0]
        assert made["kept"] == (100 if part == "100:200" else 0)
    assert not (show / "film.mp4").exists()
    whole = summary(run(*words(show, "film.mp4", *more, "--assemble", "--json")))
    assert whole["pictures_sha256"] == once["pictures_sha256"]
    assert (show / "film.mp4").read_bytes() == (show / "once.mp4").read_bytes()
    assert hidden(show) == []
    again = summary(run(*words(show, "film.mp4", *more, "--assemble", "--json")))
    assert again["frames"] == FRAMES


@pytest.mark.usefixtures("painted_here")
def test_what_cannot_be_assembled(run, show):
    assert "nothing to assemble" in run(*words(show, "film.mp4", "--assemble")).error
    assert summary(run(*words(show, "film.mp4", "--part", "--chunk", 200, "--frames", "0:200",
                              "--json")))["frames"] == 200  # fmt: skip
    ran = run(*words(show, "film.mp4", "--assemble"))
    assert "2 of 3 chunks are not finished: frames 200:400, 400:600" in ran.error
    assert "multiples of 200" in run(*words(show, "film.mp4", "--part", "--frames", "0:9")).error


@pytest.mark.usefixtures("painted_here")
@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--size", "32x32"], ["size [16, 16], here [32, 32]", "--restart"]),
        (["--chunk", "30"], ["chunk 60, here 30"]),
        (["--fit", "fill"], ['fit "fit", here "fill"']),
        (["--crf", "30"], ["crf null, here 30"]),
        (["--frames", "0:60"], ["rows [0, 600], here [0, 60]"]),
    ],
)
def test_another_render_of_the_same_film_is_refused(run, show, more, said):
    part = ("--part", "--frames", "0:60")
    assert run(*words(show, "film.mp4", *part, "--chunk", 60)).code == 0
    ran = run(*words(show, "film.mp4", *more))
    assert ran.code == 1
    for text in said:
        assert text in ran.error
    assert (show / ".film.mp4.render" / "chunks" / "0000000-0000060.mp4").exists()
    made = summary(run(*words(show, "film.mp4", *more, "--restart", "--json")))
    assert made["kept"] == 0
    assert hidden(show) == []


@pytest.mark.usefixtures("painted_here")
@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--workers", "0"], "workers 0"), (["--workers", "65"], "1 to 64"),
        (["--batch", "0"], "batch 0"), (["--chunk", "0"], "chunk 0"),
        (["--batch", "7", "--chunk", "20"], "multiple of the batch, 7"),
        (["--part", "--assemble"], "one or the other"), (["--part", "--restart"], "restart"),
        (["--resume", "--restart"], "one or the other"),
        (["--part", "--frames", "0:9999"], "0:600"), (["--preview", "look.jpg"], "NAME.png"),
    ],
)  # fmt: skip
def test_wrong_manners(run, show, more, said):
    ran = run(*words(show, "film.mp4", *more))
    assert ran.code == 1
    assert said in ran.error
    assert hidden(show) == []


def test_workers_and_batches_make_the_same_film(run, show):
    shas = {
        summary(run(*words(show, "film.mp4", "--json", "--workers", workers, "--batch", batch,
                           "--chunk", chunk)))["pictures_sha256"]
        for workers, batch, chunk in ((1, 1, 600), (2, 1, 600), (3, 4, 100), (2, 8, 240))
    }  # fmt: skip
    assert len(shas) == 1


def test_networks_side_by_side_paint_what_one_paints(run, show):
    own = json.loads((bundled("presets") / "models" / "procedural" / "manifest.json").read_text())
    (show / "card" / "manifest.json").write_text(json.dumps({**own, "size": [48, 48]}))
    chance = np.random.Generator(np.random.Philox(3))
    np.save(show / "walk.npy", chance.standard_normal((90, 512), np.float32))
    shas = {
        summary(run(*words(show, "film.mp4", "--json", "--workers", workers, "--chunk", chunk)))[
            "pictures_sha256"
        ]
        for workers, chunk in ((1, 600), (3, 30), (2, 7))
    }
    assert len(shas) == 1


@pytest.mark.usefixtures("painted_here")
def test_events_then_a_summary_and_a_preview(run, show):
    ran = run(*words(show, "film.mp4", "--json", "--chunk", 200, "--preview", show / "now.png"))
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert [line["event"] for line in lines if line.get("event") in ("start", "chunk")] == [
        "start", "chunk", "chunk", "chunk",
    ]  # fmt: skip
    assert lines[1]["event"] == "progress"
    assert "event" not in lines[-1]
    assert lines[-1]["frames"] == FRAMES == count_frames(show / "film.mp4")
    assert (show / "now.png").read_bytes()[:4] == b"\x89PNG"
