"""The worker of this very process: where it finishes what it decodes, and that it is the same."""

import hashlib
import threading

import numpy as np
import pytest

from instrument import InstrumentError
from instrument.studio.workers import Failed, Here
from instrument.timebase import FrameRange

NONE = np.zeros((1, 0), np.float32)


class Slow:
    """A clock that frames move."""

    def __init__(self):
        self.time = 0.0

    def now(self):
        return self.time


class Painted:
    """Frames that take `decoding` and `finishing` seconds of `clock`; they say who made them."""

    samples = 1

    def __init__(self, clock, decoding, finishing, broken=()):
        self.clock, self.decoding, self.finishing = clock, decoding, finishing
        self.broken, self.threads = broken, []

    def decode(self, z, parameters):
        self.clock.time += self.decoding
        if float(z[0, 0]) in self.broken:
            raise RuntimeError("this one never")
        return np.full((1, 2, 2, 3), int(z[0, 0]), np.uint8)

    def finish(self, picture, frame, parameters):
        self.clock.time += self.finishing
        self.threads.append(threading.current_thread().name.partition("_")[0])
        return picture + np.uint8(1)


def made(here, rows):
    found = []
    for row in range(rows):
        asked = here.ask(FrameRange(row, row + 1), np.full((1, 4), row, np.float32), NONE)
        batch = asked.result()
        found.append((batch.frames[0].copy(), batch.digests))
        batch.release()
    return found


@pytest.mark.parametrize(("finishing", "where"), [(0.01, "decode"), (0.1, "finish")])
def test_what_is_little_is_finished_where_it_is_decoded(finishing, where):
    clock = Slow()
    painted = Painted(clock, 1.0, finishing)
    here = Here(lambda: painted, clock=clock)
    found = made(here, 8)
    here.rest()
    assert painted.threads == ["finish"] * 3 + [where] * 5
    for row, (frame, digest) in enumerate(found):
        assert (frame == row + 1).all()
        assert digest == hashlib.sha256(frame.data).digest()


def test_the_first_picture_is_slow_and_says_nothing():
    clock = Slow()
    painted = Painted(clock, 100.0, 0.1)
    here = Here(lambda: painted, clock=clock)
    made(here, 1)
    painted.decoding = 1.0
    made(here, 4)
    here.rest()
    assert set(painted.threads) == {"finish"}


@pytest.mark.parametrize("finishing", [0.0, 1.0])
def test_a_picture_that_fails_is_one_line_wherever_it_is_finished(finishing):
    clock = Slow()
    painted = Painted(clock, 1.0, finishing, broken=(7.0,))
    here = Here(lambda: painted, clock=clock)
    made(here, 5)
    asked = here.ask(FrameRange(7, 8), np.full((1, 4), 7, np.float32), NONE)
    with pytest.raises(Failed, match="RuntimeError: this one never"):
        asked.result()
    assert here.take() is here and here._held == 0, "what failed is not held"
    assert (made(here, 3)[2][0] == 3).all(), "it goes on"
    here.rest()


def test_a_model_that_cannot_be_opened_says_so_each_time():
    def broken():
        raise InstrumentError("no such model")

    here = Here(broken)
    for _ in range(2):
        with pytest.raises(InstrumentError, match="no such model"):
            made(here, 1)
    here.rest()
