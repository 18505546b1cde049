import numpy as np
import pytest

from instrument.display.finish import finish
from instrument.display.look import Look
from instrument.display.presenter import Presenter


def on_stage(offscreen, pixels, look, size):
    surface = offscreen(size)
    presenter = Presenter(surface.ctx)
    presenter.upload(pixels)
    presenter.draw(surface.framebuffer, size, look)
    return surface.read().astype(int)


@pytest.mark.parametrize("gain", [1.0, 0.37])
@pytest.mark.parametrize("fit", ["fit", "fill"])
@pytest.mark.parametrize(
    ("size", "levels"),
    [((128, 96), 1), ((300, 200), 2), ((40, 90), 2), ((128, 97), 2), ((33, 24), 2)],
    ids=["same", "grown", "shrunk-tall", "a-row-more", "quarter"],
)
def test_a_film_shows_what_the_stage_showed(offscreen, garden, size, levels, fit, gain):
    look = Look(gain=gain, fit=fit)
    film = finish(garden, look, size)
    assert film.shape == (size[1], size[0], 3)
    assert np.abs(film - on_stage(offscreen, garden, look, size)).max() <= levels


def test_noise_too_is_shown_the_same(offscreen):
    noise = np.random.default_rng(3).integers(0, 256, (70, 50, 4), dtype=np.uint8)
    for size in ((128, 128), (31, 44)):
        for fit in ("fit", "fill"):
            look = Look(fit=fit)
            apart = np.abs(finish(noise, look, size) - on_stage(offscreen, noise, look, size))
            assert apart.max() <= 2


def test_three_and_four_channels_give_the_same_film(garden):
    look = Look(gain=0.9)
    assert np.array_equal(finish(garden, look, (64, 64)), finish(garden[..., :3], look, (64, 64)))


def test_a_film_frame_is_an_array_of_its_own(garden):
    finished = finish(garden, Look(), (128, 96))
    finished[:] = 0
    assert garden[..., :3].any()


def test_what_is_no_picture_is_refused():
    with pytest.raises(ValueError, match="U8"):
        finish(np.zeros((4, 4), np.uint8), Look(), (4, 4))
