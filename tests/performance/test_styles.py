"""Groups of layers with waypoints of their own: one law of motion, composed targets."""

import json
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stages import NAMES, bank_of_four, bare, event, frames, performer_of, play
from test_performer import SECONDS, scripts, seen_at, times, unit

from instrument import InstrumentError
from instrument.event import ControlEvent
from instrument.latent.space import LatentSpec
from instrument.latent.waypoints import Waypoint, WaypointBank
from instrument.performance.preset import compose, preset_from_text
from instrument.performance.score import Cue, Score
from instrument.performance.state import performance_from_json
from instrument.performance.styles import StyleGroup, chosen_groups, usual_groups

SPEC = LatentSpec((6, 16), "w", scale=4.0)
ROUND = LatentSpec((6, 16), "z", 4.0)
GROUPS = {"coarse": slice(0, 2), "middle": slice(2, 4), "fine": slice(4, 6)}
PERFORMERS = {spec: performer_of(bank_of_four(spec)) for spec in (SPEC, ROUND)}
LAW = settings(deadline=None, derandomize=True, max_examples=30)

called = st.sampled_from([*NAMES, "1", "2", "3", "4"])
aims = st.one_of(
    st.tuples(st.sampled_from(list(GROUPS)), called).map(
        lambda drawn: f"/style/{drawn[0]}/waypoint/{drawn[1]}/go"
    ),
    st.sampled_from(list(GROUPS)).map("/style/{}/follow".format),
)
styled = st.tuples(
    scripts, st.lists(st.tuples(times, aims, st.sampled_from([0.0, 1.0, 1.0])), max_size=8)
).map(
    lambda drawn: sorted(
        [*drawn[0], *(ControlEvent(a, v, t) for t, a, v in drawn[1])], key=lambda e: e.time
    )
)
# Whatever shapes a flight, and takes it to waypoints.
flights = st.lists(
    st.tuples(
        times,
        st.one_of(
            called.map("/waypoint/{}/go".format),
            st.sampled_from(
                """/spring/damping_ratio /noise/strength /noise/rate /glide/seconds /tempo/bpm
                /raw/spring/frequency /knob/1 /knob/4 /knob/5 /knob/6 /knob/7 /performance/flick
                /performance/home /performance/panic""".split()
            ),
        ),
        unit,
    ),
    max_size=14,
).map(lambda drawn: sorted((ControlEvent(a, v, t) for t, a, v in drawn), key=lambda e: e.time))


def apart(events: list[ControlEvent]) -> list[ControlEvent]:
    """The same script, in which every group is sent where all of them went."""
    return [
        ControlEvent(f"/style/{group}{e.address}", e.value, e.time)
        if e.address.startswith("/waypoint/") else e
        for e in events
        for group in (GROUPS if e.address.startswith("/waypoint/") else ("all",))
    ]  # fmt: skip


# --- the laws


@LAW
@given(st.sampled_from([SPEC, ROUND]), flights, st.floats(0.0, SECONDS))
def test_groups_aimed_alike_fly_as_if_there_were_none(spec, events, instant) -> None:
    """Bit for bit: three groups on the way to one waypoint are one flight there."""
    performer = PERFORMERS[spec]
    for until in (instant, SECONDS):
        due = [e for e in events if e.time <= until]
        (p,) = play(performer, [until], due)
        (q,) = play(performer, [until], apart(due))
        assert performer.z(q).tobytes() == performer.z(p).tobytes()
        assert performer.values(q).tobytes() == performer.values(p).tobytes()
        assert q.flight.to_json() == p.flight.to_json()


@LAW
@given(st.sampled_from([SPEC, ROUND]), styled)
def test_the_frame_rate_leaves_no_trace(spec, events) -> None:
    performer = PERFORMERS[spec]
    common = [Fraction(i, 6) for i in range(10)]
    once = {}
    for instant in common:
        once |= seen_at(performer, [instant], events)
    for rate in (24, 60):
        ours = seen_at(performer, [Fraction(i, rate) for i in range(rate * 3 // 2 + 1)], events)
        assert {instant: ours[instant] for instant in common} == once


@LAW
@given(styled, st.sampled_from(list(GROUPS)))
def test_a_group_flies_as_if_alone(events, group) -> None:
    """Its rows are the flight of a bank of these rows alone, sent where the group was sent."""
    performer = PERFORMERS[SPEC]
    rows = GROUPS[group]
    foreign = re.compile("panic|home|hold|flick|pad|knob|key|score|/waypoint|/follow")
    own = f"/style/{group}/waypoint"
    kept = [e for e in events if e.address.startswith(own) or not foreign.search(e.address)]
    bank = bank_of_four(SPEC)
    alone = performer_of(
        WaypointBank(
            "rows", LatentSpec((2, 16), "w"), tuple(Waypoint(w.name, w.z[rows]) for w in bank)
        ),
        values={"/spring/frequency": 1.0}, pad=None,
    )  # fmt: skip
    plain = [ControlEvent(e.address.removeprefix(f"/style/{group}"), e.value, e.time) for e in kept]
    (p,) = play(performer, [SECONDS], kept)
    (q,) = play(alone, [SECONDS], plain)
    mine, theirs = p.flight.position(SECONDS)[rows], q.flight.position(SECONDS)
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-9)


@LAW
@given(st.sampled_from([SPEC, ROUND]), styled, styled)
def test_json_and_back_is_the_same_performance(spec, before, after) -> None:
    performer = PERFORMERS[spec]
    p = performer.advance(performer.begin(), SECONDS, before)
    again = performance_from_json(json.loads(json.dumps(p.to_json())), spec)
    performer.check_aims(again)
    later = [ControlEvent(e.address, e.value, e.time + SECONDS) for e in after]
    one, two = (performer.advance(x, 2 * SECONDS, later) for x in (p, again))
    assert one.to_json() == two.to_json()
    assert performer.z(one).tobytes() == performer.z(two).tobytes()


# --- what each word does


def arrived(performer, events, until=60.0):
    """Which waypoint each group rests at in the end."""
    (p,) = play(performer, [until], events)
    z = performer.z(p)
    return [
        next((w.name for w in performer.bank if np.abs(z[r] - w.z[r]).max() < 1e-4), "nowhere")
        for r in GROUPS.values()
    ]


@pytest.fixture
def performer():
    return bare(bank_of_four(SPEC), spring__damping_ratio=1.0)


def go(time, group, name):
    return event(time, f"/style/{group}/waypoint/{name}/go")


def test_each_group_goes_its_own_way(performer) -> None:
    script = [go(0.1, "coarse", "iris"), go(0.3, "fine", 4)]
    assert arrived(performer, script) == ["iris", "dawn", "ember"]
    assert arrived(performer, [*script, event(1.0, "/style/coarse/follow")]) == [
        "dawn", "dawn", "ember",
    ]  # fmt: skip
    assert arrived(performer, [go(0.1, "coarse", "iris"), event(0.2, go(0, "fine", 2).address, 0)]
                   ) == ["iris", "dawn", "dawn"]  # fmt: skip


def test_a_waypoint_called_by_itself_takes_all_groups(performer) -> None:
    script = [go(0.1, "coarse", "iris"), go(0.1, "fine", "ember")]
    for last in ("/waypoint/reef/go", "/performance/home", "/performance/panic"):
        where = "reef" if "reef" in last else "dawn"
        assert arrived(performer, [*script, event(0.5, last)]) == [where] * 3


def test_the_pad_moves_what_has_no_waypoint_of_its_own(performer) -> None:
    script = [go(0.1, "middle", "iris"), event(0.2, "/pad/x", 0.0), event(0.2, "/pad/y", 1.0)]
    assert arrived(performer, script) == ["reef", "iris", "reef"]
    script.append(event(0.5, "/style/middle/follow"))
    assert arrived(performer, script) == ["reef", "reef", "reef"]


def test_hold_holds_all_and_lets_all_go(performer) -> None:
    script = [go(0.0, "coarse", "iris"), go(0.0, "fine", "ember")]
    held = [*script, event(0.3, "/performance/hold")]
    (p,) = play(performer, [0.3], held)
    (q,) = play(performer, [60.0], held)
    np.testing.assert_allclose(performer.z(q), performer.z(p), atol=1e-5)
    freed = [*held, event(5.0, "/performance/hold", 0.0)]
    assert arrived(performer, freed) == ["iris", "dawn", "ember"]


def test_a_group_may_leave_a_held_flight(performer) -> None:
    script = [event(0.0, "/waypoint/reef/go"), event(0.3, "/performance/hold")]
    script.append(go(1.0, "fine", "ember"))
    (p,) = play(performer, [0.3], script[:2])
    (q,) = play(performer, [60.0], script)
    np.testing.assert_allclose(performer.z(q)[:4], performer.z(p)[:4], atol=1e-5)
    assert arrived(performer, script) == ["nowhere", "nowhere", "ember"]
    freed = event(60.0, "/performance/hold", 0.0)
    assert arrived(performer, [*script, freed], 120.0) == ["reef", "reef", "ember"]
    again = [*script, event(1.1, "/performance/hold")]
    (p,) = play(performer, [1.1], again)
    (q,) = play(performer, [60.0], again)
    np.testing.assert_allclose(performer.z(q), performer.z(p), atol=1e-5)
    assert arrived(performer, [*again, freed], 120.0) == ["reef", "reef", "ember"]


def test_a_score_and_a_binding_may_aim_groups() -> None:
    score = Score((Cue(0.2, "/style/coarse/waypoint/reef/go"),))
    performer = performer_of(bank_of_four(SPEC), score=score, values={"/noise/strength": 0.0})
    assert arrived(performer, [event(0.0, "/score/play")]) == ["reef", "dawn", "dawn"]


def test_only_the_whole_brings_its_snapshot() -> None:
    bank = bank_of_four(SPEC)
    first, second, *rest = bank.waypoints
    bank = WaypointBank("s", SPEC, (first, Waypoint("iris", second.z, 2.0), *rest))
    performer = performer_of(bank, snapshots=4)
    (p,) = play(performer, [0.5], [go(0.1, "coarse", "iris")])
    assert performer.value(p, "/model/snapshot") == 3.0
    (p,) = play(performer, [0.5], [event(0.1, "/waypoint/iris/go")])
    assert performer.value(p, "/model/snapshot") == 2.0


def test_on_a_shell_a_group_goes_around_the_origin_and_the_others_stay() -> None:
    bank = bank_of_four(ROUND)
    bank["iris"].z[...] = -bank["dawn"].z
    performer = bare(bank, spring__damping_ratio=0.8)
    rows = play(performer, frames(60, 8.0), [go(0.0, "middle", "iris")])
    z = np.array([performer.z(p) for p in rows])
    assert (z[:, [0, 1, 4, 5]] == z[0, [0, 1, 4, 5]]).all()
    nearest = min(np.linalg.norm(p.flight.position(p.time)[2:4], axis=-1).min() for p in rows)
    assert nearest > 0.1


def test_on_a_shell_a_group_leaves_the_swing_of_others_alone() -> None:
    bank = bank_of_four(ROUND)
    bank["iris"].z[...] = -bank["dawn"].z
    performer = bare(bank, spring__damping_ratio=0.8)
    script = [go(0.0, "middle", "iris")]
    for later in (0.2, 0.5, 1.0):
        for name in ("iris", "reef"):
            (p,) = play(performer, [1.5], script)
            (q,) = play(performer, [1.5], [*script, go(later, "coarse", name)])
            mine, theirs = (x.flight.position(1.5)[2:] for x in (p, q))
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-9)


def test_the_words_on_the_small_display(performer) -> None:
    (p,) = play(performer, [1.0], [go(0.1, "coarse", "iris"), go(0.2, "fine", 4)])
    assert performer.destination(p) == "dawn, coarse iris, fine ember"
    (p,) = play(performer, [1.0], [event(0.1, "/pad/x", 0.2), go(0.2, "fine", 4)])
    assert performer.destination(p) == "the pad, fine ember"
    (p,) = play(performer, [1.0], [event(0.1, "/performance/hold")])
    assert performer.destination(p) == "held"


def test_without_layers_there_are_no_groups() -> None:
    for spec in (LatentSpec.shell(16), LatentSpec((16,), "w")):
        performer = performer_of(bank_of_four(spec))
        assert performer.styles.groups == ()
        assert not any("/style/" in t.address for t in performer.space.triggers)


# --- which layers


@pytest.mark.parametrize(
    ("layers", "edges"),
    [
        (18, (4, 8)),
        (16, (4, 8)),
        (14, (4, 8)),
        (12, (4, 8)),
        (10, (3, 7)),
        (8, (3, 5)),
        (6, (2, 4)),
    ],
)
def test_the_usual_groups(layers: int, edges: tuple[int, int]) -> None:
    coarse, middle, fine = usual_groups(LatentSpec((layers, 8), "w"))
    assert [coarse.name, middle.name, fine.name] == ["coarse", "middle", "fine"]
    assert (coarse.start, coarse.stop, middle.stop, fine.stop) == (0, *edges, layers)
    assert (middle.start, fine.start) == edges


def test_few_layers_make_few_groups() -> None:
    assert [g.name for g in usual_groups(LatentSpec((2, 8), "w"))] == ["coarse", "fine"]
    assert usual_groups(LatentSpec((1, 8), "w")) == (StyleGroup("middle", 0, 1),)


STYLE = 'format = "preset/1"\nmodel = "m"\nbank = "b"\n[style]\nshape = [0, 2]\n{}\n'


def test_a_preset_may_name_other_groups() -> None:
    preset = preset_from_text(STYLE.format("colour = [3, 6]"), "p.toml")
    performer = compose(preset, bank_of_four(SPEC))
    assert performer.styles.groups == (StyleGroup("shape", 0, 2), StyleGroup("colour", 3, 6))
    (p,) = play(performer, [60.0], [event(0.1, "/style/colour/waypoint/iris/go")])
    z, bank = performer.z(p), performer.bank
    np.testing.assert_allclose(z[:3], bank["dawn"].z[:3], atol=1e-5)
    np.testing.assert_allclose(z[3:], bank["iris"].z[3:], atol=1e-5)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("colour = [1, 3]", r"style\.colour \[1, 3\]: shares layers with shape"),
        ("colour = [3, 7]", r"style\.colour \[3, 7\]: the model has the layers 0:6"),
        ("colour = [3, 3]", r"the model has the layers 0:6"),
        ('"a/b" = [3, 4]', r"style\.a/b: no name for a group"),
        ("colour = 3", r"style\.colour: expected `array`"),
        ("colour = [3]", r"style\.colour: expected `array` of length 2"),
    ],
)
def test_groups_no_preset_can_have_name_their_line(line: str, says: str) -> None:
    with pytest.raises(InstrumentError, match=says) as caught:
        compose(preset_from_text(STYLE.format(line), "p.toml"), bank_of_four(SPEC))
    assert str(caught.value).startswith("p.toml:6: ")


def test_groups_need_layers() -> None:
    with pytest.raises(InstrumentError, match=r'p\.toml:4: style: .*space = "layers"'):
        compose(preset_from_text(STYLE.format(""), "p.toml"), bank_of_four(LatentSpec((16,), "w")))


def test_an_address_that_is_none_is_named() -> None:
    text = STYLE.format('[[cue]]\nat = 1.0\naddress = "/style/fine/waypoint/iris/go"')
    with pytest.raises(InstrumentError, match=r"p\.toml:8: no '/style/fine/waypoint/iris/go', all"):
        compose(preset_from_text(text, "p.toml"), bank_of_four(SPEC))
    assert chosen_groups({}, 6) == ()


@pytest.mark.parametrize(
    "aim",
    [
        {"kind": "waypoint", "waypoint": 4, "place": None},
        {"kind": "waypoint", "waypoint": -1, "place": None},
        {"kind": "pad", "waypoint": 0, "place": None, "styles": [0]},
        {"kind": "pad", "waypoint": 0, "place": None, "styles": [0, 4, -1]},
        {"kind": "pad", "waypoint": 0, "place": None, "styles": [0, -2, -1]},
    ],
)
def test_aims_of_another_bank_are_refused(performer, aim) -> None:
    for key in ("aim", "resumes"):
        fields = performer.begin().to_json() | {key: aim}
        read = performance_from_json(json.loads(json.dumps(fields)), SPEC)
        with pytest.raises(InstrumentError, match="bank 'four' has 4"):
            performer.check_aims(read)


@pytest.mark.parametrize("styles", ["x", [None], 3, [0.5, "a"]])
def test_damaged_styles_are_one_line(performer, styles) -> None:
    aim = {"kind": "pad", "waypoint": 0, "place": None, "styles": styles}
    with pytest.raises(InstrumentError, match="performance: damaged"):
        performance_from_json(performer.begin().to_json() | {"aim": aim}, SPEC)
