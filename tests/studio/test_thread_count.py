"""The bytes of a film do not depend on the cores of the machine that encodes it."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from instrument.studio import codecs
from instrument.studio.codecs import Quality
from instrument.studio.encode import open_film
from instrument.timebase import FrameRate

SIZE = (128, 256)
FRAMES = 40


def encoded(path: Path, codec: str) -> str:
    """The SHA-256 of a film in which everything moves."""
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    noise = np.random.Generator(np.random.Philox(1)).integers(0, 40, (*SIZE, 3))
    with open_film(path, SIZE, FrameRate(30), codec, Quality(preset="veryfast")) as film:
        for i in range(FRAMES):
            moving = np.stack([x + 5 * i, 2 * y + i, x * y // 64 - 3 * i], axis=-1)
            film.write(((moving + np.roll(noise, 3 * i, axis=1)) % 256).astype(np.uint8))
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be taken away here")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="has one core anyway")
@pytest.mark.parametrize(
    ("codec", "name"),
    [("h264", "f.mp4"), ("h265", "f.mp4"), ("av1", "f.mp4"), ("prores", "f.mov"), ("ffv1", "f.mkv"),
     ("dnxhr", "f.mov"), ("lossless", "f.mov")],
)  # fmt: skip
def test_one_core_makes_the_film_of_all(tmp_path: Path, codec: str, name: str) -> None:
    def on_one() -> str:
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])  # of this thread and its own
        return encoded(tmp_path / f"one-{name}", codec)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(on_one).result() == encoded(tmp_path / name, codec)


def test_av1_is_the_same_however_parallel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has to be fixed for it, as the number of threads has for H.264 and H.265."""
    av1, made = codecs._CODECS["av1"], set()
    for level in (1, 2, 6):
        wider = replace(
            av1,
            options=lambda q, d, n=level: {**av1.options(q, d), "svtav1-params": f"lp={n}"},
        )
        monkeypatch.setitem(codecs._CODECS, "av1", wider)
        made.add(encoded(tmp_path / f"{level}.mp4", "av1"))
    assert len(made) == 1
