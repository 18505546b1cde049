"""The parts that play shows in real time, in small: they want the machine to themselves."""

import contextlib
import shutil
import sys

import numpy as np
import pytest

from instrument import InstrumentError
from instrument.bench import (
    display,
    frame_cost,
    growing,
    killing,
    lasting,
    light,
    live_rate,
    offline,
    photon,
    recording,
    starting,
)
from instrument.bench.belongings import children
from instrument.bench.frame_cost import shown
from instrument.bench.growing import grown
from instrument.bench.photon import Sight, Wish
from instrument.bench.rows import Effort, check_parts
from instrument.bench.stage import RATE, Size
from instrument.display.offscreen import Offscreen
from instrument.live.meters import Meters

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


# --- every part as it is called, with little to do


def small(monkeypatch, module, **values) -> None:
    for name, value in values.items():
        monkeypatch.setattr(module, name, value)


def told(rows: list) -> dict:
    """Rows by name; every one is what a file may hold."""
    check_parts([{"part": "x", "rows": rows}], "x")
    by_name = {one["name"]: one for one in rows}
    assert len(by_name) == len(rows), "a name is what versions are compared by"
    return by_name


def test_part_a(opengl, monkeypatch):
    small(monkeypatch, frame_cost, _TARGETS={32: 2.0, 64: 4.0})
    rows = told(frame_cost.measure(Effort(rounds=2)))
    for pixels, target in ((32, 2.0), (64, 4.0)):
        one = rows[f"frame beside decode and swap, {pixels} px"]
        assert one["target"] == target and one["value"] > 0.0 and one["n"] > 10
        assert one["about"]["p99"] >= one["value"] and one["about"]["rounds"] == 2
        assert one["doubtful"] or one["about"]["new_pictures"] >= frame_cost.LEAST_SHOWN


@pytest.mark.parametrize("full", [False, True])
def test_part_c(opengl, monkeypatch, full):
    small(monkeypatch, light, _WISH=Wish(decode=0.001, size=32), _SECONDS=0.3 if full else 1.2)
    small(monkeypatch, photon, _WARM=0.3)
    rows = told(light.measure(Effort(full=full)))
    window = "window" if shutil.which("Xvfb") else "refreshing"
    for screen in {window, "refreshing"} if full else {window}:
        p50, p99 = (rows[f"hand to light, {p}, {screen}"] for p in ("p50", "p99"))
        assert 0.0 < p50["value"] <= p99["value"]
        assert p99["target"] - p50["target"] == pytest.approx(500.0 / 60.0)
        assert p50["about"]["events"] >= 10 and p50["about"]["pixels"] == 32
        assert rows[f"hand to light, jitter from z on, {screen}"]["value"] >= 0.0
        assert rows[f"hand to light, jitter of swaps, {screen}"]["target"] == 3.0


def test_without_a_virtual_server_a_framebuffer_serves(opengl, monkeypatch):
    small(monkeypatch, light, _WISH=Wish(decode=0.0, size=16), _SECONDS=0.3, which=lambda _: None)
    small(monkeypatch, photon, _WARM=0.1)
    assert all(name.endswith("refreshing") for name in told(light.measure(Effort())))


def test_what_is_told_of_light_is_what_was_seen(monkeypatch):
    """Events anywhere in a period, and an instrument that always takes 7 ms: no jitter at all."""
    period = 1000.0 / 60.0
    even = np.random.default_rng(1).permutation(7.0 + period * np.linspace(0.0, 1.0, 4000))
    parts = {
        "event_to_pixel": even, "z_to_pixel": np.full(4000, 7.0),
        "swap_to_swap": np.full(4000, period), "decode": np.full(4000, 5.0),
    }  # fmt: skip
    small(monkeypatch, light, sight=lambda wish: Sight(4000, 0, 1.0, parts))
    rows = light.measure(Effort())
    p50, p99, from_z, swaps = (one["value"] for one in rows[:4])
    assert p50 == pytest.approx(7.0 + 0.5 * period, abs=0.01)
    assert p99 == pytest.approx(7.0 + 0.99 * period, abs=0.01)
    assert rows[1]["target"] == pytest.approx(5.0 + period + 2.0)
    assert (from_z, swaps) == (0.0, 0.0)
    parts["z_to_pixel"] = np.where(np.arange(4000) % 20 == 0, 12.0, 7.0)  # one in twenty is late
    assert light.measure(Effort())[2]["value"] == pytest.approx(5.0)


def test_part_e(opengl, monkeypatch):
    small(monkeypatch, recording, _SECONDS=1.0, _PIXELS=32)
    share, files, frame, minute = told(recording.measure(Effort(rounds=2))).values()
    assert share["unit"] == files["unit"] == "%" and share["target"] == 1.0 and share["n"] == 3
    spent = share["about"]["ms_a_frame"]
    assert spent["on"] > 0.0 and spent["off"] > 0.0 and spent["files"] > 0.0
    assert files["value"] == pytest.approx(100.0 * spent["files"] / (1000.0 / 60.0), rel=0.1)
    assert frame["n"] == 2 and 0.2 < frame["value"] < 5.0
    assert 0.0 < frame["about"]["presented"] <= 1.0
    assert minute["unit"] == "s" and minute["value"] > 0.0


def test_part_f(monkeypatch):
    small(monkeypatch, offline, _QUICK={64: 3})
    rows = told(offline.measure(Effort(rounds=2)))
    one, all_ = rows.values()
    assert one["n"] == all_["n"] == 2
    assert (one["target"], all_["target"]) == (1.05, 0.6)
    for row in (one, all_):
        assert 0.0 < row["quartiles"][0] <= row["value"] <= row["quartiles"][1]
        films = {"decode", "plain", "encode", "render", "parallel"}
        assert row["about"]["ms_a_frame"].keys() == films
        assert row["about"]["at_best"] > 0.0
    assert one["about"]["at_best"] >= 1.0, "no film is faster than its slower half"
    ms = one["about"]["ms_a_frame"]
    whole = ms["render"] / max(ms["decode"], ms["encode"])
    assert one["about"]["all_in"] == pytest.approx(whole, rel=0.05)
    assert all_["about"]["all_in"] == pytest.approx(ms["parallel"] / ms["decode"], rel=0.05)


@pytest.mark.parametrize(("full", "rounds", "starts"), [(False, 5, 1), (True, 3, 3)])
def test_part_h(monkeypatch, full, rounds, starts):
    moments = iter({"stored": n, "decoded": 2.0 * n} for n in (1.0, 2.0, 4.0))
    monkeypatch.setattr(starting, "start", lambda display: next(moments))
    monkeypatch.setattr(starting, "some_display", contextlib.nullcontext)
    stored, decoded = told(starting.measure(Effort(rounds, full))).values()
    assert stored["n"] == decoded["n"] == starts
    assert decoded["value"] == 2.0 * stored["value"]


def test_a_start_that_shows_nothing_gets_more_time_and_no_more(monkeypatch):
    asked = []

    def moments(display, seconds):
        asked.append(seconds)
        return {"stored": 1.0, "decoded": None if len(asked) < 2 else 9.0}

    monkeypatch.setattr(starting, "_moments", moments)
    assert starting.start({}) == {"stored": 1.0, "decoded": 9.0}
    assert asked == list(starting._PLAYED)


@linux
def test_part_i(opengl, monkeypatch):
    small(monkeypatch, lasting, _PIXELS=16)
    rows = told(lasting.measure(Effort(hours=0.005)))
    name = "0.005 simulated hours: "
    assert rows[f"{name}memory of the stage"]["unit"] == "MB/h"
    assert rows[f"{name}memory of the stage"]["target"] == 1.0
    assert len(rows[f"{name}memory of the stage"]["about"]["mib"]) == 8
    for what in ("threads", "descriptors", "processes"):
        assert rows[f"{name}{what} more than at first"]["value"] == 0.0
    assert 0 <= rows[f"{name}rows that are in no take"]["value"] <= 16
    assert all(one["about"]["scale"] == "0.005 h" for one in rows.values())


def test_part_k(monkeypatch):
    meters = Meters(1 / 60)
    for lateness in (0.0, 0.0, 0.0, 0.1):
        meters.tick(lateness)
    meters.longest_hold = 2.5
    monkeypatch.setattr(killing, "play", lambda: meters)
    late, back = told(killing.measure(Effort(rounds=9))).values()
    assert (late["value"], late["unit"], late["n"]) == (25.0, "%", 3)
    assert late["about"]["ticks"] == 12 and back["value"] == 2.5
