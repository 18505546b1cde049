"""From a hand to light: what is measured can be trusted, on both screens."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.bench import photon
from instrument.bench.photon import Wish, _Notes, _seen
from instrument.bench.watched import Refreshing, Sights, on_xvfb
from instrument.display.offscreen import Offscreen
from instrument.live.meters import Meters
from instrument.timebase import WallClock

ROOT = Path(__file__).resolve().parents[2]
PARTS = {
    "event_to_pixel", "event_to_z", "z_to_picture", "z_to_pixel", "swap_to_pixel", "swap_to_swap",
    "decode", "overhead",
}  # fmt: skip


class Ended:
    """A loop that measured nothing."""

    meters = Meters(1.0)


@pytest.fixture(autouse=True, scope="module")
def _opengl() -> None:
    try:
        with Offscreen((8, 8)):
            pass
    except InstrumentError as error:
        pytest.skip(f"no OpenGL here: {error}")


@pytest.mark.parametrize("screen", ["window", "refreshing"])
def test_every_event_is_seen_after_it_was_said(screen):
    try:
        seen = photon.sight(Wish(screen=screen, seconds=1.0, decode=0.002, size=32))
    except InstrumentError as error:
        pytest.skip(str(error))
    assert seen.events >= 10 and seen.parts.keys() == PARTS
    for name in ("event_to_pixel", "event_to_z", "z_to_pixel", "z_to_picture"):
        assert (seen.parts[name] > 0.0).all(), name
    whole = seen.parts["event_to_z"] + seen.parts["z_to_pixel"]
    assert np.allclose(whole, seen.parts["event_to_pixel"], atol=1e-6)
    assert (seen.parts["z_to_pixel"] >= 2.0).all(), "before it was decoded"


def test_it_is_told_by_its_path_as_json():
    wish = json.dumps({"screen": "refreshing", "seconds": 0.5, "decode": 0.0, "size": 16})
    done = subprocess.run(
        [sys.executable, "-P", str(ROOT / "instrument/bench/photon.py"), wish],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PATH": ""}, capture_output=True, check=True,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert told["events"] > 3 and told["goal"] == pytest.approx(
        told["decode"]["p50"] + 1000.0 / 60.0 + 2.0
    )
    assert told["jitter"] == pytest.approx(told["z_to_pixel"]["p99"] - told["z_to_pixel"]["p50"])


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (Wish(screen="wall"), "allowed are window and refreshing"),
        (Wish(seconds=0.0), "above 0"),
        (Wish(seconds=1e4), "no more than 240"),
        (Wish(size=8), "16 to 8192"),
        (Wish(decode=2.0), "0 to 1 s"),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_line(wish, said):
    with pytest.raises(InstrumentError, match=said):
        photon.sight(wish)


def test_nothing_seen_is_an_error():
    with pytest.raises(InstrumentError, match="not one event"):
        _seen(_Notes(said={1: 0.0}), [], [], Ended())


def test_what_took_place_while_a_core_stood_still_is_left_out_and_counted():
    notes, seen, swaps = _Notes(), [], []
    for row in range(1, 41):
        due = float(row)
        notes.said[row], notes.asked[row] = due - 0.01, (due, row)
        notes.came[row] = due + 0.005
        swaps.append((due + 0.005, due + 0.006))
        seen.append((due + (0.5 if row % 4 == 0 else 0.006), 1000 * row + 500))
    stalls = np.array([[row + 0.1, row + 0.4] for row in range(4, 41, 4)])
    found = _seen(notes, seen, swaps, Ended(), stalls)
    assert found.stalls == 10 and len(found.calm["event_to_pixel"]) == 30
    assert np.allclose(found.calm["event_to_pixel"], 16.0)
    assert found.parts["event_to_pixel"].max() > 500.0, "all of them are told as well"
    everywhere = _seen(notes, seen, swaps, Ended(), np.array([[0.0, 100.0]]))
    assert everywhere.calm is None and everywhere.stalls == 1


@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=30),
    st.floats(0.001, 0.05), st.floats(0.0001, 0.01),
)  # fmt: skip
def test_an_event_is_seen_with_the_first_picture_that_has_it(groups, decode, swap):
    """Several events may fall into one row: each of them came with that row."""
    notes, seen, swaps, number = _Notes(), [], [], 0
    for row, count in enumerate(groups):
        due = 1.0 + 0.1 * row
        for back in range(count, 0, -1):
            number += 1
            notes.said[number] = due - 0.01 * back
        notes.asked[row] = due, number
        notes.came[row] = due + decode
        swaps.append((due + decode, due + decode + swap))
        seen.append((due + decode + swap, 1000 * number + 500))
    found = _seen(notes, seen, swaps, Ended())
    assert (found.events, found.unseen) == (number, 0)
    assert np.allclose(found.parts["z_to_picture"], 1e3 * decode)
    assert np.allclose(found.parts["z_to_pixel"], 1e3 * (decode + swap))
    assert np.allclose(found.parts["swap_to_pixel"], 1e3 * swap)
    waits = [10.0 * back for count in groups for back in range(count, 0, -1)]
    assert np.allclose(found.parts["event_to_z"], waits)


def test_a_swap_returns_at_a_refresh_and_colours_are_seen_once():
    clock, sights = WallClock(), Sights()
    with Refreshing(16, 50.0, clock, sights) as surface:
        for colour in (0x102030, 0x102030, 0x405060):
            surface.framebuffer.clear(*(part / 255.0 for part in colour.to_bytes(3, "big")))
            surface.wait_until_drawn()
            assert surface.swap() > 0.0
    assert [colour for _, colour in sights.seen] == [0x102030, 0x405060]
    returned = np.array([end for _, end in sights.swaps])
    assert len(returned) == 3 and (np.diff(returned) > 0.0).all()


def test_a_pixel_of_a_window_is_seen_by_another_process():
    clock, sights = WallClock(), Sights()
    try:
        with on_xvfb(32, clock, sights) as window:
            said = []
            for colour in (0xFF0000, 0x00FF00, 0x123456):
                window.framebuffer.clear(*(part / 255.0 for part in colour.to_bytes(3, "big")))
                window.wait_until_drawn()
                said.append(clock.now())
                window.swap()
                clock.wait_until(clock.now() + 0.1)
    except InstrumentError as error:
        pytest.skip(str(error))
    # Black is the window itself, which may come up a moment after its first swap.
    seen = [(when, colour) for when, colour in sights.seen if when >= said[0] and colour]
    assert [colour for _, colour in seen] == [0xFF0000, 0x00FF00, 0x123456]
    assert all(when >= then for (when, _), then in zip(seen, said, strict=True))
