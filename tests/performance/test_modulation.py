"""Modulation, one law at a time: what a routing adds, who yields to whom, what follows what."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stages import bank_of_four, bare, event, frames, performer_of, play

from instrument import InstrumentError
from instrument.performance.mapping import Binding
from instrument.performance.modulation import FADE, Modulation, Routing
from instrument.performance.modulation_state import ModulationState
from instrument.performance.modulators import Lfo

LAW = settings(deadline=None, derandomize=True, max_examples=60)
GAIN, STRENGTH, RATE = "/master/gain", "/noise/strength", "/noise/rate"
SLOW = Lfo("slow", "sine", rate=0.5)
unit = st.floats(0.0, 1.0)


def moving(*routings: Routing, lfos: tuple[Lfo, ...] = (SLOW,), **more):
    """A performer whose gain starts at one half, without noise; bindings and score none."""
    values = {GAIN: 0.5, STRENGTH: 0.0} | more.pop("values", {})
    given = {"bindings": (), "score": None, "values": values}
    return performer_of(modulation=Modulation(lfos, routings), **(given | more))


def seen(performer, address: str, times, events=()) -> list[float]:
    return [performer.value(p, address) for p in play(performer, times, events)]


# What a routing adds.


def test_an_oscillator_swings_about_what_a_hand_has_set() -> None:
    performer = moving(Routing("/lfo/slow", GAIN, 0.2, bipolar=True))
    times = frames(60, 4.0)
    values = seen(performer, GAIN, times)
    expected = [0.5 + 0.2 * math.sin(2 * math.pi * 0.5 * time) for time in times]
    assert values == pytest.approx(expected, abs=1e-12)
    assert np.mean(values[:-1]) == pytest.approx(0.5, abs=1e-9)


def test_without_bipolar_it_only_adds_and_a_negative_depth_takes_away() -> None:
    times = frames(60, 4.0)
    wave = [0.5 + 0.5 * math.sin(math.pi * time) for time in times]
    for depth in (0.3, -0.3):
        values = seen(moving(Routing("/lfo/slow", GAIN, depth)), GAIN, times)
        assert values == pytest.approx([0.5 + depth * w for w in wave], abs=1e-12)


def test_depth_is_in_positions_of_the_target() -> None:
    """Equal swings of a frequency are equal ratios."""
    performer = moving(Routing("/lfo/slow", RATE, 0.1, bipolar=True), values={RATE: 0.5})
    up, down = seen(performer, RATE, [0.5, 1.5])
    assert up / 0.5 == pytest.approx((20.0 / 0.01) ** 0.1)
    assert up / 0.5 == pytest.approx(0.5 / down)


def test_many_move_one_and_the_sum_is_clamped() -> None:
    routings = [Routing(f"/knob/{n}", GAIN, depth) for n, depth in enumerate((0.3, 0.4, -0.1))]
    performer = moving(*routings)
    script = [event(0.1, "/knob/0", 0.5), event(0.2, "/knob/1", 0.25), event(0.3, "/knob/2", 1.0)]
    assert seen(performer, GAIN, [0.0, 0.1, 0.2, 0.3], script) == pytest.approx(
        [0.5, 0.65, 0.75, 0.65]
    )
    script.append(event(0.4, "/knob/1", 99.0))
    script.append(event(0.5, "/knob/0", 1.0))
    assert seen(performer, GAIN, [0.5], script) == [1.0]


@pytest.mark.parametrize(
    ("curve", "bipolar", "level", "share"),
    [
        ("linear", False, 0.25, 0.25),
        ("slow", False, 0.25, 0.0625),
        ("fast", False, 0.25, 0.5),
        ("linear", True, 0.25, -0.5),
        ("slow", True, 0.25, -0.25),
        ("slow", True, 0.75, 0.25),
        ("fast", True, 0.5, 0.0),
        ("slow", True, 0.0, -1.0),
        ("fast", True, 1.0, 1.0),
    ],
)
def test_curves_keep_both_ends_and_the_middle(curve, bipolar, level, share) -> None:
    routing = Routing("/a", "/b", 1.0, curve, bipolar)
    assert routing.share(level) == pytest.approx(share)


def test_what_nobody_has_said_moves_nothing() -> None:
    performer = moving(Routing("/midi/a/bend", GAIN, 0.4, bipolar=True))
    assert seen(performer, GAIN, [0.0, 1.0]) == [0.5, 0.5]
    assert seen(performer, GAIN, [1.0], [event(0.5, "/midi/a/bend", 0.5)]) == [0.5]
    assert seen(performer, GAIN, [1.0], [event(0.5, "/midi/a/bend", 0.0)]) == pytest.approx([0.1])


def test_a_depth_is_a_parameter_and_can_be_modulated() -> None:
    routings = (
        Routing("/lfo/slow", GAIN, 0.0, bipolar=True, name="breath"),
        Routing("/knob/1", "/modulation/breath/depth", 0.25),
    )
    performer = moving(*routings)
    assert "/modulation/2/depth" in performer.space
    assert seen(performer, GAIN, [0.5]) == [0.5]
    script = [event(0.1, "/raw/modulation/breath/depth", 0.4)]
    assert seen(performer, GAIN, [0.5], script) == pytest.approx([0.9])
    script = [event(0.1, "/knob/1", 0.5)]  # an eighth of the range -1..1 is 0.25
    assert seen(performer, GAIN, [0.5, 1.5], script) == pytest.approx([0.75, 0.25])


def test_a_parameter_moves_another_wherever_it_comes_from() -> None:
    wheel = Binding("/knob/1", "/pad/x", smoothing=0.1)
    performer = moving(
        Routing("/pad/x", GAIN, 0.5),
        Routing("/lfo/slow", "/pad/x", 0.2, bipolar=True, grace=0.0),
        bindings=(wheel,), values={GAIN: 0.0, "/pad/x": 0.5},
    )  # fmt: skip
    p, q = play(performer, [0.5, 0.7], [event(0.6, "/knob/1", 1.0)])
    assert performer.value(p, "/pad/x") == pytest.approx(0.7)
    assert performer.value(p, GAIN) == pytest.approx(0.35)
    x = performer.value(q, "/pad/x")
    assert x == pytest.approx(1.0 - 0.5 * math.exp(-1.0) + 0.2 * math.sin(0.7 * math.pi), abs=1e-9)
    assert performer.value(q, GAIN) == pytest.approx(0.5 * x)


def test_an_oscillator_is_told_and_no_hand_sets_it() -> None:
    performer = moving(Routing("/lfo/slow", GAIN, 0.2))
    (p,) = play(performer, [0.5], [event(0.1, "/lfo/slow", 0.0), event(0.2, "/raw/lfo/slow", 0.0)])
    assert performer.value(p, "/lfo/slow") == 1.0
    column = performer.space.index("/lfo/slow")
    assert performer.values(p)[column] == 1.0
    with pytest.raises(InstrumentError, match="cannot be set"):
        moving(bindings=(Binding("/knob/1", "/lfo/slow"),))


def test_values_and_value_agree() -> None:
    performer = moving(
        Routing("/lfo/slow", GAIN, 0.2), Routing("/lfo/slow", "/spring/frequency", -0.2)
    )
    for p in play(performer, frames(7, 2.0)):
        row = performer.values(p)
        assert row.tolist() == [performer.value(p, a) for a in performer.space.addresses]


# Followers.


def followed(script, attack: float, release: float, until: float) -> float:
    """x' = (aim - x)/τ by Runge-Kutta, τ by whether x rises: knows nothing of closed forms."""
    x, aim, now = 0.0, 0.0, 0.0
    for time, value in [*script, (until, None)]:
        steps = max(1, math.ceil((time - now) / 2e-4))
        h = (time - now) / steps
        for _ in range(steps):
            tau = attack if aim > x else release
            if tau == 0.0:
                x = aim
                continue
            k1 = (aim - x) / tau
            k2 = (aim - x - 0.5 * h * k1) / tau
            k3 = (aim - x - 0.5 * h * k2) / tau
            k4 = (aim - x - h * k3) / tau
            x += h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        now, aim = time, value if value is not None else aim
        tau = attack if aim > x else release
        x = aim if tau == 0.0 else x
    return x


blows = st.lists(st.tuples(st.floats(0.0, 1.0), unit), max_size=8).map(sorted)
constants = st.one_of(st.just(0.0), st.floats(0.01, 0.5))


@LAW
@given(blows, constants, constants)
def test_a_follower_is_what_integrating_it_gives(script, attack, release) -> None:
    performer = moving(
        Routing("/audio/in/low", STRENGTH, 1.0, attack=attack, release=release), lfos=()
    )
    (p,) = play(performer, [1.2], [event(time, "/audio/in/low", v) for time, v in script])
    expected = 90.0 * followed(script, attack, release, 1.2)
    assert performer.value(p, STRENGTH) == pytest.approx(expected, abs=1e-5)


@LAW
@given(st.lists(st.tuples(st.floats(0.0, 2.0), unit), max_size=8).map(sorted), st.floats(0.0, 3.0))
def test_saying_the_same_again_changes_nothing(script, again) -> None:
    performer = moving(Routing("/a/in", GAIN, 0.4, attack=0.2, release=0.7), lfos=())
    said = [event(time, "/a/in", value) for time, value in script]
    last = [e.value for e in said if e.time <= again][-1:]
    twice = sorted([*said, *(event(again, "/a/in", v) for v in last)], key=lambda e: e.time)
    # Stable sorting puts the echo after what it echoes.
    assert seen(performer, GAIN, [3.0], said) == seen(performer, GAIN, [3.0], twice)


# Phases.


@LAW
@given(
    st.lists(st.tuples(st.floats(0.0, 4.0), st.floats(0.001, 30.0)), max_size=8).map(sorted),
    st.floats(0.0, 1.0),
)
def test_a_phase_is_the_integral_of_its_rate(script, phase) -> None:
    performer = moving(lfos=(Lfo("x", "sine", rate=2.0, phase=phase),))
    (p,) = play(performer, [4.0], [event(time, "/raw/lfo/x/rate", rate) for time, rate in script])
    total, now, rate = phase, 0.0, 2.0
    for time, then in [*script, (4.0, 0.0)]:
        total, now, rate = total + rate * (time - now), time, then
    expected = 0.5 + 0.5 * math.sin(2.0 * math.pi * total)
    assert performer.value(p, "/lfo/x") == pytest.approx(expected, abs=1e-9)


def test_a_rate_that_is_moved_is_held_between_the_points_of_the_grid() -> None:
    lfos = (SLOW, Lfo("x", "sine", rate=1.0))
    performer = moving(Routing("/lfo/slow", "/lfo/x/rate", 0.3, bipolar=True), lfos=lfos)
    pace, total = performer.space.parameters[performer.space.index("/lfo/x/rate")], 0.0
    for point in range(480):
        swing = 0.3 * math.sin(2.0 * math.pi * 0.5 * point / 240)
        total += pace.map(pace.unmap(1.0) + swing) / 240
    (p,) = play(performer, [2.0])
    expected = 0.5 + 0.5 * math.sin(2.0 * math.pi * total)
    assert performer.value(p, "/lfo/x") == pytest.approx(expected, abs=1e-9)


def test_beats_follow_the_tempo_without_a_jump() -> None:
    lfos = (Lfo("bar", "ramp", beats=4.0),)
    performer = moving(lfos=lfos, values={"/tempo/bpm": 120.0})
    script = [event(1.0, "/raw/tempo/bpm", 60.0)]
    values = seen(performer, "/lfo/bar", [0.5, 1.0, 2.0, 3.0 - 1e-9, 3.5], script)
    assert values == pytest.approx([0.25, 0.5, 0.75, 1.0, 0.125], abs=1e-6)


def test_other_beats_keep_the_phase_and_a_restart_falls_in_again() -> None:
    performer = moving(lfos=(Lfo("bar", "ramp", beats=4.0),))
    half, bar = "/raw/lfo/bar/beats", "/lfo/bar/restart"
    script = [event(0.75, half, 2.0)]  # at beat 1.5: 3/8 of four beats, 3/4 of two
    before, after, later = seen(performer, "/lfo/bar", [0.75, 0.7501, 1.25], script)
    assert (before, after) == pytest.approx((0.375, 0.375), abs=1e-3)
    assert later == pytest.approx(0.875)
    again = seen(performer, "/lfo/bar", [0.75, 1.25], [*script, event(0.75, bar)])
    assert again == pytest.approx([0.75, 0.25])


def test_a_restart_begins_at_the_phase_that_was_declared() -> None:
    performer = moving(lfos=(Lfo("x", "ramp", rate=0.5, phase=0.25),))
    script = [event(0.3, "/lfo/x/restart", 1.0), event(0.4, "/lfo/x/restart", 0.0)]
    assert seen(performer, "/lfo/x", [0.3, 0.8], script) == pytest.approx([0.25, 0.5])


def test_chance_grows_from_the_performance() -> None:
    lfos = (Lfo("a", "smooth", rate=3.0), Lfo("b", "smooth", rate=3.0))
    one, same, other = (moving(lfos=lfos, seed=seed) for seed in (1, 1, 2))
    times = frames(10, 5.0)
    a = seen(one, "/lfo/a", times)
    assert a == seen(same, "/lfo/a", times)
    assert a != seen(other, "/lfo/a", times)
    assert a != seen(one, "/lfo/b", times)


# Touch grace.


@LAW
@given(st.floats(0.0, 2.0), unit, st.floats(0.01, 2.0), st.floats(0.0, 5.0))
def test_a_hand_has_it_to_itself_and_modulation_fades_back(time, position, grace, later) -> None:
    performer = moving(Routing("/lfo/slow", GAIN, 0.3, bipolar=True, grace=grace))
    now, then = seen(performer, GAIN, [time, time + later], [event(time, GAIN, position)])
    assert now == position
    back = min(max((later - grace) / FADE, 0.0), 1.0)
    swing = 0.3 * math.sin(math.pi * (time + later)) * back * back * (3.0 - 2.0 * back)
    assert then == pytest.approx(min(max(position + swing, 0.0), 1.0), abs=1e-9)


def test_what_a_hand_has_set_is_seen_to_the_last_bit() -> None:
    """There and back through the positions of an exponential range would round."""
    performer = moving(Routing("/lfo/slow", RATE, 0.3, bipolar=True))
    for step in range(1, 200):
        value = 0.0137 * step
        assert seen(performer, RATE, [0.5], [event(0.5, "/raw" + RATE, value)]) == [value]


def test_without_grace_both_act_at_once() -> None:
    performer = moving(Routing("/lfo/slow", GAIN, 0.3, bipolar=True, grace=0.0))
    assert seen(performer, GAIN, [0.5], [event(0.5, GAIN, 0.4)]) == pytest.approx([0.7])


@pytest.mark.parametrize("base", [0.2, 0.95])
def test_a_smoothed_hand_takes_over_where_the_value_is_seen(base: float) -> None:
    """Even where the sum had to be clamped."""
    performer = moving(
        Routing("/lfo/slow", GAIN, 0.3, bipolar=True),
        Routing("/lfo/slow", GAIN, 0.1, grace=0.0),
        bindings=(Binding("/knob/1", GAIN, smoothing=0.2),), values={GAIN: base},
    )  # fmt: skip
    script = [event(0.4, "/knob/1", 0.5)]
    before, after = seen(performer, GAIN, [0.4 - 1e-9, 0.4 + 1e-9], script)
    assert after == pytest.approx(before, abs=1e-6)


def test_what_never_lets_go_does_not_keep_modulation_away() -> None:
    ear, hand = (
        moving(
            Routing("/lfo/slow", GAIN, 0.3, bipolar=True),
            bindings=(Binding(source, GAIN, smoothing=smoothing),),
        )
        for source, smoothing in (("/audio/in/low", 0.1), ("/knob/1", 0.0))
    )
    script = [event(n / 60, "/audio/in/low", 0.5) for n in range(30)]
    assert seen(ear, GAIN, [0.5], script) == pytest.approx([0.8])
    assert seen(hand, GAIN, [0.5], [event(0.4, "/knob/1", 0.5)]) == [0.5]


def test_pickup_meets_the_base_and_not_what_moves_about_it() -> None:
    pickup = Binding("/knob/1", GAIN, "pickup")
    performer = moving(Routing("/lfo/slow", GAIN, 0.4, bipolar=True), bindings=(pickup,))
    (p,) = play(performer, [0.5])
    assert performer.value(p, GAIN) == pytest.approx(0.9)
    assert performer.heading(p, performer.space.index(GAIN)) == 0.5
    missed = performer.advance(p, 0.5, [event(0.5, "/knob/1", 0.9)])
    assert performer.value(missed, GAIN) == pytest.approx(0.9)
    met = performer.advance(p, 0.5, [event(0.5, "/knob/1", 0.5)])
    assert performer.value(met, GAIN) == 0.5


def test_going_to_a_waypoint_is_no_touch() -> None:
    performer = moving(Routing("/lfo/slow", GAIN, 0.3, bipolar=True))
    (p,) = play(performer, [0.5], [event(0.4, "/waypoint/2/go")])
    assert not p.modulation.touched


def test_panic_lets_go_of_what_was_heard_and_oscillators_go_on() -> None:
    performer = moving(
        Routing("/audio/in/low", GAIN, 0.4), Routing("/lfo/slow", RATE, 0.2), values={RATE: 1.0}
    )
    script = [event(0.1, "/audio/in/low", 1.0), event(0.2, RATE, 0.0)]
    script += [event(0.3, "/modulation/2/depth", 0.9), event(0.4, "/performance/panic")]
    p, q = play(performer, [0.3, 0.5], script)
    assert performer.value(p, GAIN) == pytest.approx(0.9)
    assert performer.value(q, GAIN) == 0.5
    assert performer.value(q, "/lfo/slow") == 1.0
    assert performer.value(q, RATE) == pytest.approx(2000.0**0.2)


# What shapes the flight.


def test_the_spring_is_looked_at_on_the_grid_and_held_between() -> None:
    performer = moving(
        Routing("/lfo/slow", "/spring/frequency", 0.3, bipolar=True),
        Routing("/lfo/slow", RATE, 0.2),
    )
    for p in play(performer, [0.1003, 0.2, 0.77777]):
        (held,) = play(performer, [math.floor(p.time * 240 + 1e-9) / 240])
        assert p.flight.spring.frequency == performer.value(held, "/spring/frequency")
        assert p.flight.drift_rate == performer.value(held, RATE)


def test_the_grid_rests_when_all_is_still() -> None:
    performer = moving(Routing("/knob/1", "/spring/frequency", 0.3, attack=0.01), lfos=())
    assert not performer.begin().modulation.restless
    script = [event(0.1, "/knob/1", 1.0)]
    moves, rests = play(performer, [0.15, 0.5], script)
    assert moves.modulation.restless and not rests.modulation.restless
    assert 0.3 <= rests.flight.anchor <= 0.31  # twenty time constants, and the next grid point
    frequency = next(p for p in performer.space if p.address == "/spring/frequency")
    expected = frequency.map(frequency.unmap(frequency.default) + 0.3)
    assert rests.flight.spring.frequency == expected
    still = performer.advance(rests, 3.0)
    assert still.flight is rests.flight


def test_an_oscillator_of_no_depth_costs_no_grid() -> None:
    performer = moving(Routing("/lfo/slow", "/spring/frequency", 0.0))
    (p,) = play(performer, [1.0])
    assert not p.modulation.restless and p.flight.anchor == 0.0
    (p,) = play(performer, [1.0], [event(0.5, "/raw/modulation/1/depth", 0.2)])
    assert p.modulation.restless


def test_the_frequency_swings_about_a_glide_given_in_seconds() -> None:
    performer = moving(Routing("/knob/1", "/spring/frequency", 0.1), lfos=())
    script = [event(0.1, "/raw/glide/seconds", 3.0)]
    (plain,) = play(performer, [1.0], script)
    (moved,) = play(performer, [1.0], [*script, event(0.2, "/knob/1", 1.0)])
    ratio = (30.0 / 0.01) ** 0.1
    assert moved.flight.spring.frequency == pytest.approx(ratio * plain.flight.spring.frequency)
    assert performer.value(moved, "/spring/frequency") == moved.flight.spring.frequency
    assert performer.value(moved, "/glide/seconds") == pytest.approx(3.0)


def test_the_seconds_that_are_shown_are_those_of_the_base() -> None:
    routing = Routing("/lfo/slow", "/spring/frequency", 0.3, bipolar=True, grace=0.0)
    script = [event(0.4, "/raw/spring/frequency", 0.5)]
    plain, swinging = (
        seen(performer, "/glide/seconds", [0.1, 0.5], script)
        for performer in (moving(), moving(routing))
    )
    assert swinging == plain


def test_the_pad_is_moved_where_it_leads_and_takes_no_flight_over() -> None:
    performer = moving(Routing("/lfo/slow", "/pad/x", 0.4, bipolar=True, grace=0.1))
    away, on = play(performer, [0.5, 2.5], [event(1.0, "/pad/y", 0.5)])
    assert away.aim.kind == "waypoint"
    assert on.aim.kind == "pad"
    assert performer.pad is not None
    (held,) = play(performer, [2.5], [event(1.0, "/pad/y", 0.5)])
    expected = performer.pad.blend(np.array([0.9, 0.5]))
    np.testing.assert_allclose(held.flight.target, expected, atol=1e-9)


# What cannot be.


def test_a_state_of_another_matrix_is_refused() -> None:
    performer = moving(Routing("/knob/1", GAIN, 0.3), Routing("/lfo/slow", GAIN, 0.1))
    (p,) = play(performer, [0.5], [event(0.1, "/knob/1", 1.0), event(0.2, GAIN, 0.1)])
    performer.matrix.check(p.modulation)
    with pytest.raises(InstrumentError, match="performance: its modulation"):
        performer.matrix.check(ModulationState())
    with pytest.raises(InstrumentError, match="performance: its modulation"):
        bare().matrix.check(p.modulation)
    wrong = ModulationState(p.modulation.phases, {1: p.modulation.heard[0]}, {})
    with pytest.raises(InstrumentError, match="performance: its modulation"):
        performer.matrix.check(wrong)


def test_without_any_nothing_is_added_to_the_tree() -> None:
    plain = bare(bank_of_four())
    assert not any(a.startswith(("/lfo", "/modulation")) for a in plain.space.addresses)
    (p,) = play(plain, [1.0], [event(0.5, GAIN, 0.3)])
    assert p.modulation == ModulationState()
