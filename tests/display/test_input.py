import pytest

from instrument.display.input import MOVES_PER_POLL, PRESS, RELEASE, REPEAT, Input, key_name
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
