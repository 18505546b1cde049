"""The parts that play shows in real time, in small: they want the machine to themselves."""

import sys

import pytest

from instrument import InstrumentError
from instrument.bench import display, growing, killing, lasting, live_rate
from instrument.bench.belongings import children
from instrument.bench.frame_cost import shown
from instrument.bench.growing import grown
from instrument.bench.rows import Effort
from instrument.bench.stage import RATE, Size
from instrument.display.offscreen import Offscreen

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def opengl() -> None:
    try:
        with Offscreen((8, 8)):
            pass
    except InstrumentError as error:
        pytest.skip(f"no OpenGL here: {error}")


def test_a_frame_is_measured(opengl):
    seen = shown(64, 4.0, record=True, size=Size((16,)), decode=0.0)
    assert 0 < len(seen.frames) <= seen.meters.shown <= seen.meters.ticks == 240
    assert (seen.frames > 0.0).all() and seen.renderer
    assert 0.0 < seen.share <= 1.0


def test_a_show_is_lit_before_it_is_decoded(opengl):
    """A card that takes a second: until then swaps show what no decoder made."""
    meters = shown(16, 5.0, record=False, size=Size((16,)), decode=1.0).meters
    assert meters.first_picture is not None and meters.first_decoded is not None
    assert meters.first_decoded > meters.first_picture


@linux
def test_a_long_show_is_counted(opengl, tmp_path):
    held = lasting.play(Size((16,)), 16.0, 2.0, pixels=16)
    assert len(held.states) == 8 and held.times == sorted(held.times)
    assert 900 <= held.rows <= 960, "all but a row or two where a take ends"
    for what in ("threads", "descriptors", "processes"):
        assert held.more(what) == [0] * 6
    assert all(state.children > 0 and state.stage > 0 for state in held.states)


def test_live_and_bare_are_measured(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ratio, bare, live = live_rate.measure(Effort(rounds=1), pictures=2, model="procedural-64")
    assert ratio["n"] == 3 and ratio["better"] == "higher" and ratio["target"] == 0.97
    assert bare["name"].endswith("bare") and live["name"].endswith("live")
    assert bare["value"] > 0.0 and live["about"]["processor_ms"] > 0.0


def test_a_killed_decoder_is_measured(opengl, monkeypatch):
    meters = killing.play("procedural-64", killed_at=0.5, seconds=1.5)
    assert meters.ticks == 90
    with pytest.raises(InstrumentError, match="nobody to kill"):
        killing.play("procedural-64", killed_at=9.0, seconds=0.1)


def test_what_grows_is_measured(opengl, monkeypatch):
    monkeypatch.setattr(growing, "_pixels", lambda effort: grown("p", [1, 2], [[1], [2]], "", None))
    monkeypatch.setattr(growing, "_four_k", lambda effort: grown("k", [1, 2], [[1], [2]], "", None))
    monkeypatch.setattr(growing, "_rate", lambda effort: grown("r", [1, 2], [[1], [2]], "", None))
    monkeypatch.setattr(growing, "RATE", type(RATE)(2))  # short takes
    rows = growing.measure(Effort(rounds=1))
    assert len(rows) == 7 and all(one["unit"] == "exponent" for one in rows[:6])
    assert rows[6]["unit"] == "ms" and rows[6]["value"] > 0.0 and rows[6]["about"]["scale"]
    lasts = next(one for one in rows if one["name"].startswith("length of a take"))
    assert lasts["about"]["memory_mib"].keys() == {"0.5", "2.0"}


@linux
def test_a_display_of_our_own_comes_and_goes(monkeypatch):
    if not display.shutil.which("Xvfb"):
        pytest.skip("Xvfb is not installed")
    monkeypatch.setattr(display, "display_available", lambda: False)
    before = children()
    with display.some_display() as more:
        assert more["DISPLAY"][1:].isdigit() and len(children()) == len(before) + 1
    assert children() == before
