"""The performer: a performance is a function of time, and a frame only samples it."""

import copy
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stages import (
    NAMES,
    SCORE,
    SPEC,
    bank_of_four,
    bare,
    event,
    frames,
    performer_of,
    play,
)

from instrument import InstrumentError
from instrument.event import ControlEvent
from instrument.latent import geometry
from instrument.latent.pad import Pad
from instrument.latent.space import LatentSpec
from instrument.latent.waypoints import Waypoint, WaypointBank
from instrument.performance.mapping import Binding
from instrument.performance.performer import Performer
from instrument.performance.score import Cue, Score

SECONDS = 1.5
RATES = (24, 30, 60, 120, 144)

# Times that lie on frames, on the control grid, on cues, and nowhere at all.
times = st.one_of(
    st.floats(0.0, SECONDS),
    st.integers(0, 360).map(lambda i: i / 240),
    st.integers(0, 36).map(lambda i: i / 24),
    st.sampled_from([0.0, 0.25, 0.5, 1.0, SECONDS]),
)
unit = st.floats(0.0, 1.0)
moves = st.one_of(
    st.tuples(st.sampled_from([f"/waypoint/{n}/go" for n in (*NAMES, 1, 2, 3, 4)]), st.just(1.0)),
    st.tuples(
        st.sampled_from(
            """/pad/x /pad/y /spring/damping_ratio /noise/strength /noise/rate
            /glide/seconds /glide/beats /tempo/bpm /flick/strength /master/gain""".split()
        ),
        unit,
    ),
    st.tuples(st.just("/raw/spring/frequency"), st.floats(0.05, 6.0)),
    st.tuples(st.just("/raw/glide/seconds"), st.floats(0.1, 4.0)),
    st.tuples(st.just("/raw/noise/strength"), st.floats(0.0, 90.0)),
    st.tuples(st.sampled_from([f"/knob/{n}" for n in range(1, 10)]), unit),
    st.tuples(st.sampled_from(["/key/1", "/key/f", "/key/s", "/knob/8"]), st.sampled_from([0, 1])),
    st.tuples(
        st.sampled_from(["hold", "home", "panic", "flick"]).map("/performance/{}".format),
        st.sampled_from([0.0, 1.0]),
    ),
    st.tuples(st.just("/score/play"), st.sampled_from([0.0, 1.0, 1.0])),
)
scripts = st.lists(st.tuples(times, moves), max_size=14).map(
    lambda drawn: sorted(
        (ControlEvent(address, float(value), time) for time, (address, value) in drawn),
        key=lambda e: e.time,
    )
)


def seen_at(performer, instants, events) -> dict[Fraction, tuple[bytes, bytes, bytes]]:
    """(z, values, place in double precision) bit by bit, stepped from one instant to the next."""
    performances = play(performer, [float(i) for i in instants], events)
    return {
        instant: (
            performer.z(p).tobytes(),
            performer.values(p).tobytes(),
            p.flight.position(p.time).tobytes(),
        )
        for instant, p in zip(instants, performances, strict=True)
    }


PERFORMER = performer_of()


@settings(deadline=None, derandomize=True, max_examples=40)
@given(scripts, st.lists(st.floats(0.0, SECONDS), max_size=40))
def test_the_frame_rate_leaves_no_trace(events, jitter) -> None:
    common = [Fraction(i, 6) for i in range(10)]  # on every rate
    once = {}
    for instant in common:
        once |= seen_at(PERFORMER, [instant], events)
    for rate in RATES:
        ours = seen_at(PERFORMER, [Fraction(i, rate) for i in range(rate * 3 // 2 + 1)], events)
        assert {instant: ours[instant] for instant in common} == once
    jittered = sorted({*common, *map(Fraction, jitter)})
    ours = seen_at(PERFORMER, jittered, events)
    assert {instant: ours[instant] for instant in common} == once


@settings(deadline=None, derandomize=True, max_examples=40)
@given(scripts)
def test_a_frame_at_every_event_changes_nothing(events) -> None:
    """Stopping exactly at the events, and handing them in one by one, is the same performance."""
    together = PERFORMER.advance(PERFORMER.begin(), SECONDS, events)
    stepped = PERFORMER.begin()
    for e in events:
        stepped = PERFORMER.advance(stepped, e.time)
        stepped = PERFORMER.advance(stepped, e.time, [e])
    stepped = PERFORMER.advance(stepped, SECONDS)
    assert PERFORMER.z(together).tobytes() == PERFORMER.z(stepped).tobytes()
    assert PERFORMER.values(together).tobytes() == PERFORMER.values(stepped).tobytes()


@settings(deadline=None, derandomize=True, max_examples=40)
@given(scripts, st.integers(0, 14))
def test_a_performance_is_a_value(events, cut) -> None:
    """`advance`, `z` and `values` never touch the performance they are given."""
    before = PERFORMER.advance(PERFORMER.begin(), 0.0)
    early = events[:cut]
    if early:
        before = PERFORMER.advance(before, early[-1].time, early)
    kept = copy.deepcopy(before.to_json())
    kept_requests, identity = before.requests, id(before.flight)
    first = PERFORMER.advance(before, SECONDS, events[cut:])
    PERFORMER.z(before), PERFORMER.values(before), PERFORMER.rebased(before)
    PERFORMER.values(before)[:] = -1.0
    assert before.to_json() == kept
    assert (before.requests, id(before.flight)) == (kept_requests, identity)
    again = PERFORMER.advance(before, SECONDS, events[cut:])
    assert again.to_json() == first.to_json()


@pytest.mark.parametrize("spec", [SPEC, LatentSpec.shell(512), LatentSpec((3, 8), "w")])
@pytest.mark.parametrize("home", ["1", "reef"])
def test_without_an_event_z_rests_at_home(spec: LatentSpec, home: str) -> None:
    bank = bank_of_four(spec)
    performer = performer_of(bank, home=home, values={"/noise/strength": 0.0})
    expected = bank[home].z.astype(np.float64)
    if spec.radius is not None:
        expected = geometry.project(expected, spec.radius)
    for p in play(performer, frames(7, 20.0)):
        assert performer.z(p).tobytes() == expected.astype(np.float32).tobytes()
        assert performer.z(p).shape == spec.shape
        assert performer.z(p).dtype == np.float32


def test_a_home_off_the_shell_is_shown_on_it() -> None:
    bank = bank_of_four()
    for waypoint in bank:
        waypoint.z[:] *= 0.5
    performer = bare(bank)
    assert geometry.length(performer.z(performer.begin())) == pytest.approx(SPEC.radius, rel=1e-6)


# Rows: an event at i/N is in row i.


@pytest.mark.parametrize("rate", RATES)
def test_an_event_on_a_frame_is_in_its_row(rate: int) -> None:
    performer = bare()
    row = rate // 2
    rows = play(performer, frames(rate, 1.0), [event(row / rate, "/master/gain", 0.25)])
    gains = [performer.value(p, "/master/gain") for p in rows]
    assert gains == [1.0] * row + [0.25] * (rate + 1 - row)


def test_a_glide_starts_at_its_event() -> None:
    performer = bare()
    rows = play(performer, frames(60, 1.0), [event(0.505, "/waypoint/2/go")])
    start = performer.z(rows[0])
    assert all((performer.z(p) == start).all() for p in rows[:31])
    assert not any((performer.z(p) == start).all() for p in rows[32:])


# What advance refuses.


@pytest.mark.parametrize(
    ("until", "events"),
    [
        (2.0, [event(2.1, "/pad/x")]),
        (2.0, [event(0.5, "/pad/x")]),
        (2.0, [event(1.5, "/pad/x"), event(1.2, "/pad/x")]),
        (2.0, [event(math.nan, "/pad/x")]),
        (0.5, []),
        (math.nan, []),
        (math.inf, []),
    ],
)
def test_time_only_grows(until: float, events: list[ControlEvent]) -> None:
    performer = bare()
    performance = performer.advance(performer.begin(), 1.0)
    kept = performance.to_json()
    with pytest.raises(ValueError, match=r"outside|no way"):
        performer.advance(performance, until, events)
    assert performance.to_json() == kept


def test_a_performer_of_what_does_not_exist() -> None:
    for more, reason in (
        ({"home": "nowhere"}, "only dawn, iris, reef, ember"),
        ({"values": {"/nothing": 1.0}}, "allowed are /spring/frequency"),
        ({"values": {"/spring/frequency": 99.0}}, "allowed is 0.01 to 30 Hz"),
        ({"values": {"/master/gain": math.nan}}, "allowed is 0 to 1"),
        ({"bindings": (Binding("/knob/1", "/nothing"),)}, "no '/nothing', allowed are"),
        ({"score": Score((Cue(0.0, "/nothing"),))}, "no '/nothing', allowed are"),
        ({"score": Score((Cue(0.0, "/raw/waypoint/1/go"),))}, "no parameter '/waypoint/1/go'"),
    ):
        with pytest.raises(InstrumentError, match=reason):
            performer_of(**more)


# Scores.


def test_cues_are_events_at_their_times() -> None:
    scored = performer_of(bindings=())
    direct = performer_of(bindings=(), score=None)
    cues = [event(0.3 + cue.at, cue.address, cue.value) for cue in SCORE.cues]
    played = play(scored, frames(50, 2.0), [event(0.3, "/score/play")])
    spoken = play(direct, frames(50, 2.0), cues)
    for ours, theirs in zip(played, spoken, strict=True):
        assert scored.z(ours).tobytes() == direct.z(theirs).tobytes()
        assert scored.values(ours).tobytes() == direct.values(theirs).tobytes()


def test_a_looping_score_is_its_cues_over_and_over() -> None:
    loop = 0.9
    looping = performer_of(bindings=(), score=Score(SCORE.cues, loop))
    direct = performer_of(bindings=(), score=None)
    cues = [
        event(0.3 + lap * loop + cue.at, cue.address, cue.value)
        for lap in range(4)
        for cue in SCORE.cues
    ]
    played = play(looping, frames(50, 3.0), [event(0.3, "/score/play")])
    spoken = play(direct, frames(50, 3.0), cues)
    for ours, theirs in zip(played, spoken, strict=True):
        np.testing.assert_allclose(looping.z(ours), direct.z(theirs), atol=1e-6)
        np.testing.assert_allclose(looping.values(ours), direct.values(theirs), atol=1e-9)
    stopped = [event(0.3, "/score/play"), event(1.0, "/score/play", 0.0)]
    (p,) = play(looping, [500.0], stopped)
    assert p.score_since is None


def test_an_hour_of_a_looping_score_passed_in_one_frame_plays_every_lap() -> None:
    score = Score((Cue(0.0, "/performance/flick"),), 60.0)
    looping = performer_of(bindings=(), score=score)
    (p,) = play(looping, [3599.0], [event(0.0, "/score/play")])
    assert p.next_cue == 60


@pytest.mark.parametrize("loop", [0.0, -1.0, 0.5, math.inf, math.nan])
def test_a_loop_too_short_for_its_cues_is_refused(loop: float) -> None:
    with pytest.raises(InstrumentError, match=r"score loop .* last cue at 0\.77"):
        Score(SCORE.cues, loop)


def test_a_score_can_be_stopped_and_played_again() -> None:
    performer = performer_of(bindings=(), values={})
    script = [event(0.0, "/score/play"), event(0.3, "/score/play", 0.0), event(1.0, "/score/play")]
    strength = [
        performer.value(p, "/noise/strength") for p in play(performer, [0.9, 1.39, 1.4], script)
    ]
    assert strength == [0.0, 0.0, pytest.approx(27.0)]


def test_a_score_cannot_play_itself() -> None:
    with pytest.raises(InstrumentError, match="cannot play itself"):
        Cue(0.0, "/score/play")
    around = {
        "bindings": (Binding("/waypoint/1/go", "/score/play"),),
        "score": Score((Cue(0.0, "/waypoint/1/go", 0.0), Cue(0.0, "/waypoint/1/go"))),
    }
    with pytest.raises(InstrumentError, match="cannot play itself"):
        performer_of(**around)


def test_cues_of_one_time_keep_their_order() -> None:
    score = Score((Cue(1.0, "/master/gain", 0.1), Cue(0.5, "/pad/x"), Cue(1.0, "/master/gain", 1)))
    assert [cue.value for cue in score.cues] == [1.0, 0.1, 1]
    performer = performer_of(bindings=(), score=score)
    (p,) = play(performer, [2.0], [event(0.0, "/score/play")])
    assert performer.value(p, "/master/gain") == 1.0


@pytest.mark.parametrize(
    ("cue", "reason"),
    [
        ((-1.0, "/pad/x"), "0 or more seconds"),
        ((math.nan, "/pad/x"), "0 or more seconds"),
        ((0.0, "pad"), "must look like"),
        ((0.0, "/pad/x", math.nan), "finite"),
        ((0.0, "/pad/x", math.inf), "finite"),
    ],
)
def test_cues_nobody_can_play(cue: tuple, reason: str) -> None:
    with pytest.raises(InstrumentError, match=reason):
        Cue(*cue)


# Nothing gets out of range.

hostile_values = st.one_of(
    st.floats(), st.sampled_from([math.nan, math.inf, -math.inf, 1e300, -1e300, 5e-324])
)
hostile_addresses = st.one_of(
    moves.map(lambda move: move[0]),
    st.sampled_from([p.address for p in PERFORMER.space]).map(lambda a: "/raw" + a),
    st.sampled_from([p.address for p in PERFORMER.space]),
    st.sampled_from([t.address for t in PERFORMER.space.triggers]),
    st.sampled_from(["", "/", "/raw", "/raw/", "/waypoint/99/go", "/waypoint/go", "/x" * 300, "ü"]),
    st.text(max_size=10),
)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(st.lists(st.tuples(times, hostile_addresses, hostile_values), max_size=30))
def test_whatever_arrives_everything_stays_finite(drawn) -> None:
    events = sorted((ControlEvent(a, v, t) for t, a, v in drawn), key=lambda e: e.time)
    low = np.array([p.low for p in PERFORMER.space])
    high = np.array([p.high for p in PERFORMER.space])
    for p in play(PERFORMER, frames(6, 2.0), events):
        z, values = PERFORMER.z(p), PERFORMER.values(p)
        assert np.isfinite(z).all()
        assert geometry.length(z.astype(np.float64)) == pytest.approx(SPEC.radius, rel=1e-5)
        assert (low <= values).all()
        assert (values <= high).all()


def test_pushing_for_ever_stays_finite() -> None:
    """A flick thirty times a second adds up; a leash keeps the sum a number."""
    performer = bare(spring__damping_ratio=0.05, flick__strength=720.0)
    flicks = [event(i / 30, "/performance/flick") for i in range(30 * 60)]
    (p,) = play(performer, [60.0], flicks)
    assert np.isfinite(performer.z(p)).all()
    (p,) = play(performer, [600.0], [*flicks, event(61.0, "/performance/panic")])
    np.testing.assert_allclose(performer.z(p), performer.bank["dawn"].z, atol=1e-3)


def test_a_spring_pumped_for_ever_stays_finite() -> None:
    """Frequency swung from end to end at the worst moments feeds the spring like a swing."""
    performer = bare(spring__damping_ratio=0.05)
    script = [event(0.0, "/waypoint/2/go")]
    for i in range(300):
        script += [event(20.0 * i + 0.01, "/spring/frequency", 1.0)]
        script += [event(20.0 * i + 0.018, "/spring/frequency", 0.0)]
    (p,) = play(performer, [6000.0], script)
    assert np.isfinite(performer.z(p)).all()


def test_a_hundred_thousand_events_leave_nothing_behind() -> None:
    performer = performer_of()
    knobs = ["/knob/2", "/knob/3", "/knob/5", "/master/gain", "/waypoint/2/go", "/unknown/7"]
    performance = performer.begin()
    for block in range(100):
        start = block / 10
        events = [event(start + 0.0001 * i, knobs[i % 6], (i * 7 % 128) / 127) for i in range(1000)]
        performance = performer.advance(performance, (block + 1) / 10, events)
    assert len(performance.gliding) <= len(performer.space)
    assert len(performance.touches) <= len(performer.bindings)
    assert len(str(performance.to_json())) < 8000
    assert performance.requests == ()


def test_home_brings_its_snapshot_unless_the_preset_says_another():
    place = np.ones(4, np.float32)
    bank = WaypointBank(
        "b", LatentSpec.shell(4), (Waypoint("a", place, snapshot=3.0), Waypoint("b", -place))
    )
    begun = Performer(bank, snapshots=10)
    assert begun.value(begun.begin(), "/model/snapshot") == 3.0
    asked = Performer(bank, values={"/model/snapshot": 7.0}, snapshots=10)
    panicked = asked.advance(asked.begin(), 1.0, [ControlEvent("/performance/panic", 1.0, 0.5)])
    assert asked.value(panicked, "/model/snapshot") == 7.0
    home = asked.advance(asked.begin(), 1.0, [ControlEvent("/performance/home", 1.0, 0.5)])
    assert asked.value(home, "/model/snapshot") == 3.0


def test_a_pad_that_rests_is_not_sought_anew(monkeypatch):
    performer = performer_of()
    blends, blend = [], Pad.blend

    def counted(self, point):
        blends.append(tuple(point))
        return blend(self, point)

    monkeypatch.setattr(Pad, "blend", counted)
    events = [event(0.1, "/pad/x", 0.3), event(0.2, "/pad/y", 0.6)]
    events += [event(0.3 + n / 100, "/spring/frequency", n / 50) for n in range(50)]
    moved = performer.advance(performer.begin(), 1.0, events)
    assert len(blends) == 2, "the pad was blended again, and nobody had moved it"
    monkeypatch.undo()
    plain = performer_of()
    steps = plain.begin()
    for one in events:  # every event alone: what is kept must not depend on who asked before
        steps = plain.advance(steps, one.time, [one])
    assert np.array_equal(performer.z(moved), plain.z(plain.advance(steps, 1.0)))
