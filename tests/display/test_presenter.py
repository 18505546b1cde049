import itertools

import moderngl
import numpy as np
import pytest

from instrument.display.hud import Hud
from instrument.display.look import Look
from instrument.display.presenter import Presenter


def drawn(surface, presenter, look=None, hud=None):
    presenter.draw(surface.framebuffer, surface.framebuffer_size, look or Look(), hud)
    return surface.read()


@pytest.fixture
def stage(offscreen):
    surface = offscreen((128, 96))
    presenter = Presenter(surface.ctx)
    yield surface, presenter
    assert surface.ctx.error == "GL_NO_ERROR"
    presenter.release()


def test_black_before_the_first_picture(stage):
    surface, presenter = stage
    surface.framebuffer.clear(1.0, 0.5, 0.2)
    assert not drawn(surface, presenter).any()
    assert presenter.area((128, 96), Look()) is None


def test_a_picture_of_the_same_size_is_shown_exactly(stage, garden):
    surface, presenter = stage
    presenter.upload(garden)
    assert np.array_equal(drawn(surface, presenter), garden[..., :3])
    assert np.array_equal(drawn(surface, presenter, Look(fit="fill")), garden[..., :3])


def test_gain_and_blackout_multiply_code_values(stage, garden):
    surface, presenter = stage
    presenter.upload(garden)
    half = drawn(surface, presenter, Look(gain=0.5)).astype(int)
    assert np.abs(half - garden[..., :3] * 0.5).max() <= 0.51
    assert not drawn(surface, presenter, Look(blackout=1.0)).any()
    assert np.array_equal(drawn(surface, presenter, Look(blackout=0.5)), half.astype(np.uint8))
    assert np.array_equal(drawn(surface, presenter), garden[..., :3])


def test_alpha_changes_nothing(stage, garden):
    surface, presenter = stage
    clear = garden.copy()
    clear[..., 3] = 0
    presenter.upload(clear)
    assert np.array_equal(drawn(surface, presenter), garden[..., :3])


def test_the_size_of_the_picture_may_change(stage, garden):
    surface, presenter = stage
    for height, width in ((96, 128), (1, 1), (300, 20), (96, 128)):
        pixels = np.full((height, width, 4), 200, np.uint8)
        presenter.upload(pixels)
        assert drawn(surface, presenter, Look(fit="fill")).min() == 200
    presenter.upload(garden)
    assert np.array_equal(drawn(surface, presenter), garden[..., :3])


def test_the_texture_is_kept_while_the_size_stays(stage, garden):
    surface, presenter = stage
    presenter.upload(garden)
    texture = presenter._layers[0]._picture
    presenter.upload(garden[::-1])
    assert presenter._layers[0]._picture is texture
    assert np.array_equal(drawn(surface, presenter), garden[::-1, :, :3])


def test_a_new_picture_of_the_same_size_is_resampled_anew(offscreen, garden):
    surface = offscreen((64, 64))
    presenter = Presenter(surface.ctx)
    presenter.upload(garden)
    first = drawn(surface, presenter)
    assert np.array_equal(drawn(surface, presenter), first)
    presenter.upload(garden[:, ::-1])
    assert not np.array_equal(drawn(surface, presenter), first)


def test_bars_are_black_and_the_area_is_told(offscreen):
    surface = offscreen((120, 60))
    presenter = Presenter(surface.ctx)
    presenter.upload(np.full((40, 40, 4), 255, np.uint8))
    shown = drawn(surface, presenter)
    area = presenter.area((120, 60), Look())
    assert area == (30, 0, 60, 60)
    assert shown[:, 30:90].min() == 255
    assert shown[:, :30].max() == 0 and shown[:, 90:].max() == 0


@pytest.mark.parametrize("size", [(0, 0), (0, 96), (128, 0)])
def test_a_minimised_window_is_nothing_to_draw_on(stage, garden, size):
    surface, presenter = stage
    presenter.upload(garden)
    presenter.draw(surface.framebuffer, size, Look(), Hud(("still here",), True, "yes"))
    assert np.array_equal(drawn(surface, presenter), garden[..., :3])


def test_it_leaves_no_trace_of_other_drawing(stage, garden):
    """Blending, depth and a small viewport left behind by somebody else do not matter."""
    surface, presenter = stage
    presenter.upload(garden)
    surface.ctx.enable(moderngl.BLEND | moderngl.CULL_FACE)
    surface.ctx.blend_func = moderngl.ZERO, moderngl.ONE
    surface.framebuffer.viewport = (0, 0, 3, 3)
    assert np.array_equal(drawn(surface, presenter), garden[..., :3])


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4, 3), np.uint8),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.float32),
        np.zeros((0, 4, 4), np.uint8),
    ],
    ids=["rgb", "grey", "float", "empty"],
)
def test_what_is_no_frame_is_refused(stage, pixels):
    with pytest.raises(ValueError, match=r"pixel"):
        stage[1].upload(pixels)


@pytest.mark.parametrize("fit", ["fit", "fill"])
def test_pictures_as_they_were(offscreen, garden, baseline, fit):
    surface = offscreen((160, 90))
    presenter = Presenter(surface.ctx)
    presenter.upload(garden)
    baseline(f"present_{fit}", drawn(surface, presenter, Look(gain=0.8, fit=fit)))


# --- two layers


def mixed(surface, presenter, mix, look=None):
    presenter.draw(surface.framebuffer, surface.framebuffer_size, look or Look(), mix=mix)
    return surface.read()


def test_at_its_ends_a_mix_is_one_picture_exactly(stage, garden):
    surface, presenter = stage
    presenter.upload(garden)
    presenter.upload(garden[::-1], 1)
    assert np.array_equal(mixed(surface, presenter, 0.0), garden[..., :3])
    assert np.array_equal(mixed(surface, presenter, 1.0), garden[::-1, :, :3])


@pytest.mark.parametrize("mix", [0.01, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("gain", [1.0, 0.4])
def test_a_mix_is_the_mean_of_code_values(stage, garden, mix, gain):
    surface, presenter = stage
    presenter.upload(garden)
    presenter.upload(garden[::-1], 1)
    wanted = garden[..., :3] * (1.0 - mix) + garden[::-1, :, :3] * mix
    apart = np.abs(mixed(surface, presenter, mix, Look(gain=gain)) - gain * wanted)
    assert apart.max() <= 1.01
    white = np.full_like(garden, 255)
    for layer in (0, 1):
        presenter.upload(white, layer)
    assert mixed(surface, presenter, mix).min() == 255, "two halves are a whole"


def test_a_fade_moves_one_way(stage, garden):
    surface, presenter = stage
    presenter.upload(np.zeros_like(garden))
    presenter.upload(garden, 1)
    shares = np.linspace(0.0, 1.0, 33)
    frames = [mixed(surface, presenter, share).astype(int) for share in shares]
    assert all((b >= a).all() for a, b in itertools.pairwise(frames))


def test_each_picture_keeps_its_own_place(offscreen):
    """Pictures of two shapes: at both ends of a fade nothing jumps."""
    surface = offscreen((120, 60))
    presenter = Presenter(surface.ctx)
    presenter.upload(np.full((40, 40, 4), 200, np.uint8))
    presenter.upload(np.full((20, 80, 4), 100, np.uint8), 1)
    assert presenter.area((120, 60), Look()) == (30, 0, 60, 60)
    assert presenter.area((120, 60), Look(), 1) == (0, 15, 120, 30)
    half = mixed(surface, presenter, 0.5)
    assert half[30, 60, 0] == 150 and half[30, 5, 0] == 50
    assert half[5, 60, 0] == 100 and half[5, 5, 0] == 0


def test_a_layer_without_a_picture_is_black(stage, garden):
    surface, presenter = stage
    presenter.upload(garden)
    assert not mixed(surface, presenter, 1.0).any()
    half = mixed(surface, presenter, 0.5).astype(int)
    assert np.abs(half - garden[..., :3] * 0.5).max() <= 0.51


def test_the_hud_lies_over_a_mix_as_over_a_picture(stage, garden):
    surface, presenter = stage
    presenter.upload(garden)
    presenter.upload(garden, 1)
    hud = Hud(("model\tnight 40 %",), True, "ready")
    presenter.draw(surface.framebuffer, surface.framebuffer_size, Look(), hud, 0.4)
    two = surface.read().astype(int)
    assert np.abs(two - drawn(surface, presenter, hud=hud)).max() <= 1
