import math

import pytest

from instrument.display.input import MOVES_PER_POLL, PRESS, RELEASE, REPEAT, Input, key_name
from instrument.display.virtual_controller import VirtualController
from instrument.display.virtual_layout import ENCODERS, PADS
from instrument.event import ControlEvent, is_address
from instrument.timebase import StepClock

SHIFT, CONTROL, CAPS_LOCK = 1, 2, 16
KEY_B, ESCAPE, F11, LEFT_SHIFT, UNKNOWN = 66, 256, 300, 340, -1


@pytest.fixture
def clock():
    return StepClock()


@pytest.fixture
def hands(clock):
    return Input(clock)


def said(hands):
    return [(event.address, event.value) for event in hands.take()]


def test_a_key_is_one_event_down_and_one_up(hands, clock):
    clock.wait_until(1.5)
    hands.key(KEY_B, 56, PRESS, 0, "b")
    clock.wait_until(2.0)
    hands.key(KEY_B, 56, RELEASE, 0, "b")
    assert hands.take() == [ControlEvent("/key/b", 1.0, 1.5), ControlEvent("/key/b", 0.0, 2.0)]
    assert hands.take() == []


def test_repeats_are_not_played(hands):
    hands.key(KEY_B, 56, PRESS, 0, "b")
    hands.key(KEY_B, 56, REPEAT, 0, "b")
    assert said(hands) == [("/key/b", 1.0)]


def test_a_release_bears_the_address_of_its_press(hands):
    hands.key(LEFT_SHIFT, 50, PRESS, 0, None)
    hands.key(ESCAPE, 9, PRESS, SHIFT, None)
    hands.key(LEFT_SHIFT, 50, RELEASE, SHIFT, None)
    hands.key(ESCAPE, 9, RELEASE, 0, None)
    assert said(hands) == [
        ("/key/shift", 1.0),
        ("/key/shift+escape", 1.0),
        ("/key/shift", 0.0),
        ("/key/shift+escape", 0.0),
    ]


def test_a_release_without_a_press_says_nothing(hands):
    hands.key(KEY_B, 56, RELEASE, 0, "b")
    assert said(hands) == []


def test_modifiers_have_one_order_and_locks_do_not_count(hands):
    hands.key(KEY_B, 56, PRESS, SHIFT | CONTROL | CAPS_LOCK, "b")
    assert said(hands) == [("/key/ctrl+shift+b", 1.0)]


@pytest.mark.parametrize(
    ("key", "printed", "name"),
    [
        (49, "1", "1"), (49, "&", "1"), (81, "a", "a"), (KEY_B, "И", "b"), (KEY_B, None, "b"),
        (32, None, "space"), (ESCAPE, None, "escape"), (F11, None, "f11"), (290, None, "f1"),
        (320, "0", "kp_0"), (UNKNOWN, None, "scan_201"), (45, "-", "minus"),
    ],
)  # fmt: skip
def test_keys_have_names(key, printed, name):
    assert key_name(key, 201, printed) == name


def test_the_names_are_those_glfw_means():
    """Each of our numbers is the one GLFW has, read from its source of names."""
    from pathlib import Path

    package = pytest.importorskip("importlib.util").find_spec("glfw")
    source = (Path(package.origin).parent / "__init__.py").read_text()
    numbers = {}
    for line in source.splitlines():
        name, _, value = line.partition(" = ")
        if name.startswith("KEY_") and value.isdecimal():
            numbers[name[4:].lower()] = int(value)
    assert len(numbers) > 100
    words = {"left_shift": "shift", "left_control": "ctrl", "left_alt": "alt",
             "left_super": "super", "right_shift": "shift", "right_control": "ctrl",
             "right_alt": "alt", "right_super": "super", "grave_accent": "grave"}  # fmt: skip
    for name, number in numbers.items():
        ours = key_name(number, 0)
        assert ours == words.get(name, name), (name, number)
        assert is_address(f"/key/ctrl+alt+shift+super+{ours}")


def test_the_mouse_stays_within_the_picture(hands):
    hands.pointer(0.25, 0.75)
    hands.pointer(-3.0, 9.0)
    assert said(hands) == [
        ("/mouse/x", 0.25), ("/mouse/y", 0.75), ("/mouse/x", 0.0), ("/mouse/y", 1.0)
    ]  # fmt: skip


def test_only_what_moved_is_said(hands):
    hands.pointer(0.25, 0.75)
    hands.pointer(0.25, 0.5)
    assert said(hands) == [("/mouse/x", 0.25), ("/mouse/y", 0.75), ("/mouse/y", 0.5)]


def test_of_a_flood_of_moves_the_newest_few_are_kept_in_order(hands):
    for step in range(1000):
        hands.pointer(step / 1000, 0.5)
        if step == 500:
            hands.key(KEY_B, 56, PRESS, 0, "b")
    events = hands.take()
    xs = [event.value for event in events if event.address == "/mouse/x"]
    assert xs == [step / 1000 for step in range(1000 - MOVES_PER_POLL, 1000)]
    assert [event.value for event in events if event.address == "/mouse/y"] == [0.5]
    assert any(event.address == "/key/b" for event in events), "keys are never dropped"


def test_buttons_and_wheel(hands):
    hands.button(0, PRESS)
    hands.button(0, RELEASE)
    hands.button(1, PRESS)
    hands.button(3, PRESS)
    hands.wheel(-1.0)
    hands.wheel(0.0)
    assert said(hands) == [
        ("/mouse/left", 1.0), ("/mouse/left", 0.0), ("/mouse/right", 1.0),
        ("/mouse/button_4", 1.0), ("/mouse/wheel", -1.0),
    ]  # fmt: skip


# --- with the virtual controller in the way


@pytest.fixture
def panel(hands):
    hands.controller = VirtualController()
    hands.controller.resize((960, 960))
    hands.controller.show()
    return hands.controller


def middle(panel, control, height=0.5):
    left, top, wide, high = panel.layout.boxes[control]
    return left + wide / 2, top + (1 - height) * high


def test_without_a_controller_nothing_is_in_the_way(hands):
    assert not hands.aim(480, 900)


def test_what_is_done_on_the_controller_is_said_by_it_at_its_time(hands, panel, clock):
    clock.wait_until(2.0)
    assert hands.aim(*middle(panel, PADS[0], 0.999))
    hands.button(0, PRESS)
    clock.wait_until(2.5)
    hands.button(0, RELEASE)
    assert hands.take() == [
        ControlEvent("/midi/virtual/note/36", 1.0, 2.0),
        ControlEvent("/midi/virtual/note/36", 0.0, 2.5),
    ]


def test_beside_the_controller_the_mouse_is_as_ever(hands, panel):
    assert not hands.aim(100, 100)
    hands.pointer(0.1, 0.9)
    hands.button(0, PRESS)
    hands.button(0, RELEASE)
    hands.wheel(2.0)
    assert said(hands) == [
        ("/mouse/x", 0.1), ("/mouse/y", 0.9), ("/mouse/left", 1.0), ("/mouse/left", 0.0),
        ("/mouse/wheel", 2.0),
    ]  # fmt: skip


def test_shift_makes_an_encoder_count_steps_even_where_the_wheel_goes_sideways(hands, panel):
    hands.aim(*middle(panel, ENCODERS[0]))
    hands.wheel(1.0, 1.0)
    hands.key(LEFT_SHIFT, 50, PRESS, 0, None)
    hands.wheel(1.0)
    hands.wheel(0.0, -1.0)
    hands.key(LEFT_SHIFT, 50, RELEASE, SHIFT, None)
    assert said(hands) == [
        ("/midi/virtual/cc/16", pytest.approx(1 / 127)), ("/key/shift", 1.0),
        ("/midi/virtual/cc/24", 1.0), ("/midi/virtual/cc/24", -1.0), ("/key/shift", 0.0),
    ]  # fmt: skip


def test_a_flood_of_moves_on_a_fader_is_thinned_and_one_of_steps_is_not(hands, panel):
    for control, button in ((3, 0), (ENCODERS[0], 1)):
        hands.aim(*middle(panel, control, 0.001))
        hands.button(button, PRESS)
        for step in range(1001):
            hands.aim(*middle(panel, control, max(0.001, step / 1000)))
        hands.button(button, RELEASE)
    events = said(hands)
    fader = [value for address, value in events if address == "/midi/virtual/cc/3"]
    assert len(fader) == MOVES_PER_POLL and fader[-1] > 0.9  # it was taken by its cap
    steps = [value for address, value in events if address == "/midi/virtual/cc/24"]
    assert sum(steps) == math.floor(
        0.999 * panel.layout.boxes[8, 3] / panel.layout.unit / 0.4 + 0.5
    )


def test_hidden_under_a_hand_it_lets_go_with_the_next_poll(hands, panel):
    hands.aim(*middle(panel, PADS[0], 0.999))
    hands.button(0, PRESS)
    hands.take()
    panel.hide()
    assert said(hands) == [("/midi/virtual/note/36", 0.0)]
    hands.button(0, RELEASE)
    assert said(hands) == [], "not the picture's button either"
