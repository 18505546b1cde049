"""The bytes of a film depend on its pictures: not on cores, nor on what memory held before."""

import hashlib
import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from instrument.studio import codecs
from instrument.studio.codecs import Quality
from instrument.studio.encode import open_film
from instrument.studio.film import Size
from instrument.timebase import FrameRate

SIZE = (128, 256)
FRAMES = 40
NAMES = {"h264": "f.mp4", "h265": "f.mp4", "av1": "f.mp4", "prores": "f.mov", "ffv1": "f.mkv",
         "dnxhr": "f.mov", "lossless": "f.mov"}  # fmt: skip


def encoded(path: Path, codec: str, size: Size = SIZE, preset: str = "veryfast") -> str:
    """The SHA-256 of a film in which everything moves."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    noise = np.random.Generator(np.random.Philox(1)).integers(0, 40, (*size, 3))
    with open_film(path, size, FrameRate(30), codec, Quality(preset=preset)) as film:
        for i in range(FRAMES):
            moving = np.stack([x + 5 * i, 2 * y + i, x * y // 64 - 3 * i], axis=-1)
            film.write(((moving + np.roll(noise, 3 * i, axis=1)) % 256).astype(np.uint8))
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be taken away here")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="has one core anyway")
@pytest.mark.parametrize(("codec", "name"), NAMES.items())
def test_one_core_makes_the_film_of_all(tmp_path: Path, codec: str, name: str) -> None:
    def on_one() -> str:
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])  # of this thread and its own
        return encoded(tmp_path / f"one-{name}", codec)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(on_one).result() == encoded(tmp_path / name, codec)


# Widths in macroblocks: 21, 4, 8, 86; x264 takes 8 in one step.
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="fills fresh memory as glibc does")
@pytest.mark.parametrize(
    ("codec", "size", "preset"),
    [(codec, (126, 336), "veryfast") for codec in NAMES]
    + [("h264", size, "medium") for size in ((126, 336), (64, 64), (128, 128), (96, 1366))],
)
def test_memory_that_was_not_empty_makes_the_same_film(
    tmp_path: Path, codec: str, size: Size, preset: str
) -> None:
    def over(filled: int) -> str:
        """The film of a process in which all fresh memory holds this byte."""
        path = tmp_path / f"{filled}-{NAMES[codec]}"
        return subprocess.run(
            [sys.executable, __file__, path, codec, *map(str, size), preset],
            env={**os.environ, "MALLOC_PERTURB_": str(filled)},
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip

    assert over(1) == over(165)


def test_av1_is_the_same_however_parallel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has to be fixed for it, as the number of threads has for H.264 and H.265."""
    av1, made = codecs._CODECS["av1"], set()
    for level in (1, 2, 6):
        wider = replace(
            av1,
            options=lambda *of, n=level: {**av1.options(*of), "svtav1-params": f"lp={n}"},
        )
        monkeypatch.setitem(codecs._CODECS, "av1", wider)
        made.add(encoded(tmp_path / f"{level}.mp4", "av1"))
    assert len(made) == 1


if __name__ == "__main__":
    path, codec, height, width, preset = sys.argv[1:]
    sys.stdout.write(encoded(Path(path), codec, (int(height), int(width)), preset))
