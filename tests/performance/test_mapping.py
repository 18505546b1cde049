"""Mapping: what each kind of control does, and that no pickup ever jumps."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stages import event, performer_of, play

from instrument import InstrumentError
from instrument.performance.mapping import Binding, Touch, is_press, respond

LAW = settings(deadline=None, derandomize=True, max_examples=200)
unit = st.floats(0.0, 1.0)
curves = st.sampled_from(["linear", "slow", "fast"])
ranges = st.tuples(unit, unit).filter(lambda ends: abs(ends[0] - ends[1]) > 1e-3)
bindings = st.builds(
    lambda ends, curve: Binding("/knob/1", "/master/gain", low=ends[0], high=ends[1], curve=curve),
    ranges,
    curves,
)
REACH = 1.0 / 64.0


@LAW
@given(bindings, unit)
def test_there_and_back(binding, value) -> None:
    # A square root near 0 makes a rounding of 1e-16 / 1e-3 as large as its root.
    assert binding.unmap(binding.map(value)) == pytest.approx(value, abs=1e-6)


@LAW
@given(bindings, st.floats(allow_nan=False))
def test_always_between_low_and_high(binding, value) -> None:
    low, high = sorted((binding.low, binding.high))
    assert low - 1e-15 <= binding.map(value) <= high + 1e-15
    assert 0.0 <= binding.unmap(value) <= 1.0


def test_curves_go_slowly_or_fast_at_first() -> None:
    binding = Binding("/a", "/b")
    assert binding.map(0.25) == 0.25
    assert replace(binding, curve="slow").map(0.25) == 0.0625
    assert replace(binding, curve="fast").map(0.25) == 0.5
    assert replace(binding, low=1.0, high=0.0).map(0.25) == 0.75


def test_jump_follows_at_once() -> None:
    assert respond(Binding("/a", "/b"), None, 0.3, 0.9) == 0.3


def test_relative_adds_to_where_the_target_is() -> None:
    binding = Binding("/a", "/b", "relative", step=0.1, low=0.9, high=0.2)
    assert respond(binding, None, 2.0, 0.5) == pytest.approx(0.7)
    assert respond(binding, None, -1.0, 0.5) == pytest.approx(0.4)
    assert respond(binding, None, 100.0, 0.5) == 0.9
    assert respond(binding, None, -1e300, 0.5) == 0.2


def test_toggle_flips_at_every_press_and_nothing_else() -> None:
    binding = Binding("/a", "/b", "toggle", low=0.1, high=0.8)
    assert respond(binding, None, 1.0, 0.1) == 0.8
    assert respond(binding, Touch(1.0), 1.0, 0.8) is None  # a key that repeats
    assert respond(binding, Touch(1.0), 0.0, 0.8) is None
    assert respond(binding, Touch(0.0), 1.0, 0.8) == 0.1
    assert respond(binding, Touch(0.0), 1.0, 0.6) == 0.1  # another hand has moved it
    assert respond(binding, Touch(0.0), 0.4, 0.8) is None


def test_momentary_is_high_while_held() -> None:
    binding = Binding("/a", "/b", "momentary", low=0.1, high=0.8)
    assert respond(binding, None, 1.0, 0.5) == 0.8
    assert respond(binding, Touch(1.0), 0.0, 0.8) == 0.1


def test_a_press_rises_over_one_half() -> None:
    assert is_press(None, 1.0)
    assert is_press(Touch(0.49), 0.5)
    assert not is_press(Touch(0.5), 1.0)
    assert not is_press(Touch(0.0), 0.49)


def test_trigger_sets_high_at_every_press() -> None:
    binding = Binding("/a", "/b", "trigger", low=0.1, high=0.8)
    assert respond(binding, None, 1.0, 0.5) == 0.8
    assert respond(binding, Touch(0.0), 0.7, 0.8) == 0.8
    assert respond(binding, Touch(1.0), 1.0, 0.5) is None
    assert respond(binding, Touch(1.0), 0.0, 0.5) is None


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("/key/l", "key"),
        ("/key/shift+escape", "key"),
        ("/mouse/left", "key"),
        ("/mouse/button_4", "key"),
        ("/mouse/wheel", "control"),
        ("/mouse/x", "control"),
        ("/midi/apcmini/note/36", "note"),
        ("/midi/apcmini/ch/10/note/36", "note"),
        ("/midi/apcmini/note/36/pressure", "control"),
        ("/midi/apcmini.2/program/5", "program"),
        ("/midi/apcmini/cc/16", "control"),
        ("/osc/note/1", "control"),
        ("/audio/in/onset", "control"),
    ],
)
def test_an_address_tells_what_kind_of_control_it_is(source: str, kind: str) -> None:
    assert Binding(source, "/b").kind == kind


def test_a_pad_struck_softly_is_struck() -> None:
    pad = Binding("/midi/pads/note/36", "/b", "toggle")
    assert respond(pad, Touch(0.0), 1.0 / 127.0, 0.0) == 1.0
    assert respond(pad, Touch(1.0 / 127.0), 0.9, 0.0) is None  # it went down already
    held = replace(pad, mode="momentary", high=0.8)
    assert respond(held, Touch(0.0), 0.1, 0.0) == 0.8
    assert respond(held, Touch(0.1), 0.0, 0.8) == 0.0


def test_every_program_change_is_a_press() -> None:
    binding = Binding("/midi/pads/program/5", "/b", "trigger")
    assert respond(binding, Touch(1.0), 1.0, 0.0) == 1.0
    assert respond(binding, Touch(1.0), 0.0, 0.0) is None


@pytest.mark.parametrize("source", ["/midi/pads/note/36", "/midi/pads/program/3"])
def test_pads_and_programs_fly_to_waypoints_again_and_again(source: str) -> None:
    performer = performer_of(bindings=(Binding(source, "/waypoint/2/go"),))
    hits = [event(0.1, source, 0.02 if "note" in source else 1.0)]
    hits += [event(0.2, source, 0.0)] if "note" in source else []
    hits += [event(0.3, "/waypoint/3/go"), event(0.4, source, hits[0].value)]
    there, away, back = play(performer, [0.1, 0.3, 0.4], hits)
    assert (there.aim.waypoint, away.aim.waypoint, back.aim.waypoint) == (1, 2, 1)


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        ({"source": "knob"}, "source"),
        ({"target": "/"}, "target"),
        ({"low": -0.1}, "low"),
        ({"high": 1.1}, "high"),
        ({"high": math.nan}, "high"),
        ({"low": 1.0}, "low and high"),
        ({"smoothing": -1.0}, "smoothing"),
        ({"smoothing": 61.0}, "smoothing"),
        ({"smoothing": math.nan}, "smoothing"),
        ({"step": math.inf}, "step"),
    ],
)
def test_bindings_nobody_can_play(wrong: dict, names: str) -> None:
    with pytest.raises(InstrumentError, match=names):
        Binding(**({"source": "/a", "target": "/b"} | wrong))


# Pickup.

GAIN = "/master/gain"
PICKUP = Binding("/knob/1", GAIN, "pickup")


def gains(performer, events) -> list[float]:
    """The gain before the first event and after each."""
    performance, seen = performer.begin(), []
    for e in events:
        performance = performer.advance(performance, e.time, [e])
        seen.append(performer.value(performance, GAIN))
    return seen


def sweep(start: float, stop: float, steps: int = 50, since: float = 0.0) -> list:
    return [
        event(since + i * 0.01, "/knob/1", start + (stop - start) * i / steps)
        for i in range(steps + 1)
    ]


def test_a_knob_moves_nothing_until_it_meets_the_value() -> None:
    performer = performer_of(bindings=(PICKUP,), values={GAIN: 0.5})
    knob = sweep(0.0, 1.0)
    for e, gain in zip(knob, gains(performer, knob), strict=True):
        assert gain == (0.5 if e.value < 0.5 - REACH else pytest.approx(e.value))


def test_a_fast_knob_is_caught_as_it_passes() -> None:
    performer = performer_of(bindings=(PICKUP,), values={GAIN: 0.5})
    knob = [event(i * 0.1, "/knob/1", v) for i, v in enumerate([0.1, 0.3, 0.7, 0.2])]
    assert gains(performer, knob) == pytest.approx([0.5, 0.5, 0.7, 0.2])


def test_another_hand_takes_the_value_away() -> None:
    performer = performer_of(bindings=(PICKUP,), values={GAIN: 0.5})
    script = [
        event(0.0, "/knob/1", 0.5),
        event(0.1, "/knob/1", 0.6),
        event(0.2, GAIN, 0.2),  # the other hand
        event(0.3, "/knob/1", 0.61),
        event(0.4, "/knob/1", 0.4),
        event(0.5, "/knob/1", 0.2),
        event(0.6, "/knob/1", 0.1),
    ]
    assert gains(performer, script) == pytest.approx([0.5, 0.6, 0.2, 0.2, 0.2, 0.2, 0.1])


def test_a_value_that_comes_back_is_not_the_knobs_own() -> None:
    """The knob wandered while another hand had the value: its old place counts no more."""
    performer = performer_of(bindings=(PICKUP,), values={GAIN: 0.5})
    script = [
        event(0.0, "/knob/1", 0.5),
        event(0.1, GAIN, 0.9),
        event(0.2, "/knob/1", 0.1),
        event(0.3, GAIN, 0.5),
        event(0.4, "/knob/1", 0.11),
    ]
    assert gains(performer, script)[-1] == 0.5


def test_after_panic_every_knob_must_meet_its_value_anew() -> None:
    performer = performer_of(bindings=(PICKUP,), values={GAIN: 0.5})
    script = [
        event(0.0, "/knob/1", 0.5),
        event(0.1, "/knob/1", 0.9),
        event(0.2, "/performance/panic"),
        event(0.3, "/knob/1", 0.91),
    ]
    assert gains(performer, script) == pytest.approx([0.5, 0.9, 0.5, 0.5])


def test_a_knob_on_a_switch_keeps_its_hold() -> None:
    binding = replace(PICKUP, target="/display/freeze")
    performer = performer_of(bindings=(binding,), values={})
    performance, seen = performer.begin(), []
    for i, value in enumerate([0.0, 0.2, 0.4, 0.6, 0.9, 0.3]):
        performance = performer.advance(performance, 0.1 * i, [event(0.1 * i, "/knob/1", value)])
        seen.append(performer.value(performance, "/display/freeze"))
    assert seen == [0.0, 0.0, 0.0, 1.0, 1.0, 0.0]


@LAW
@given(
    st.lists(st.tuples(st.sampled_from(["knob", "hand", "panic", "wait"]), unit), max_size=25),
    st.sampled_from([0.0, 0.05]),
    curves,
    st.booleans(),
)
def test_a_pickup_never_jumps(script, smoothing, curve, inverted) -> None:
    """What a knob moves is never moved further than the knob itself came, give or take its reach.

    Distances are measured where the knob stands: it meets the value from where it last was.
    """
    low, high = (1.0, 0.0) if inverted else (0.0, 1.0)
    binding = Binding(
        "/knob/1", GAIN, "pickup", low=low, high=high, curve=curve, smoothing=smoothing
    )
    performer = performer_of(bindings=(binding,), values={GAIN: 0.5})
    performance, last, heading = performer.begin(), None, 0.5
    for number, (kind, value) in enumerate(script):
        time = 0.01 * (number + 1) + (3.0 if kind == "wait" else 0.0)
        time = max(time, performance.time)
        address = {"knob": "/knob/1", "hand": GAIN, "panic": "/performance/panic"}.get(kind)
        events = [event(time, address, 1.0 if kind == "panic" else value)] if address else []
        performance = performer.advance(performance, time, events)
        now = float(performance.values[performer.space.index(GAIN)])  # where it is heading
        if kind == "knob":
            came = abs(value - last) if last is not None else 0.0
            moved = abs(binding.unmap(now) - binding.unmap(heading))
            assert moved <= max(came, REACH) + 1e-6
            assert now == heading or now == pytest.approx(binding.map(value))
            last = value
        elif kind == "panic":
            last = None
        heading = now


# Scaling.

SCALE = replace(PICKUP, mode="scale")


def test_a_scaled_control_moves_nothing_until_it_moves() -> None:
    assert respond(SCALE, None, 0.2, 0.7) is None
    assert respond(SCALE, Touch(0.2), 0.2, 0.7) == pytest.approx(0.7)


def test_half_the_way_to_the_end_is_half_the_way_to_the_end() -> None:
    assert respond(SCALE, Touch(0.2), 0.6, 0.7) == pytest.approx(0.85)
    assert respond(SCALE, Touch(0.2), 0.1, 0.7) == pytest.approx(0.35)
    inverted = replace(SCALE, low=1.0, high=0.0)
    assert respond(inverted, Touch(0.2), 0.6, 0.7) == pytest.approx(0.35)


@LAW
@given(st.lists(unit, min_size=2, max_size=30), unit, bindings)
def test_a_scaled_control_goes_the_controls_way_and_both_reach_the_end(knob, start, kind) -> None:
    binding = replace(kind, mode="scale")
    low, high = sorted((binding.low, binding.high))
    position, touch = low + start * (high - low), None
    for value in knob:
        asked = respond(binding, touch, value, position)
        if asked is not None:
            here, there = binding.unmap(position), binding.unmap(asked)
            came, moved = value - touch.value, there - here
            assert low - 1e-12 <= asked <= high + 1e-12
            assert moved * came >= -1e-6
            if came > 0:
                assert moved * (1.0 - touch.value) <= came * (1.0 - here) + 1e-6
            else:
                assert -moved * touch.value <= -came * here + 1e-6
            if value in (0.0, 1.0) and came:
                assert asked == pytest.approx(binding.map(value), abs=1e-9)
            position = asked
        touch = Touch(value, asked)


@LAW
@given(st.lists(unit, min_size=1, max_size=30), unit)
def test_once_met_a_scaled_control_is_followed(knob, start) -> None:
    position, touch = start, Touch(start)
    for value in knob:
        position = respond(SCALE, touch, value, position)
        touch = Touch(value, position)
        assert position == pytest.approx(value, abs=1e-9)


# Bindings in a performance.


def test_two_knobs_and_one_knob_on_two_parameters() -> None:
    both = (
        Binding("/knob/1", GAIN),
        Binding("/knob/1", "/model/mix", low=1.0, high=0.0),
        Binding("/knob/2", GAIN),
    )
    performer = performer_of(bindings=both)
    (p,) = play(performer, [1.0], [event(0.1, "/knob/1", 0.3), event(0.2, "/knob/2", 0.8)])
    assert performer.value(p, GAIN) == pytest.approx(0.8)
    assert performer.value(p, "/model/mix") == pytest.approx(0.7)


def test_a_parameters_own_address_can_be_a_source() -> None:
    performer = performer_of(bindings=(Binding("/model/mix", GAIN),))
    (p,) = play(performer, [1.0], [event(0.1, "/model/mix", 0.25)])
    assert performer.value(p, "/model/mix") == performer.value(p, GAIN) == 0.25


@pytest.mark.parametrize("target", [GAIN, "/noise/rate"])
def test_smoothing_is_exact_whatever_the_frames(target: str) -> None:
    binding = Binding("/knob/1", target, smoothing=0.2)
    performer = performer_of(bindings=(binding,), values={target: 0.5})
    parameter = performer.space.parameters[performer.space.index(target)]
    start = parameter.unmap(0.5)
    moves = [event(0.1, "/knob/1", 1.0)]
    for rate in (1, 7, 24, 60, 144):
        for p in play(performer, [i / rate for i in range(3 * rate)], moves):
            if p.time >= 0.1:
                left = math.exp(-(p.time - 0.1) / 0.2)
                at = parameter.unmap(performer.value(p, target))
                assert at == pytest.approx(1.0 + (start - 1.0) * left, abs=1e-9)
    (p,) = play(performer, [0.1 + 0.2], moves)
    done = (parameter.unmap(performer.value(p, target)) - start) / (1.0 - start)
    assert done == pytest.approx(1.0 - 1.0 / math.e, abs=1e-9)


def test_a_new_aim_in_mid_glide_starts_where_the_value_is() -> None:
    performer = performer_of(bindings=(Binding("/knob/1", GAIN, smoothing=0.2),), values={GAIN: 0})
    script = [event(0.0, "/knob/1", 1.0), event(0.1, "/knob/1", 0.0)]
    before, at, after = play(performer, [0.1 - 1e-9, 0.1, 0.1 + 1e-9], script)
    values = [performer.value(p, GAIN) for p in (before, at, after)]
    assert values == pytest.approx([1.0 - math.exp(-0.5)] * 3, abs=1e-7)


def test_a_glide_lands_exactly() -> None:
    performer = performer_of(bindings=(Binding("/knob/1", GAIN, smoothing=0.01),), values={GAIN: 0})
    (p,) = play(performer, [5.0], [event(0.0, "/knob/1", 0.3)])
    assert performer.value(p, GAIN) == 0.3
    assert not p.gliding
