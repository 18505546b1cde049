"""Learning: the control that was moved on purpose, whatever the others rattle."""

import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stages import SPEC, bank_of_four, event, frames, performer_of, play

from instrument import InstrumentError
from instrument.performance.learning import Learning, gesture, learning_from_json, watched
from instrument.performance.mapping import Binding
from instrument.performance.performer import Performer
from instrument.performance.preset import compose, preset_from_text
from instrument.performance.reserved import RESERVED, USUAL
from instrument.performance.state import Performance, performance_from_json
from instrument.performance.teaching import WRITE, bindings_now, lesson, news

LAW = settings(deadline=None, derandomize=True, max_examples=100)
FADER, OTHER = "/midi/deck/cc/1", "/midi/deck/cc/2"
GAIN, RATE, FREEZE = "/master/gain", "/noise/rate", "/display/freeze"
STRENGTH = "/noise/strength"


def keyed(**more) -> Performer:
    """A stage with the keys every preset has, and a wheel."""
    wheel = Binding("/mouse/wheel", STRENGTH, "relative", step=0.02)
    hop = Binding("/key/3", "/waypoint/3/go")
    given = {"bindings": (*RESERVED, wheel, hop, *USUAL), "values": {}}
    return performer_of(**(given | more))


PERFORMER = keyed()


def after(performer: Performer, script, begin: Performance | None = None) -> Performance:
    """The performance after `script`: (address, value) a tenth of a second apart."""
    performance = begin or performer.begin()
    for address, value in script:
        time = performance.time + 0.1
        performance = performer.advance(performance, time, [event(time, address, value)])
    return performance


def arm(target: str) -> tuple[str, float]:
    return ("/learn/target" + target, 1.0)


def turned(source: str = FADER, start: float = 0.3, stop: float = 0.6, steps: int = 6):
    return [(source, start + (stop - start) * i / steps) for i in range(steps + 1)]


def nudged(source: str = FADER):
    """As far as a control must come, and no further."""
    return turned(source, 0.3, 0.4, 3)


def learnt(performance: Performance) -> list[tuple[str, str, str]]:
    return [(b.source, b.target, b.mode) for b in performance.learning.learnt.values()]


# What is learnt, and how.


@pytest.mark.parametrize(
    ("target", "script", "mode"),
    [
        (GAIN, nudged(), "pickup"),
        (GAIN, nudged("/osc/fader/1"), "pickup"),
        (GAIN, nudged("/midi/deck/bend"), "pickup"),
        (GAIN, nudged("/midi/deck/cc14/1"), "pickup"),
        (GAIN, nudged("/midi/deck/note/36/pressure"), "pickup"),
        (FREEZE, nudged(), "pickup"),
        (FREEZE, [("/midi/deck/note/36", 0.05)], "toggle"),
        (FREEZE, [("/midi/deck/program/5", 1.0)], "toggle"),
        (FREEZE, [("/key/q", 1.0)], "toggle"),
        (GAIN, [("/key/q", 1.0)], "toggle"),
        (FREEZE, [(FADER, 1.0), (FADER, 0.0)], "toggle"),  # a button that sends a controller
        (FREEZE, [("/osc/push", 1.0), ("/osc/push", 0.0)], "toggle"),
        ("/waypoint/2/go", [("/midi/deck/note/36", 0.05)], "trigger"),
        ("/waypoint/iris/go", [("/mouse/left", 1.0)], "trigger"),
        ("/waypoint/2/go", nudged(), "trigger"),
        ("/performance/hold", [("/key/q", 1.0)], "toggle"),
        ("/score/play", [("/key/q", 1.0)], "toggle"),
        ("/learn/next", [("/midi/deck/note/9", 1.0)], "trigger"),
        (GAIN, [("/midi/deck/cc/9", 1.0), ("/midi/deck/cc/9", -1.0)], "relative"),
        (GAIN, [("/midi/deck/cc/9", -1.0), ("/midi/deck/cc/9", -1.0)], "relative"),
        (GAIN, [("/midi/deck/cc/9", 3.0)], "relative"),
        (GAIN, [("/midi/deck/cc/9", 1.0)] * 4, "relative"),
        (GAIN, [("/mouse/wheel", 1.0), ("/mouse/wheel", 1.0)], "relative"),
        (FREEZE, [("/mouse/wheel", 1.0), ("/mouse/wheel", 1.0)], "relative"),
    ],
)
def test_the_mode_goes_by_the_hand_and_by_the_target(target, script, mode) -> None:
    performer = keyed()
    before = after(performer, [arm(target), *script[:-1]])
    assert learnt(before) == [] and lesson(before) == f"learn {target}: move a control"
    p = after(performer, script[-1:], before)
    assert learnt(p) == [(script[0][0], target, mode)]
    assert (lesson(p), p.touched) == ("", target)
    assert (WRITE, 1.0) in p.requests


@pytest.mark.parametrize(
    "script",
    [
        [("/key/q", 0.0)],
        [("/midi/deck/note/36", 0.0)],
        [("/mouse/x", 0.0), ("/mouse/x", 1.0)],
        [("/audio/in/low", 0.0), ("/audio/in/low", 1.0)],
        [("/lfo/breath", 0.0), ("/lfo/breath", 1.0)],
        [(RATE, 0.0), (RATE, 1.0)],
        [("/key/b", 1.0)],
        [("/key/shift", 1.0)],
        [("/midi/generic/cc/1", 0.1), ("/midi/generic/cc/1", 0.9)],
        [(FADER, 1.0), (FADER, 1.0)],
        [("/osc/counter", 100.0), ("/osc/counter", 200.0)],
    ],
)
def test_what_is_no_hand_or_no_move_is_not_learnt(script) -> None:
    p = after(keyed(), [arm(GAIN), *script])
    assert learnt(p) == [] and p.learning.armed == GAIN


@LAW
@given(st.integers(0, 2**32), st.integers(1, 4), st.floats(0.0, 1.0))
def test_neighbours_that_rattle_are_not_learnt(seed, noise, rest) -> None:
    """Four faders whose converters wander by a few 7-bit steps, and one that is moved."""
    rng = random.Random(seed)
    rattling = [f"/midi/deck/cc/{n}" for n in range(10, 14)]
    script, said = [], {}
    for step in range(20):
        for fader in rattling:
            near = min(max(rest + rng.randint(-noise, noise) / 127.0, 0.0), 1.0)
            if said.get(fader) != near:  # no fader says anything twice
                script.append((fader, near))
            said[fader] = near
        script.append((FADER, 0.2 + 0.02 * step))
    performance = after(keyed(), [arm(GAIN)])
    rattle = [(a, v) for a, v in script if a != FADER]
    while script and not performance.learning.learnt:
        address, value = script.pop(0)
        time = performance.time + 0.01
        performance = PERFORMER.advance(performance, time, [event(time, address, value)])
    assert script
    assert learnt(performance) == [(FADER, GAIN, "pickup")]
    assert learnt(after(keyed(), [arm(GAIN), *rattle])) == []


def test_a_drift_that_takes_minutes_is_no_move() -> None:
    watch = None
    for second in range(600):
        watch = watched(watch, FADER, second / 600.0, float(second))
        assert gesture(watch, FADER) is None


def test_a_button_held_for_long_is_still_a_button() -> None:
    watch = watched(watched(None, FADER, 1.0, 0.0), FADER, 0.0, 30.0)
    assert gesture(watch, FADER) == "press"


def test_a_flood_of_sources_is_not_remembered() -> None:
    learning = Learning().arm(GAIN)
    for number in range(5000):
        learning, _ = learning.watch(f"/osc/{number}", 0.5, 0.0)
    assert len(learning.watches) == 256


# Arming.


def test_l_arms_what_was_touched_last_and_then_steps_on() -> None:
    performer = keyed()
    p = after(performer, [("/mouse/wheel", 1.0), ("/key/l", 1.0), ("/key/l", 0.0)])
    assert p.learning.armed == STRENGTH
    p = after(performer, [("/key/l", 1.0)], p)
    assert p.learning.armed == RATE  # the one after it in the tree
    p = after(performer, [("/learn/previous", 1.0)], p)
    assert p.learning.armed == STRENGTH
    p = after(performer, [("/key/ctrl+l", 1.0)], p)
    assert p.learning.armed == ""


def test_stepping_goes_once_round_everything_there_is_by_number() -> None:
    performer = keyed()
    p, seen = performer.begin(), []
    for _ in range(500):
        p = after(performer, [("/learn/next", 1.0), ("/learn/next", 0.0)], p)
        if p.learning.armed in seen:
            break
        seen.append(p.learning.armed)
    assert p.learning.armed == seen[0] == "/spring/frequency"
    assert {"/waypoint/4/go", "/take/toggle", "/performance/hold"} < set(seen)
    assert not {"/waypoint/iris/go", "/model/share", "/learn/next"} & set(seen)


@pytest.mark.parametrize(
    ("script", "touched"),
    [
        ([("/key/3", 1.0)], "/waypoint/3/go"),
        ([(GAIN, 0.5)], GAIN),
        ([(GAIN, 0.5), ("/mouse/x", 0.5), ("/audio/in/low", 1.0)], GAIN),
        ([(GAIN, 0.5), ("/tempo/tap", 1.0), ("/raw/tempo/bpm", 90.0)], GAIN),
        ([(GAIN, 0.5), ("/learn/next", 1.0), ("/learn/cancel", 1.0)], GAIN),
    ],
)
def test_what_counts_as_touched(script, touched) -> None:
    assert after(keyed(), script).touched == touched


def test_a_score_touches_nothing() -> None:
    p = after(keyed(), [(GAIN, 0.5), ("/score/play", 1.0)] + [("/osc/nobody", 0.0)] * 10)
    assert p.next_cue > 3
    assert p.touched == "/score/play"


def test_armed_by_its_own_address_and_let_go_by_it() -> None:
    performer = keyed()
    p = after(performer, [arm(GAIN), ("/learn/target" + RATE, 0.0)])
    assert p.learning.armed == GAIN
    assert after(performer, [("/learn/target" + GAIN, 0.0)], p).learning.armed == ""
    assert after(performer, [("/performance/panic", 1.0)], p).learning.armed == ""
    assert after(performer, [("/learn/target/no/such", 1.0)], p).learning.armed == GAIN


def test_a_preset_may_bind_a_key_to_arm_one_thing() -> None:
    performer = keyed(bindings=(Binding("/key/g", "/learn/target" + GAIN),))
    p = after(performer, [("/key/g", 1.0)])
    assert p.learning.armed == GAIN and learnt(p) == []


def test_nothing_unknown_can_be_bound() -> None:
    with pytest.raises(InstrumentError, match="no '/learn/target/x', allowed are"):
        keyed(bindings=(Binding("/key/g", "/learn/target/x"),))


# What a learnt control does.


def test_a_learnt_fader_must_meet_the_value() -> None:
    performer = keyed(values={GAIN: 0.5})
    p = after(performer, [arm(GAIN), *turned(start=0.0, stop=0.2)])
    assert performer.value(p, GAIN) == 0.5
    p = after(performer, [(FADER, 0.3), (FADER, 0.45)], p)
    assert performer.value(p, GAIN) == 0.5
    p = after(performer, [(FADER, 0.55), (FADER, 0.9), ("/osc/nobody", 0.0)] + 30 * [("/a", 0)], p)
    assert performer.value(p, GAIN) == pytest.approx(0.9)


def test_a_key_acts_at_the_next_press() -> None:
    performer = keyed()
    p = after(performer, [arm(FREEZE), ("/key/q", 1.0), ("/key/q", 0.0)])
    assert performer.value(p, FREEZE) == 0.0
    p = after(performer, [("/key/q", 1.0)], p)
    assert performer.value(p, FREEZE) == 1.0


def test_an_encoder_steps_a_switch_and_a_value() -> None:
    performer = keyed(values={GAIN: 0.5})
    wheel = [("/midi/deck/cc/9", 1.0), ("/midi/deck/cc/9", -1.0)]
    p = after(performer, [arm(FREEZE), *wheel, arm(GAIN), *wheel])
    p = after(performer, [("/midi/deck/cc/9", 4.0)] + 30 * [("/a", 0.0)], p)
    assert performer.value(p, FREEZE) == 1.0
    assert performer.value(p, GAIN) == pytest.approx(0.5 + 4.0 / 64.0)


def test_an_encoder_goes_through_steps_one_by_one() -> None:
    performer = keyed()
    encoder = [("/midi/deck/cc/9", 1.0), ("/midi/deck/cc/9", -1.0)]
    p = after(performer, [arm("/launch/quantise"), *encoder, ("/midi/deck/cc/9", 2.0)])
    assert performer.value(p, "/launch/quantise") == 2.0  # of 0, 1, 2, 4 …


def test_one_control_may_learn_several_and_several_controls_one() -> None:
    performer = keyed(values={GAIN: 0.5, RATE: 1.0})
    p = after(performer, [arm(GAIN), *turned(), arm(RATE), *turned(), arm(GAIN), *turned(OTHER)])
    assert [pair[:2] for pair in learnt(p)] == [(FADER, GAIN), (FADER, RATE), (OTHER, GAIN)]
    p = after(performer, [*turned(), *turned(start=0.6, stop=1.0)] + 30 * [("/a", 0.0)], p)
    assert performer.value(p, GAIN) == pytest.approx(1.0)
    assert performer.value(p, RATE) == pytest.approx(20.0)


def test_learning_again_replaces() -> None:
    performer = keyed()
    p = after(performer, [arm(FREEZE), *turned()])
    p = after(performer, [arm(FREEZE), (FADER, 1.0), (FADER, 0.0)], p)
    assert learnt(p) == [(FADER, FREEZE, "toggle")]


def test_a_binding_of_the_preset_is_replaced_and_no_other() -> None:
    preset = (Binding(FADER, GAIN), Binding(FADER, RATE))
    performer = keyed(bindings=preset, values={GAIN: 0.5, RATE: 1.0})
    p = after(performer, [arm(GAIN), (OTHER, 0.5), *turned(start=0.0, stop=0.3)])
    assert [(b.target, b.mode) for b in bindings_now(performer, p)] == [
        (RATE, "jump"),
        (GAIN, "pickup"),
    ]
    assert performer.value(p, GAIN) < 0.2  # while it was learnt the preset's still acted
    p = after(performer, [(GAIN, 0.5), (FADER, 0.2), (FADER, 0.0)], p)
    assert performer.value(p, GAIN) == 0.5  # the preset's own would have jumped
    assert performer.value(p, RATE) == pytest.approx(0.01)


# Forgetting.


def test_forgetting_takes_back_the_newest_or_all_hands_of_what_is_armed() -> None:
    performer = keyed()
    p = after(performer, [arm(GAIN), *turned(), arm(RATE), *turned(), arm(GAIN), *turned(OTHER)])
    newest = after(performer, [("/learn/forget", 1.0)], p)
    assert [pair[:2] for pair in learnt(newest)] == [(FADER, GAIN), (FADER, RATE)]
    assert newest.learning.forgotten == {(OTHER, GAIN)}
    assert (WRITE, 1.0) in newest.requests
    armed = after(performer, [arm(GAIN), ("/learn/forget", 1.0)], p)
    assert [pair[:2] for pair in learnt(armed)] == [(FADER, RATE)]
    nothing = after(performer, [("/learn/forget", 1.0)] * 9, p)
    assert learnt(nothing) == [] and nothing.requests == ()


def test_a_binding_of_the_preset_can_be_forgotten_and_learnt_again() -> None:
    performer = keyed()
    p = after(performer, [arm(STRENGTH), ("/learn/forget", 1.0), ("/mouse/wheel", 5.0)])
    assert performer.value(p, STRENGTH) == 0.0
    p = after(performer, [arm(STRENGTH), ("/mouse/wheel", 1.0), ("/mouse/wheel", 1.0)], p)
    assert p.learning.forgotten == frozenset()
    p = after(performer, [("/mouse/wheel", 5.0)] + 30 * [("/a", 0.0)], p)
    assert performer.value(p, STRENGTH) == pytest.approx(9.0)


def test_reserved_keys_and_other_sources_are_not_forgotten() -> None:
    audio = Binding("/audio/in/low", "/display/blackout")
    performer = keyed(bindings=(*RESERVED, audio, *USUAL))
    p = after(performer, [arm("/display/blackout"), ("/learn/forget", 1.0)])
    assert p.learning.silenced == frozenset() and p.requests == ()


def test_the_performer_reads_what_happened() -> None:
    performer = keyed()
    armed = after(performer, [arm(GAIN)])
    taught = after(performer, turned(), armed)
    assert news(performer.begin(), armed) == ""
    assert news(armed, taught) == f"{FADER}: {GAIN} (pickup)"
    gone = after(performer, [("/learn/forget", 1.0)], taught)
    assert news(taught, gone) == f"{FADER} lets go of {GAIN}"
    assert news(gone, after(performer, [("/preset/3/save", 1.0)], gone)) == "scene 3 saved"
    again = after(performer, [arm(GAIN), *turned()], gone)
    assert news(gone, again) == f"{FADER}: {GAIN} (pickup)"


# A performance that has learnt is a value like any other.

SCRIPT = st.lists(
    st.tuples(
        st.sampled_from(
            [FADER, OTHER, "/midi/deck/note/36", "/key/q", "/key/l", "/key/shift+l", "/mouse/wheel"]
            + ["/learn/target" + t for t in (GAIN, FREEZE, "/spring/frequency", "/waypoint/2/go")]
        ),
        st.sampled_from([0.0, 0.04, 0.2, 0.5, 0.8, 1.0, -1.0]),
    ),
    max_size=40,
)


@LAW
@given(SCRIPT, SCRIPT)
def test_it_is_written_and_read_and_goes_on_alike(before, then) -> None:
    performance = after(PERFORMER, before)
    text = json.dumps(performance.to_json(), allow_nan=False)
    again = performance_from_json(json.loads(text), SPEC)
    PERFORMER.check_aims(again)
    assert again.to_json() == performance.to_json()
    ours, theirs = after(PERFORMER, then, performance), after(PERFORMER, then, again)
    assert ours.to_json() == theirs.to_json()
    assert PERFORMER.z(ours).tobytes() == PERFORMER.z(theirs).tobytes()


@LAW
@given(SCRIPT, SCRIPT)
def test_begun_anew_it_learns_the_same(before, then) -> None:
    performance = after(PERFORMER, before)
    ours = after(PERFORMER, then, performance)
    theirs = after(PERFORMER, then, PERFORMER.rebased(performance))
    assert learnt(ours) == learnt(theirs)
    assert ours.learning.armed == theirs.learning.armed
    np.testing.assert_allclose(PERFORMER.values(theirs), PERFORMER.values(ours), 1e-6, 1e-6)


@LAW
@given(SCRIPT)
def test_no_frame_rate_leaves_a_trace(script) -> None:
    events = [event(0.037 * (i + 1), address, value) for i, (address, value) in enumerate(script)]
    ends = []
    for rate in (7, 24, 144):
        times = [t for t in frames(rate, 2.0) if t < 2.0]
        ends.append(play(PERFORMER, [*times, 2.0], events)[-1])
    assert len({PERFORMER.z(p).tobytes() for p in ends}) == 1
    assert len({json.dumps(p.learning.to_json()) for p in ends}) == 1


def test_nobody_is_changed_by_what_another_learns() -> None:
    performer = keyed()
    p = after(performer, [arm(GAIN)])
    q = after(performer, turned(), p)
    assert learnt(q) and learnt(p) == [] and p.learning.armed == GAIN


def test_a_performance_of_before_there_was_learning_is_read() -> None:
    fields = performer_of().begin().to_json()
    del fields["learning"], fields["touched"]
    p = performance_from_json(fields, SPEC)
    assert learnt(p) == [] and p.touched == ""


DAMAGED = [
    [],
    "x",
    {},
    {"armed": ""},
    {"learnt": [[1, {"source": "/a", "target": GAIN}]]},
    {"learnt": [[-1, {"source": "/a", "goal": GAIN}]]},
    {"learnt": [[-1, {"source": "a", "target": GAIN}]]},
    {"learnt": [[-1]]},
    {"watches": [["/a", 1.0]]},
    {"silenced": ["x"]},
    {"forgotten": [["/a"]]},
]


@pytest.mark.parametrize("wrong", DAMAGED, ids=str)
def test_damaged_learning_is_one_line(wrong) -> None:
    fields = performer_of().begin().to_json()
    whole = fields["learning"]
    fields["learning"] = whole | wrong if isinstance(wrong, dict) and len(wrong) == 1 else wrong
    if isinstance(wrong, dict) and wrong and "armed" not in wrong:
        fields["learning"] = whole | wrong
    elif wrong == {"armed": ""}:
        fields["learning"] = wrong
    with pytest.raises(InstrumentError) as caught:
        performance_from_json(fields, SPEC)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "learning",
    [
        {"learnt": [[-1, {"source": "/a", "target": "/no/such"}]]},
        {"armed": "/no/such"},
        {"silenced": [999]},
    ],
    ids=str,
)
def test_learning_of_another_preset_is_refused(learning) -> None:
    fields = keyed().begin().to_json()
    fields["learning"] |= learning
    with pytest.raises(InstrumentError, match=r"no such|no '|silences"):
        keyed().check_aims(performance_from_json(fields, SPEC))


def test_nothing_learnt_is_read_from_nothing() -> None:
    assert learning_from_json(None).learnt == {}


def test_in_a_preset_as_on_a_stage() -> None:
    text = 'format = "preset/1"\nmodel = "m"\nbank = "b"\n'
    performer = compose(preset_from_text(text, "small"), bank_of_four())
    p = after(performer, [(GAIN, 0.4), ("/key/l", 1.0), ("/key/l", 0.0), *turned()])
    assert learnt(p) == [(FADER, GAIN, "pickup")]
