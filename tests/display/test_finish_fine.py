"""Fine pictures are finished as the stage's are, only finer, and in bands."""

import numpy as np
import pytest

from instrument.display import finish as finishing
from instrument.display.finish import UPSCALES, finish, finish_bands, finish_fine
from instrument.display.look import Look

NOISE = np.random.default_rng(3).integers(0, 256, (70, 50, 3), dtype=np.uint8)
SIZES = [(50, 70), (300, 200), (40, 90), (33, 24), (128, 300)]


def fine(levels):
    return levels.astype(np.float32) / np.float32(255)


@pytest.mark.parametrize("fit", ["fit", "fill"])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("look", [Look(), Look(0.37), Look(0.9, 0.5)], ids=str)
def test_it_is_what_pictures_of_levels_get(size, fit, look):
    look = Look(look.gain, look.blackout, fit)
    apart = np.abs(finish(NOISE, look, size) - 255 * finish_fine(fine(NOISE), look, size))
    # Half a level for each rounding that the fine way leaves out: two passes and the gain. On
    # noise, which overshoots everywhere, it matters too along which side Pillow goes first.
    assert np.quantile(apart, 0.995) <= 1.6
    assert apart.max() <= 5
    assert apart.mean() <= 0.51


def test_the_same_size_is_the_same_picture():
    assert np.array_equal(finish_fine(fine(NOISE), Look(), (50, 70)), fine(NOISE))


def test_bars_are_black_and_the_crop_is_centred():
    white = np.ones((20, 40, 3), np.float32)
    fitted = finish_fine(white, Look(), (40, 40))
    assert (fitted[:10] == 0).all()
    assert (fitted[10:30] == 1).all()
    assert (fitted[30:] == 0).all()
    assert (finish_fine(white, Look(fit="fill"), (40, 40)) == 1).all()


@pytest.mark.parametrize("upscale", UPSCALES)
@pytest.mark.parametrize("fit", ["fit", "fill"])
def test_bands_meet_without_a_seam(monkeypatch, upscale, fit):
    whole = finish_fine(fine(NOISE), Look(0.8, fit=fit), (90, 700), upscale)
    monkeypatch.setattr(finishing, "_BAND", 37)
    rows = []
    for where, band in finish_bands(fine(NOISE), Look(0.8, fit=fit), (90, 700), upscale):
        assert band.shape == (where.stop - where.start, 90, 3)
        assert np.abs(band - whole[where]).max() < 1e-5
        rows += range(where.start, where.stop)
    assert rows == list(range(700))


def edge():
    """A soft step from dark to bright."""
    step = 0.2 + 0.6 / (1 + np.exp(-(np.arange(32) - 15.5) / 0.8))
    return np.broadcast_to(step[None, :, None], (32, 32, 3)).astype(np.float32)


def test_the_kernels_differ_as_they_say():
    steepest = {}
    for upscale in UPSCALES:
        large = finish_fine(edge(), Look(), (256, 256), upscale)
        steepest[upscale] = np.abs(np.diff(large[128, :, 0])).max()
    assert steepest["bicubic"] < 1.1 * steepest["lanczos"]
    assert steepest["sharp"] > 1.05 * steepest["lanczos"]


def test_sharp_draws_no_halo():
    dot = np.full((32, 32, 3), 0.1, np.float32)
    dot[16, 16] = 0.9
    sharp = finish_fine(dot, Look(), (32, 32), "sharp")
    assert np.array_equal(sharp, dot)  # nothing is enlarged
    once = finishing._sharpened(dot[..., 0])
    assert (once.min(), once.max()) == (dot.min(), dot.max())
    flat = np.full((9, 7), 0.3, np.float32)
    assert np.allclose(finishing._sharpened(flat), flat, atol=1e-6)


def test_what_overshoots_is_cut_and_gain_comes_after():
    bars = np.zeros((16, 16, 3), np.float32)
    bars[:, ::4] = 1
    large = finish_fine(bars, Look(0.5), (160, 160), "lanczos")
    assert large.min() == 0
    assert large.max() == 0.5


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 4), np.float32), np.zeros((4, 4), np.float32)],
)
def test_what_is_no_fine_picture_is_refused(pixels):
    with pytest.raises(ValueError, match="F32"):
        next(finish_bands(pixels, Look(), (4, 4)))


def test_a_large_frame_is_never_held_as_floats():
    import tracemalloc

    picture = np.random.default_rng(1).random((64, 64, 3)).astype(np.float32)
    tracemalloc.start()
    for _rows, _band in finish_bands(picture, Look(), (2048, 2048)):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2048 * 2048 * 3 * 4 / 2  # half of one copy, of which a band is an eighth
