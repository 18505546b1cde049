"""The virtual controller in a whole show: called for, played, taught with, replayed."""

import numpy as np
import pytest
from stage_parts import FakeDecks, FakeDecoder, FakePresenter, FakeSurface, SlowClock, tape_into

from instrument.cli.on_screen import label_of, virtual_controller
from instrument.cli.sources import assemble
from instrument.control.mirror import Mirror
from instrument.display.input import PRESS, RELEASE, Input
from instrument.display.virtual_layout import ENCODERS, PADS
from instrument.event import ControlEvent
from instrument.live.loop import Loop, Show
from instrument.live.projection import Screen
from instrument.performance.teaching import bindings_now
from instrument.take.reader import read_take
from instrument.take.replay import verify

SIZE = (960, 960)
V, G = "/midi/virtual/", "/midi/generic/"


class HandsOnIt(FakeSurface):
    """A surface whose mouse does what it is told: (time, what, control or key, height)."""

    framebuffer_size = SIZE

    def __init__(self, clock, doings) -> None:
        self.input = Input(clock)
        super().__init__(clock)
        self.doings = list(doings)

    @property
    def controller(self):
        return self.input.controller

    @controller.setter
    def controller(self, controller) -> None:
        self.input.controller = controller

    def poll(self):
        while self.doings and self.doings[0][0] <= self.clock.now():
            _, what, *rest = self.doings.pop(0)
            getattr(self, what)(*rest)
        return [*super().poll(), *self.input.take()]

    def key(self, name) -> None:
        for action in (PRESS, RELEASE):
            self.input.key(ord(name.upper()), 1, action, 0, name)

    def move(self, control, height) -> None:
        left, top, wide, high = self.controller.layout.boxes[control]
        if not self.input.aim(left + wide / 2, top + (1 - height) * high):
            self.input.pointer(left / SIZE[0], 1 - top / SIZE[1])

    def press(self, control, height, button=0) -> None:
        self.move(control, height)
        self.input.button(button, PRESS)

    def let_go(self, button=0) -> None:
        self.input.button(button, RELEASE)

    def wheel(self, control, steps) -> None:
        self.move(control, 0.5)
        self.input.wheel(steps)


class Rig:
    """What the stage's rig knows, without a device."""

    def __init__(self, performer) -> None:
        self.performer, self.mirror = performer, Mirror()
        self.bindings, self.armed = (), ""

    def follow(self, performance, reflection, now) -> None:
        self.mirror.write(reflection)
        self.bindings = tuple(bindings_now(self.performer, performance))
        self.armed = performance.learning.armed

    def wanted(self):
        values, space = self.mirror.read().values, self.performer.space
        found = {}
        for binding in self.bindings:
            column = space.find(binding.target)
            if column is not None:
                parameter = space.parameters[column]
                found[binding.source] = binding.unmap(parameter.unmap(float(values[column])))
        return found

    def keep(self, performance) -> None: ...

    def lines(self):
        return ()

    def notices(self):
        return []


@pytest.fixture
def stage(tmp_path):
    plays = iter(range(9))

    def play(doings=(), events=(), *, seconds=2.0):
        made = assemble("controller", None, None, None)
        clock = SlowClock()
        surface = HandsOnIt(clock, doings)
        surface.events = list(events)
        rig = Rig(made.performer)
        controller = virtual_controller(rig, made.performer)
        tape = tape_into(tmp_path / str(next(plays)), made)
        screen = Screen(
            surface, FakePresenter(), FakeDecks(clock, FakeDecoder()), controller=controller
        )
        loop = Loop(
            Show(made.performer, made.rate, clock, tape, rig=rig, screen=screen,
                 seconds=seconds, record=True)
        )  # fmt: skip
        loop.run()
        take = read_take(tape.summaries[0].folder)
        assert verify(take, "take").largest == 0.0
        return loop, controller, take

    return play


def at(take, address):
    return [event.value for event in take.events if event.address == address]


def test_the_key_calls_for_it_and_sends_it_away(stage):
    _, controller, _ = stage([(0.1, "key", "c")])
    assert controller.shown
    _, controller, _ = stage([(0.1, "key", "c"), (0.5, "key", "c")])
    assert not controller.shown


def test_not_called_for_it_takes_nothing(stage):
    _, _, take = stage([(0.5, "move", 0, 0.5), (0.6, "press", PADS[4], 0.9),
                                 (0.8, "let_go")])  # fmt: skip
    said = {event.address for event in take.events}
    assert {"/mouse/x", "/mouse/y", "/mouse/left"} <= said
    assert not any(address.startswith("/midi/") for address in said)


def test_a_laptop_alone_plays_the_preset_of_a_controller(stage):
    doings = [
        (0.1, "key", "c"),
        (0.5, "press", PADS[4], 0.999), (0.7, "let_go"),
        (1.0, "press", 1, 0.9), (1.1, "move", 1, 0.2), (1.2, "let_go"),
    ]  # fmt: skip
    loop, _, take = stage(doings)
    assert at(take, V + "note/40") == at(take, G + "note/40") == [1.0, 0.0]
    assert at(take, G + "cc/1") == at(take, V + "cc/1") != []
    assert not any(event.address.startswith("/mouse/") for event in take.events)
    assert np.linalg.norm(take.z[55] - take.z[29]) > 1.0, "the pad led nowhere"
    assert np.linalg.norm(take.z[-1] - take.z[70]) > 1.0, "the fader led nowhere"
    assert loop._performance.aim.kind == "pad"


def test_it_shows_how_the_instrument_stands(stage):
    loop, controller, _ = stage([(0.1, "key", "c")])
    standing = controller.standing
    assert standing.labels[2] == "spring frequency" and standing.labels[3] == "spring damping ratio"
    assert standing.labels[PADS[0]] == "genesis" and standing.labels[5] == ""
    space = loop._performer.space
    frequency = space.parameters[space.index("/spring/frequency")]
    assert standing.wanted[2] == pytest.approx(frequency.unmap(0.35))
    assert standing.hand[2] == standing.wanted[2]


def test_in_pickup_the_fader_stands_and_the_value_is_shown_apart(stage):
    """Another hand moves the value: the fader must be fetched, and catches it as it passes."""
    events = [ControlEvent("/spring/frequency", 0.9, 0.5)]
    doings = [(0.1, "key", "c")]
    _, controller, _ = stage(doings, events)
    assert controller.standing.wanted[2] == pytest.approx(0.9)
    assert controller.standing.hand[2] < 0.6
    doings += [(1.0, "press", 2, 0.2), (1.1, "move", 2, 0.3), (1.2, "let_go")]
    loop, controller, _ = stage(doings, events)
    index = loop._performer.space.index("/spring/frequency")
    assert loop._performer.heading(loop._performance, index) == pytest.approx(0.9), "it jumped"
    doings[-1:] = [(1.2, "move", 2, 0.99), (1.3, "move", 2, 0.6), (1.4, "let_go")]
    loop, controller, _ = stage(doings, events)
    position = loop._performer.heading(loop._performance, index)
    assert position == pytest.approx(controller.standing.hand[2]) and position < 0.7


def test_a_parameter_is_armed_and_a_fader_of_the_screen_is_learnt(stage):
    doings = [
        (0.3, "key", "c"),
        (0.5, "press", 5, 0.3), (0.6, "move", 5, 0.5), (0.7, "move", 5, 0.9), (0.8, "let_go"),
    ]  # fmt: skip
    loop, controller, _ = stage(doings, [ControlEvent("/learn/target/noise/rate", 1.0, 0.1)])
    (binding,) = loop._performance.learning.learnt.values()
    assert (binding.source, binding.target, binding.mode) == (V + "cc/5", "/noise/rate", "pickup")
    assert controller.standing.labels[5] == "noise rate"


def test_calling_for_it_is_not_what_is_learnt(stage):
    arm = ControlEvent("/learn/target/noise/rate", 1.0, 0.1)
    loop, controller, _ = stage([(0.3, "key", "c"), (0.6, "key", "c"), (0.9, "key", "c")], [arm])
    assert loop._performance.learning.learnt == {}
    assert controller.standing.armed == "noise rate"


def test_an_encoder_that_counts_steps_is_learnt_as_one(stage):
    doings = [(0.3, "key", "c"), (0.5, "press", ENCODERS[4], 0.5, 1)]
    doings += [(0.5 + 0.05 * n, "move", ENCODERS[4], 0.5 + 0.15 * n) for n in range(1, 5)]
    doings += [(1.0, "let_go", 1)]
    loop, _, take = stage(doings, [ControlEvent("/learn/target/noise/rate", 1.0, 0.1)])
    (binding,) = loop._performance.learning.learnt.values()
    assert (binding.source, binding.mode) == (V + "cc/28", "relative")
    assert all(value == round(value) for value in at(take, V + "cc/28"))


def test_a_pad_and_a_program_fire_and_toggle_what_they_learnt(stage):
    doings = [
        (0.2, "key", "c"),
        (0.4, "press", PADS[14], 0.5), (0.5, "let_go"),  # learns; acts from the next press
        (0.7, "press", PADS[14], 0.2), (0.8, "let_go"),
        (1.1, "press", 35, 0.5), (1.2, "let_go"),
        (1.4, "press", 35, 0.5), (1.5, "let_go"),
    ]  # fmt: skip
    events = [
        ControlEvent("/learn/target/display/freeze", 1.0, 0.1),
        ControlEvent("/learn/target/waypoint/3/go", 1.0, 1.0),
    ]
    loop, _, _ = stage(doings, events)
    learnt = {b.source: b.mode for b in loop._performance.learning.learnt.values()}
    assert learnt == {V + "note/50": "toggle", V + "program/2": "trigger"}
    assert loop._performer.value(loop._performance, "/display/freeze") == 1.0
    assert loop._performance.aim.kind == "waypoint" and loop._performance.aim.waypoint == 2


def test_sent_away_under_a_hand_it_lets_go(stage):
    doings = [(0.1, "key", "c"), (0.5, "press", PADS[15], 0.5), (0.7, "key", "c"),
              (1.0, "let_go")]  # fmt: skip
    _, controller, take = stage(doings)
    struck, released = at(take, V + "note/51")
    assert struck > 0.0 and released == 0.0 and not controller.held.any()
    assert at(take, "/mouse/left") == []


@pytest.mark.parametrize(
    ("target", "label"),
    [
        ("/spring/damping_ratio", "spring damping ratio"), ("/waypoint/dawn/go", "dawn"),
        ("/performance/home", "home"), ("/display/blackout", "blackout"),
        ("/preset/2/recall", "preset 2 recall"), ("/pad/x", "pad x"), ("/score/play", "score play"),
    ],
)  # fmt: skip
def test_labels_are_short(target, label):
    assert label_of(target) == label
