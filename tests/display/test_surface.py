import inspect

import pytest

from instrument.display.offscreen import Offscreen
from instrument.display.surface import Surface
from instrument.display.window import Window
from instrument.timebase import StepClock


def members(kind):
    return {
        name: value
        for name, value in vars(kind).items()
        if not name.startswith("_") or name in ("__enter__", "__exit__")
    }


@pytest.mark.parametrize("kind", [Window, Offscreen])
def test_every_surface_has_what_the_protocol_says(kind):
    mine = members(kind)
    for name, wanted in members(Surface).items():
        assert name in mine, f"{kind.__name__} lacks {name}"
        if isinstance(wanted, property):
            assert isinstance(mine[name], property), name
        else:
            assert inspect.signature(mine[name]) == inspect.signature(wanted), name


def test_nothing_opens_before_with():
    for surface in (Window(clock=StepClock()), Offscreen((4, 4))):
        assert surface.picture_area is None
        with pytest.raises(AssertionError, match="by `with`"):
            _ = surface.ctx
        surface.__exit__()


def test_offscreen_reads_the_top_row_first(offscreen):
    surface = offscreen((6, 4))
    surface.framebuffer.clear(0, 0, 1)
    surface.framebuffer.clear(1, 0, 0, viewport=(0, 3, 6, 1))  # GL counts from the bottom
    pixels = surface.read()
    assert pixels.shape == (4, 6, 3)
    assert (pixels[0] == (255, 0, 0)).all() and (pixels[1:] == (0, 0, 255)).all()
    assert surface.poll() == [] and surface.swap() >= 0.0 and not surface.closed
    assert surface.framebuffer_size == (6, 4) and surface.notices() == []
    surface.toggle_fullscreen()
