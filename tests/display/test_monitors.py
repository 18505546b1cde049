import subprocess
import sys

import pytest

from instrument import InstrumentError
from instrument.display.monitors import Monitor, choose, display_available, under
from instrument.display.offscreen import Offscreen
from instrument.display.swap_watch import SwapWatch
from instrument.display.window import Window
from instrument.timebase import StepClock

LAPTOP = Monitor(0, "eDP-1", (1920, 1080), (0, 0), 60.0)
BEAMER = Monitor(1, "HDMI-1", (1280, 720), (1920, 0), None)
BOTH = [LAPTOP, BEAMER]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (0, LAPTOP), (1, BEAMER), (2, None), (-1, None), ("HDMI-1", BEAMER), ("hdmi", BEAMER),
        ("1", BEAMER), (" 0 ", LAPTOP), ("DP-2", None), ("", None),
    ],
)  # fmt: skip
def test_a_monitor_is_chosen_by_index_or_name(wanted, found):
    assert choose(BOTH, wanted) is found


def test_a_name_that_is_a_number_wins_over_the_index():
    odd = Monitor(2, "1", (10, 10), (0, 0), None)
    assert choose([*BOTH, odd], "1") is odd


def test_a_window_is_on_the_monitor_that_shows_most_of_it():
    assert under(BOTH, (1800, 0), (640, 480)) is BEAMER
    assert under(BOTH, (10, 10), (640, 480)) is LAPTOP
    assert under([], (0, 0), (1, 1)) is None


def test_whether_there_is_a_display_is_told_without_glfw():
    assert not display_available({}, "linux")
    assert not display_available({"DISPLAY": ""}, "linux")
    assert display_available({"DISPLAY": ":0"}, "linux")
    assert display_available({"WAYLAND_DISPLAY": "wayland-0"}, "linux")
    assert display_available({}, "darwin") and display_available({}, "win32")


def test_without_a_display_glfw_is_never_imported():
    code = (
        "import sys; import instrument.display.window as w; from instrument import InstrumentError;"
        "from instrument.timebase import StepClock\n"
        "assert not w.display_available()\n"
        "for ask in (w.monitors, w.Window(clock=StepClock()).__enter__):\n"
        "    try: ask()\n"
        "    except InstrumentError as error: assert '--headless' in str(error), error\n"
        "    else: raise SystemExit('no error')\n"
        "assert 'glfw' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": "/usr/bin", "PYTHONPATH": ":".join(p or "." for p in sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("size", [(0, 5), (5, -1)])
def test_an_empty_size_is_refused_before_anything_opens(size):
    with pytest.raises(InstrumentError, match="at least 1x1"):
        Offscreen(size)
    with pytest.raises(InstrumentError, match="at least 1x1"):
        Window(size, clock=StepClock())


def test_no_opengl_names_the_packages(monkeypatch):
    import moderngl

    def fail(**_):
        raise Exception("libEGL.so\nnot loaded")

    monkeypatch.setattr(moderngl, "create_context", fail)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(InstrumentError, match="libegl1 and libgl1-mesa-dri"):
        Offscreen((8, 8)).__enter__()


def test_three_slow_swaps_in_a_row_end_the_waiting_until_the_focus_comes():
    watch = SwapWatch()
    assert not any(watch.took(seconds) for seconds in (0.016, 0.2, 0.2, 0.016, 0.2, 0.2))
    assert watch.waits
    assert watch.took(10.0)
    assert not watch.waits
    assert not watch.took(10.0), "told once"
    assert watch.focus_came() and watch.waits
    assert not watch.focus_came()
    assert not watch.took(0.2) and not watch.took(0.2) and watch.took(0.2)
