"""Previews: any frame as a small PNG, seldom, and whole."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instrument import InstrumentError
from instrument.studio.encode import open_film
from instrument.studio.preview import Preview, Seldom, small
from instrument.timebase import FrameRate, StepClock


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_frames_of_any_depth_look_the_same(dtype: type) -> None:
    levels = np.arange(256, dtype=np.uint8).repeat(12).reshape(16, 64, 3)
    whole = {np.uint8: 1, np.uint16: np.uint16(257), np.float32: np.float32(1 / 255)}[dtype]
    assert np.array_equal(np.asarray(small((levels * whole).astype(dtype))), levels)


def test_values_beyond_white_and_black_stay_there() -> None:
    frame = np.float32([[[-1.0, 2.0, 0.5]]])
    assert np.asarray(small(frame)).tolist() == [[[0, 255, 128]]]


def test_large_frames_become_small_in_proportion() -> None:
    assert small(np.zeros((1080, 3840, 3), np.uint8)).size == (960, 270)


def test_it_is_seldom_written() -> None:
    clock = StepClock()
    due = Seldom(clock)
    seen = []
    for tenth in range(35):
        clock.wait_until(tenth / 10)
        seen.append(due())
    assert [i for i, yes in enumerate(seen) if yes] == [0, 10, 20, 30]


def test_the_newest_frame_is_what_is_seen(tmp_path: Path) -> None:
    clock = StepClock()
    preview = Preview(tmp_path / "new" / "now.png", clock)
    for second in range(3):
        clock.wait_until(float(second))
        preview.see(second, np.full((8, 8, 3), 40 * second, np.uint8))
    preview.see(3, np.full((8, 8, 3), 200, np.uint8))  # too soon
    assert np.asarray(Image.open(tmp_path / "new" / "now.png")).max() == 80
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["now.png"]


def test_names_and_folders_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, said in ((tmp_path / "a.jpg", "NAME.png"), (tmp_path / "file" / "a.png", "written")):
        with pytest.raises(InstrumentError, match=said):
            Preview(path)


@pytest.mark.parametrize("name", ["film.mov", "film"])
def test_a_finished_film_is_looked_into(tmp_path: Path, name: str) -> None:
    frames = [np.full((16, 32, 3), level, np.uint8) for level in (40, 200)]
    codec = "lossless" if name.endswith("mov") else "png"
    with open_film(tmp_path / name, (16, 32), FrameRate(30), codec) as film:
        for frame in frames:
            film.write(frame)
    clock = StepClock()
    preview = Preview(tmp_path / "now.png", clock)
    preview.look(tmp_path / name)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "now.png")), frames[0])
    (tmp_path / "now.png").unlink()
    preview.look(tmp_path / name)  # too soon
    clock.wait_until(2.0)
    preview.look(tmp_path / "gone.mov")  # it may be replaced just now
    assert not (tmp_path / "now.png").exists()
