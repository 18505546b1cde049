"""What the virtual controller looks like, in pixels."""

import numpy as np
import pytest

from instrument.display.glyphs import draw_sheet
from instrument.display.hud import Hud
from instrument.display.look import Look
from instrument.display.presenter import Presenter
from instrument.display.virtual_controller import LEFT, VirtualController
from instrument.display.virtual_drawing import Drawing
from instrument.display.virtual_feedback import Feedback
from instrument.display.virtual_labels import label_pixels
from instrument.display.virtual_layout import BEND, CONTROLS, ENCODERS, PADS, lay_out

G = "/midi/generic/"
LABELS = {
    G + "cc/0": "pad x", G + "cc/1": "pad y", G + "cc/2": "spring frequency",
    G + "cc/3": "spring damping ratio", G + "cc/7": "master gain", G + "cc/16": "noise strength",
    G + "cc/17": "noise rate", G + "cc/18": "model snapshot", G + "note/36": "genesis",
    G + "note/37": "saturn", G + "note/38": "jellyfish and anemones", G + "program/1": "scene 1",
}  # fmt: skip
WANTED = {source: 0.15 * number for number, source in enumerate(LABELS)} | {
    G + "cc/7": 1.0, G + "note/36": 0.5, G + "note/37": 1.0, G + "note/38": 0.0,
}  # fmt: skip


def panel_of(size, wanted=WANTED, labels=LABELS, armed="", waiting=()):
    wait = frozenset(waiting)
    feedback = Feedback(lambda: wanted, lambda: labels, lambda: wait, lambda: armed)
    panel = VirtualController(feedback)
    panel.resize(size)
    panel.show()
    panel.look(0.0)
    return panel


def middle(panel, control, height=0.5):
    left, top, wide, high = panel.layout.boxes[control]
    return left + wide / 2, top + (1 - height) * high


def drawn(offscreen, panel, size, hud=None, grey=128):
    surface = offscreen(size)
    presenter = Presenter(surface.ctx)
    presenter.upload(np.full((size[1], size[0], 4), grey, np.uint8))
    presenter.draw(surface.framebuffer, size, Look(), hud, 0.0, panel)
    return surface.read().astype(int)


def box_of(pixels, box):
    left, top, wide, high = (round(float(side)) for side in box)
    return pixels[top : top + high, left : left + wide]


def is_amber(pixels):
    return (pixels[..., 0] > 190) & (pixels[..., 2] < 110) & (pixels[..., 1] > 110)


@pytest.mark.parametrize("size", [(960, 960), (1920, 1080)])
def test_a_panel_as_it_was(offscreen, garden, baseline, size):
    surface = offscreen(size)
    presenter = Presenter(surface.ctx)
    presenter.upload(garden)
    panel = panel_of(size, waiting=[G + "cc/2"])
    panel.pointer(*middle(panel, 2, 0.9))
    panel.button(LEFT, True)
    panel.button(LEFT, False)
    panel.pointer(*middle(panel, PADS[2], 0.8))
    panel.button(LEFT, True)
    presenter.draw(surface.framebuffer, size, Look(fit="fill"), None, 0.0, panel)
    left, _, wide, _ = map(round, panel.layout.panel)
    pixels = surface.read()[panel.top - 8 :, left - 8 : left + wide + 8]
    baseline(f"virtual_{size[0]}", np.ascontiguousarray(pixels))


def test_hidden_it_leaves_the_picture_alone(offscreen):
    panel = panel_of((480, 480))
    panel.hide()
    assert (drawn(offscreen, panel, (480, 480)) == 128).all()


@pytest.mark.parametrize("size", [(960, 960), (1920, 1080), (480, 480)])
def test_above_it_the_picture_is_untouched(offscreen, size):
    panel = panel_of(size)
    pixels = drawn(offscreen, panel, size)
    assert (pixels[: panel.top - 1] == 128).all()
    assert (pixels[panel.top + 4 :] != 128).any()


def test_the_column_reaches_to_the_value_and_the_cap_to_the_hand(offscreen):
    size = (960, 960)
    panel = panel_of(size, {G + "cc/2": 0.25}, waiting=[G + "cc/2"])
    panel.standing.put(2, 0.75)
    panel.version += 1
    fader = box_of(drawn(offscreen, panel, size), panel.layout.boxes[2])
    height, across = fader.shape[0], fader.shape[1]
    ambers = np.nonzero(is_amber(fader[:, across // 4 : -across // 4]).sum(1) > 15)[0]
    share = 1.0 - (ambers.mean() - panel.layout.cap / 2) / (height - panel.layout.cap)
    assert share == pytest.approx(0.25, abs=0.03), "the mark is at the value"
    cap = np.nonzero((fader.min(axis=2) > 190).sum(1) > 15)[0]
    share = 1.0 - (cap.mean() - panel.layout.cap / 2) / (height - panel.layout.cap)
    assert share == pytest.approx(0.75, abs=0.03), "the cap is where the hand left it"


def test_the_ring_is_lit_as_far_as_the_value(offscreen):
    size = (960, 960)
    lit = []
    for value in (0.0, 0.5, 1.0):
        panel = panel_of(size, {G + "cc/16": value})
        lit.append(is_amber(box_of(drawn(offscreen, panel, size), panel.layout.boxes[8])).sum())
    assert 0 < lit[0] < lit[1] < lit[2]
    assert lit[2] / lit[0] == pytest.approx(15, rel=0.35)
    panel = panel_of(size, {})
    assert not is_amber(box_of(drawn(offscreen, panel, size), panel.layout.boxes[8])).any()


def test_lamps_glow_and_a_pad_under_a_hand_has_an_edge(offscreen):
    size = (960, 960)
    light = {}
    for wanted in (0.0, 0.5, 1.0):
        panel = panel_of(size, {G + "note/36": wanted}, {G + "note/36": ""})
        pad = box_of(drawn(offscreen, panel, size, grey=0), panel.layout.boxes[PADS[0]])
        light[wanted] = pad[5, 20, 0] - pad[5, 20, 2]
    assert light[0.0] <= 5 < light[0.5] < light[1.0]
    panel.pointer(*middle(panel, PADS[0], 0.9))
    panel.button(LEFT, True)
    left, top, _, high = panel.layout.boxes[PADS[0]]
    edge = box_of(drawn(offscreen, panel, size, grey=0), (left - 2, top + 10, 1, high - 20))
    assert (edge > 200).all()


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_labels_are_readable_on_any_picture(offscreen, grey):
    size = (960, 960)
    pixels = drawn(offscreen, panel_of(size), size, grey=grey)
    label = box_of(pixels, lay_out(size).labels[0])
    assert label.max() > 190 and np.median(label) < 90


def test_what_is_armed_is_said_in_amber(offscreen):
    size = (960, 960)
    head = lay_out(size).head
    assert not is_amber(box_of(drawn(offscreen, panel_of(size), size), head)).any()
    armed = box_of(drawn(offscreen, panel_of(size, armed="spring frequency"), size), head)
    assert is_amber(armed).sum() > 100


def test_the_message_stands_above_the_panel(offscreen):
    size = (960, 960)
    panel = panel_of(size)
    with_message = drawn(offscreen, panel, size, Hud(message="take saved"))
    touched = np.nonzero((with_message[: panel.top] != 128).any(axis=(1, 2)))[0]
    assert len(touched) and touched.max() < panel.top - 4
    without = drawn(offscreen, panel, size)
    assert np.array_equal(with_message[panel.top :], without[panel.top :])


def letters_of(panel):
    sheet = draw_sheet(label_pixels(panel.layout))
    quads = Drawing(panel.layout, sheet).quads(panel)
    return quads["rect"][quads["corner"] < 0]


@pytest.mark.parametrize("size", [(960, 960), (1920, 1080), (480, 480)])
def test_no_letter_leaves_its_label(size):
    text = "spring damping ratio of the incomprehensibilities"
    rects = letters_of(panel_of(size, {}, {G + control: text for control in CONTROLS}))
    layout = lay_out(size)
    left, top, wide, high = layout.panel
    assert (rects[:, 0] >= left).all() and (rects[:, 0] + rects[:, 2] <= left + wide).all()
    assert (rects[:, 1] >= top).all() and (rects[:, 1] + rects[:, 3] <= top + high).all()
    left, top, wide, high = layout.labels[0]
    mine = rects[(rects[:, 0] < left + wide) & (rects[:, 1] >= top)]
    assert len(mine) > 5 and (mine[:, 0] + mine[:, 2] <= left + wide).all()


def test_one_line_over_the_controls_names_what_the_pointer_is_over():
    panel = panel_of((960, 960))
    seen = []
    for control in (None, 2, BEND, ENCODERS[3], PADS[0]):
        if control is not None:
            panel.pointer(*middle(panel, control))
        rects = letters_of(panel)
        seen.append(rects[rects[:, 1] < panel.layout.boxes[8, 1]].tobytes())
    assert len(set(seen)) == 5


def test_what_stays_is_not_laid_out_anew(offscreen, monkeypatch):
    import instrument.display.virtual_drawing as virtual_drawing

    made = []

    def watch(owner, name):
        function = getattr(owner, name)
        monkeypatch.setattr(
            owner, name, lambda *arguments: made.append(name) or function(*arguments)
        )

    for name in ("_ground", "_lit_keys", "_encoders", "labels_of"):
        watch(virtual_drawing, name)
    watch(virtual_drawing._Caps, "at")
    size = (480, 480)
    labels = dict(LABELS)
    panel = panel_of(size, labels=labels)
    surface = offscreen(size)
    presenter = Presenter(surface.ctx)

    def drawn_anew():
        made.clear()
        presenter.draw(surface.framebuffer, size, Look(), None, 0.0, panel)
        return made

    assert drawn_anew() == ["_ground", "_lit_keys", "_encoders", "at", "labels_of"]
    assert drawn_anew() == []
    panel.pointer(*middle(panel, 4, 0.5))
    panel.button(LEFT, True)
    assert drawn_anew() == ["at"]
    panel.button(LEFT, False)
    panel.pointer(*middle(panel, PADS[7], 0.5))
    panel.button(LEFT, True)
    assert drawn_anew() == ["_lit_keys", "at"]
    labels[G + "cc/5"] = "new"
    panel.look(1.0)
    assert drawn_anew() == ["_lit_keys", "labels_of"]
    panel.resize((960, 960))
    assert len(drawn_anew()) == 5
