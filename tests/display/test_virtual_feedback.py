"""Motors, lamps and labels of the virtual controller."""

import numpy as np
import pytest

from instrument.display.virtual_controller import LEFT, VirtualController
from instrument.display.virtual_feedback import HAND_RESTS, RATE, Feedback
from instrument.display.virtual_layout import COUNT, ENCODERS, PADS

V, G = "/midi/virtual/", "/midi/generic/"


class Instrument:
    """What the controller is told, and how often it asks."""

    def __init__(self, waiting=()):
        self.wanted, self.labels, self.armed, self.asked = {}, {}, "", 0
        self.waiting = frozenset(waiting)

    def ask(self):
        self.asked += 1
        return self.wanted

    def panel(self):
        feedback = Feedback(self.ask, lambda: self.labels, lambda: self.waiting, lambda: self.armed)
        panel = VirtualController(feedback)
        panel.resize((960, 960))
        panel.show()
        return panel


@pytest.fixture
def instrument():
    return Instrument()


def middle(panel, control, height=0.5):
    left, top, wide, high = panel.layout.boxes[control]
    return left + wide / 2, top + (1 - height) * high


def drag(panel, control, *heights):
    panel.pointer(*middle(panel, control, heights[0]))
    panel.button(LEFT, True)
    for height in heights[1:]:
        panel.pointer(*middle(panel, control, height))
    panel.button(LEFT, False)
    return [(one.address, one.value) for one in panel.said()]


def test_with_nothing_to_be_told_it_stands_at_rest():
    panel = VirtualController()
    panel.resize((960, 960))
    panel.show()
    panel.look(0.0)
    assert np.isnan(panel.standing.wanted).all() and panel.standing.labels == ("",) * COUNT
    assert panel.standing.hand.sum() == 0.5, "the pitch in its middle"


def test_faders_and_encoders_go_where_the_value_is(instrument):
    panel = instrument.panel()
    instrument.wanted = {V + "cc/3": 0.25, G + "cc/16": 0.75, V + "note/36": 1.0}
    panel.look(0.0)
    assert panel.standing.hand[3] == 0.25 and panel.standing.hand[ENCODERS[0]] == 0.75
    assert panel.standing.hand[PADS[0]] == 0.0, "a lamp is not a hand"
    assert panel.standing.wanted[PADS[0]] == 1.0
    assert panel.said() == [], "a motor says nothing"


def test_its_own_address_counts_before_the_generic_one(instrument):
    panel = instrument.panel()
    instrument.wanted = {G + "cc/0": 0.1, V + "cc/0": 0.9, V + "cc/24": 0.4, G + "cc/1": 7.0}
    instrument.labels = {G + "cc/0": "far", V + "cc/0": "near", G + "cc/24": "steps"}
    panel.look(0.0)
    assert panel.standing.wanted[0] == 0.9 and panel.standing.labels[0] == "near"
    assert panel.standing.wanted[1] == 1.0, "never out of range"
    steps = ENCODERS[0]
    assert panel.standing.wanted[steps] == 0.4 and panel.standing.labels[steps] == "steps"


def test_it_asks_thirty_times_a_second_and_only_while_it_is_shown(instrument):
    panel = instrument.panel()
    for tick in range(600):
        panel.look(tick / 600)
    assert RATE - 1 <= instrument.asked <= RATE + 1
    panel.hide()
    panel.look(9.0)
    assert instrument.asked <= RATE + 1


def test_what_does_not_change_is_not_drawn_anew(instrument):
    panel = instrument.panel()
    instrument.wanted, instrument.labels = {V + "cc/0": 0.5}, {V + "cc/0": "pad x"}
    panel.look(0.0)
    version = panel.version
    panel.look(1.0)
    assert panel.version == version
    for change in (
        lambda: instrument.wanted.update({V + "cc/0": 0.6}),
        lambda: instrument.labels.update({V + "cc/0": "pad y"}),
        lambda: setattr(instrument, "armed", "pad x"),
    ):
        version = panel.version
        change()
        panel.look(panel.standing._looked + 1.0)
        assert panel.version > version


def test_no_motor_moves_what_a_hand_is_on(instrument):
    panel = instrument.panel()
    instrument.wanted = {V + "cc/0": 0.0}
    panel.pointer(*middle(panel, 0, 0.8))
    panel.button(LEFT, True)
    panel.look(1.0)
    stood = panel.standing.hand[0]
    panel.look(100.0)
    assert panel.standing.hand[0] == stood > 0.7
    panel.button(LEFT, False)
    panel.look(200.0)
    assert panel.standing.hand[0] == 0.0


def test_a_hand_just_gone_is_not_pulled_back(instrument):
    """What is smoothed arrives after the hand: its fader must not go back to meet it."""
    panel = instrument.panel()
    drag(panel, 0, 0.3, 0.8)
    stood = panel.standing.hand[0]
    instrument.wanted = {V + "cc/0": 0.4}
    panel.look(10.0)
    panel.look(10.0 + 0.9 * HAND_RESTS)
    assert panel.standing.hand[0] == stood
    panel.look(10.0 + 1.1 * HAND_RESTS)
    assert panel.standing.hand[0] == 0.4


def test_in_pickup_a_fader_stands_where_the_hand_left_it(instrument):
    instrument = Instrument([G + "cc/0", G + "cc/16"])
    panel = instrument.panel()
    instrument.wanted = {G + "cc/0": 0.25, G + "cc/16": 0.25}
    panel.look(0.0)
    assert panel.standing.hand[0] == 0.25, "to begin with it stands at the value"
    instrument.wanted = {G + "cc/0": 0.9, G + "cc/16": 0.9}
    panel.look(10.0)
    assert panel.standing.hand[0] == 0.25 and panel.standing.wanted[0] == 0.9
    assert panel.standing.hand[ENCODERS[0]] == 0.9, "an endless encoder stands nowhere"


def test_a_fader_that_stands_at_the_value_says_so_first(instrument):
    """However fast it is thrown: pickup has met it from its first message."""
    panel = instrument.panel()
    instrument.wanted = {V + "cc/0": 0.4, V + "cc/1": 0.4}
    panel.look(0.0)
    told = drag(panel, 0, 0.9)
    assert told[0] == (V + "cc/0", 0.4) and len(told) == 2
    assert [value for _, value in drag(panel, 0, 0.1)] != [0.4], "said once"
    instrument.wanted[V + "cc/1"] = 0.7
    panel.standing.wanted[1] = 0.7
    assert drag(panel, 1, 0.1)[0][1] < 0.1, "elsewhere it has met nothing"


def test_at_its_end_the_wheel_says_nothing_again(instrument):
    """Or learning would take a fader at its top for an encoder that counts up."""
    panel = instrument.panel()
    instrument.wanted = {V + "cc/0": 1.0}
    panel.look(0.0)
    panel.pointer(*middle(panel, 0))
    for second in range(5, 60, 5):
        panel.wheel(1.0)
        panel.look(float(second))
    assert panel.said() == []
