"""A decoder process that lends, a stage that borrows: real processes, on a card of ordinary memory.

The decoder process finds `tests/pretended` where the binding would be; the stage has the same
model in its hands. Kills are real.
"""

import json
import os
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from pretended_card import Pretended

from instrument.cuda import CardPicture, Runtime
from instrument.decoder.exchange import SLOTS
from instrument.decoder.models import read_manifest
from instrument.decoder.process import DecoderProcess
from instrument.display.card_link import CardLink
from instrument.display.carriage import Carriage
from instrument.display.look import Look
from instrument.display.presenter import Presenter

TESTS = Path(__file__).resolve().parent.parent
LONG = 40.0  # s
SIZE = (16, 24)
pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="cards lend on Linux alone")


@pytest.fixture
def pretended(monkeypatch):
    """Decoder processes have a card."""
    paths = [str(TESTS / "pretended"), str(TESTS), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))
    with tempfile.TemporaryDirectory() as folder:  # a handle is short, so its name must be
        monkeypatch.setenv("TMPDIR", folder)  # what a killed process leaves goes with it
        yield


def model(folder, **keys):
    manifest = {
        "format": "model/1", "name": "card", "architecture": "testcard", "licence": "MIT",
        "latent": {"shape": [4], "space": "z", "radius": 2.0}, "size": list(SIZE), "card": True,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest | keys))
    return read_manifest(folder)


def z_of(value):
    return np.array([value, 0, 0, 0], np.float32)


def colour(value):
    return [value >> 16, value >> 8 & 255, value & 255]


def next_frame(process, index, value):
    """The picture of row `index`, asked for anew should the process have died meanwhile."""
    process.post(index, z_of(value), {})
    frame = process.newest(index - 1, LONG)
    assert frame is not None, process.message
    return frame


class Stage:
    def __init__(self, surface):
        self.surface = surface
        self.binding = Pretended(ctx=surface.ctx)
        self.carriage = Carriage(lambda: CardLink(lambda: Runtime(self.binding)))
        self.presenter = Presenter(surface.ctx, self.carriage)

    def shows(self, frame):
        """Take the picture over and look at it: the colour of its middle."""
        if not self.presenter.upload(frame.pixels):
            return None
        self.presenter.draw(self.surface.framebuffer, SIZE[::-1], Look())
        seen = self.surface.read()
        assert (seen == seen[0, 0]).all(), "torn picture"
        return seen[0, 0].tolist()


def test_pictures_take_the_ways_in_turn_and_are_the_ones_that_were_asked_for(
    pretended, offscreen, tmp_path
):
    stage = Stage(offscreen(SIZE[::-1]))
    kinds = []
    with DecoderProcess(model(tmp_path), prefers_card=stage.carriage.prefers_card) as process:
        for index in range(1, 60):
            value = 0x010203 * index
            frame = next_frame(process, index, value)
            kinds.append(type(frame.pixels))
            assert frame.on_host is None or frame.on_host.flags.writeable is False
            assert stage.shows(frame) == colour(value), index
    assert CardPicture in kinds and np.ndarray in kinds
    assert stage.binding.copied["array"] == kinds.count(CardPicture) >= 3
    assert stage.binding.calls["cudaIpcOpenMemHandle"] == 1
    stage.presenter.release()


def test_a_stage_that_asks_for_the_host_gets_it_and_may_change_its_mind(
    pretended, offscreen, tmp_path
):
    stage, wish = Stage(offscreen(SIZE[::-1])), [False]
    with DecoderProcess(model(tmp_path), prefers_card=lambda ring: wish[0]) as process:
        for index in range(1, 13):
            wish[0] = index % 3 == 0
            frame = next_frame(process, index, index)
            assert isinstance(frame.pixels, CardPicture) == wish[0]
            assert stage.shows(frame) == colour(index)


def test_a_killed_process_takes_its_ring_along_and_the_next_one_lends_another(
    pretended, offscreen, tmp_path
):
    stage = Stage(offscreen(SIZE[::-1]))
    rings = []
    with DecoderProcess(model(tmp_path), prefers_card=lambda ring: True) as process:
        index = 0
        for life in range(3):
            for _ in range(4):
                index += 1
                frame = next_frame(process, index, index)
                assert stage.shows(frame) == colour(index)
            rings.append(frame.pixels.ring)
            if life < 2:
                os.kill(process.pid, signal.SIGKILL)
                # What is shown stays readable, though nobody is there any more.
                assert stage.shows(frame) == colour(index)
                end = time.monotonic() + LONG
                while process.restarts <= life and time.monotonic() < end:
                    time.sleep(0.01)
    assert len(set(rings)) == 3 and process.restarts == 2
    assert stage.binding.calls["cudaIpcOpenMemHandle"] == 3
    assert stage.binding.held["opened"] == 1  # those of the dead are let go
    stage.presenter.release()
    assert stage.binding.held["opened"] == 0


def test_a_stage_whose_card_fails_goes_on_from_the_host(pretended, offscreen, tmp_path, caplog):
    stage = Stage(offscreen(SIZE[::-1]))
    stage.binding.fails["cudaGraphicsMapResources"] = 2
    lost = 0
    with DecoderProcess(model(tmp_path), prefers_card=stage.carriage.prefers_card) as process:
        for index in range(1, 50):
            frame = next_frame(process, index, index)
            seen = stage.shows(frame)
            lost += seen is None
            assert seen in (None, colour(index))
    assert 1 <= lost <= SLOTS  # those that were on their way
    assert len(caplog.records) == 1
    assert stage.binding.calls["cudaGraphicsMapResources"] == 2


def test_a_card_lent_to_nobody_changes_nothing(pretended, offscreen, tmp_path):
    """As a film is rendered, and on a stage that has no carriage."""
    with DecoderProcess(model(tmp_path)) as process:
        for index in range(1, 5):
            frame = next_frame(process, index, index)
            assert frame.on_host is not None
            assert frame.on_host[0, 0].tolist() == [*colour(index), 255]


def test_without_the_binding_a_decoder_on_a_card_plays_all_the_same(offscreen, tmp_path):
    stage = Stage(offscreen(SIZE[::-1]))
    with DecoderProcess(model(tmp_path), prefers_card=lambda ring: True) as process:
        frame = next_frame(process, 1, 5)
        assert frame.on_host is not None and stage.shows(frame) == colour(5)
