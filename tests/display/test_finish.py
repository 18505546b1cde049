import numpy as np
import pytest
from PIL import Image

from instrument.decoder.crossfade import CrossfadeDecoder
from instrument.decoder.protocol import DecoderSpec
from instrument.display.finish import finish
from instrument.display.look import Look, place
from instrument.display.presenter import Presenter
from instrument.latent.space import LatentSpec


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


class Still:
    """Decodes everything into one picture."""

    def __init__(self, picture):
        self.picture = picture
        self.spec = DecoderSpec("still", LatentSpec((1,)), picture.shape[:2], "")

    def decode(self, z, parameters):
        return np.stack([self.picture[..., :3]] * len(z))


@pytest.mark.parametrize("gain", [1.0, 0.37])
@pytest.mark.parametrize("fit", ["fit", "fill"])
@pytest.mark.parametrize("size", [(128, 96), (300, 200), (40, 90)])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_a_film_fades_as_the_stage_does(offscreen, garden, size, fit, gain, share):
    """Of two models with pictures of two sizes and shapes."""
    other = np.ascontiguousarray(garden[::-2, :60])
    layout, look = Look(fit=fit), Look(gain=gain, fit=fit)
    spec = DecoderSpec("both", LatentSpec((1,)), (size[1], size[0]), "")
    both = CrossfadeDecoder(
        spec, {1: Still(garden), 2: Still(other)}, lambda picture: finish(picture, layout, size)
    )
    columns = {"/model/first": 1, "/model/second": 2, "/model/share": share}
    row = {address: np.array([value], np.float32) for address, value in columns.items()}
    film = finish(both.decode(np.zeros((1, 1), np.float32), row)[0], look, size)
    surface = offscreen(size)
    presenter = Presenter(surface.ctx)
    presenter.upload(garden)
    presenter.upload(other, 1)
    presenter.draw(surface.framebuffer, size, look, mix=share)
    assert np.abs(film.astype(int) - surface.read()).max() <= 2


@pytest.mark.parametrize("gain", [1.0, 0.9, 0.0])
@pytest.mark.parametrize("size", [(50, 70), (90, 70), (50, 99), (51, 71), (25, 35)])
@pytest.mark.parametrize("fit", ["fit", "fill"])
def test_what_need_not_be_done_is_left_out_and_nothing_changes(gain, size, fit):
    noise = np.random.default_rng(5).integers(0, 256, (70, 50, 3), dtype=np.uint8)
    look = Look(gain=gain, fit=fit)
    area, source = place((50, 70), size, fit)
    whole = Image.fromarray(noise).resize(
        (area.width, area.height), Image.Resampling.BICUBIC, box=source
    )
    wanted = np.zeros((size[1], size[0], 3), np.uint8)
    inside = wanted[area.y : area.y + area.height, area.x : area.x + area.width]
    inside[:] = np.floor(np.asarray(whole) * look.level + 0.5)
    assert np.array_equal(finish(noise, look, size), wanted)
