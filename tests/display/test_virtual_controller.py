"""Laws of the virtual controller: whatever hands do, nothing hangs and nothing is out of range."""

import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument.display.virtual_controller import LEFT, RIGHT, VirtualController
from instrument.display.virtual_feedback import Feedback
from instrument.display.virtual_layout import (
    BEND,
    CONTROLS,
    COUNT,
    ENCODERS,
    FADERS,
    PADS,
    PRESSURE,
    PROGRAMS,
    STEPPED,
    lay_out,
)
from instrument.event import is_address

SIZE = (960, 960)
V = "/midi/virtual/"
STEPS = tuple(V + control for control in STEPPED.values())


@pytest.fixture
def panel():
    return shown()


def shown(feedback=None, heard=(), size=SIZE):
    panel = VirtualController(feedback, heard)
    panel.resize(size)
    panel.show()
    return panel


def at(panel, control, height=0.5, across=0.5):
    left, top, wide, high = panel.layout.boxes[control]
    return left + across * wide, top + (1.0 - height) * high


def said(panel):
    return [(one.address, one.value) for one in panel.said()]


def press(panel, control, height=0.5, button=LEFT, shift=False):
    assert panel.pointer(*at(panel, control, height))
    assert panel.button(button, True, shift)


# --- where things lie


@pytest.mark.parametrize("size", [(960, 960), (1920, 1080), (1280, 720), (320, 320), (600, 1600)])
def test_the_panel_stands_at_the_foot_and_leaves_most_of_the_picture(size):
    layout = lay_out(size)
    left, top, wide, high = layout.panel
    assert 0 <= left and left + wide <= size[0] and top + high <= size[1]
    assert top >= 0.65 * size[1]
    boxes = layout.boxes
    assert (boxes[:, :2] >= (left, top)).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= (left + wide, top + high)).all()


def test_no_two_controls_or_labels_overlap():
    layout = lay_out(SIZE)
    below = [*FADERS, *ENCODERS]
    for boxes in (layout.boxes, np.concatenate([layout.boxes, layout.labels[below]])):
        for n, (left, top, wide, high) in enumerate(boxes):
            others = np.delete(boxes, n, axis=0)
            apart = (
                (others[:, 0] >= left + wide - 1e-6)
                | (others[:, 0] + others[:, 2] <= left + 1e-6)
                | (others[:, 1] >= top + high - 1e-6)
                | (others[:, 1] + others[:, 3] <= top + 1e-6)
            )
            assert apart.all(), n


def test_every_control_is_hit_in_its_middle_and_has_an_address_of_its_own(panel):
    for control in range(COUNT):
        assert panel.layout.control_at(*at(panel, control)) == control
    addresses = {V + control for control in CONTROLS} | set(STEPS)
    assert len(addresses) == COUNT + 8 and all(map(is_address, addresses))


def test_the_first_pad_is_the_lower_left_one(panel):
    left, top = panel.layout.boxes[PADS[0], :2]
    assert left == panel.layout.boxes[list(PADS), 0].min()
    assert top == panel.layout.boxes[list(PADS), 1].max()


def test_where_there_is_no_room_there_is_no_panel(panel):
    panel.resize((20, 20))
    assert panel.layout is None and not panel.pointer(10, 10) and panel.top is None


# --- what hands do


def test_beside_the_panel_everything_is_the_pictures(panel):
    assert not panel.pointer(400, 100)
    assert not panel.button(LEFT, True) and not panel.wheel(1.0) and not panel.button(LEFT, False)
    assert panel.said() == []


def test_hidden_it_takes_nothing(panel):
    panel.hide()
    assert not panel.pointer(*at(panel, 0)) and not panel.button(LEFT, True)
    assert not panel.wheel(1.0) and panel.said() == []


def test_between_controls_the_mouse_is_the_panels_and_says_nothing(panel):
    left, top, *_ = panel.layout.panel
    assert panel.pointer(left + 1, top + 1) and panel.over is None
    assert panel.button(LEFT, True) and panel.wheel(3.0)
    assert panel.pointer(100, 100), "drawn off the panel, the press is still the panel's"
    assert panel.button(LEFT, False) and panel.said() == []
    assert not panel.pointer(100, 100)


def test_a_press_on_the_picture_is_let_go_there(panel):
    panel.pointer(400, 100)
    assert not panel.button(LEFT, True)
    assert panel.pointer(*at(panel, PADS[3])), "over the panel nothing flies the pad"
    assert not panel.button(LEFT, False), "or the picture would think it is held"
    assert panel.said() == []


def test_a_fader_comes_to_where_it_is_pressed_and_follows(panel):
    press(panel, 2, 0.5)
    panel.pointer(0, at(panel, 2, 1.2)[1])
    panel.button(LEFT, False)
    panel.pointer(*at(panel, 2, 0.1))
    assert said(panel) == [(V + "cc/2", pytest.approx(0.5)), (V + "cc/2", 1.0)]
    assert panel.standing.hand[2] == 1.0


def test_a_fader_taken_by_its_cap_does_not_jump(panel):
    panel.standing.put(2, 0.3)
    x, y = at(panel, 2)[0], panel.layout.y_of(2, 0.3) + 0.3 * panel.layout.cap
    panel.pointer(x, y)
    panel.button(LEFT, True)
    assert said(panel) == []
    panel.pointer(x, y - 0.2 * panel.layout.travel(2))
    assert said(panel) == [(V + "cc/2", pytest.approx(0.5))]


def test_an_encoder_turns_up_and_to_the_right_and_knows_its_ends(panel):
    encoder = ENCODERS[1]
    press(panel, encoder)
    x, y = at(panel, encoder)
    panel.pointer(x, y - 3 * panel.layout.unit)
    panel.pointer(x + 2 * panel.layout.unit, y - 3 * panel.layout.unit)
    panel.pointer(x + 2000, y)
    panel.pointer(x - 2000, y)
    values = [value for address, value in said(panel) if address == V + "cc/17"]
    assert values == [pytest.approx(0.3), pytest.approx(0.5), 1.0, 0.0]


@pytest.mark.parametrize(("button", "shift"), [(RIGHT, False), (LEFT, True)])
def test_an_encoder_counts_steps_with_the_right_button_or_shift(panel, button, shift):
    press(panel, ENCODERS[0], button=button, shift=shift)
    x, y = at(panel, ENCODERS[0])
    for up in (1, 2, 3, 2, -1):
        panel.pointer(x, y - up * 0.4 * panel.layout.unit)
    panel.button(button, False)
    assert said(panel) == [(V + "cc/24", step) for step in (1.0, 1.0, 1.0, -1.0, -3.0)]
    assert panel.standing.hand[ENCODERS[0]] == 0.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-900, 1900), st.floats(-900, 1900)), min_size=1, max_size=30))
def test_the_steps_of_a_hand_add_up_to_where_it_is(way):
    panel = shown()
    press(panel, ENCODERS[5], button=RIGHT)
    x, y = at(panel, ENCODERS[5])
    for there in way:
        panel.pointer(*there)
    steps = [value for address, value in said(panel) if address == V + "cc/29"]
    drawn = (way[-1][0] - x + y - way[-1][1]) / panel.layout.unit
    assert sum(steps) == math.floor(drawn / 0.4 + 0.5)
    assert all(step == round(step) != 0 for step in steps)


def test_the_wheel_turns_encoders_and_faders_in_notches_and_counts_steps_with_shift(panel):
    panel.pointer(*at(panel, ENCODERS[7]))
    panel.wheel(2.0)
    panel.wheel(-5.0)
    panel.wheel(-5.0)
    for part in (0.5, 0.25, 0.5, -0.25, -2.0):
        panel.wheel(part, shift=True)
    panel.pointer(*at(panel, 4))
    panel.wheel(1.0, shift=True)
    assert said(panel) == [
        (V + "cc/23", pytest.approx(2 / 127)), (V + "cc/23", 0.0),
        (V + "cc/31", 1.0), (V + "cc/31", -2.0),
        (V + "cc/4", pytest.approx(1 / 127)),
    ]  # fmt: skip


def test_the_wheel_on_a_pad_does_nothing_and_is_not_the_pictures(panel):
    panel.pointer(*at(panel, PADS[0]))
    assert panel.wheel(1.0) and panel.wheel(math.nan) and panel.said() == []


def test_a_pad_is_softer_the_lower_it_is_hit(panel):
    for height in (0.999, 0.5, 0.0001):
        press(panel, PADS[9], height)
        assert panel.held[PADS[9]]
        panel.pointer(5, 5)
        panel.button(LEFT, False)
    told = said(panel)
    assert told[1::2] == [(V + "note/45", 0.0)] * 3
    assert [v for _, v in told[::2]] == [1.0, pytest.approx(0.5, abs=0.01), 1 / 127]


def test_the_pitch_springs_back_and_the_pressure_falls(panel):
    for control, rest, name in ((BEND, 0.5, "bend"), (PRESSURE, 0.0, "pressure")):
        press(panel, control, 0.99)
        panel.pointer(*at(panel, control, 0.01))
        panel.button(LEFT, False)
        middle = {"bend": [1.0, 0.0, 0.5], "pressure": [1.0, 0.0]}[name]
        assert said(panel) == [(V + name, value) for value in middle]
        assert panel.standing.hand[control] == rest


def test_a_program_is_said_once_and_never_let_go(panel):
    press(panel, PROGRAMS[2])
    panel.button(LEFT, False)
    assert said(panel) == [(V + "program/3", 1.0)]


def test_two_buttons_hold_two_pads_and_one_pad_is_struck_once(panel):
    press(panel, PADS[0], 0.999)
    press(panel, PADS[0], 0.5, button=RIGHT)
    panel.button(RIGHT, False)
    assert panel.held[PADS[0]]
    press(panel, PADS[1], 0.999, button=RIGHT)
    panel.button(LEFT, False)
    panel.button(RIGHT, False)
    notes = [(a.removeprefix(V), v) for a, v in said(panel)]
    assert notes == [("note/36", 1.0), ("note/37", 1.0), ("note/36", 0.0), ("note/37", 0.0)]


def test_hidden_while_held_everything_is_let_go(panel):
    press(panel, PADS[0], 0.999)
    press(panel, BEND, 0.9, button=RIGHT)
    panel.said()
    panel.hide()
    assert said(panel) == [(V + "note/36", 0.0), (V + "bend", 0.5)]
    assert not panel.held.any()
    assert panel.button(LEFT, False) and panel.button(RIGHT, False), "what it took it lets go"
    assert said(panel) == []


def test_a_release_that_never_came_hangs_nothing(panel):
    press(panel, PADS[0], 0.999)
    panel.pointer(10, 10)
    assert not panel.button(LEFT, True), "that press is the picture's"
    assert said(panel) == [(V + "note/36", 1.0), (V + "note/36", 0.0)]
    assert not panel.button(LEFT, False)


def test_what_a_preset_hears_of_any_device_it_hears_of_this_one():
    heard = ["/midi/generic/cc/16", "/midi/generic/note/36", "/midi/generic/cc/24/twos-complement",
             "/midi/virtual/cc/24/twos-complement", "/midi/virtual/cc/24", "/midi/generic/cc/99",
             "/midi/nanokontrol2/cc/17", "/key/c"]  # fmt: skip
    panel = shown(heard=heard)
    press(panel, PADS[0], 0.999)
    panel.button(LEFT, False)
    assert said(panel) == [
        (V + "note/36", 1.0), ("/midi/generic/note/36", 1.0),
        (V + "note/36", 0.0), ("/midi/generic/note/36", 0.0),
    ]  # fmt: skip
    panel.pointer(*at(panel, ENCODERS[0]))
    panel.wheel(-1.0, shift=True)
    panel.wheel(1.0)
    assert said(panel) == [
        (V + "cc/24", -1.0), ("/midi/generic/cc/24/twos-complement", -1.0),
        (V + "cc/24/twos-complement", -1.0),
        (V + "cc/16", pytest.approx(1 / 127)), ("/midi/generic/cc/16", pytest.approx(1 / 127)),
    ]  # fmt: skip
    panel.pointer(*at(panel, ENCODERS[1]))
    panel.wheel(1.0)
    assert len(said(panel)) == 1


SOURCES = [device + c for device in (V, "/midi/generic/") for c in (*CONTROLS, *STEPPED.values())]
PLACE = st.tuples(st.floats(-100, 1100), st.floats(-100, 1100)) | st.tuples(
    st.floats(10, 950), st.floats(640, 940)
)
ACTIONS = st.one_of(
    st.tuples(st.just("pointer"), PLACE),
    st.tuples(st.just("pointer"), st.just((math.nan, math.inf))),
    st.tuples(st.just("strike"), PLACE, st.integers(0, 4), st.booleans()),
    st.tuples(st.just("release"), st.integers(0, 4)),
    st.tuples(st.just("wheel"), st.floats() | st.floats(-4, 4), st.booleans()),
    st.tuples(st.just("hide")),
    st.tuples(st.just("show")),
    st.tuples(st.just("resize"), st.sampled_from([SIZE, (1920, 1080), (320, 200), (9, 9)])),
    st.tuples(
        st.just("look"),
        st.dictionaries(st.sampled_from(SOURCES), st.floats(allow_infinity=False), max_size=6),
        st.floats(0, 3),
    ),
)


def act(panel, action, told):
    """Do one thing; returns what the panel answered."""
    name, *rest = action
    if name == "pointer":
        return panel.pointer(*rest[0])
    if name == "strike":
        panel.pointer(*rest[0])
        return panel.button(rest[1], True, rest[2])
    if name == "release":
        return panel.button(rest[0], False)
    if name == "look":
        told["wanted"], told["now"] = rest[0], told["now"] + rest[1]
        return panel.look(told["now"])
    return getattr(panel, name)(*rest)


@settings(max_examples=300, deadline=None)
@given(st.lists(ACTIONS, max_size=60), st.booleans())
def test_whatever_hands_do_nothing_hangs_and_nothing_is_out_of_range(actions, goes):
    told = {"wanted": {}, "now": 0.0}
    waiting = frozenset({V + "cc/0", "/midi/generic/cc/1"})
    feedback = Feedback(lambda: told["wanted"], waiting=lambda: waiting)
    panel = shown(feedback, SOURCES[COUNT + 8 :])
    for action in actions:
        act(panel, action, told)
    if goes:
        panel.hide()
    for button in range(5):
        panel.button(button, False)
    events = panel.said()
    assert not panel.held.any()
    assert np.isfinite(panel.standing.hand).all()
    assert ((panel.standing.hand >= 0.0) & (panel.standing.hand <= 1.0)).all()
    by_control = defaultdict(list)
    generic = defaultdict(list)
    for address, value, _ in events:
        (by_control if address.startswith(V) else generic)[address.split("/", 3)[3]].append(value)
    assert by_control == generic, "who listens to any device misses nothing"
    for control, values in by_control.items():
        if control in STEPPED.values():
            assert all(math.isfinite(v) and v == round(v) != 0 for v in values)
            continue
        assert all(0.0 <= value <= 1.0 for value in values)
        if control.startswith("note"):
            assert all(v > 0.0 for v in values[::2]) and all(v == 0.0 for v in values[1::2])
            assert len(values) % 2 == 0, "a note hangs"
        elif control.startswith("program"):
            assert set(values) == {1.0}
        elif control in ("bend", "pressure"):
            assert values[-1] == {"bend": 0.5, "pressure": 0.0}[control]


@settings(max_examples=150, deadline=None)
@given(st.lists(ACTIONS, max_size=50))
def test_whoever_takes_a_press_gets_its_release(actions):
    """The picture's buttons are as well-behaved with a panel as without: down, up, down, up."""
    told = {"wanted": {}, "now": 0.0}
    panel = shown(Feedback(lambda: told["wanted"]))
    taken_by = {}
    for action in actions:
        name, *rest = action
        if name == "strike" and rest[1] in taken_by:
            continue  # no mouse does that
        if name == "release" and rest[0] not in taken_by:
            continue
        answer = act(panel, action, told)
        if name == "strike":
            taken_by[rest[1]] = answer
        elif name == "release":
            assert taken_by.pop(rest[0]) == answer
