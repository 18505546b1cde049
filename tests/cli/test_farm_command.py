"""``render --farm`` and ``--job openjd`` as typed: the film of one machine, byte for byte."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instrument import InstrumentError
from instrument.cli.film_options import FilmWishes
from instrument.cli.manners import Manner
from instrument.cli.ordering import Ordered, ordered_from_json, read_order, write_order
from instrument.studio.encode import read_frames
from instrument.studio.workplace import Workplace
from instrument.timebase import FrameRate

ROOT = Path(__file__).resolve().parents[2]
OPENJD = [sys.executable, "-c", "import sys; from openjd.cli import main; sys.exit(main())"]
CARD = {
    "format": "model/1", "name": "card", "architecture": "testcard",
    "latent": {"shape": [4], "space": "z", "radius": None}, "size": [64, 64],
    "licence": "CC0", "delay": 0.0, "fail": "decode",
}  # fmt: skip
FRAMES, CHUNK = 36, 12


def instrument(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "instrument", *words], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=120,
    )  # fmt: skip


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a z-sequence and the film that one machine makes of it."""
    folder = tmp_path_factory.mktemp("films")
    for name, delay in (("card", 0.0), ("slow", 0.08)):
        (folder / name).mkdir()
        (folder / name / "manifest.json").write_text(json.dumps({**CARD, "delay": delay}))
    rows = np.zeros((FRAMES, 4), np.float32)
    rows[:, 0] = np.arange(FRAMES) * 991
    np.save(folder / "s.npy", rows)
    made = instrument(folder, *command("one.mp4"))
    assert made.returncode == 0, made.stderr
    return folder


def command(out: str, model: str = "card") -> list[str]:
    return ["render", "s.npy", "-o", out, "--model", model, "--batch", "4", "--chunk", str(CHUNK)]


def test_a_farm_whose_driver_is_killed_goes_on_and_makes_the_same_film(
    films: Path, ray_nodes
) -> None:
    words = [*command("farm.mp4", "slow"), "--farm", ray_nodes.address, "--preview", "now.png"]
    chunks = films / ".farm.mp4.render" / "chunks"
    driver = subprocess.Popen(
        [sys.executable, "-m", "instrument", *words], cwd=films, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list(chunks.glob("*.json")) and time.monotonic() < deadline:
        assert driver.poll() is None
        time.sleep(0.02)
    driver.send_signal(signal.SIGKILL)
    driver.wait(10)
    assert not (films / "farm.mp4").exists()
    made = instrument(films, *words, "--resume", "--json")
    assert made.returncode == 0, made.stderr
    lines = [json.loads(line) for line in made.stdout.splitlines()]
    farm = next(line for line in lines if line.get("event") == "farm")
    kept = lines[-1]["kept"]
    assert kept >= CHUNK  # what was finished is not rendered again
    assert (farm["frames"], farm["chunks"]) == (FRAMES - kept, (FRAMES - kept) // CHUNK)
    assert farm["given_out_again"] == 0
    assert (films / "farm.mp4").read_bytes() == (films / "one.mp4").read_bytes()
    assert not list(films.glob(".farm*"))
    first = {tuple(frame[0, 0]) for row, frame in enumerate(read_frames(films / "one.mp4"))
             if row % CHUNK == 0}  # fmt: skip
    assert tuple(np.asarray(Image.open(films / "now.png"))[0, 0]) in first


@pytest.mark.skipif(not find_spec("openjd"), reason="openjd-cli is not installed")
@pytest.mark.skipif(os.name != "posix", reason="the command is a shell script here")
def test_openjd_runs_the_job(films: Path) -> None:
    written = instrument(films, *command("jd.mp4"), "--job", "openjd", "--json")
    assert written.returncode == 0, written.stderr
    assert json.loads(written.stdout)["tasks"] == FRAMES // CHUNK
    program = films / "instrument.sh"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m instrument "$@"\n')
    program.chmod(0o755)
    run = [*OPENJD, "run", films / "jd.mp4.openjd.json", "--step", "Assemble",
           "--run-dependencies", "--job-param", f"Instrument={program}"]  # fmt: skip
    ran = subprocess.run(
        run, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert "openjd_progress: 100.0" in ran.stdout
    assert (films / "jd.mp4").read_bytes() == (films / "one.mp4").read_bytes()


def test_a_farm_that_is_not_there_is_one_line(films: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    made = instrument(films, *command("nobody.mp4"), "--farm", "127.0.0.1:1")
    assert made.returncode == 1
    assert made.stderr.strip().splitlines()[-1].startswith("error: farm 127.0.0.1:1: nobody")
    assert not list(films.glob("*nobody*"))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"job": "deadline"}, "allowed is openjd"),
        ({"farm": "auto", "part": True}, "farm: not with"),
        ({"farm": "auto", "workers": 2}, "farm: not with"),
        ({"farm": "auto", "job": "openjd"}, "job: not with"),
        ({"job": "openjd", "assemble": True}, "job: not with"),
    ],
)
def test_what_does_not_go_together_is_refused(words: dict, reason: str) -> None:
    with pytest.raises(InstrumentError, match=reason):
        Manner(**words)


def test_a_job_of_some_frames_is_refused(films: Path) -> None:
    made = instrument(films, *command("x.mp4"), "--job", "openjd", "--frames", "0:12")
    assert (made.returncode, made.stderr) == (
        1,
        "error: job: renders whole films; leave --frames out\n",
    )


FINE = FilmWishes(
    size=(640, 360), fit="fill", preset=None, codec="prores", blur=180.0, samples=4, dither=False,
    timecode="01:00:00:00", chapters=True, upscale="sharp",
)  # fmt: skip


@pytest.mark.parametrize(
    "ordered",
    [
        Ordered(Path("/s.npy")),
        Ordered(Path("/s.npy"), ("procedural", "default"), FrameRate(30000, 1001), "3:9", FINE),
    ],
)
def test_an_order_survives_its_file(ordered: Ordered, tmp_path: Path) -> None:
    work = Workplace(tmp_path / "f.mp4")
    work.folder.mkdir()
    write_order(work, ordered)
    assert read_order(work) == ordered
    assert ordered_from_json(json.loads(json.dumps(ordered.to_json()))) == ordered


def test_an_order_in_words() -> None:
    ordered = Ordered(Path("s.npy"), ("procedural",), FrameRate(30000, 1001), None, FINE)
    assert ordered.words() == [
        "--model", "procedural", "--rate", "30000/1001", "--size", "640x360", "--fit", "fill",
        "--codec", "prores", "--upscale", "sharp", "--blur", "180.0", "--samples", "4",
        "--no-dither", "--timecode", "01:00:00:00", "--chapters",
    ]  # fmt: skip
    assert Ordered(Path("s.npy")).words() == []


@pytest.mark.parametrize("said", [None, [], {}, {"format": "order/2"}, {"format": "order/1"},
                                  {"format": "order/1", "wishes": {"sise": 3}}])  # fmt: skip
def test_what_is_no_order_is_said_in_a_line(said: object, tmp_path: Path) -> None:
    work = Workplace(tmp_path / "f.mp4")
    work.folder.mkdir()
    (work.folder / "order.json").write_text(json.dumps(said))
    with pytest.raises(InstrumentError, match=r"order\.json: cannot be read"):
        read_order(work)


def test_a_node_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(InstrumentError, match=r"does not see .* storage that all nodes share"):
        read_order(Workplace(tmp_path / "f.mp4"))
