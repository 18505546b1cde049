"""A decoder process that finds its fastest form while it plays, and knows it at the next start."""

import json
import time

import numpy as np
import pytest

from instrument.decoder.models import find_model
from instrument.decoder.process import DecoderProcess
from instrument.decoder.runtime import open_decoder
from instrument.decoder.tuned import LEAST_LIKENESS, likeness

LONG = 60.0  # s


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder / "latent-instrument" / "decoding"


@pytest.fixture(scope="module")
def film():
    return open_decoder(find_model("default"), "cpu")


def played(process, film, index):
    """Post one z, and take its picture; it must look like the film's."""
    z = np.random.default_rng(index).standard_normal(512).astype(np.float32)
    process.post(index, z, {"/model/snapshot": float(index % 5)})
    frame = process.newest(index - 1, LONG)
    assert frame is not None and frame.index == index
    values = {"/model/snapshot": np.full(1, index % 5, np.float32)}
    assert likeness(film.decode(z[None], values)[0], frame.pixels[..., :3]) >= LEAST_LIKENESS - 3
    assert (frame.pixels[..., 3] == 255).all()


def test_it_plays_first_and_tries_behind_the_pictures(cache, film):
    with DecoderProcess(find_model("default"), "cpu") as process:
        index = 0
        end = time.monotonic() + LONG
        while not list(cache.glob("*.json")):
            played(process, film, index)
            index += 1
            assert time.monotonic() < end, "never found out"
        for later in range(index, index + 5):
            played(process, film, later)
        assert (process.state, process.restarts) == ("ready", 0)
    (file,) = cache.glob("*.json")
    known = json.loads(file.read_text())
    assert known["key"] == file.stem
    assert known["form"].split()[0] in ("float32", "bfloat16")
    assert known["threads"] >= 1


def test_it_starts_with_what_it_knows_and_measures_no_more(cache, film):
    (file,) = cache.glob("*.json")
    before = file.read_bytes(), file.stat().st_mtime_ns
    with DecoderProcess(find_model("default"), "cpu") as process:
        for index in range(2):
            played(process, film, index)
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before


def test_a_damaged_note_is_written_anew(cache, film):
    (file,) = cache.glob("*.json")
    file.write_bytes(b"\x00" * 100)
    with DecoderProcess(find_model("default"), "cpu") as process:
        end, index = time.monotonic() + LONG, 0
        while file.read_bytes().startswith(b"\x00"):
            played(process, film, index)
            index += 1
            assert time.monotonic() < end, "never found out"
    assert json.loads(file.read_text())["key"] == file.stem
