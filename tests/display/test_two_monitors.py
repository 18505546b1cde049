"""Fullscreen on a second monitor, and the second monitor unplugged and back."""

import subprocess
import time

import pytest

from instrument.display.window import Window, monitors
from instrument.timebase import WallClock

MODE = "1280x720_60"


def until(true, window, seconds=10.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        window.poll()
        window.swap()
        if true():
            return
        time.sleep(0.02)
    raise AssertionError(f"stands at {place(window)}, {window.monitor}; there is {monitors()}")


def xrandr(*arguments):
    subprocess.run(["xrandr", *arguments], check=True, stdout=subprocess.DEVNULL)


def plug():
    xrandr("--addmode", "DUMMY1", MODE)
    xrandr("--output", "DUMMY1", "--mode", MODE, "--right-of", "DUMMY0")
    xrandr()  # a bare question makes the server look at its outputs


def unplug():
    xrandr("--output", "DUMMY1", "--off")
    xrandr("--delmode", "DUMMY1", MODE)
    xrandr()


def place(window):
    glfw = window._glfw
    return (*glfw.get_window_pos(window._window), *window.framebuffer_size)


def test_both_are_listed(two_monitors):
    assert [(m.name, m.size, m.position) for m in monitors()] == [
        ("DUMMY0", (1920, 1080), (0, 0)),
        ("DUMMY1", (1280, 720), (1920, 0)),
    ]
    assert all(m.refresh and 59 <= m.refresh <= 61 for m in monitors())


@pytest.mark.parametrize("wanted", [1, "dummy1", "1"])
def test_it_fills_the_second(two_monitors, wanted):
    with Window((320, 240), clock=WallClock(), fullscreen=wanted) as window:
        until(lambda: place(window) == (1920, 0, 1280, 720), window)
        window.toggle_fullscreen()
        until(lambda: window.framebuffer_size == (320, 240), window)
        window.toggle_fullscreen()
        until(lambda: place(window) == (1920, 0, 1280, 720), window)


def test_a_beamer_unplugged_and_back_is_filled_again(two_monitors):
    with Window((320, 240), clock=WallClock(), fullscreen="DUMMY1") as window:
        until(lambda: place(window) == (1920, 0, 1280, 720), window)
        try:
            unplug()
            until(lambda: window.monitor is None, window)
            until(lambda: window.framebuffer_size == (320, 240), window)
            assert window.notices() == [
                "monitor DUMMY1 is gone: shown in a window until it is back"
            ]
        finally:
            plug()
        until(lambda: place(window) == (1920, 0, 1280, 720), window, seconds=10)
        assert window.notices() == ["monitor DUMMY1 is there: filled"]


def test_a_beamer_plugged_in_late_is_filled_when_it_comes(two_monitors):
    unplug()
    try:
        with Window((320, 240), clock=WallClock(), fullscreen="DUMMY1") as window:
            assert "no monitor DUMMY1" in window.notices()[0]
            window.poll()  # gone and back between two looks would be no change at all
            plug()
            until(lambda: place(window) == (1920, 0, 1280, 720), window)
    finally:
        if len(monitors()) == 1:
            plug()
