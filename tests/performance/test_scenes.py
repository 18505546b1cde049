"""Scenes: recalled at once, morphed into without a jump, saved as they stand."""

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stages import SPEC, bank_of_four, event, frames, performer_of, play

from instrument import InstrumentError
from instrument.latent import geometry
from instrument.latent.space import LatentSpec
from instrument.latent.waypoints import Waypoint, WaypointBank
from instrument.performance.glide import ValueRamp, glide_from_json, glide_to_json
from instrument.performance.mapping import Binding
from instrument.performance.performer import Performer
from instrument.performance.preset import compose, preset_from_text
from instrument.performance.scene import Scene
from instrument.performance.scenes import scene_of
from instrument.performance.state import performance_from_json
from instrument.performance.teaching import WRITE

LAW = settings(deadline=None, derandomize=True, max_examples=60)
GAIN, MIX, RATE = "/master/gain", "/model/mix", "/noise/rate"
STRENGTH, FREQUENCY, SECONDS, BEATS = (
    "/noise/strength", "/spring/frequency", "/glide/seconds", "/glide/beats",
)  # fmt: skip
STORM = Scene("storm", {STRENGTH: 40.0, RATE: 4.0, FREQUENCY: 2.0}, waypoint="ember")
CALM = Scene("calm", {SECONDS: 6.0, MIX: 0.75})
ONPAD = Scene("", {"/pad/x": 0.2, "/pad/y": 0.9, STRENGTH: 1.0})
SCENES = {2: STORM, 3: CALM, 4: ONPAD}


def stage(**more) -> Performer:
    given = {"scenes": SCENES, "values": {STRENGTH: 5.0, FREQUENCY: 0.5}, "score": None}
    return performer_of(**(given | more))


def ended(performer: Performer, events, until: float):
    return play(performer, [until], events)[-1]


def chosen(performer: Performer, p, scene: Scene) -> dict[str, float]:
    return {address: performer.value(p, address) for address in scene.values}


# Recall.


def test_recall_sets_every_value_at_once_and_z_flies() -> None:
    performer = stage()
    before = ended(performer, [], 1.0)
    at = performer.advance(before, 1.0, [event(1.0, "/preset/2/recall")])
    assert chosen(performer, at, STORM) == STORM.values
    assert performer.destination(at) == "ember"
    np.testing.assert_array_equal(at.flight.position(1.0), before.flight.position(1.0))
    there = performer.advance(at, 30.0)
    np.testing.assert_allclose(there.flight.position(30.0), performer.bank["ember"].z, atol=1e-5)
    assert there.scenes.current == 2


def test_a_scene_is_called_by_its_name_too() -> None:
    performer = stage()
    a = ended(performer, [event(0.1, "/preset/storm/recall")], 1.0)
    b = ended(performer, [event(0.1, "/preset/2/recall")], 1.0)
    assert performer.z(a).tobytes() == performer.z(b).tobytes()
    assert performer.values(a).tobytes() == performer.values(b).tobytes()


def test_what_a_scene_does_not_name_stays() -> None:
    performer = stage()
    p = ended(performer, [event(0.1, GAIN, 0.3), event(0.2, "/preset/calm/recall")], 1.0)
    assert performer.value(p, GAIN) == 0.3
    assert performer.value(p, MIX) == 0.75
    assert performer.destination(p) == "dawn"


def test_number_one_is_how_the_preset_begins() -> None:
    performer = stage(home="reef")
    script = [
        event(0.1, "/preset/storm/recall"), event(0.2, MIX, 1.0), event(0.3, GAIN, 0.2),
        event(0.4, SECONDS, 0.9), event(0.5, "/preset/1/recall"),
    ]  # fmt: skip
    begin, p = performer.begin(), ended(performer, script, 1.0)
    apart = {GAIN, "/display/freeze", "/display/blackout", "/tempo/bpm", BEATS}
    for address in set(performer.space.addresses) - apart:
        assert performer.value(p, address) == performer.value(begin, address), address
    assert performer.value(p, GAIN) == 0.2  # a light taken down stays down
    assert performer.destination(p) == "reef"
    assert (p.glide_rule, p.scenes.current) == (begin.glide_rule, 1)


def test_the_last_word_on_the_spring_wins_in_a_scene_too() -> None:
    performer = stage()
    p = ended(performer, [event(0.1, "/preset/calm/recall")], 0.2)
    assert p.glide_rule == "seconds"
    assert p.flight.spring.arrival_seconds == pytest.approx(6.0)


def test_a_scene_on_the_pad() -> None:
    performer = stage()
    p = ended(performer, [event(0.1, "/preset/4/recall")], 0.2)
    assert performer.destination(p) == "the pad"
    assert performer.value(p, "/pad/y") == 0.9


def test_an_empty_slot_and_a_release_do_nothing() -> None:
    performer = stage()
    script = [event(0.1, "/preset/9/recall"), event(0.2, "/preset/9/morph")]
    script += [event(0.3, "/preset/2/recall", 0.0), event(0.4, "/preset/2/save", 0.0)]
    quiet, p = ended(performer, [], 1.0), ended(performer, script, 1.0)
    assert performer.values(quiet).tobytes() == performer.values(p).tobytes()
    assert (p.scenes.current, p.scenes.saved) == (1, {})


@pytest.mark.parametrize("verb", ["recall", "morph"])
def test_a_fader_must_meet_what_was_recalled(verb: str) -> None:
    fader = Binding("/midi/deck/cc/1", MIX, "pickup")
    performer = stage(bindings=(fader,), values={MIX: 0.5, "/preset/seconds": 0.05})
    script = [event(0.1, fader.source, 0.5), event(0.2, fader.source, 0.4)]
    script += [event(0.3, f"/preset/calm/{verb}"), event(0.5, fader.source, 0.41)]
    assert performer.value(ended(performer, script, 1.0), MIX) == 0.75
    met = [event(0.6, fader.source, 0.75), event(0.7, fader.source, 0.8)]
    assert performer.value(ended(performer, script + met, 1.0), MIX) == 0.8


@pytest.mark.parametrize(
    "source", ["/key/q", "/midi/deck/note/36", "/midi/deck/program/2", "/osc/storm"]
)
def test_reached_by_key_pad_program_change_and_osc(source: str) -> None:
    performer = stage(bindings=(Binding(source, "/preset/storm/recall"),))
    p = ended(performer, [event(0.1, source)], 0.2)
    assert p.scenes.current == 2


def test_on_the_beat() -> None:
    performer = stage(values={"/launch/quantise": 4.0, "/tempo/bpm": 120.0})
    before, after = play(performer, [1.999, 2.001], [event(0.3, "/preset/storm/recall")])
    assert before.scenes.current == 1 and "on beat 4" in performer.destination(before)
    assert after.scenes.current == 2


def test_the_snapshot_of_a_waypoint_comes_along() -> None:
    z = bank_of_four()
    points = [Waypoint(w.name, w.z, snapshot=float(i)) for i, w in enumerate(z)]
    bank = WaypointBank("four", SPEC, tuple(points))
    scenes = {2: Scene("a", {}, "ember"), 3: Scene("b", {"/model/snapshot": 0.5}, "ember")}
    performer = stage(bank=bank, scenes=scenes, snapshots=4, pad=None, values={})
    snapshot = "/model/snapshot"
    recalled = ended(performer, [event(0.0, "/preset/a/recall")], 0.0)
    assert performer.value(recalled, snapshot) == 3.0
    named = ended(performer, [event(0.0, "/preset/b/recall")], 0.0)
    assert performer.value(named, snapshot) == 0.5
    start, half = play(performer, [0.0, 2.0], [event(0.0, "/preset/a/morph")])
    assert performer.value(start, snapshot) == 0.0
    assert performer.value(half, snapshot) == pytest.approx(1.5)


# Morph.


def test_a_ramp_sets_out_and_arrives_exactly_and_without_a_corner() -> None:
    ramp = ValueRamp(0.25, 0.75, 2.0, 4.0)
    assert [ramp.at(t) for t in (2.0, 4.0, 6.0, 99.0)] == [0.25, 0.5, 0.75, 0.75]
    assert not ramp.is_done(5.999) and ramp.is_done(6.0)
    step = 1e-4
    slopes = np.diff([ramp.at(2.0 + step * i) for i in range(40001)]) / step
    assert abs(slopes[0]) < 1e-4 and abs(slopes[-1]) < 1e-4
    assert np.max(np.abs(slopes)) == pytest.approx(1.5 * 0.5 / 4.0, rel=1e-6)
    assert ramp.rebased(3.0).at(1.0) == ramp.at(4.0)
    assert glide_from_json(json.loads(json.dumps(glide_to_json(ramp)))) == ramp


@pytest.mark.parametrize(
    "damaged", [[], [0.0], [0.0] * 5, [0, 0, 0, 0, "x"], [0, 0, 0, -1.0], [math.nan, 0, 0, 1]]
)
def test_a_damaged_glide_is_refused(damaged) -> None:
    with pytest.raises((ValueError, TypeError)):
        glide_from_json(damaged)


@LAW
@given(
    st.sampled_from(["2", "3", "4", "1"]),
    st.sampled_from([0.05, 0.5, 3.0]),
    st.lists(
        st.tuples(st.floats(0.0, 1.0), st.sampled_from([RATE, FREQUENCY, SECONDS, BEATS, MIX])),
        max_size=3,
    ),
)
def test_no_value_moves_more_than_its_closed_form_and_z_is_continuous(scene, seconds, hands):
    """Positions have the slope 1.5/seconds at most; z never leaves the spring's own motion."""
    performer = stage(values={STRENGTH: 0.0, FREQUENCY: 0.5, "/preset/seconds": seconds})
    script = [event(0.01 * i, address, value) for i, (value, address) in enumerate(hands)]
    script += [event(0.1, "/preset/2/recall"), event(0.2, f"/preset/{scene}/morph")]
    step = 1.0 / 240.0
    times = [0.2 - 1e-9, *(0.2 + step * i for i in range(int(1.2 * seconds / step) + 2))]
    rows = play(performer, times, script)
    free = [i for i, p in enumerate(performer.space) if not p.told and p.curve != "steps"]
    free = [i for i in free if performer.space.parameters[i].curve != "switch"]
    # Two words of the three on the spring only tell what the third says.
    words = {performer.space.index(a) for a in (FREQUENCY, SECONDS, BEATS)}
    free = [i for i in free if i not in words or rows[-1].glide_rule == rows[0].glide_rule]
    free = [i for i in free if i not in words]
    # A pad z has not followed before leads nowhere: it is set at once.
    free = [i for i in free if i not in performer.axes]
    positions = np.array(
        [[performer.space.parameters[i].unmap(performer.value_at(p, i)) for i in free]
         for p in rows]
    )  # fmt: skip
    moved = np.max(np.abs(np.diff(positions, axis=0)), axis=1)
    assert np.all(moved <= 1.5 * step / seconds + 1e-9)
    places = np.array([p.flight.position(p.time) for p in rows])
    fastest = max(float(np.max(np.abs(p.flight.motion.velocity))) for p in rows)
    fastest = max(fastest, 2.0 * math.pi * 30.0)
    assert np.max(np.abs(np.diff(places, axis=0))) <= 4.0 * fastest * step
    assert np.max(np.abs(places[1] - places[0])) < 1e-6
    end = performer.advance(rows[-1], 0.2 + 2.0 * seconds)
    wanted = scene_of(performer, end, int(scene))
    assert {a: performer.value(end, a) for a in wanted.values} == pytest.approx(wanted.values)
    assert not {performer.space.index(a) for a in wanted.values} & set(end.gliding) - words


def test_a_morph_follows_its_closed_form() -> None:
    performer = stage(values={STRENGTH: 5.0, FREQUENCY: 0.5, "/preset/seconds": 2.0})
    strength = performer.space.parameters[performer.space.index(STRENGTH)]
    start, aim = strength.unmap(5.0), strength.unmap(40.0)
    for rate in (7, 24, 60, 144):
        for p in play(performer, frames(rate, 3.0), [event(0.5, "/preset/storm/morph")]):
            u = min(max((p.time - 0.5) / 2.0, 0.0), 1.0)
            share = u * u * (3.0 - 2.0 * u)
            wanted = start + (aim - start) * share
            assert strength.unmap(performer.value(p, STRENGTH)) == pytest.approx(wanted, abs=1e-9)


def test_what_is_there_already_is_not_on_its_way() -> None:
    performer = stage(scenes={2: Scene("a", {FREQUENCY: 0.5, RATE: 4.0})})
    p = ended(performer, [event(0.0, "/preset/a/morph")], 0.1)
    assert list(p.gliding) == [performer.space.index(RATE)]


def test_a_morph_in_beats() -> None:
    performer = stage(values={STRENGTH: 5.0, "/preset/beats": 3.0, "/tempo/bpm": 90.0})
    half, end = play(performer, [1.0, 2.0], [event(0.0, "/preset/storm/morph")])
    assert performer.value(half, STRENGTH) == pytest.approx(22.5)
    assert performer.value(end, STRENGTH) == 40.0


@pytest.mark.parametrize("first", [FREQUENCY, SECONDS, BEATS])
@pytest.mark.parametrize("then", [{FREQUENCY: 2.0}, {SECONDS: 6.0}, {BEATS: 2.0}], ids=str)
def test_a_morph_to_another_word_on_the_spring_goes_on_from_the_spring(first, then) -> None:
    """Within a control grid's step the spring is where it was, and in the end where it shall be."""
    performer = stage(
        scenes={2: Scene("a", then)}, values={first: 2.0, "/preset/seconds": 1.0, STRENGTH: 0.0}
    )
    before, after, end = play(performer, [0.5, 0.501, 3.0], [event(0.5001, "/preset/a/morph")])
    was, now = before.flight.spring.frequency, after.flight.spring.frequency
    assert now == pytest.approx(was, rel=2e-3)
    address = next(iter(then))
    told = performer.value(end, address)
    assert told == then[address]
    assert end.glide_rule == performer.glide_rules[performer.space.index(address)]


def test_a_switch_changes_half_way() -> None:
    freeze = "/display/freeze"
    performer = stage(scenes={2: Scene("ice", {freeze: 1.0})}, values={"/preset/seconds": 2.0})
    rows = play(performer, [0.9, 1.1, 3.0], [event(0.0, "/preset/ice/morph")])
    assert [performer.value(p, freeze) for p in rows] == [0.0, 1.0, 1.0]


def test_a_hand_takes_its_value_out_of_a_morph() -> None:
    performer = stage(values={STRENGTH: 5.0, RATE: 1.0, "/preset/seconds": 2.0})
    script = [event(0.0, "/preset/storm/morph"), event(1.0, "/raw" + STRENGTH, 10.0)]
    p = ended(performer, script, 5.0)
    assert (performer.value(p, STRENGTH), performer.value(p, RATE)) == (10.0, 4.0)


def test_a_morph_out_of_a_morph_goes_on_from_where_it_is() -> None:
    performer = stage(values={STRENGTH: 5.0, "/preset/seconds": 2.0})
    script = [event(0.0, "/preset/storm/morph"), event(1.0, "/preset/1/morph")]
    before, at, end = play(performer, [1.0 - 1e-9, 1.0, 4.0], script)
    assert performer.value(at, STRENGTH) == pytest.approx(performer.value(before, STRENGTH))
    assert performer.value(end, STRENGTH) == 5.0


def test_panic_ends_a_morph() -> None:
    performer = stage(values={STRENGTH: 5.0, "/preset/seconds": 9.0})
    script = [event(0.0, "/preset/storm/morph"), event(1.0, "/performance/panic")]
    p = ended(performer, script, 5.0)
    assert performer.value(p, STRENGTH) == 5.0 and not p.gliding
    assert p.scenes.current == 1


# Saving.


def saved(performer: Performer, script, number: int = 5):
    p = ended(performer, [*script, event(1.0, f"/preset/{number}/save")], 1.0)
    return p, p.scenes.saved[number]


def test_what_was_saved_is_recalled() -> None:
    performer = stage()
    script = [event(0.1, RATE, 0.8), event(0.2, "/waypoint/reef/go"), event(0.3, MIX, 0.2)]
    p, scene = saved(performer, script)
    assert (WRITE, 1.0) in p.requests
    assert (scene.waypoint, p.scenes.current) == ("reef", 5)
    assert not {GAIN, "/display/blackout", "/tempo/bpm", "/pad/x", "/model/share"} & set(
        scene.values
    )
    away = [event(1.1, "/preset/storm/recall"), event(1.2, MIX, 0.9)]
    back = performer.advance(p, 2.0, [*away, event(1.5, "/preset/5/recall")])
    assert performer.destination(back) == "reef"
    for address in scene.values:
        assert performer.value(back, address) == pytest.approx(performer.value(p, address), 1e-6)
    assert p.requests != back.requests == ()


def test_a_scene_saved_again_keeps_its_name_and_what_it_named() -> None:
    performer = stage(scenes={2: Scene("dim", {GAIN: 0.5})})
    _, scene = saved(performer, [event(0.1, GAIN, 0.25)], number=2)
    assert (scene.name, scene.values[GAIN]) == ("dim", 0.25)
    assert STRENGTH in scene.values


@pytest.mark.parametrize(
    ("script", "rule"),
    [([event(0.1, FREQUENCY, 0.5)], FREQUENCY), ([event(0.1, SECONDS, 0.5)], SECONDS)],
)
def test_of_the_words_on_the_spring_the_one_in_force_is_saved(script, rule) -> None:
    _, scene = saved(stage(), script)
    assert {FREQUENCY, SECONDS, BEATS} & set(scene.values) == {rule}


def test_the_pad_is_saved_where_z_follows_it() -> None:
    performer = stage()
    p, scene = saved(performer, [event(0.1, "/pad/x", 0.3)])
    assert (scene.waypoint, scene.place, scene.values["/pad/x"]) == (None, None, 0.3)
    back = performer.advance(p, 2.0, [event(1.1, "/waypoint/2/go"), event(1.5, "/preset/5/recall")])
    assert performer.destination(back) == "the pad"


def test_a_held_place_is_saved_and_flown_to() -> None:
    performer = stage(values={STRENGTH: 0.0, FREQUENCY: 3.0})
    script = [event(0.1, "/waypoint/3/go"), event(0.2, "/performance/hold")]
    p, scene = saved(performer, script)
    held = p.aim.place
    np.testing.assert_allclose(scene.place, held, rtol=1e-6)
    back = [event(1.1, "/waypoint/2/go"), event(5.0, "/preset/5/recall")]
    there = performer.advance(p, 60.0, back)
    np.testing.assert_allclose(there.flight.position(60.0), held, atol=1e-5)


def test_in_the_middle_of_a_morph_the_middle_is_saved() -> None:
    performer = stage(values={STRENGTH: 5.0, "/preset/seconds": 2.0})
    _, scene = saved(performer, [event(0.0, "/preset/storm/morph")])
    assert scene.values[STRENGTH] == pytest.approx(22.5)


def test_number_one_saved_begins_at_a_waypoint() -> None:
    performer = stage()
    _, there = saved(performer, [event(0.1, "/waypoint/reef/go")], number=1)
    _, held = saved(performer, [event(0.1, "/performance/hold")], number=1)
    assert (there.waypoint, held.waypoint, held.place) == ("reef", "dawn", None)


def test_styles_are_saved_and_recalled() -> None:
    spec = LatentSpec((6, 16), "w")
    performer = stage(
        bank=bank_of_four(spec), scenes={2: Scene("s", {}, "iris", None, {"fine": "ember"})}
    )
    p = ended(performer, [event(0.1, "/preset/s/recall")], 0.2)
    assert performer.destination(p) == "iris, fine ember"
    p, scene = saved(performer, [event(0.1, "/style/coarse/waypoint/reef/go")])
    assert scene.styles == {"coarse": "reef"}


# A performance that remembers scenes is a value like any other.

ADDRESSES = [f"/preset/{n}/{verb}" for n in (1, 2, 3, 4, 5) for verb in ("recall", "morph", "save")]
HANDS = [
    RATE,
    FREQUENCY,
    SECONDS,
    "/pad/x",
    "/waypoint/2/go",
    "/performance/hold",
    MIX,
    "/preset/seconds",
]
SCRIPT = st.lists(
    st.tuples(st.sampled_from(ADDRESSES + HANDS), st.sampled_from([0.0, 0.3, 0.5, 1.0])),
    max_size=25,
)
PERFORMER = stage()


def timed(script, since: float = 0.0):
    return [event(since + 0.0613 * (i + 1), a, v) for i, (a, v) in enumerate(script)]


@LAW
@given(SCRIPT, SCRIPT)
def test_it_is_written_and_read_and_goes_on_alike(before, then) -> None:
    performance = PERFORMER.advance(PERFORMER.begin(), 2.0, timed(before))
    again = performance_from_json(json.loads(json.dumps(performance.to_json())), SPEC)
    PERFORMER.check_aims(again)
    assert again.to_json() == performance.to_json()
    ours = PERFORMER.advance(performance, 4.0, timed(then, 2.0))
    theirs = PERFORMER.advance(again, 4.0, timed(then, 2.0))
    assert PERFORMER.z(ours).tobytes() == PERFORMER.z(theirs).tobytes()
    assert PERFORMER.values(ours).tobytes() == PERFORMER.values(theirs).tobytes()
    assert ours.to_json() == theirs.to_json()


@LAW
@given(SCRIPT)
def test_no_frame_rate_leaves_a_trace(script) -> None:
    ends = []
    for rate in (7, 24, 60, 144):
        times = [t for t in frames(rate, 2.0) if t < 2.0]
        ends.append(play(PERFORMER, [*times, 2.0], timed(script))[-1])
    assert len({PERFORMER.z(p).tobytes() for p in ends}) == 1
    assert len({PERFORMER.values(p).tobytes() for p in ends}) == 1
    assert len({json.dumps(p.scenes.to_json()) for p in ends}) == 1


@LAW
@given(SCRIPT)
def test_everything_stays_finite_and_in_range(script) -> None:
    for p in play(PERFORMER, frames(30, 3.0), timed(script)):
        values = PERFORMER.values(p)
        lows = [one.low for one in PERFORMER.space]
        highs = [one.high for one in PERFORMER.space]
        assert np.all(values >= lows) and np.all(values <= highs)
        assert np.isfinite(PERFORMER.z(p)).all()
        assert geometry.length(PERFORMER.z(p).astype(float)) == pytest.approx(4.0, rel=1e-5)


def test_a_morph_goes_on_over_a_new_beginning() -> None:
    performer = stage(values={STRENGTH: 5.0, "/preset/seconds": 2.0})
    p = ended(performer, [event(0.0, "/preset/storm/morph")], 1.0)
    q = performer.advance(performer.rebased(p), 0.5)
    wanted = ended(performer, [event(0.0, "/preset/storm/morph")], 1.5)
    assert performer.value(q, STRENGTH) == performer.value(wanted, STRENGTH)


def test_a_performance_of_before_there_were_scenes_is_read() -> None:
    fields = stage().begin().to_json()
    del fields["scenes"]
    assert performance_from_json(fields, SPEC).scenes.saved == {}


DAMAGED = [
    {"saved": []},
    {"current": "x"},
    {"saved": [[1]]},
    {"saved": [[2, {"name": "x"}]]},
    [],
]


@pytest.mark.parametrize("wrong", DAMAGED, ids=str)
def test_damaged_scenes_are_one_line(wrong) -> None:
    fields = stage().begin().to_json()
    good = {"current": 1, "saved": []}
    fields["scenes"] = wrong if wrong in ([], {"saved": []}) else good | wrong
    with pytest.raises(InstrumentError, match="performance"):
        performance_from_json(fields, SPEC)


MISFITS = [
    (5, Scene("", {"/no/such": 1.0}), "no parameter '/no/such'"),
    (5, Scene("", {STRENGTH: 999.0}), "allowed is 0 to 90 degrees"),
    (5, Scene("", {"/model/share": 0.5}), "cannot be set"),
    (5, Scene("", {}, "nowhere"), "no waypoint 'nowhere'"),
    (5, Scene("", {}, None, np.zeros(3)), "place: must be 16 finite numbers"),
    (5, Scene("", {}, None, np.full(16, np.inf)), "place: must be 16 finite numbers"),
    (5, Scene("", {}, "dawn", np.zeros(16)), "either a waypoint or a place"),
    (5, Scene("", {}, None, None, {"fine": "dawn"}), "no group 'fine'"),
    (77, Scene(), "scene 77"),
]


@pytest.mark.parametrize(("number", "scene", "says"), MISFITS)
def test_scenes_that_do_not_fit_are_refused(number, scene, says) -> None:
    performer = stage()
    p = performer.begin()
    p.scenes = p.scenes.saving(number, scene)
    with pytest.raises(InstrumentError, match=says):
        performer.check_aims(p)
    if number == 5:
        with pytest.raises(InstrumentError, match=says):
            stage(scenes={5: scene})


# In a preset.

PRESET = """\
format = "preset/1"
model = "m"
bank = "four"

[parameters]
"/noise/strength" = 5.0

[[scene]]
name = "storm"
waypoint = "ember"
[scene.parameters] # wild
"/noise/strength" = 40.0
"/spring/frequency" = 2.0

[[scene]]
number = 7
parameters = { "/model/mix" = 0.75 }

[[scene]]
name = "still"

[[binding]]
source = "/key/q"
target = "/preset/storm/morph"
"""


def test_scenes_are_numbered_on() -> None:
    performer = compose(preset_from_text(PRESET, "p"), bank_of_four())
    assert [(n, s.name) for n, s in performer.scenes.written.items()] == [
        (2, "storm"),
        (7, ""),
        (8, "still"),
    ]
    p = ended(performer, [event(0.0, "/key/q")], 9.0)
    assert performer.value(p, STRENGTH) == 40.0


WRONG = [
    ('name = "storm"', 'nmae = "storm"', "unknown key 'nmae', allowed are number, name, waypoint"),
    ('"/noise/strength" = 40.0', '"/noise/strenght" = 4', "no parameter '/noise/strenght', allow"),
    ('"/noise/strength" = 40.0', '"/noise/strength" = 400.0', "allowed is 0 to 90 degrees"),
    ('"/spring/frequency" = 2.0', '"/spring/frequency" = "2"', "expected `float`, got `str`"),
    ('waypoint = "ember"', 'waypoint = "embers"', "no waypoint 'embers', only dawn, iris"),
    ('waypoint = "ember"', "place = [1.0, 2.0]", "place: must be 16 finite numbers, z16"),
    ('waypoint = "ember"', 'style = { fine = "dawn" }', "style: no group 'fine'"),
    ('name = "storm"', 'name = "a b"', "must be able to stand in an address"),
    ('name = "still"', 'name = "storm"', "name 'storm': stands for another scene already"),
    ('name = "still"', 'name = "3"', "name '3': stands for another scene already"),
    ("number = 7", "number = 2", "number 2: stands there twice"),
    ("number = 7", "number = 1", "number 1: must lie in 2..99"),
    ("number = 7", "number = 100", "number 100: must lie in 2..99"),
    ("/preset/storm/morph", "/preset/stork/morph", "no '/preset/stork/morph', allowed are"),
]


@pytest.mark.parametrize(("old", "new", "says"), WRONG, ids=[w[1] for w in WRONG])
def test_a_mistake_names_its_line(old: str, new: str, says: str) -> None:
    assert PRESET.count(old) == 1
    text = PRESET.replace(old, new)
    line = text[: PRESET.index(old)].count("\n") + 1
    with pytest.raises(InstrumentError, match=re.escape(says)) as caught:
        compose(preset_from_text(text, "show.toml"), bank_of_four())
    assert str(caught.value).startswith(f"show.toml:{line}: "), str(caught.value)
