"""Which program resamples: wherever two could, they give the same picture."""

import moderngl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument.display.look import Area, Box, Placement
from instrument.display.resampler import Pass, Resampler, program_for


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
@pytest.mark.parametrize("size", [(8, 8), (37, 5), (641, 359)])
def test_pixel_for_pixel_is_what_resampling_by_one_gives(
    offscreen, monkeypatch, axis, start, flip, size
):
    """The cubic is exact at its sample points: both programs must agree to the bit."""
    surface = offscreen(size)
    chance = np.random.Generator(np.random.Philox(3))
    colours = chance.integers(0, 256, (size[1], size[0], 4), np.uint8)
    texture = surface.ctx.texture(size, 4, colours.tobytes())
    texture.filter = (moderngl.NEAREST, moderngl.NEAREST)
    source, area = [0.0, 0.0, *map(float, size)], [0, 0, *size]
    source[axis], area[2 + axis] = float(start), size[axis] - start
    placement = Placement(Area(*area), Box(*source))
    resampler, seen = Resampler(surface.ctx), {}
    for name in ("exact", "grown"):
        monkeypatch.setattr("instrument.display.resampler.program_for", lambda *_, name=name: name)
        surface.framebuffer.clear()
        surface.framebuffer.viewport = (0, 0, *area[2:])
        resampler.draw(texture, Pass(axis, placement, tuple(area[2:]), flip=flip))
        seen[name] = surface.framebuffer.read(area, components=3)
    assert seen["exact"] == seen["grown"]
    shown = np.frombuffer(seen["exact"], np.uint8).reshape(area[3], area[2], 3)
    wanted = colours[:, start:, :3] if axis == 0 else colours[start:, :, :3]
    assert np.array_equal(shown, wanted[::-1] if flip else wanted)
    resampler.release()
    texture.release()


def test_what_a_program_was_told_holds_until_something_else_is_said(offscreen):
    surface = offscreen((2, 2))
    texture = surface.ctx.texture((2, 2), 4, bytes([200] * 16))
    texture.filter = (moderngl.NEAREST, moderngl.NEAREST)
    placement = Placement(Area(0, 0, 2, 2), Box(0.0, 0.0, 2.0, 2.0))
    resampler = Resampler(surface.ctx)

    def shown(level):
        resampler.draw(texture, Pass(1, placement, (2, 2), level=level))
        return surface.framebuffer.read(components=3)[0]

    levels = [1.0, 1.0, 0.5, 0.5, 0.0, 1.0]
    assert [shown(level) for level in levels] == [200, 200, 100, 100, 0, 200]
