"""The whole instrument in a real window: hands move it, and a killed decoder comes back."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from instrument.display.virtual_layout import PADS, lay_out
from instrument.take.reader import read_take
from instrument.take.replay import verify


def xdotool(*words: object) -> None:
    subprocess.run(["xdotool", *map(str, words)], check=True, timeout=20)


@contextmanager
def playing(take: Path, seconds: float, *more: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "instrument", "play", "--take", str(take), "--json"]
    command += ["--size", "320x320", "--seconds", str(seconds), *more]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=take.parent
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)


def until(condition, seconds: float, what: str):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    pytest.fail(f"{what}: not within {seconds} s")


def decoder_of(process: subprocess.Popen[str]) -> int | None:
    """The process id of the decoder the stage started."""
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        children = task / "children"
        for pid in children.read_text().split():
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"instrument.decoder.serve" in command:
                return int(pid)
    return None


def window() -> str | None:
    found = subprocess.run(
        ["xdotool", "search", "--name", "latent-instrument"],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.split()[0] if found.stdout.split() else None


def screenshot(path: Path) -> np.ndarray:
    from PIL import Image

    subprocess.run(["import", "-window", "root", str(path)], check=True, timeout=30)
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def at_home(path: Path) -> bool:
    """Whether the picture kept with the bank is seen, in a window that has found its place."""
    first = screenshot(path)
    return first.std() > 10 and np.abs(screenshot(path) - first).mean() < 0.2


def differs(path: Path, before: np.ndarray) -> bool:
    return np.abs(screenshot(path) - before).mean() > 5


def moves(path: Path) -> bool:
    """Whether one picture follows the other: a window that comes up changes once."""
    shots = [screenshot(path) for _ in range(3)]
    return all(np.abs(a - b).mean() > 1 for a, b in itertools.pairwise(shots))


def test_hands_on_a_real_window(desktop, tmp_path):
    take = tmp_path / "hands.take"
    shot = tmp_path / "shot.png"
    with playing(take, 90) as process:
        until(lambda: window() or process.poll() is not None, 25, "a window")
        assert process.poll() is None, process.communicate()[1]
        until(lambda: at_home(shot), 25, "the picture of home")
        xdotool("mousemove", 400, 300, "click", 1)
        for step in range(12):
            xdotool("mousemove", 300 + 10 * step, 200 + 12 * step)
            time.sleep(0.1)
        before = screenshot(shot)
        xdotool("key", 4)
        until(lambda: differs(shot, before), 10, "a picture that moves")
        time.sleep(1.0)
        light = screenshot(shot).mean()
        xdotool("key", "b")
        until(lambda: screenshot(shot).mean() < 0.5 * light, 10, "a dark picture")
        xdotool("key", "b")
        until(lambda: screenshot(shot).mean() > 0.7 * light, 10, "light")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    summary = json.loads(out)
    record = read_take(take)
    assert summary["ticks"] == len(record) > 120 and summary["pictures"] > 5
    assert verify(record, "take").largest == 0.0
    said = {event.address for event in record.events}
    assert {"/key/4", "/key/b", "/mouse/x", "/mouse/y", "/mouse/left"} <= said
    press = next(event.time for event in record.events if event.address == "/key/4")
    row = int(press * 60)
    moved = np.linalg.norm(record.z[row + 60] - record.z[row])
    assert moved > 5.0, "the key did not move z"


def test_so_many_seconds_are_so_many_rows(desktop, tmp_path):
    take = tmp_path / "three.take"
    with playing(take, 3) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    record = read_take(take)
    assert json.loads(out)["ticks"] == len(record) == 180
    assert record.finished and verify(record, "take").largest == 0.0


def test_a_killed_decoder_comes_back_while_z_goes_on(desktop, tmp_path):
    take, shot = tmp_path / "killed.take", tmp_path / "shot.png"
    script = tmp_path / "tour.jsonl"
    script.write_text(
        "".join(
            json.dumps({"time": float(t), "address": f"/waypoint/{t % 8 + 1}/go", "value": 1})
            + "\n"
            for t in range(1, 90)
        )
    )
    with playing(take, 90, "--script", str(script)) as process:
        first = until(lambda: decoder_of(process), 20, "a decoder")
        until(lambda: moves(shot), 60, "pictures before the kill")
        os.kill(first, signal.SIGKILL)
        second = until(
            lambda: (pid := decoder_of(process)) not in (None, first) and pid, 10, "a new decoder"
        )
        assert second != first
        for _ in range(3):  # words come and go as well, but not so often
            held = screenshot(shot)
            until(lambda held=held: differs(shot, held), 30, "pictures after the kill")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    record, summary = read_take(take), json.loads(out)
    assert summary["ticks"] == len(record) > 180
    assert verify(record, "take").largest == 0.0
    steps = np.linalg.norm(np.diff(record.z, axis=0), axis=1)
    assert (steps[120:] > 0).all(), "z stood still"
    assert 0.2 < summary["longest_hold_s"] < 30.0


def test_a_term_signal_saves_the_take_and_exits_0(desktop, tmp_path):
    take = tmp_path / "term.take"
    with playing(take, 60) as process:
        until(lambda: (take / "take.mcap").exists(), 25, "a take")
        time.sleep(1.0)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert (take / "z.npy").exists() and (take / "events.jsonl").exists()
    assert read_take(take).finished


def test_a_laptop_alone_plays_the_controller_preset(desktop, tmp_path):
    """The panel in a real window: a fader drawn and a pad struck with the mouse move z."""
    take, size = tmp_path / "panel.take", (560, 560)
    layout = lay_out(size)
    more = ("controller", "--size", "560x560", "--osc-port", "0")
    with playing(take, 90, *more) as process:
        until(lambda: window() or process.poll() is not None, 25, "a window")
        assert process.poll() is None, process.communicate()[1]
        stage = window()
        until(lambda: at_home(tmp_path / "first.png"), 25, "the picture of home")

        def move(control: int, height: float) -> None:
            left, top, wide, high = layout.boxes[control]
            place = (round(left + wide / 2), round(top + (1 - height) * high))
            xdotool("mousemove", "--window", stage, *place)
            time.sleep(0.2)

        xdotool("mousemove", "--window", stage, 280, 100)
        xdotool("key", "c")
        time.sleep(1.0)
        move(1, 0.5)
        xdotool("mousedown", 1)
        for height in (0.6, 0.8, 0.95):
            move(1, height)
        xdotool("mouseup", 1)
        time.sleep(2.0)
        move(PADS[3], 0.9)
        xdotool("click", 1)
        time.sleep(2.0)
        xdotool("key", "c")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    record = read_take(take)
    assert verify(record, "take").largest == 0.0
    times: dict[str, list[float]] = {}
    for event in record.events:
        times.setdefault(event.address, []).append(event.time)
    for control in ("cc/1", "note/39"):
        assert times["/midi/virtual/" + control] == times["/midi/generic/" + control]
    shown, gone = times["/key/c"][0], times["/key/c"][-1]
    flown = [
        t for t in times.get("/mouse/x", []) + times.get("/mouse/left", []) if shown < t < gone
    ]
    assert len(flown) <= 2, "over the panel the mouse flies the pad"

    def way(begun: float, seconds: float) -> float:
        first = int(begun * 60)
        return float(np.linalg.norm(record.z[first + int(seconds * 60)] - record.z[first]))

    assert way(times["/midi/virtual/cc/1"][0], 2.0) > 1.5, "the fader did not move z"
    assert way(times["/midi/virtual/note/39"][0], 1.5) > 5.0, "the pad did not move z"
