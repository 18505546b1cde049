"""Timecode and chapters: the values, and what a container gives back of them."""

import json
import shutil
import subprocess
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from studio_fakes import RATE_NAMES, RATES, barcode

from instrument import InstrumentError
from instrument.studio.encode import count_frames, open_film
from instrument.studio.extras import Chapter, Extras, chapters_at, check_start, later
from instrument.timebase import FrameRate, timecode

NTSC = FrameRate(30000, 1001)
MARKS = [(0.0, "dawn"), (0.5, "rose"), (1.0, "ash — «2»")]
ffprobe = shutil.which("ffprobe")


def film_with(path: Path, extras: Extras, frames: int, rate: FrameRate) -> None:
    codec = "prores" if path.suffix == ".mov" else "h264"
    with open_film(path, (32, 64), rate, codec, extras=extras) as film:
        for index in range(frames):
            film.write(barcode(index))


@pytest.mark.parametrize("rate", RATES, ids=RATE_NAMES)
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_chapters_come_back(tmp_path: Path, suffix: str, rate: FrameRate) -> None:
    frames = rate.frames_in(1.5)
    chapters = tuple(chapters_at(MARKS, frames, rate))
    film_with(tmp_path / f"film{suffix}", Extras(chapters=chapters), frames, rate)
    with av.open(str(tmp_path / f"film{suffix}")) as container:
        told = container.chapters()
        assert len(container.streams.video) == 1
    assert [chapter["metadata"]["title"] for chapter in told] == [name for _, name in MARKS]
    exact = Fraction(1, 1000) if suffix == ".mkv" else Fraction(1, 1_000_000)
    for chapter, wanted in zip(told, chapters, strict=True):
        unit = chapter["time_base"]
        assert unit is not None
        for side in ("start", "stop"):
            seen = chapter["start" if side == "start" else "end"] * unit
            assert abs(seen - Fraction(getattr(wanted, side) * rate.den, rate.num)) <= exact
    assert count_frames(tmp_path / f"film{suffix}") == frames


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize(("rate", "start"), [(FrameRate(25), "10:00:00:24"), (NTSC, "01:00:00;02"),
                                             (FrameRate(60), "00:00:01:59")])  # fmt: skip
def test_a_timecode_comes_back(tmp_path: Path, suffix: str, rate: FrameRate, start: str) -> None:
    film_with(tmp_path / f"film{suffix}", Extras(start=start), 5, rate)
    with av.open(str(tmp_path / f"film{suffix}")) as container:
        told = container.metadata.get("TIMECODE") or container.streams.video[0].metadata["timecode"]
        kinds = [stream.type for stream in container.streams]
    assert told == start
    assert kinds == (["video"] if suffix == ".mkv" else ["video", "data"])
    if suffix != ".mkv":
        assert b"tmcd" in (tmp_path / f"film{suffix}").read_bytes()


@pytest.mark.skipif(ffprobe is None, reason="ffprobe is not installed")
def test_ffprobe_sees_both(tmp_path: Path) -> None:
    extras = Extras(start="01:00:00:00", chapters=(Chapter(0, 9, "a"), Chapter(9, 20, "b")))
    film_with(tmp_path / "film.mov", extras, 20, FrameRate(25))
    command = [str(ffprobe), "-v", "error", "-show_chapters", "-show_streams", "-of", "json"]
    out = subprocess.run([*command, str(tmp_path / "film.mov")], capture_output=True, check=True)
    told = json.loads(out.stdout)
    assert [float(c["start_time"]) for c in told["chapters"]] == [0, 0.36]
    clock = [s for s in told["streams"] if s["codec_tag_string"] == "tmcd"]
    assert clock[0]["tags"]["timecode"] == "01:00:00:00"


def test_a_mark_belongs_to_the_frame_that_shows_it_first() -> None:
    rate = FrameRate(10)
    marks = [(0.3, "on"), (0.41, "just after"), (0.5, "same"), (0.5, "wins"), (9.0, "outside")]
    assert chapters_at(marks, 10, rate) == [
        Chapter(0, 3, "Beginning"), Chapter(3, 5, "on"), Chapter(5, 10, "wins"),
    ]  # fmt: skip
    assert chapters_at([(-2, "was"), (-1, "is")], 5, rate) == [Chapter(0, 5, "is")]
    assert chapters_at([], 5, rate) == chapters_at([(9, "late")], 5, rate) == []
    assert chapters_at([(0.2, " \n")], 5, rate)[1].name == "Chapter 2"


@given(st.lists(st.tuples(st.floats(-5, 20), st.text(max_size=5))), st.integers(1, 300))
def test_chapters_cover_the_film(marks: list[tuple[float, str]], frames: int) -> None:
    chapters = chapters_at(sorted(marks), frames, NTSC)
    if chapters:
        assert (chapters[0].start, chapters[-1].stop) == (0, frames)
        assert all(c.start < c.stop and c.name for c in chapters)
        assert all(a.stop == b.start for a, b in pairwise(chapters))


@pytest.mark.parametrize(
    ("text", "rate"),
    [("1:00:00:00", FrameRate(25)), ("01:00:00:25", FrameRate(25)), ("24:00:00:00", FrameRate(25)),
     ("01:60:00:00", FrameRate(25)), ("01:00:00;00", FrameRate(25)), ("now", FrameRate(25)),
     ("00:00:00:00", FrameRate(120))],
)  # fmt: skip
def test_timecodes_nobody_has(tmp_path: Path, text: str, rate: FrameRate) -> None:
    with pytest.raises(InstrumentError, match="timecode"):
        check_start(text, rate)
    with pytest.raises(InstrumentError, match="timecode"):
        open_film(tmp_path / "film.mov", (32, 64), rate, extras=Extras(start=text))
    assert list(tmp_path.iterdir()) == []


def test_later() -> None:
    rate = FrameRate(25)
    assert later("01:00:00:20", 30, rate) == "01:00:02:00"
    assert later("23:59:59:24", 1, rate) == "00:00:00:00"
    assert later("00:00:00:00", 12345, rate) == timecode(12345, rate)


def test_pictures_carry_neither(tmp_path: Path) -> None:
    for extras in (Extras(start="00:00:00:00"), Extras(chapters=(Chapter(0, 1, "a"),))):
        with pytest.raises(InstrumentError, match=r"numbered pictures.*NAME\.mp4"):
            open_film(tmp_path / "film", (32, 64), FrameRate(25), extras=extras)
    assert np.array_equal(list(tmp_path.iterdir()), [])
