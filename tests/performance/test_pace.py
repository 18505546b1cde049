"""How quickly motion goes: the same way at any pace, exactly, and as ever at pace 1."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stages import BINDINGS, SPEC, bank_of_four, bare, event, frames, performer_of, play

from instrument import InstrumentError
from instrument.event import ControlEvent
from instrument.latent.space import LatentSpec
from instrument.performance.mapping import Binding
from instrument.performance.parameters import FASTEST_PACE, SLOWEST_PACE
from instrument.performance.preset import compose, preset_from_text
from instrument.performance.response import EVENED
from instrument.performance.score import Cue, Score
from instrument.performance.state import performance_from_json

RATE = "/raw/pace/rate"
RATES = st.floats(SLOWEST_PACE, FASTEST_PACE)


def flights(noise: float = 5.0, **more):
    """A performer with drift."""
    return bare(noise__strength=noise, noise__rate=0.7, spring__frequency=0.6, **more)


def at_rate(rate: float, events: list[ControlEvent]) -> list[ControlEvent]:
    """The same events at the same seconds of motion, at a constant rate."""
    paced = [event(e.time / rate, e.address, e.value) for e in events]
    return [event(0.0, RATE, rate), *paced]


WAY = [
    event(0.2, "/waypoint/2/go"),
    event(0.9, "/performance/flick"),
    event(1.1, "/raw/noise/rate", 1.3),
    event(1.4, "/waypoint/3/go"),
    event(2.0, "/raw/spring/frequency", 0.4),
]


@pytest.mark.parametrize("rate", [0.25, 0.5, 2.0, 4.0])  # exact in floating point, as times are not
def test_the_way_is_the_same_at_any_rate(rate: float) -> None:
    performer = flights()
    usual = play(performer, frames(20, 3.0), WAY)
    paced = play(performer, [t / rate for t in frames(20, 3.0)], at_rate(rate, WAY))
    for one, other in zip(usual, paced, strict=True):
        np.testing.assert_allclose(performer.z(one), performer.z(other), rtol=0, atol=2e-6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 3.0), RATES), max_size=6), st.integers(1, 5))
def test_motion_time_is_the_integral_of_the_rate(changes, halvings: int) -> None:
    performer = flights()
    changes = sorted(changes)
    script = [event(0.0, "/waypoint/2/go"), *(event(t, RATE, r) for t, r in changes)]
    (paced,) = play(performer, [3.0], script)
    edges = [0.0, *(t for t, _ in changes), 3.0]
    rates = [1.0, *(r for _, r in changes)]
    motion = sum(r * (b - a) for a, b, r in zip(edges[:-1], edges[1:], rates, strict=True))
    (usual,) = play(performer, [motion], script[:1])
    np.testing.assert_allclose(performer.z(paced), performer.z(usual), rtol=0, atol=1e-5)
    # And no step in between leaves a trace, not in the last bit.
    steps = play(performer, [3.0 * n / halvings for n in range(halvings + 1)], script)
    assert performer.z(steps[-1]).tobytes() == performer.z(paced).tobytes()


@pytest.mark.parametrize("spec", [SPEC, LatentSpec((2, 8), "w")], ids=str)
def test_no_frame_rate_leaves_a_trace(spec: LatentSpec) -> None:
    bindings = (*BINDINGS, Binding("/knob/20", "/pace/rate", smoothing=0.3))
    performer = performer_of(bank_of_four(spec), bindings=bindings)
    script = [
        event(0.1, "/key/1"),
        event(0.3, "/knob/20", 0.1),
        event(0.8, EVENED, 2.3),
        event(0.9, "/knob/2", 0.4),
        event(1.1, "/knob/20", 0.9),
        event(1.3, "/key/s"),
        event(1.7, "/pace/rate", 0.2),
    ]
    seen = {}
    for rate in (7, 30, 60, 144):
        rows = play(performer, frames(rate, 3.0), script)
        seen[rate] = [performer.z(p).tobytes() for p in rows[:: rate // (1 if rate == 7 else 6)]]
    assert seen[30] == seen[60] == seen[144]
    assert seen[7][-1] == seen[60][-1]
    still = [e for e in script if e.address not in (EVENED, "/pace/rate", "/knob/20")]
    assert performer.z(play(performer, [3.0], still)[0]).tobytes() != seen[60][-1]


def test_at_rate_1_not_a_bit_changes() -> None:
    performer = performer_of()
    script = [event(0.1, "/key/1"), event(0.4, "/knob/1", 0.9), event(0.8, "/key/f")]
    ones = [event(t, EVENED, 1.0) for t in (0.0,)]
    plain, told = (play(performer, frames(30, 2.0), s) for s in (script, [*ones, *script]))
    for p, q in zip(plain, told, strict=True):
        assert performer.z(p).tobytes() == performer.z(q).tobytes()


def test_a_glide_takes_its_seconds_in_motion_and_a_cue_does_not_wait() -> None:
    score = Score((Cue(0.0, "/waypoint/2/go"), Cue(2.0, "/waypoint/3/go")))
    performer = performer_of(bindings=(), score=score, values={"/spring/damping_ratio": 1.0})
    script = [event(0.0, "/raw/glide/seconds", 1.5), event(0.0, RATE, 0.5)]
    goal = performer.bank["iris"].z.astype(np.float64)

    def left(p) -> float:
        here, home = p.flight.position(p.time), performer.bank["dawn"].z
        return float(np.linalg.norm(here - goal) / np.linalg.norm(home - goal))

    half, whole = play(performer, [1.5, 3.0], [*script, event(0.0, "/waypoint/2/go")])
    assert left(half) > 0.15 and left(whole) == pytest.approx(0.05, abs=1e-6)
    before, after = play(performer, [1.99, 2.01], [*script, event(0.0, "/score/play")])
    assert performer.destination(before) == "iris" and performer.destination(after) == "reef"


def test_beats_and_oscillators_keep_to_time() -> None:
    performer = bare()
    slow, usual = (play(performer, [2.0], [event(0.0, RATE, r)])[0] for r in (0.25, 1.0))
    assert performer.beat_at(slow, 2.0) == performer.beat_at(usual, 2.0) == 4.0


def test_the_drift_goes_at_the_rate() -> None:
    performer = flights(noise=20.0)
    (slow,) = play(performer, [2.0], [event(0.0, RATE, 0.5)])
    (usual,) = play(performer, [1.0])
    np.testing.assert_allclose(performer.z(slow), performer.z(usual), atol=1e-6)
    assert np.ptp([performer.z(p) for p in play(performer, frames(10, 2.0))], axis=0).max() > 0.1


@settings(max_examples=60, deadline=None)
@given(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([EVENED, RATE]))
def test_whatever_is_asked_for_the_rate_stays_in_its_range(value: float, address: str) -> None:
    performer = bare()
    (p,) = play(performer, [1.0], [event(0.0, "/waypoint/2/go"), event(0.5, address, value)])
    assert SLOWEST_PACE <= p.flight.pace <= FASTEST_PACE
    assert np.isfinite(performer.z(p)).all()


def test_what_the_pacer_says_is_no_hand() -> None:
    performer = bare()
    (p,) = play(performer, [1.0], [event(0.1, "/spring/frequency", 0.5), event(0.5, EVENED, 0.5)])
    assert p.touched == "/spring/frequency"
    assert performer.value(p, "/pace/rate") == 0.5
    (p,) = play(performer, [1.0], [event(0.1, "/pace/rate", 0.0)])
    assert p.touched == "/pace/rate" and performer.value(p, "/pace/rate") == SLOWEST_PACE
    script = [event(0.1, "/learn/target/pace/rate")]
    script += [event(0.2 + n / 50, "/midi/deck/cc/9", 0.3 + n / 20) for n in range(7)]
    (p,) = play(performer, [2.0], script)
    assert [b.target for b in p.learning.learnt.values()] == ["/pace/rate"]


PRESET = """
format = "preset/1"
name = "even"
model = "none"
bank = "none"
home = "dawn"

[parameters]
"/pace/even" = 0.7
"/pace/rate" = 0.5

[[lfo]]
name = "sway"
rate = 0.5

[[modulation]]
source = "/lfo/sway"
target = "/pace/rate"
depth = 0.3
bipolar = true
"""


def composed():
    return compose(preset_from_text(PRESET, "even.toml"), bank_of_four())


def test_a_preset_says_how_even_and_an_oscillator_may_sway_the_rate() -> None:
    performer = composed()
    begun = performer.begin()
    assert performer.value(begun, "/pace/even") == 0.7
    assert begun.flight.pace == performer.value(begun, "/pace/rate")
    script = [event(0.1, "/waypoint/2/go"), event(0.6, EVENED, 1.7)]
    rows = {n: play(performer, frames(n, 2.0), script) for n in (30, 120)}
    assert performer.z(rows[30][-1]).tobytes() == performer.z(rows[120][-1]).tobytes()
    rates = [p.flight.pace for p in rows[120]]
    after = rates[73:]  # it sways on, around what the pacer says
    assert max(rates[:72]) > 0.6 and min(after) < 1.4 and max(after) > 2.0
    home = play(performer, [1.0], [*script, event(0.8, "/performance/panic")])[0]
    assert home.values[performer.pace] == 0.5


def test_a_wrong_value_is_one_line() -> None:
    for key, value, allowed in (("even", 2, "0 to 1"), ("rate", 9, "0.25 to 4 x")):
        text = PRESET.replace('"/pace/even" = 0.7', f'"/pace/{key}" = {value}')
        text = text.replace('"/pace/rate" = 0.5\n', "") if key == "rate" else text
        with pytest.raises(InstrumentError, match=f"/pace/{key} = {value}.*: allowed is {allowed}"):
            compose(preset_from_text(text, "even.toml"), bank_of_four())


def test_a_scene_keeps_how_even_and_not_the_rate_of_a_moment() -> None:
    performer = bare()
    script = [
        event(0.1, "/pace/even", 0.6),
        event(0.2, EVENED, 0.4),
        event(0.3, "/preset/5/save"),
        event(0.4, "/pace/even", 0.0),
        event(0.5, EVENED, 1.0),
        event(0.6, "/preset/5/recall"),
    ]
    (p,) = play(performer, [1.0], script)
    assert performer.value(p, "/pace/even") == 0.6 and performer.value(p, "/pace/rate") == 1.0


# Remembering.


@settings(max_examples=20, deadline=None)
@given(RATES, st.floats(0.05, 1.9))
def test_a_performance_is_written_and_read_in_the_middle_of_a_flight(rate, when) -> None:
    performer = flights()
    script = [event(0.0, "/waypoint/2/go"), event(0.02, EVENED, rate)]
    (p,) = play(performer, [when], script)
    read = performance_from_json(json.loads(json.dumps(p.to_json())), SPEC)
    again = performer.rebased(p)
    ahead = performer.advance(p, 2.5)
    assert performer.z(performer.advance(read, 2.5)).tobytes() == performer.z(ahead).tobytes()
    moved = performer.advance(again, 2.5 - when)
    np.testing.assert_allclose(performer.z(moved), performer.z(ahead), atol=1e-5)


def test_a_performance_of_before_there_was_a_pace_goes_with_time() -> None:
    performer = composed()
    old = json.loads(json.dumps(play(performer, [1.0])[0].to_json()))
    del old["flight"]["pace"]
    old["values"] = old["values"][:-2]
    read = performer.completed(performance_from_json(old, SPEC))
    assert read.flight.pace == 1.0
    assert len(read.values) == len(performer.space)
    lfo = performer.space.index("/lfo/sway/rate")
    assert read.values[lfo] == 0.5, "what an oscillator had stays where it was"


@pytest.mark.parametrize("pace", [0.0, -1.0, float("nan"), float("inf"), "fast", None])
def test_a_pace_that_is_none_is_one_line(pace) -> None:
    fields = bare().begin().to_json()
    fields["flight"]["pace"] = pace
    with pytest.raises(InstrumentError, match="performance: damaged"):
        performance_from_json(fields, SPEC)
