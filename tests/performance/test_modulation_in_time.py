"""Modulation under all the laws of a performance: no trace of frames, a value, finite, replayed."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stages import BINDINGS, SPEC, performer_of, play
from test_performer import seen_at

from instrument import InstrumentError
from instrument.event import ControlEvent
from instrument.performance.modulation import Modulation, Routing
from instrument.performance.modulators import Lfo
from instrument.performance.state import performance_from_json

LAW = settings(deadline=None, derandomize=True, max_examples=25)
SECONDS = 2.0
RATES = (7, 24, 30, 60, 144)

# Every shape and kind of source, on what shapes the flight and on what does not; chains, too.
LFOS = (
    Lfo("sine", "sine", rate=0.7),
    Lfo("ramp", "ramp", beats=2.0, phase=0.3),
    Lfo("square", "square", rate=3.0, width=0.3),
    Lfo("hold", "hold", beats=0.5),
    Lfo("smooth", "smooth", rate=2.0, seed=4),
    Lfo("triangle", "triangle", rate=1.0),
)
ROUTINGS = (
    Routing("/lfo/sine", "/spring/frequency", 0.15, bipolar=True, grace=0.2),
    Routing("/lfo/ramp", "/noise/strength", 0.4, "slow"),
    Routing("/lfo/square", "/pad/x", 0.3, bipolar=True, grace=0.1),
    Routing("/lfo/hold", "/master/gain", -0.6),
    Routing("/lfo/smooth", "/noise/rate", 0.3, bipolar=True),
    Routing("/lfo/triangle", "/lfo/sine/rate", 0.2, bipolar=True),
    Routing("/audio/in/low", "/pad/y", 0.5, "fast", attack=0.02, release=0.3),
    Routing("/audio/in/low", "/noise/strength", 0.3),
    Routing("/midi/a/bend", "/tempo/bpm", 0.2, bipolar=True, grace=0.0),
    Routing("/midi/a/cc/1", "/modulation/1/depth", 0.3, release=0.1),
    Routing("/pad/x", "/modulation/swell/depth", 0.5),
    Routing("/lfo/smooth", "/model/truncation", 0.2, name="swell"),
    Routing("/lfo/smooth", "/spring/damping_ratio", 0.1, bipolar=True),
)
MODULATION = Modulation(LFOS, ROUTINGS)
PERFORMER = performer_of(modulation=MODULATION, bindings=BINDINGS)

times = st.one_of(
    st.floats(0.0, SECONDS),
    st.integers(0, 480).map(lambda i: i / 240),
    st.integers(0, 48).map(lambda i: i / 24),
)
levels = st.one_of(st.floats(0.0, 1.0), st.sampled_from([0.0, 0.5, 1.0, -3.0, 1e9]))
heard = """/audio/in/low /midi/a/bend /midi/a/cc/1 /lfo/sine/rate /lfo/ramp/beats /lfo/smooth/rate
    /modulation/1/depth /modulation/3/depth /modulation/swell/depth /lfo/sine/restart
    /lfo/ramp/restart /spring/frequency /pad/x /pad/y /noise/strength /master/gain /tempo/bpm
    /knob/1 /knob/2 /knob/4 /knob/5 /knob/8 /raw/glide/seconds /waypoint/2/go /waypoint/3/go
    /performance/hold /performance/panic /performance/flick /lfo/hold /score/play""".split()
events = st.builds(ControlEvent, st.sampled_from(heard), levels, times)
scripts = st.lists(events, max_size=14).map(lambda drawn: sorted(drawn, key=lambda e: e.time))


@LAW
@given(scripts, st.lists(st.floats(0.0, SECONDS), max_size=20))
def test_the_frame_rate_leaves_no_trace(script, jitter) -> None:
    common = [Fraction(i) for i in range(3)]  # on every rate
    once = {}
    for instant in common:
        once |= seen_at(PERFORMER, [instant], script)
    for rate in RATES:
        ours = seen_at(PERFORMER, [Fraction(i, rate) for i in range(2 * rate + 1)], script)
        assert {instant: ours[instant] for instant in common} == once
    ours = seen_at(PERFORMER, sorted({*common, *map(Fraction, jitter)}), script)
    assert {instant: ours[instant] for instant in common} == once


@LAW
@given(scripts)
def test_a_frame_at_every_event_changes_nothing(script) -> None:
    together = PERFORMER.advance(PERFORMER.begin(), SECONDS, script)
    stepped = PERFORMER.begin()
    for e in script:
        stepped = PERFORMER.advance(stepped, e.time)
        stepped = PERFORMER.advance(stepped, e.time, [e])
    stepped = PERFORMER.advance(stepped, SECONDS)
    assert stepped.to_json() == together.to_json()
    assert PERFORMER.values(together).tobytes() == PERFORMER.values(stepped).tobytes()


@LAW
@given(scripts, scripts)
def test_a_performance_is_a_value(before, after) -> None:
    p = PERFORMER.advance(PERFORMER.begin(), SECONDS, before)
    as_it_was, z, row = p.to_json(), PERFORMER.z(p).tobytes(), PERFORMER.values(p).tobytes()
    later = [ControlEvent(e.address, e.value, e.time + SECONDS) for e in after]
    PERFORMER.advance(p, 2 * SECONDS, later)
    assert p.to_json() == as_it_was
    assert (PERFORMER.z(p).tobytes(), PERFORMER.values(p).tobytes()) == (z, row)


@LAW
@given(scripts)
def test_everything_stays_finite_and_in_range(script) -> None:
    for p in play(PERFORMER, [i / 24 for i in range(49)], script):
        assert np.isfinite(PERFORMER.z(p)).all()
        for parameter, value in zip(PERFORMER.space, PERFORMER.values(p).tolist(), strict=True):
            assert parameter.low <= value <= parameter.high, parameter.address
            if parameter.curve == "switch":
                assert value in (parameter.low, parameter.high)


@LAW
@given(scripts, scripts)
def test_json_and_back_is_the_same_performance(before, after) -> None:
    p = PERFORMER.advance(PERFORMER.begin(), SECONDS, before)
    again = performance_from_json(json.loads(json.dumps(p.to_json(), allow_nan=False)), SPEC)
    PERFORMER.matrix.check(again.modulation)
    assert again.to_json() == p.to_json()
    later = [ControlEvent(e.address, e.value, e.time + SECONDS) for e in after]
    ours, theirs = (PERFORMER.advance(one, 2 * SECONDS, later) for one in (p, again))
    assert PERFORMER.z(ours).tobytes() == PERFORMER.z(theirs).tobytes()
    assert PERFORMER.values(ours).tobytes() == PERFORMER.values(theirs).tobytes()


# Without what jumps: there, a rounding sooner is another value.
SMOOTH = performer_of(
    modulation=Modulation(
        tuple(lfo for lfo in LFOS if lfo.shape in ("sine", "smooth", "triangle")),
        tuple(r for r in ROUTINGS if r.source not in ("/lfo/ramp", "/lfo/square", "/lfo/hold")),
    ),
    bindings=BINDINGS,
)


@LAW
@given(scripts, scripts)
# A knob that arrives between the new beginning and the next word on it.
@example([ControlEvent("/knob/1", 0.0, 0.7135)], [ControlEvent("/knob/1", 0.0, 0.7166)])
def test_a_performance_begun_anew_goes_on_alike(before, after) -> None:
    """Its time is called 0 on the control grid, so that what shapes is looked at alike."""
    p = SMOOTH.advance(SMOOTH.begin(), SECONDS, before)
    rebased = SMOOTH.rebased(p)
    SMOOTH.matrix.check(rebased.modulation)
    assert SMOOTH.z(rebased).tobytes() == SMOOTH.z(p).tobytes()
    np.testing.assert_allclose(SMOOTH.values(rebased), SMOOTH.values(p), 1e-9, 1e-9)
    # Events between the grid points: rounding must not carry one across.
    after = [ControlEvent(e.address, e.value, (round(e.time * 240) + 0.4) / 240) for e in after]
    shifted = [ControlEvent(e.address, e.value, e.time + SECONDS) for e in after]
    theirs = SMOOTH.advance(rebased, 2.2003, after)
    ours = SMOOTH.advance(p, SECONDS + 2.2003, shifted)
    np.testing.assert_allclose(SMOOTH.z(theirs), SMOOTH.z(ours), rtol=0, atol=1e-4)
    np.testing.assert_allclose(SMOOTH.values(theirs), SMOOTH.values(ours), 1e-5, 1e-6)


@pytest.mark.parametrize("rate", RATES)
def test_an_hour_long_phase_is_as_exact_as_a_short_one(rate: int) -> None:
    performer = performer_of(modulation=Modulation((Lfo("x", rate=0.7),)))
    (p,) = play(performer, [3600.0 + 1.0 / rate])
    expected = 0.5 + 0.5 * math.sin(2.0 * math.pi * 0.7 * (3600.0 + 1.0 / rate))
    assert performer.value(p, "/lfo/x") == pytest.approx(expected, abs=1e-10)


# From takes.


def good() -> dict:
    script = [
        ControlEvent("/audio/in/low", 0.7, 0.1),
        ControlEvent("/master/gain", 0.3, 0.2),
        ControlEvent("/lfo/sine/rate", 0.3, 0.3),
    ]
    (p,) = play(PERFORMER, [0.4], script)
    return json.loads(json.dumps(p.to_json()))


def test_a_take_from_before_there_was_modulation_still_opens() -> None:
    plain = performer_of()
    fields = plain.begin().to_json()
    del fields["modulation"]
    performance = performance_from_json(fields, SPEC)
    plain.matrix.check(performance.modulation)
    assert performance.to_json() == plain.begin().to_json()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("phases", [[0.0, 1.0]]),
        ("phases", [[0.0, 1.0, math.nan]]),
        ("phases", 3),
        ("heard", [[0, 1.0, 0.0, 99.0, 0.1]]),
        ("heard", [[0, math.inf, 0.0, 0.0, 0.1]]),
        ("heard", [[0, 1.0, 0.0, 0.0, -0.1]]),
        ("heard", [["a"]]),
        ("touched", [[0, 99.0]]),
        ("touched", [[0, "noon"]]),
        ("restless", "perhaps"),
        ("restless", None),
    ],
)
def test_a_damaged_modulation_is_one_line(key: str, value: object) -> None:
    fields = good()
    performance_from_json(fields, SPEC)
    fields["modulation"][key] = value
    with pytest.raises(InstrumentError, match="performance") as caught:
        performance_from_json(fields, SPEC)
    assert "\n" not in str(caught.value)
    del fields["modulation"][key]
    with pytest.raises(InstrumentError, match="performance"):
        performance_from_json(fields, SPEC)
