"""Which frame MLT shows: laws, and numbers that were read off renders of MLT 7.12."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument.studio.mlt_retiming import Buffered, Freeze, Remap, Warp, frames_in
from instrument.studio.mlt_time import Curve
from instrument.studio.retiming import NO_FRAME, Footage
from instrument.timebase import FrameRate

A = Footage(FrameRate(30), 300)
C = Footage(FrameRate(25), 250)
D = Footage(FrameRate(24000, 1001), 240)
E = Footage(FrameRate(60), 400)


def shown(retiming: Warp | Remap | Buffered, frames: int, footage: Footage = A) -> list[int]:
    return retiming.frames(np.arange(frames), footage).tolist()


@pytest.mark.parametrize(
    ("warp", "footage", "frames"),
    [
        (Warp(200, 30.0), A, [200, 201, 202]),
        (Warp(20, 15.0), A, [40, 42, 44]),  # twice as fast
        (Warp(123, 60.0), A, [61, 62]),  # a tie that half-up rounding gets wrong
        (Warp(100, 30.0, True, 300), A, [199, 198, 197]),
        (Warp(50, 15.0, True, 150), A, [198, 196, 194]),
        (Warp(40, 30.0, True, 350), A, [NO_FRAME] * 10 + [299, 298]),
        (Warp(0, 25.0), A, [0, 1, 2, 4, 5, 6, 7, 8, 10]),
        (Warp(20, 30.0), C, [17, 18, 18, 19, 20]),
        (Warp(1, 60000 / 1001, True), C, [249, 249, 248, 248]),  # its length worked out
        (Warp(5, 30.0, True, 200, base=10), A, [199, 199, 199]),
        (Warp(1, 30.0, base=3), A, [4, 5]),
        (Warp(8, 30.0, base=3, last=9), A, [9, 9, 9]),
    ],
)
def test_warps_as_rendered(warp: Warp, footage: Footage, frames: list[int]) -> None:
    assert shown(warp, len(frames), footage) == frames


@pytest.mark.parametrize(
    ("freeze", "frames"),
    [
        (Freeze(14), [14] * 10),
        (Freeze(14, after=True), [10, 11, 12, 13, 14, 14, 14, 14, 14, 14]),
        (Freeze(14, before=True), [14, 14, 14, 14, 14, 15, 16, 17, 18, 19]),
        (Freeze(14, first=10, last=19), [14] * 10),
        (Freeze(14, after=True, first=10, last=19), list(range(10, 20))),
        (Freeze(14, before=True, first=10, last=19), [14] * 10),
        (Freeze(14, first=13, last=15), [10, 11, 12, 14, 14, 14, 16, 17, 18, 19]),
        (Freeze(14, before=True, first=13, last=15), [10, 11, 12, 14, 14, 14, 16, 17, 18, 19]),
    ],
)
def test_freezes_as_rendered(freeze: Freeze, frames: list[int]) -> None:
    assert shown(Warp(10, 30.0, freeze=freeze), 10) == frames


def test_a_freeze_counts_forwards_in_a_clip_that_runs_backwards() -> None:
    assert shown(Warp(10, 30.0, True, 300, freeze=Freeze(7)), 2) == [7, 7]


@pytest.mark.parametrize(
    ("keys", "link", "frames"),
    [
        ("0=1;50=5", 10, [40, 40, 40, 40, 40, 40, 42, 44, 47, 49, 51, 54]),
        ("0~=1;20~=5;50=3", 0, [55, 62, 70, 78, 85, 93, 101, 109, 116, 123, 129, 135, 140, 144]),
        ("0=-1;50=5", 0, [0, 0, 0, 0, 2, 6, 9, 13, 16, 20]),
        ("0|=1;9=5", 0, [30, 30, 30, 30, 150]),
    ],
)
def test_remaps_as_rendered(keys: str, link: int, frames: list[int]) -> None:
    curve = Curve.parse(keys, FrameRate(30), 100)
    assert shown(Remap(5, 30.0, curve, link), len(frames)) == frames


@pytest.mark.parametrize(
    ("footage", "fps", "frames"),
    [(D, 30.0, [15, 16, 17, 18, 19, 19, 20]), (D, 25.0, [19, 20, 21, 22, 23, 23, 24])],
)
def test_a_remap_without_keyframes_as_rendered(
    footage: Footage, fps: float, frames: list[int]
) -> None:
    assert shown(Remap(20, fps, None), len(frames), footage) == frames


@pytest.mark.parametrize(
    ("speed", "backwards", "strobe", "footage", "frames"),
    [
        (2, False, 0, A, [40, 42, 44, 46]),
        (2, False, 4, A, [40, 40, 44, 44, 48]),
        (0.5, False, 0, A, [10, 10, 11, 11]),
        (0.5, False, 4, A, [8, 8, 8, 8, 12]),
        (0.3, False, 0, A, [6, 6, 6, 6, 7, 7, 7, 8]),
        (1, True, 0, A, [280, 279, 278]),
        (2, True, 0, A, [110, 108, 106]),
        (1, True, 4, A, [280, 276, 276, 276, 276, 272]),
        (2, False, 0, C, [33, 35, 37, 38, 40]),
        (2, False, 0, E, [80, 84, 88]),
        (1.5, False, 0, E, [60, 63, 66, 69]),  # footage with frames to spare
        (1.5, False, 4, E, [60, 60, 60, 60, 72]),
    ],
)
def test_old_slow_motion_as_rendered(
    speed: float, backwards: bool, strobe: int, footage: Footage, frames: list[int]
) -> None:
    buffered = Buffered(20, 30.0, speed, backwards, None, strobe)
    assert shown(buffered, len(frames), footage) == frames


@pytest.mark.parametrize(
    ("frames", "rate", "fps", "length"),
    [
        (303, FrameRate(30), 25, 252),
        (309, FrameRate(30), 25, 258),
        (315, FrameRate(30), 25, 262),
        (240, FrameRate(24000, 1001), 50, 500),
        (720, FrameRate(24000, 1001), 50, 1502),
        (101, FrameRate(30), 15, 51),
        (103, FrameRate(30), 15, 52),
        (102, FrameRate(24), 30, 128),
        (106, FrameRate(24), 30, 133),
    ],
)
def test_lengths_as_rendered(frames: int, rate: FrameRate, fps: float, length: int) -> None:
    assert frames_in(frames, rate.num / rate.den, fps) == length


def test_the_rate_that_the_edit_states_goes_before() -> None:
    assert shown(Warp(20, 30.0, rate=FrameRate(25)), 3) == [17, 18, 18]


# --- laws


@given(st.integers(0, 5000), st.integers(1, 60))
def test_twice_backwards_is_forwards(start: int, frames: int) -> None:
    length = start + frames
    there = Warp(start, 30.0)
    back = Warp(length - start - frames, 30.0, True, length)
    footage = Footage(FrameRate(30), length)
    assert shown(there, frames, footage) == shown(back, frames, footage)[::-1]


@given(
    st.integers(0, 2000),
    st.floats(0.05, 20),
    st.booleans(),
    st.sampled_from([A, C, D, E]),
)
def test_positions_lie_beside_the_frames(
    start: int, speed: float, backwards: bool, footage: Footage
) -> None:
    warp = Warp(start, 30 / speed, backwards)
    frames = warp.frames(np.arange(50), footage)
    positions = warp.positions(np.arange(50), footage)
    blank = frames == NO_FRAME
    assert np.isnan(positions[blank]).all()
    assert (np.abs(positions[~blank] - frames[~blank]) <= 0.5 + 1e-6).all()


@given(st.integers(0, 100), st.lists(st.floats(0, 9), min_size=2, max_size=5))
def test_a_remap_shows_the_frame_under_its_position(start: int, seconds: list[float]) -> None:
    keys = ";".join(f"{17 * k}={value:f}" for k, value in enumerate(seconds))
    remap = Remap(start, 30.0, Curve.parse(keys, FrameRate(30), 100))
    positions = remap.positions(np.arange(40), A)
    assert remap.frames(np.arange(40), A).tolist() == np.floor(positions).tolist()


@pytest.mark.parametrize("retiming", [Warp(0, 30.0), Remap(0, 30.0, None), Buffered(0, 30.0, 2)])
def test_no_frames_are_no_frames(retiming: Warp | Remap | Buffered) -> None:
    nothing = np.arange(0)
    assert retiming.frames(nothing, A).shape == retiming.positions(nothing, A).shape == (0,)
