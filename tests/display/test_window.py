"""Real windows on real X servers: keys and mouse by xdotool, monitors by xrandr."""

import subprocess
import time

import numpy as np
import pytest
from PIL import Image

from instrument import InstrumentError
from instrument.display.hud import Hud
from instrument.display.look import Look
from instrument.display.presenter import Presenter
from instrument.display.virtual_controller import VirtualController
from instrument.display.virtual_layout import ENCODERS, PADS
from instrument.display.window import Window, monitors
from instrument.timebase import WallClock

SIZE = (320, 240)


def do(*arguments):
    subprocess.run(["xdotool", *map(str, arguments)], check=True, timeout=20)


def until(true, window, seconds=8.0):
    """Poll until `true(events)` of all that came; returns what came."""
    events = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        events += window.poll()
        if true(events):
            return events
        window.swap()
        time.sleep(0.01)
    place = window._glfw.get_window_pos(window._window)
    raise AssertionError(f"waited {seconds} s in vain; came: {events}; stands at {place}")


def addresses(events):
    return [(event.address, event.value) for event in events]


def x11(window):
    return window._glfw.get_x11_window(window._window)


@pytest.fixture
def window(desktop):
    with Window(SIZE, clock=WallClock()) as window:
        do("windowfocus", x11(window))
        until(
            lambda _: window._glfw.get_window_attrib(window._window, window._glfw.FOCUSED), window
        )
        window.poll()
        yield window


def test_it_opens_with_the_size_asked_for(window):
    assert window.framebuffer_size == SIZE
    assert window.ctx.version_code >= 330
    assert not window.closed and window.monitor is None and window.notices() == []


def test_the_monitor_is_told_even_where_it_has_no_refresh_rate(desktop):
    (monitor,) = monitors()
    assert monitor.size == (800, 600) and monitor.position == (0, 0)
    assert monitor.refresh is None or monitor.refresh > 0


def test_keys_are_events_with_times_of_the_clock(window):
    begun = WallClock().now()
    do("key", "b")
    do("key", "space")
    do("key", "shift+Escape")
    do("key", "F11")
    do("key", "1")
    events = until(lambda events: ("/key/1", 0.0) in addresses(events), window)
    said = addresses(events)
    # Which of two keys xdotool lets go first is its own affair.
    assert sorted(said[6:8]) == [("/key/shift", 0.0), ("/key/shift+escape", 0.0)]
    assert said[:6] + said[8:] == [
        ("/key/b", 1.0), ("/key/b", 0.0), ("/key/space", 1.0), ("/key/space", 0.0),
        ("/key/shift", 1.0), ("/key/shift+escape", 1.0), ("/key/f11", 1.0), ("/key/f11", 0.0),
        ("/key/1", 1.0), ("/key/1", 0.0),
    ]  # fmt: skip
    times = [event.time for event in events]
    assert times == sorted(times) and begun < times[0] < WallClock().now()


def test_a_key_held_does_not_repeat(window):
    do("keydown", "x", "sleep", "0.9", "keyup", "x")
    events = until(lambda events: ("/key/x", 0.0) in addresses(events), window)
    assert addresses(events) == [("/key/x", 1.0), ("/key/x", 0.0)]


def test_the_mouse_plays_the_whole_window_as_a_pad(window):
    do("mousemove", "--window", x11(window), 0, 239)
    until(lambda events: ("/mouse/y", 0.0) in addresses(events), window)
    do("mousemove", "--window", x11(window), 319, 0, "click", 1, "click", 4, "click", 5)
    events = until(lambda events: ("/mouse/wheel", -1.0) in addresses(events), window)
    assert addresses(events)[-6:] == [
        ("/mouse/x", 1.0), ("/mouse/y", 1.0), ("/mouse/left", 1.0), ("/mouse/left", 0.0),
        ("/mouse/wheel", 1.0), ("/mouse/wheel", -1.0),
    ]  # fmt: skip


def test_with_bars_the_picture_is_the_pad(window):
    presenter = Presenter(window.ctx)
    presenter.upload(np.zeros((64, 64, 4), np.uint8))
    window.picture_area = presenter.area(window.framebuffer_size, Look())
    assert window.picture_area == (40, 0, 240, 240)
    do("mousemove", "--window", x11(window), 160, 120)
    until(lambda events: len(events) >= 2, window)
    do("mousemove", "--window", x11(window), 40, 120)
    events = until(lambda events: events != [], window)
    assert addresses(events) == [("/mouse/x", 0.0)]
    do("mousemove", "--window", x11(window), 310, 10)
    events = until(lambda events: ("/mouse/x", 1.0) in addresses(events), window)


def test_the_mouse_plays_the_controller_and_nothing_else_where_it_lies(window):
    panel = window.controller = VirtualController()
    panel.resize(SIZE)
    panel.show()

    def move(control, height):
        left, top, wide, high = panel.layout.boxes[control]
        place = (round(left + wide / 2), round(top + (1 - height) * high))
        do("mousemove", "--window", x11(window), *place)

    move(3, 0.1)
    do("mousedown", 1)
    until(lambda _: panel.held[3], window)
    move(3, 0.9)
    until(lambda _: panel.standing.hand[3] > 0.8, window)
    do("mouseup", 1)
    move(PADS[5], 0.8)
    do("click", 1)
    move(ENCODERS[0], 0.5)
    do("click", 4, "keydown", "shift", "click", 5, "keyup", "shift", "mousemove", "--window",
       x11(window), 160, 20)  # fmt: skip
    events = until(lambda events: events and events[-1].address.startswith("/mouse/"), window)
    said = [(a, v) for a, v in addresses(events) if not a.startswith("/mouse/")]
    assert said[0][0] == "/midi/virtual/note/41" and 0.5 < said[0][1] < 1.0
    assert said[1:] == [
        ("/midi/virtual/note/41", 0.0), ("/midi/virtual/cc/16", pytest.approx(1 / 127)),
        ("/key/shift", 1.0), ("/midi/virtual/cc/24", -1.0), ("/key/shift", 0.0),
    ]  # fmt: skip


def test_in_full_screen_there_is_an_arrow_while_there_is_something_to_point_at(window):
    def arrow():
        window.poll()
        return window._glfw.get_input_mode(window._window, window._glfw.CURSOR)

    panel = window.controller = VirtualController()
    window.toggle_fullscreen()
    until(lambda _: window.framebuffer_size == (800, 600), window)
    assert arrow() == window._glfw.CURSOR_HIDDEN
    panel.resize(window.framebuffer_size)
    panel.show()
    assert arrow() == window._glfw.CURSOR_NORMAL
    panel.hide()
    assert arrow() == window._glfw.CURSOR_HIDDEN


def screenshot(path):
    with path.open("wb") as output:
        subprocess.run(["import", "-window", "root", "png:-"], stdout=output, check=True)
    return np.asarray(Image.open(path).convert("RGB"))


def test_what_is_drawn_is_what_the_screen_shows(window, garden, tmp_path):
    pytest.importorskip("shutil").which("import") or pytest.skip("imagemagick is not installed")
    presenter = Presenter(window.ctx)
    presenter.upload(np.ascontiguousarray(np.tile(garden[:80, :80], (3, 4, 1))))
    for _ in range(3):
        presenter.draw(window.framebuffer, window.framebuffer_size, Look(), Hud(recording=True))
        assert window.swap() < 5
        window.poll()
    window.ctx.finish()
    x, y = window._glfw.get_window_pos(window._window)
    seen = screenshot(tmp_path / "root.png")[y : y + 240, x : x + 320]
    wanted = np.tile(garden[:80, :80, :3], (3, 4, 1))
    assert np.array_equal(seen[60:], wanted[60:])
    assert not np.array_equal(seen[:60], wanted[:60])


def test_it_follows_its_new_size(window):
    do("windowsize", x11(window), 401, 177)
    until(lambda _: window.framebuffer_size == (401, 177), window)
    presenter = Presenter(window.ctx)
    presenter.upload(np.full((8, 8, 4), 90, np.uint8))
    for _ in range(2):  # drivers may give the window its new pixels only with the next swap
        presenter.draw(window.framebuffer, window.framebuffer_size, Look(fit="fill"))
        window.swap()
        presenter.draw(window.framebuffer, window.framebuffer_size, Look(fit="fill"))
    pixels = np.frombuffer(window.framebuffer.read((0, 0, 401, 177), 4), np.uint8)
    assert (pixels.reshape(177, 401, 4)[..., :3] == 90).all()


def test_minimised_it_has_no_pixels_and_no_waiting(window):
    presenter = Presenter(window.ctx)
    window._glfw.iconify_window(window._window)
    try:
        until(lambda _: window.framebuffer_size == (0, 0), window)
    except AssertionError:
        pytest.skip("no window manager to minimise with")
    presenter.draw(window.framebuffer, window.framebuffer_size, Look(), Hud(recording=True))
    assert window.swap() == 0.0
    window._glfw.restore_window(window._window)
    until(lambda _: window.framebuffer_size == SIZE, window)
    assert window.ctx.error == "GL_NO_ERROR"


def test_a_framebuffer_of_nothing_is_survived(window):
    window._resized(0, 0)
    assert window.swap() == 0.0
    window._pointer(10, 10)
    assert window.poll() == []


def test_fullscreen_and_back_to_the_same_place(window):
    glfw = window._glfw
    do("windowmove", x11(window), 100, 50)
    time.sleep(0.3)
    window.poll()
    place = glfw.get_window_pos(window._window)
    window.toggle_fullscreen()
    until(lambda _: window.framebuffer_size == (800, 600), window)
    assert window.monitor is not None and window.monitor.index == 0
    assert glfw.get_input_mode(window._window, glfw.CURSOR) == glfw.CURSOR_HIDDEN
    window.toggle_fullscreen()
    until(lambda _: window.framebuffer_size == SIZE, window)
    until(lambda _: glfw.get_window_pos(window._window) == place, window)
    assert window.monitor is None
    assert glfw.get_input_mode(window._window, glfw.CURSOR) == glfw.CURSOR_NORMAL


@pytest.mark.parametrize("wanted", [7, "no such beamer"])
def test_a_missing_monitor_is_said_and_a_window_shown(desktop, wanted):
    with Window(SIZE, clock=WallClock(), fullscreen=wanted) as window:
        (notice,) = window.notices()
        assert str(wanted) in notice and "0 screen" in notice
        assert window.monitor is None and window.framebuffer_size == SIZE
        window.toggle_fullscreen()
        assert len(window.notices()) == 1, "said again, for it was asked for again"


def test_it_opens_fullscreen_on_the_monitor_named(desktop):
    (only,) = monitors()
    with Window(SIZE, clock=WallClock(), fullscreen=only.name) as window:
        until(lambda _: window.framebuffer_size == (800, 600), window)
        window.toggle_fullscreen()
        until(lambda _: window.framebuffer_size == SIZE, window)


def test_slow_swaps_end_the_waiting_until_the_focus_comes(window, monkeypatch):
    intervals = []
    monkeypatch.setattr(window._glfw, "swap_interval", intervals.append)
    monkeypatch.setattr(window._glfw, "swap_buffers", lambda _: time.sleep(0.11))
    for _ in range(4):
        assert window.swap() > 0.1
    assert intervals == [0]
    assert "covered" in window.notices()[0]
    window._focused(True)
    assert intervals == [0, 1]


def test_closing_is_told(window):
    window._glfw.set_window_should_close(window._window, True)
    assert window.closed
    window.__exit__()
    assert window.closed


def test_a_display_that_does_not_answer_is_an_error_of_one_line(desktop, monkeypatch):
    import glfw

    glfw.terminate()
    with monkeypatch.context() as patch:
        patch.setenv("DISPLAY", ":9999")
        with pytest.raises(InstrumentError, match=r"^no window on display ':9999' .*--headless"):
            Window(SIZE, clock=WallClock()).__enter__()
    assert monitors()
