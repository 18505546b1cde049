"""A performance as one value: written, read back, begun anew, and refused where it is damaged."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stages import SPEC, event, frames, performer_of, play
from test_performer import PERFORMER, SECONDS, scripts

from instrument import InstrumentError
from instrument.event import ControlEvent
from instrument.performance.state import performance_from_json

LAW = settings(deadline=None, derandomize=True, max_examples=40)


def shifted(events: list[ControlEvent], seconds: float) -> list[ControlEvent]:
    return [ControlEvent(e.address, e.value, e.time + seconds) for e in events]


@LAW
@given(scripts, scripts)
def test_json_and_back_is_the_same_performance(before, after) -> None:
    performance = PERFORMER.advance(PERFORMER.begin(), SECONDS, before)
    text = json.dumps(performance.to_json(), allow_nan=False)
    again = performance_from_json(json.loads(text), SPEC)
    assert again.to_json() == performance.to_json()
    after = shifted(after, SECONDS)
    for _ in range(2):
        ours = PERFORMER.advance(performance, 2 * SECONDS, after)
        theirs = PERFORMER.advance(again, 2 * SECONDS, after)
        assert PERFORMER.z(ours).tobytes() == PERFORMER.z(theirs).tobytes()
        assert PERFORMER.values(ours).tobytes() == PERFORMER.values(theirs).tobytes()


@LAW
@given(scripts, scripts, st.integers(1, 2000))
def test_a_performance_begun_anew_goes_on_alike(before, after, ticks) -> None:
    """Its time is called 0 on the control grid, so that smoothed knobs are looked at alike."""
    now = max(SECONDS, ticks / 240)
    performance = PERFORMER.advance(PERFORMER.begin(), now, before)
    rebased = PERFORMER.rebased(performance)
    assert (rebased.time, rebased.flight.anchor) == (0.0, 0.0)
    assert PERFORMER.z(rebased).tobytes() == PERFORMER.z(performance).tobytes()
    # Events between the grid points: rounding must not carry one across.
    after = [ControlEvent(e.address, e.value, (round(e.time * 240) + 0.4) / 240) for e in after]
    for instant in (0.1003, 0.7, 2.0):
        due = [e for e in after if e.time <= instant]
        theirs = PERFORMER.advance(rebased, instant, due)
        ours = PERFORMER.advance(performance, now + instant, shifted(due, now))
        np.testing.assert_allclose(PERFORMER.z(theirs), PERFORMER.z(ours), rtol=0, atol=3e-5)
        np.testing.assert_allclose(PERFORMER.values(theirs), PERFORMER.values(ours), 1e-6, 1e-7)


def test_a_score_goes_on_over_a_new_beginning() -> None:
    performer = performer_of()
    (p,) = play(performer, [0.3], [event(0.1, "/score/play")])
    rebased = performer.rebased(p)
    later = performer.advance(rebased, 0.55)  # the last cue stands at 0.1 + 0.77 = 0.3 + 0.57
    assert later.aim.waypoint != 3
    assert performer.advance(rebased, 0.58).aim.waypoint == 3


def good() -> dict:
    (p,) = play(
        performer_of(), [0.4], [event(0.1, "/knob/1", 0.7), event(0.2, "/performance/hold")]
    )
    return json.loads(json.dumps(p.to_json()))


def test_the_good_one_is_read() -> None:
    assert performance_from_json(good(), SPEC).aim.kind == "hold"


DAMAGED = {
    "format": "performance/2",
    "time": math.nan,
    "flight": {},
    "aim": {"kind": "moon", "waypoint": 0, "place": None},
    "resumes": 3,
    "values": ["a"],
    "glide_rule": "hours",
    "gliding": [[99, 0.0, 1.0, 0.0, 0.1]],
    "touches": [[0]],
    "score_since": "noon",
    "next_cue": -1,
    "flicks": "x",
}


@pytest.mark.parametrize("key", DAMAGED)
def test_a_damaged_performance_is_one_line(key: str) -> None:
    for wrong in (DAMAGED[key], None if key not in ("resumes", "score_since") else [], {"a": {}}):
        with pytest.raises(InstrumentError, match="performance") as caught:
            performance_from_json(good() | {key: wrong}, SPEC)
        assert "\n" not in str(caught.value)
    without = good()
    del without[key]
    with pytest.raises(InstrumentError, match="performance"):
        performance_from_json(without, SPEC)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("position", [0.0] * 15),
        ("position", [math.nan] * 16),
        ("velocity", [math.inf] * 16),
        ("target", "there"),
        ("anchor", 99.0),
        ("anchor", math.nan),
        ("spring", [1.0]),
        ("spring", [99.0, 1.0]),
        ("drift_rate", math.nan),
        ("drift_phase", -1.0),
    ],
)
def test_a_damaged_flight_is_one_line(key: str, value: object) -> None:
    fields = good()
    fields["flight"][key] = value
    with pytest.raises(InstrumentError, match=r"performance|spring") as caught:
        performance_from_json(fields, SPEC)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fields", [None, [], 3, "x", {}])
def test_what_is_no_performance_at_all(fields: object) -> None:
    with pytest.raises(InstrumentError, match="performance"):
        performance_from_json(fields, SPEC)


def test_looking_is_not_playing() -> None:
    performer = performer_of()
    rows = play(performer, frames(30, 1.0), [event(0.3, "/knob/2", 0.9)])
    for p in rows:
        first = performer.z(p)
        first[:] = 0.0
        assert (performer.z(p) != 0.0).any()
