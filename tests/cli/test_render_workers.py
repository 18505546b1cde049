"""Renders whose worker processes are killed, fail, hang or are left alone: as typed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instrument.cli.film_options import FilmWishes
from instrument.cli.manners import Manner
from instrument.cli.ordering import Ordered
from instrument.cli.painting import Painting, painting_from_json
from instrument.cli.presented import Presented
from instrument.cli.render import film_of
from instrument.cli.rendering import machine_here, size_for
from instrument.decoder.models import find_model
from instrument.latent.space import LatentSpec
from instrument.resources import child_environment
from instrument.studio.ahead import DecodeAhead
from instrument.studio.encode import read_frames
from instrument.studio.shutter import Instant
from instrument.studio.workers import Here
from instrument.timebase import FrameRange, FrameRate

FRAMES = 240
CARD = {
    "format": "model/1", "name": "card", "architecture": "testcard",
    "latent": {"shape": [4], "space": "z", "radius": None}, "size": [16, 16],
    "licence": "CC0", "delay": 0.006, "fail": "decode",
}  # fmt: skip

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at /proc")


@pytest.fixture
def show(tmp_path: Path) -> Path:
    """A folder with `walk.npy` and the model `card` that shows its rows as colours."""
    model(tmp_path, "card")
    save_walk(tmp_path)
    return tmp_path


def model(folder: Path, name: str, **more: object) -> None:
    (folder / name).mkdir()
    said = {**CARD, "name": name, **more}
    (folder / name / "manifest.json").write_text(json.dumps(said))


def save_walk(folder: Path, **rows: float) -> None:
    z = np.zeros((FRAMES, 4), np.float32)
    z[:, 0] = np.arange(FRAMES) * 991
    for row, value in rows.items():
        z[int(row.removeprefix("row")), 0] = value
    np.save(folder / "walk.npy", z)


def words(show: Path, *more: object, card: str = "card") -> list[str]:
    return ["render", str(show / "walk.npy"), "-o", str(show / "film.mov"), "--codec", "lossless",
            "--model", str(show / card), *map(str, more)]  # fmt: skip


def begun(show: Path, *more: object, card: str = "card") -> subprocess.Popen[bytes]:
    """A render in a session of its own, as a terminal's foreground job is."""
    return subprocess.Popen(
        [sys.executable, "-m", "instrument", *words(show, *more, card=card)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=child_environment(),
        start_new_session=True,
    )  # fmt: skip


def workers(process: subprocess.Popen[bytes], count: int) -> list[int]:
    """The workers of a render, once there are so many."""
    found: list[int] = []

    def there() -> bool:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        found[:] = [int(word) for word in children.read_text().split()]
        return len(found) >= count

    wait_for(there)
    return found


def gone(pid: int) -> bool:
    try:
        return b") Z " in Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError:
        return True


def wait_for(what) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.01)


def shown(process: subprocess.Popen[bytes], event: str) -> None:
    """Read what it says until that event."""
    assert process.stdout is not None
    while f'"{event}"'.encode() not in (line := process.stdout.readline()):
        assert line, "it has ended"


def colours(path: Path) -> list[int]:
    return [int("".join(f"{c:02x}" for c in frame[3, 5]), 16) for frame in read_frames(path)]


def test_a_worker_that_is_killed_is_told_once_and_costs_no_frame(show):
    process = begun(show, "--workers", 2, "--json")
    pids = workers(process, 2)
    shown(process, "progress")
    os.kill(pids[0], signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert err.count(b"was killed (Killed)") == 1
    assert b"card: its process was killed (Killed); what it held is made again" in err
    assert json.loads(out.splitlines()[-1])["workers"] == 2
    assert colours(show / "film.mov") == [row * 991 for row in range(FRAMES)]
    assert all(gone(pid) for pid in pids)


def test_a_film_that_is_killed_leaves_no_worker_behind(show):
    process = begun(show, "--workers", 3, "--json")
    pids = workers(process, 3)
    shown(process, "progress")
    assert not any(gone(pid) for pid in pids)
    process.kill()
    process.communicate()
    wait_for(lambda: all(gone(pid) for pid in pids))


@pytest.mark.parametrize("after", [0.0, 0.01, 0.1])
def test_one_that_is_killed_while_it_opens_its_model_leaves_none_either(show, after):
    process = begun(show, "--workers", 2)
    pids = workers(process, 2)
    time.sleep(after)
    maps = Path(f"/proc/{process.pid}/maps").read_text()
    shared = re.findall(r"\S*/latent-instrument-\w+", maps)
    process.kill()
    process.communicate()
    wait_for(lambda: all(gone(pid) for pid in pids))
    assert not any(Path(name).exists() for name in shared)


def test_ctrl_c_in_a_terminal_reaches_the_film_alone(show):
    process = begun(show, "--workers", 2, "--chunk", 60, "--json")
    pids = workers(process, 2)
    shown(process, "progress")
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"finishing this chunk" in err
    assert b"was killed" not in err
    assert b"Traceback" not in err
    assert (show / ".film.mov.render" / "chunks" / "0000000-0000060.json").exists()
    assert all(gone(pid) for pid in pids)


@pytest.mark.parametrize("hangs", [False, True])
def test_ctrl_c_twice_stops_at_once_whatever_the_workers_do(show, hangs):
    model(show, "hangs", fail="hang")
    save_walk(show, **({"row120": -1} if hangs else {}))
    process = begun(show, "--workers", 2, "--json", card="hangs" if hangs else "card")
    pids = workers(process, 2)
    shown(process, "progress")
    time.sleep(0.5 if hangs else 0.0)
    for _ in range(2):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.2)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"nothing is kept" in err
    assert b"Traceback" not in err
    assert all(gone(pid) for pid in pids)
    assert not list(show.glob(".film.mov*"))


@pytest.mark.parametrize("batch", [1, 8])
def test_a_decoder_that_raises_is_told_in_a_line_with_its_frame(run, show, batch):
    save_walk(show, row77=-1)
    error = run(*words(show, "--workers", 2, "--batch", batch)).error
    assert error == "error: frame 77: card failed (DecodeError: card: told to fail)"


def test_a_decoder_that_ends_its_process_is_named_too(run, show):
    model(show, "ends", fail="exit")
    save_walk(show, row77=-1)
    error = run(*words(show, "--workers", 1, card="ends")).error
    assert "ends failed (its process ended by itself (exit code 3), 3 times)" in error
    assert "error: frame 7" in error  # it, or what was still being finished


def test_a_model_that_cannot_be_opened_is_told_in_a_line(run, show):
    model(show, "shut", fail="open")
    assert run(*words(show, card="shut")).error.endswith("shut: told to fail on opening")


def test_a_sheet_shows_frames_of_the_film(run, show):
    ran = run(*words(show, "--frames", "40:200", "--sheet", show / "sheet.png"))
    assert ran.code == 0, ran.err
    seen = {colour for _, colour in Image.open(show / "sheet.png").convert("RGB").getcolors(99999)}
    for row in (40, 199):
        value = row * 991
        assert (value >> 16, value >> 8 & 255, value & 255) in seen


def test_a_painting_survives_being_said():
    procedural = find_model("procedural-64")
    painting = Painting(
        {1: procedural, 3: find_model("procedural")}, Presented((90, 60), "fill", "sharp"),
        LatentSpec((64,), "z", 8.0), "ab" * 32, ("/master/gain", "/model/first"), 16,
        fine=True, samples=5, supersample=2, dither=False, label=FrameRate(30000, 1001),
    )  # fmt: skip
    said = json.loads(json.dumps(painting.to_json()))
    assert painting_from_json(said) == painting
    assert painting.name == "procedural-64 + procedural"
    said["playing"]["1"]["sha256"] = "cd" * 32
    with pytest.raises(Exception, match="has changed since it was chosen"):
        painting_from_json(said)


@pytest.mark.parametrize(
    "wishes",
    [
        FilmWishes(), FilmWishes(preset="proof"), FilmWishes(upscale="sharp", size=(40, 24)),
        FilmWishes(blur=180.0, samples=3, dither=True), FilmWishes(supersample=2, depth=10),
    ],
    ids=["plain", "proof", "sharp", "blur", "supersample"],
)  # fmt: skip
def test_what_is_said_paints_the_same_frames(show, wishes):
    (show / "walk.npy").unlink()
    rows = np.random.default_rng(4).standard_normal((6, 64)).astype(np.float32)
    np.save(show / "walk.npy", rows)
    ordered = Ordered(show / "walk.npy", ("procedural-64",), wishes=wishes)
    film, _ = film_of(ordered, show / "film.mov", Manner())
    manifest = film.manifest(Manner(batch=2), None, machine_here(film.painting))
    slots = film.slots(manifest)

    def frames(painting: Painting) -> list[bytes]:
        here = Here(lambda: painting.open(2), 2)
        ahead = DecodeAhead(film.exposure, here, 6, "test", 2)
        made = list(ahead.frames([FrameRange(0, 6)]))
        assert {(frame.shape, frame.dtype) for _, frame, _ in made} == {(slots.shape, slots.dtype)}
        return [digest for _, _, digest in made]

    said = painting_from_json(json.loads(json.dumps(film.painting.to_json())))
    assert frames(said) == frames(film.painting)
    assert len(set(frames(said))) == 6


def test_a_graphics_card_is_kept_busy_by_one_and_a_processor_by_what_is_measured(show):
    ordered = Ordered(show / "walk.npy", (str(show / "card"),))
    film, _ = film_of(ordered, show / "film.mov", Manner())
    machine = machine_here(film.painting)
    manifest = film.manifest(Manner(), None, machine)
    assert machine.device == "cpu"
    assert size_for(manifest, 5, 10_000).at_work == 5
    assert size_for(manifest, None, 10).loaded == 1
    manifest.versions["device"] = "NVIDIA H100"  # type: ignore[index]
    assert size_for(manifest, None, 10_000).decided
    assert size_for(manifest, None, 10_000).loaded == 1
    assert isinstance(film.exposure, Instant)
