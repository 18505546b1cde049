import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument.display.glyphs import CHARACTERS, draw_sheet
from instrument.display.hud import Hud, layout, text_pixels, wrap
from instrument.display.look import Look
from instrument.display.presenter import Presenter

LINES = ("model\tlite256", "decode\t13.6 ms", "spring\t0.80 Hz · 0.70", "plain line")


@pytest.fixture(scope="module")
def sheet():
    return draw_sheet(16)


def shown(offscreen, hud, size=(360, 200), grey=128):
    surface = offscreen(size)
    presenter = Presenter(surface.ctx)
    presenter.upload(np.full((size[1], size[0], 4), grey, np.uint8))
    presenter.draw(surface.framebuffer, size, Look(), hud)
    return surface.read()


def test_an_empty_hud_leaves_the_picture_alone(offscreen):
    assert (shown(offscreen, Hud()) == 128).all()


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_text_is_readable_on_any_picture(offscreen, grey):
    pixels = shown(offscreen, Hud(lines=("wwww mmmm",)), grey=grey)
    panel = pixels[14:30, 14:60].astype(int)
    assert panel.max() > 200, "letters are bright"
    assert np.median(panel) < 90, "on a dark plate"


def test_the_lamp_is_round_red_and_top_right(offscreen):
    pixels = shown(offscreen, Hud(recording=True)).astype(int)
    red = (pixels[..., 0] > 200) & (pixels[..., 1] < 100)
    ys, xs = np.nonzero(red)
    assert xs.min() > 360 * 0.75 and ys.max() < 200 * 0.25
    width, height = np.ptp(xs) + 1, np.ptp(ys) + 1
    assert abs(width - height) <= 1
    assert 0.6 < red.sum() / (width * height) < 0.95, "a disc, not a square"
    assert not (shown(offscreen, Hud()) != 128).any()


def test_the_message_stands_at_the_bottom(offscreen):
    pixels = shown(offscreen, Hud(message="take saved"))
    touched = np.nonzero((pixels != 128).any(axis=(1, 2)))[0]
    assert touched.min() > 150 and touched.max() < 199


def test_a_hud_as_it_was(offscreen, garden, baseline):
    surface = offscreen((360, 200))
    presenter = Presenter(surface.ctx)
    presenter.upload(garden)
    hud = Hud(LINES, recording=True, message="Monitor HDMI-1 is gone: shown in a window")
    presenter.draw(surface.framebuffer, (360, 200), Look(fit="fill"), hud)
    baseline("hud", surface.read())


def test_what_changes_is_drawn_anew_and_what_does_not_is_not_laid_out(offscreen, monkeypatch):
    import instrument.display.hud_painter as hud_painter

    made = []

    def counted(*arguments):
        made.append(arguments)
        return layout(*arguments)

    monkeypatch.setattr(hud_painter, "layout", counted)
    surface = offscreen((200, 100))
    presenter = Presenter(surface.ctx)
    pictures = []
    for text in ("1.0", "1.0", "2.0"):
        presenter.draw(surface.framebuffer, (200, 100), Look(), Hud((text,), True, "same"))
        pictures.append(surface.read())
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[1], pictures[2])
    assert [bool(hud.lines) for hud, *_ in made] == [True, False, True]


def test_many_letters_need_a_larger_buffer(offscreen):
    pixels = shown(offscreen, Hud(lines=("abcdefgh " * 9,) * 40), size=(900, 900))
    assert (pixels[700:800, 20:400] > 200).any()


def test_text_grows_with_the_screen():
    assert text_pixels((320, 240)) == 12
    assert text_pixels((1280, 720)) == 16
    assert text_pixels((1920, 1080)) in (22, 24)
    assert text_pixels((3840, 2160)) in (46, 48)
    assert text_pixels((99999, 99999)) == 64


def test_figures_are_equally_wide(sheet):
    assert len(set(sheet.set(list("0123456789")).widths)) == 1


def test_every_character_of_the_sheet_has_ink_but_the_blank(sheet):
    for character, (x, y, width, height) in zip(CHARACTERS, sheet.cells.astype(int), strict=True):
        inked = sheet.coverage[y : y + height, x : x + width].any() if width else False
        assert inked == (character != " "), character


def test_foreign_letters_are_folded_to_the_nearest(sheet):
    for told, read in (("é", "e"), ("Ü", "U"), ("×", "x"), ("–", "-"), ("°", "°"), ("漢", "?")):
        assert np.array_equal(sheet.set([told]).glyphs, sheet.set([read]).glyphs), told


def test_several_texts_are_set_as_each_alone(sheet):
    texts = ["one", "", "two words", " ", "3"]
    together = sheet.set(texts)
    for index, text in enumerate(texts):
        alone = sheet.set([text])
        mine = together.texts == index
        assert np.array_equal(together.glyphs[mine], alone.glyphs)
        assert np.allclose(together.pens[mine], alone.pens, atol=1e-3)
        assert together.widths[index] == alone.widths[0]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.text(max_size=40), max_size=20),
    st.booleans(),
    st.none() | st.text(max_size=300),
    st.tuples(st.integers(1, 900), st.integers(1, 900)),
)
def test_whatever_it_says_can_be_laid_out(lines, recording, message, size):
    sheet = draw_sheet(12)
    quads = layout(Hud(tuple(lines), recording, message), size, sheet)
    assert np.isfinite(quads["rect"]).all()
    letters = quads[quads["corner"] < 0]
    assert (letters["rect"][:, 2:] > 0).all()


def test_long_messages_are_wrapped_between_words(sheet):
    text = "the quick brown fox jumps over the lazy dog and then over a few more"
    lines = wrap(text, 200, sheet)
    assert len(lines) > 1 and " ".join(lines) == text
    assert sheet.set(lines).widths.max() <= 200
    assert wrap("", 200, sheet) == [""]
    assert wrap("word " * 500, 200, sheet)[-1].endswith("…")
