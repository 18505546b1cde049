"""What waits for a beat, and what a performance makes of clocks and taps."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stages import BINDINGS, NAMES, SPEC, bank_of_four, bare, event, frames, performer_of, play
from test_performer import SECONDS, moves, times

from instrument import InstrumentError
from instrument.event import ControlEvent
from instrument.latent.space import LatentSpec
from instrument.performance.mapping import Binding
from instrument.performance.performer import Performer
from instrument.performance.state import Performance, performance_from_json
from instrument.performance.tempo import Launch

LAW = settings(deadline=None, derandomize=True, max_examples=40)

beating = st.one_of(
    st.tuples(st.sampled_from(["/tempo/tap", "/tempo/beat", "/tempo/start"]), st.just(1.0)),
    st.tuples(st.just("/tempo/align"), st.floats(-100.0, 100.0)),
    st.tuples(st.just("/raw/tempo/bpm"), st.floats(30.0, 250.0)),
    st.tuples(st.just("/raw/launch/quantise"), st.sampled_from([0.0, 1.0, 2.0, 4.0])),
    st.tuples(st.just("/raw/launch/ahead"), st.floats(0.0, 0.4)),
    st.tuples(st.sampled_from(["/knob/bpm", "/knob/ahead"]), st.floats(0.0, 1.0)),
    st.tuples(st.sampled_from([f"/waypoint/{n}/go" for n in (*NAMES, 1, 2)]), st.just(1.0)),
)
scripts = st.lists(st.tuples(times, st.one_of(beating, beating, moves)), max_size=16).map(
    lambda drawn: sorted(
        (ControlEvent(address, float(value), time) for time, (address, value) in drawn),
        key=lambda e: e.time,
    )
)
SMOOTH = (
    Binding("/knob/bpm", "/tempo/bpm", smoothing=0.08),
    Binding("/knob/ahead", "/launch/ahead", smoothing=0.3),
)
PERFORMER = performer_of(
    bindings=(*BINDINGS, *SMOOTH),
    values={"/launch/quantise": 1.0, "/noise/strength": 5.0, "/tempo/bpm": 200.0},
)


def state(performer: Performer, p: Performance) -> tuple[object, ...]:
    """Everything, bit by bit; but the time itself."""
    z, values = performer.z(p).tobytes(), performer.values(p).tobytes()
    return z, values, p.tempo, performer.beat_at(p, p.time)


@LAW
@given(scripts, st.lists(st.floats(0.0, SECONDS), max_size=30))
def test_no_frame_rate_leaves_a_trace(events, jitter) -> None:
    ways = [frames(rate, SECONDS) for rate in (24, 60, 144)]
    ways.append([*sorted(jitter), SECONDS])
    once = state(PERFORMER, play(PERFORMER, [SECONDS], events)[-1])
    for way in ways:
        assert state(PERFORMER, play(PERFORMER, way, events)[-1]) == once


@LAW
@given(scripts)
def test_a_stop_at_every_event_changes_nothing(events) -> None:
    together = PERFORMER.advance(PERFORMER.begin(), SECONDS, events)
    stepped = PERFORMER.begin()
    for e in events:
        stepped = PERFORMER.advance(stepped, e.time)
        stepped = PERFORMER.advance(stepped, e.time, [e])
    stepped = PERFORMER.advance(stepped, SECONDS)
    assert state(PERFORMER, stepped) == state(PERFORMER, together)


@LAW
@given(scripts, st.floats(0.0, SECONDS))
def test_from_json_on_it_is_the_same_performance(events, middle) -> None:
    early = [e for e in events if e.time <= middle]
    late = [e for e in events if e.time > middle]
    before = PERFORMER.advance(PERFORMER.begin(), middle, early)
    again = performance_from_json(json.loads(json.dumps(before.to_json())), SPEC)
    ours, theirs = (PERFORMER.advance(p, SECONDS, late) for p in (before, again))
    assert state(PERFORMER, ours) == state(PERFORMER, theirs)
    PERFORMER.check_aims(again)


@LAW
@given(scripts)
def test_the_beat_goes_on_through_everything_but_a_start(events) -> None:
    p = PERFORMER.begin()
    for e in events:
        p = PERFORMER.advance(p, e.time)
        count = PERFORMER.beat_at(p, e.time)
        p = PERFORMER.advance(p, e.time, [e])
        expected = 0.0 if e.address == "/tempo/start" else count
        assert PERFORMER.beat_at(p, e.time) == pytest.approx(expected, abs=1e-9)


def test_the_beat_is_the_tempo_summed_up() -> None:
    """A smoothed tempo is held between the points of the 240 Hz grid, like all that shapes."""
    performer = performer_of(bindings=SMOOTH, score=None)
    performance = performer.advance(performer.begin(), 0.1, [event(0.1, "/knob/bpm", 1.0)])
    beats, time = performer.beat_at(performance, 0.1), 0.1
    assert beats == pytest.approx(0.2)
    for tick in range(25, 25 + 240):
        left = math.exp(-(time - 0.1) / 0.08)
        beats += (tick / 240 - time) * (240.0 - 120.0 * left) / 60.0
        time = tick / 240
    performance = performer.advance(performance, time)
    assert performer.beat_at(performance, time) == pytest.approx(beats, abs=1e-9)


# Launches.


def launched_at(performer: Performer, script: list[ControlEvent], rate: int, until: float) -> float:
    """When z set out from home, seen at `rate` and then halved down to rounding."""
    seen = play(performer, frames(rate, until), script)
    index = next(i for i, p in enumerate(seen) if p.aim.waypoint != performer.home_index)
    before, late = seen[index - 1], seen[index].time
    early, events = before.time, [e for e in script if before.time < e.time]
    while early < (middle := 0.5 * (early + late)) < late:
        p = performer.advance(before, middle, [e for e in events if e.time <= middle])
        if p.aim.waypoint == performer.home_index:
            early = middle
        else:
            late = middle
    return late


@pytest.mark.parametrize("rate", [7, 24, 60, 144])
@pytest.mark.parametrize(
    ("every", "pressed", "ahead", "expected"),
    [
        (1.0, 0.31, 0.0, 0.4),  # 150 bpm: a beat every 0.4 s
        (4.0, 0.31, 0.0, 1.6),
        (1.0, 0.31, 0.05, 0.35),
        (1.0, 0.31, 0.15, 0.65),  # too late for beat 1
        (1.0, 0.4, 0.0, 0.4),  # on the beat is not after it
        (2.0, 0.1, 0.9, 1.6 - 0.9),  # the lead is longer than what is left of two beats
        (8.0, 0.31, 0.0, 3.2),
        (0.0, 0.31, 0.5, 0.31),
    ],
)
def test_a_launch_waits_for_its_beat(every, pressed, ahead, expected, rate) -> None:
    performer = bare(tempo__bpm=150.0, launch__quantise=every, launch__ahead=ahead)
    script = [event(pressed, "/waypoint/2/go")]
    assert launched_at(performer, script, rate, 3.5) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("rate", [7, 60, 144])
def test_the_instant_is_exact_whatever_the_clock_did(rate: int) -> None:
    """Tempo changes, alignments and a smoothed knob on the way: the beat itself is the measure."""
    performer = performer_of(bindings=SMOOTH, score=None, values={"/launch/quantise": 4.0})
    script = [
        event(0.21, "/tempo/align", 0.9),
        event(0.5, "/waypoint/2/go"),
        event(0.6, "/raw/tempo/bpm", 70.0),
        event(0.9, "/tempo/beat"),
        event(1.1, "/knob/bpm", 0.5),
    ]
    at = launched_at(performer, script, rate, 4.0)
    before = play(performer, [at - 1e-6], script)[-1]
    assert before.tempo.pending == Launch("/waypoint/2/go", 4.0)
    assert before.tempo.time_of(4.0) == pytest.approx(at, abs=1e-9)
    assert launched_at(performer, script, 1000, 4.0) == at


def test_z_leaves_where_a_hand_on_the_beat_would_have_left() -> None:
    waits = bare(tempo__bpm=150.0, launch__quantise=2.0)
    hand = bare(tempo__bpm=150.0)
    instants = frames(60, 2.0)
    ours = play(waits, instants, [event(0.5, "/waypoint/2/go")])
    theirs = play(hand, instants, [event(waits.begin().tempo.time_of(2.0), "/waypoint/2/go")])
    for a, b in zip(ours, theirs, strict=True):
        assert waits.z(a).tobytes() == hand.z(b).tobytes()


def test_a_new_launch_takes_the_place_of_the_old() -> None:
    performer = bare(launch__quantise=4.0)
    script = [event(0.1, "/waypoint/2/go"), event(0.2, "/waypoint/ember/go")]
    waiting, gone = play(performer, [1.0, 2.1], script)
    assert waiting.aim.waypoint == 0
    assert waiting.tempo.pending == Launch("/waypoint/ember/go", 4.0)
    assert performer.destination(waiting) == "dawn, on beat 4: glide to ember"
    assert (gone.aim.waypoint, gone.tempo.pending) == (3, None)
    assert performer.destination(gone) == "ember"


def test_home_and_groups_of_layers_wait_too() -> None:
    performer = performer_of(
        bank_of_four(LatentSpec((12, 4), "w")), score=None, bindings=(), pad=None,
        values={"/launch/quantise": 1.0},
    )  # fmt: skip
    script = [event(0.1, "/waypoint/2/go"), event(0.6, "/performance/home")]
    script.append(event(1.1, "/style/coarse/waypoint/3/go"))
    waypoints = [p.aim.waypoint for p in play(performer, [0.4, 0.5, 0.9, 1.0], script)]
    assert waypoints == [0, 1, 1, 0]
    before, after = play(performer, [1.4, 1.5], script)
    assert (before.aim.styles, after.aim.styles) == ((), (2, -1, -1))


def test_panic_is_never_late() -> None:
    performer = bare(launch__quantise=4.0)
    script = [event(0.1, "/waypoint/2/go"), event(0.3, "/performance/panic")]
    (p,) = play(performer, [3.0], script)
    assert (p.aim.waypoint, p.tempo.pending) == (0, None)


def test_what_is_launched_at_once_ends_the_waiting() -> None:
    performer = bare(launch__quantise=4.0)
    script = [
        event(0.1, "/waypoint/2/go"), event(0.2, "/launch/quantise", 0.0),
        event(0.3, "/waypoint/3/go"),
    ]  # fmt: skip
    soon, late = play(performer, [0.3, 3.0], script)
    assert (soon.aim.waypoint, late.aim.waypoint) == (2, 2)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (event(1.0, "/raw/tempo/bpm", 60.0), 3.0),  # two beats of a second instead of a half
        (event(1.0, "/raw/tempo/bpm", 240.0), 1.5),
        (event(1.0, "/tempo/start"), 1.0),
        (event(1.0, "/tempo/align", 2.25), 1.875),  # a quarter of a beat ahead
        (event(1.0, "/raw/launch/ahead", 0.25), 1.75),
        (event(1.0, "/raw/launch/ahead", 1.0), 1.0),
        (event(1.8, "/raw/launch/ahead", 1.0), 1.8),  # it should have gone: it goes now
    ],
)
def test_what_moves_the_beat_moves_the_launch(change: ControlEvent, expected: float) -> None:
    performer = bare(launch__quantise=4.0)
    script = [event(0.1, "/waypoint/2/go"), change]
    assert launched_at(performer, script, 60, 4.0) == pytest.approx(expected, abs=1e-9)


def test_a_take_that_begins_keeps_what_waits() -> None:
    performer = bare(launch__quantise=4.0)
    (p,) = play(performer, [1.0], [event(0.1, "/waypoint/2/go")])
    rebased = performer.rebased(p)
    assert performer.beat_at(rebased, 0.0) == pytest.approx(2.0)
    assert performer.advance(rebased, 0.999).aim.waypoint == 0
    assert performer.advance(rebased, 1.0).aim.waypoint == 1


@pytest.mark.parametrize("address", ["/take/record", "/waypoint/99/go", "/performance/panic"])
def test_nothing_else_can_wait(address: str) -> None:
    performer = bare()
    p = performer.begin()
    p.tempo = replace(p.tempo, pending=Launch(address, 4.0))
    with pytest.raises(InstrumentError, match=address):
        performer.check_aims(p)


def test_the_steps_of_quantise() -> None:
    parameter = bare().space.parameters[bare().space.index("/launch/quantise")]
    steps = [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    assert [parameter.map(i / 6) for i in range(7)] == steps
    assert [parameter.unmap(step) for step in steps] == [i / 6 for i in range(7)]
    assert [parameter.map(x) for x in (-1.0, 0.08, 0.09, 9.0, math.inf)] == [0, 0, 1, 32, 32]
    assert [parameter.clamp(x) for x in (-9.0, 3.1, 5.9, math.inf)] == [0, 4, 4, 32]
    with pytest.raises(InstrumentError, match=r"= 3\.0: allowed is 0, 1, 2, 4, 8, 16, 32 beats"):
        bare(launch__quantise=3.0)
    with pytest.raises(InstrumentError, match="steps rise"):
        replace(parameter, steps=(0.0, 2.0, 1.0, 32.0))
    with pytest.raises(InstrumentError, match="steps rise"):
        replace(parameter, steps=())


# Clocks and taps.


def test_taps_set_the_tempo_and_glides_in_beats_follow() -> None:
    performer = bare(glide__beats=2.0)
    script = [event(0.1 + 0.75 * n, "/tempo/tap") for n in range(4)]
    (p,) = play(performer, [4.0], script)
    assert performer.value(p, "/tempo/bpm") == pytest.approx(80.0)
    assert p.tempo.bpm == performer.value(p, "/tempo/bpm")
    assert performer.value(p, "/glide/seconds") == pytest.approx(1.5)
    assert performer.beat_at(p, 0.1 + 0.75 * 5) % 1.0 == pytest.approx(0.0, abs=1e-9)


def test_a_glide_in_beats_bends_with_the_tempo_under_way() -> None:
    """Half the beats at 60, then the rest at 240: the spring is another one from there on."""
    performer = bare(glide__beats=4.0, tempo__bpm=60.0, spring__damping_ratio=1.0)
    script = [event(0.0, "/waypoint/2/go"), event(2.0, "/raw/tempo/bpm", 240.0)]
    before, after = play(performer, [1.9, 2.1], script)
    assert after.flight.spring.frequency == pytest.approx(4.0 * before.flight.spring.frequency)
    smooth = performer_of(
        bindings=SMOOTH, score=None, values={"/glide/beats": 4.0, "/tempo/bpm": 60.0}
    )
    (p,) = play(smooth, [2.3], [event(2.0, "/knob/bpm", 1.0)])
    seconds = 4.0 * 60.0 / p.tempo.bpm
    assert 60.0 < p.tempo.bpm < 240.0
    assert smooth.value(p, "/glide/seconds") == pytest.approx(seconds, rel=1e-9)


def test_a_bound_key_taps() -> None:
    performer = performer_of(bindings=(Binding("/key/t", "/tempo/tap"),), score=None)
    script = [event(0.5 * n, "/key/t", n % 2) for n in range(9)]
    (p,) = play(performer, [5.0], script)
    assert performer.value(p, "/tempo/bpm") == pytest.approx(60.0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300, -1e12, 0.5])
def test_no_align_breaks_the_beat(value: float) -> None:
    performer = bare()
    (p,) = play(performer, [3.0], [event(1.0, "/tempo/align", value)])
    assert abs(performer.beat_at(p, 3.0) - 6.0) <= 2.0


def test_a_released_trigger_says_nothing() -> None:
    performer = bare()
    (p,) = play(performer, [1.0], [event(0.3, "/tempo/start", 0.0), event(0.4, "/tempo/tap", 0.0)])
    assert performer.beat_at(p, 1.0) == 2.0
    assert p.tempo.taps == ()


# Takes of before.


def old_fields(performer: Performer, p: Performance) -> dict:
    """What the version before wrote: no beat, and nothing of launches."""
    fields = json.loads(json.dumps(p.to_json()))
    del fields["tempo"]
    fields["values"] = fields["values"][: performer.quantise]
    return fields


def test_a_performance_of_before_is_completed() -> None:
    performer = bare()
    (p,) = play(performer, [1.0], [event(0.2, "/raw/tempo/bpm", 90.0)])
    old = performance_from_json(old_fields(performer, p), SPEC)
    whole = performer.completed(old)
    assert len(old.values) == performer.quantise
    assert performer.values(whole).tolist() == performer.values(p).tolist()
    assert performer.beat_at(whole, 1.0 + 60.0 / 90.0) == pytest.approx(1.0)
    script = [event(1.5, "/waypoint/3/go"), event(1.7, "/raw/tempo/bpm", 200.0)]
    ours, theirs = (performer.advance(one, 3.0, script) for one in (p, whole))
    assert performer.z(ours).tobytes() == performer.z(theirs).tobytes()
    assert performer.completed(p) is p


@pytest.mark.parametrize("count", [0, 3, 999])
def test_another_count_is_no_earlier_version(count: int) -> None:
    performer = bare()
    p = performer.begin()
    p.values = np.resize(p.values, count)
    with pytest.raises(InstrumentError, match=f"holds {count} parameters"):
        performer.completed(p)
