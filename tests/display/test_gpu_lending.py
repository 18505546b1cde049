"""On a real NVIDIA card: runs by itself where there is one, with the binding and EGL on it."""

import os
import signal
import time

import numpy as np
import pytest

from instrument.cuda import CardError, CardPicture, load_runtime
from instrument.decoder.models import find_model
from instrument.decoder.process import DecoderProcess
from instrument.display.card_link import CardLink
from instrument.display.carriage import Carriage
from instrument.display.look import Look
from instrument.display.presenter import Presenter

LONG = 60.0  # s


class Counted:
    """The binding, and which of its calls were made."""

    def __init__(self, runtime):
        self.runtime, self.binding, self.calls, self.fails = runtime, runtime.binding, [], ""

    def __call__(self, name, *given):
        self.calls.append((name, given))
        if name == self.fails:
            raise CardError(f"{name}: told to fail")
        return self.runtime(name, *given)

    def __getattr__(self, name):
        return getattr(self.runtime, name)


class Stage:
    def __init__(self, surface):
        self.surface = surface
        self.counted = Counted(load_runtime())
        self.carriage = Carriage(lambda: CardLink(lambda: self.counted))
        self.presenter = Presenter(surface.ctx, self.carriage)

    def seen(self, frame):
        assert self.presenter.upload(frame.pixels)
        size = self.surface.framebuffer_size
        self.presenter.draw(self.surface.framebuffer, size, Look())
        return self.surface.read()


@pytest.fixture
def stage(offscreen):
    try:
        load_runtime()
    except CardError as error:
        pytest.skip(f"no card: {error}")
    manifest = find_model("default")
    surface = offscreen((manifest.size[1], manifest.size[0]))
    try:
        CardLink().close()
    except CardError as error:
        pytest.skip(f"OpenGL is not drawn by an NVIDIA card: {error}")
    made = Stage(surface)
    yield made
    made.presenter.release()


def picture(process, index, seed):
    z = np.random.default_rng(seed).standard_normal(512).astype(np.float32)
    process.post(index, z, {})
    frame = process.newest(index - 1, LONG)
    assert frame is not None, process.message
    return frame


def test_what_stays_on_the_card_is_what_comes_to_the_host_bit_for_bit(stage):
    wish = [True]
    with DecoderProcess(
        find_model("default"), "cuda", prefers_card=lambda ring: wish[0]
    ) as process:
        for index in range(1, 21):
            wish[0] = True
            kept = picture(process, 2 * index, index)
            assert isinstance(kept.pixels, CardPicture)
            seen = stage.seen(kept)
            wish[0] = False
            came = picture(process, 2 * index + 1, index)
            assert np.array_equal(seen, came.on_host[..., :3]), index
    copies = [given for name, given in stage.counted.calls if "Memcpy" in name]
    device = stage.counted.binding.cudaMemcpyKind.cudaMemcpyDeviceToDevice
    assert len(copies) == 20 and all(device in given for given in copies)


def test_a_process_that_is_killed_and_a_call_that_fails_stop_nothing(stage, caplog):
    prefers = [lambda ring: True]
    with DecoderProcess(
        find_model("default"), "cuda", prefers_card=lambda ring: prefers[0](ring)
    ) as process:
        first = stage.seen(picture(process, 1, 1))
        os.kill(process.pid, signal.SIGKILL)
        end = time.monotonic() + LONG
        while not process.restarts and time.monotonic() < end:
            time.sleep(0.01)
        assert np.array_equal(stage.seen(picture(process, 2, 1)), first)
        stage.counted.fails = "cudaGraphicsMapResources"
        assert not stage.presenter.upload(picture(process, 3, 2).pixels)
        prefers[0] = stage.carriage.prefers_card
        came = picture(process, 4, 1)
        assert came.on_host is not None and np.array_equal(stage.seen(came), first)
    assert len(caplog.records) == 1
