"""Which program resamples: wherever two could, they give the same picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument.display.look import Area, Box, Placement
from instrument.display.resampler import Resampler, program_for


@given(st.floats(1e-3, 1e3), st.floats(0.0, 4096.0))
def test_every_pace_has_its_program(pace, start):
    name = program_for(pace, start)
    assert (name == "exact") == (pace == 1.0 and start == int(start))
    assert (name == "shrunk") == (pace > 1.0)


@pytest.mark.parametrize(("start", "name"), [(0.0, "exact"), (3.0, "exact"), (0.5, "grown")])
def test_a_whole_pixel_is_taken_as_it_is(start, name):
    assert program_for(1.0, start) == name


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("start", [0, 2])
@pytest.mark.parametrize("flip", [False, True])
def test_pixel_for_pixel_is_what_resampling_by_one_gives(offscreen, monkeypatch, axis, start, flip):
    """The cubic is exact at its sample points: both programs must agree to the bit."""
    surface = offscreen((8, 8))
    colours = np.random.Generator(np.random.Philox(3)).integers(0, 256, (8, 8, 4), np.uint8)
    texture = surface.ctx.texture((8, 8), 4, colours.tobytes())
    source = [0.0, 0.0, 8.0, 8.0]
    source[axis], area = float(start), [0, 0, 8, 8]
    area[2 + axis] = 8 - start
    placement = Placement(Area(*area), Box(*source))
    resampler, seen = Resampler(surface.ctx), {}
    for name in ("exact", "grown"):
        monkeypatch.setattr("instrument.display.resampler.program_for", lambda *_, name=name: name)
        surface.framebuffer.clear()
        surface.framebuffer.viewport = (0, 0, *area[2:])
        resampler.draw(texture, axis, placement, flip=area[3] if flip else 0)
        seen[name] = surface.framebuffer.read(area, components=3)
    assert seen["exact"] == seen["grown"]
    shown = np.frombuffer(seen["exact"], np.uint8).reshape(area[3], area[2], 3)
    wanted = colours[:, start:, :3] if axis == 0 else colours[start:, :, :3]
    assert np.array_equal(shown, wanted[::-1] if flip else wanted)
    resampler.release()
    texture.release()
