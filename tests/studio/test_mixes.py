"""Dissolves: found, cut, and flown through."""

import numpy as np
import pytest
from edit_fakes import (
    SHELL,
    clip,
    conformed,
    indexes,
    journey,
    numbered,
    ramp,
    samples,
    timeline,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument.latent import geometry
from instrument.studio.mixes import ARRIVED, mixes_of
from instrument.timebase import FrameRange

A, B, C = numbered(100), numbered(100, 1000, "b"), numbered(100, 5000, "c")


def dissolve(n: int, overlap: int, start: int = 20, **more):
    """a into b over `overlap` mixed frames, after `start` frames of a alone."""
    return timeline(
        [clip("a", 0, start + overlap + 1),
         clip("b", start, n - start, opacity=ramp(n - start, overlap + 1), **more)]
    )  # fmt: skip


def named(made, mix) -> tuple[str, str]:
    return made.pieces[mix.outgoing].name, made.pieces[mix.incoming].name


def test_a_dissolve_is_found_with_its_clips_and_weights():
    made = conformed(dissolve(40, 3), A, B)
    (mix,) = made.mixes
    assert mix.record == FrameRange(21, 24)
    assert named(made, mix) == ("a", "b")
    assert mix.weights == (0.25, 0.75)
    assert mix.is_dissolve


def test_a_dissolve_by_the_upper_clip_going_away_hands_over_too():
    edit = timeline([clip("b", 4, 6)], [clip("a", 0, 8, opacity=1 - np.maximum(ramp(8, 8), 0.5))])
    made = conformed(edit, A, B)
    (mix,) = made.mixes
    assert named(made, mix) == ("a", "b")


def test_chained_dissolves_are_two():
    edit = timeline(
        [clip("a", 0, 4), clip("b", 1, 6, opacity=ramp(6, 3)), clip("c", 4, 6, opacity=ramp(6, 3))]
    )
    made = conformed(edit, A, B, C)
    assert [mix.record for mix in made.mixes] == [FrameRange(2, 4), FrameRange(5, 7)]
    assert [named(made, mix) for mix in made.mixes] == [("a", "b"), ("b", "c")]


def test_a_veil_hands_nothing_over():
    made = conformed(timeline([clip("a", 0, 9)], [clip("b", 2, 4, opacity=np.full(4, 0.4))]), A, B)
    (mix,) = made.mixes
    assert not mix.is_dissolve
    assert mix.outgoing == mix.incoming


def test_an_edit_that_is_all_mix_tells_by_the_weights():
    n = 6
    rising = np.linspace(0.2, 0.8, n)
    made = conformed(timeline([clip("a", 0, n)], [clip("b", 0, n, opacity=rising)]), A, B)
    (mix,) = made.mixes
    assert named(made, mix) == ("a", "b")
    steady = conformed(
        timeline([clip("a", 0, n)], [clip("b", 0, n, opacity=np.full(n, 0.7))]), A, B
    )
    assert named(steady, steady.mixes[0]) == ("b", "b")


def test_bridged_gaps_are_no_mixes():
    edit = timeline([clip("a", 0, 2), clip("b", 6, 2)])
    made = conformed(edit, A, B, gap="slerp")
    assert made.mixes == ()
    assert len(mixes_of(made.seen, np.zeros(8, np.bool_))) == 1


def test_hold_cuts_where_the_incoming_weighs_more():
    made = conformed(dissolve(40, 3), A, B, dissolve="hold")
    assert indexes(made)[19:27] == [19, 20, 21, 22, 1003, 1004, 1005, 1006]  # .5 is not more
    assert (made.seen.count == 1).all()
    assert len(made.mixes) == 1  # and the report still tells of it


# --- spring


def angles(a, b) -> np.ndarray:
    return geometry.angle(a.astype(float), b.astype(float))


@pytest.mark.parametrize("overlap", [2, 3, 12, 29])
@pytest.mark.parametrize("seed", range(4))
def test_a_spring_sets_off_as_the_outgoing_went_and_has_arrived_at_the_end(overlap, seed):
    out, into = journey(100, seed, "a", 0.03), journey(100, seed + 50, "b", 0.05)
    made = conformed(dissolve(70, overlap, first=5), out, into, dissolve="spring")
    z = made.sequence.z
    (mix,) = made.mixes
    start, stop = mix.record.start, mix.record.stop
    assert np.allclose(np.linalg.norm(z, axis=1), SHELL.radius, rtol=1e-6)
    # Before and after it is the rows, bit for bit.
    assert z[:start].tobytes() == out.sequence.z[:start].tobytes()
    assert z[stop:].tobytes() == into.sequence.z[5 + stop - 20 : 55].tobytes()
    assert angles(z[stop - 1], into.sequence.z[5 + stop - 21]) <= 1e-3
    assert angles(z[stop - 1], into.sequence.z[5 + stop - 21]) <= 2 * ARRIVED


def test_a_spring_leaves_no_corner_where_a_slerp_does():
    out, into = journey(300, 1, "a", 0.02), journey(300, 9, "b", 0.02)
    edit = dissolve(260, 149)  # five seconds: a spring that has to arrive sooner sets off faster

    def corner(made) -> float:
        z = made.sequence.z[18:22].astype(float)
        steps = np.diff(z, axis=0)
        return float(angles(steps[:-1], steps[1:]).max())

    sprung = corner(conformed(edit, out, into, dissolve="spring"))
    slerped = corner(conformed(edit, out, into))
    # The first step of the spring is still nearly the outgoing's, and then it turns frame by
    # frame; a slerp turns at once.
    assert sprung < 0.5 * slerped


def test_a_spring_from_rest_to_rest_goes_one_way_without_swinging_past():
    still_a, still_b = (samples(1, seed, name) for seed, name in ((1, "a"), (2, "b")))
    edit = timeline([clip("a", 0, 60, speed=0), clip("b", 20, 60, speed=0, opacity=ramp(60, 30))])
    z = conformed(edit, still_a, still_b, dissolve="spring").sequence.z
    left = angles(z, np.broadcast_to(still_b.sequence.z[0], z.shape))
    assert (np.diff(left[20:50]) <= 1e-7).all()
    assert left[20] == pytest.approx(float(angles(z[0], still_b.sequence.z[0])))


def test_a_spring_in_a_free_space_goes_straight():
    made = conformed(dissolve(60, 20), A, B, dissolve="spring")
    z = made.sequence.z
    assert z[19].tolist()[:2] == [19, 1]
    assert abs(z[40, 0] - 1020) < 1
    assert np.allclose(z[:, 1], 1, atol=1e-2)


def test_what_hands_nothing_over_keeps_its_weights_and_says_so():
    edit = timeline([clip("a", 0, 9)], [clip("b", 2, 4, opacity=np.full(4, 0.4))])
    sprung, plain = conformed(edit, A, B, dissolve="spring"), conformed(edit, A, B)
    assert np.array_equal(sprung.sequence.z, plain.sequence.z)
    (remark,) = sprung.remarks
    assert (remark.verdict, remark.record) == ("approximated", FrameRange(2, 6))


def test_a_mix_right_at_the_start_is_flown_from_its_own_first_frame():
    out, into = journey(60, 1, "a"), journey(60, 2, "b")
    edit = timeline([clip("a", 0, 10), clip("b", 0, 30, opacity=np.minimum(ramp(30, 10) + 0.1, 1))])
    z = conformed(edit, out, into, dissolve="spring").sequence.z
    assert angles(z[0], out.sequence.z[0]) < 1e-6
    assert angles(z[8], into.sequence.z[8]) <= 1e-3


@given(st.integers(1, 20), st.integers(0, 50), st.sampled_from([0.0, 0.01, 0.4, 2.0]))
@settings(max_examples=40, deadline=None)
def test_a_spring_always_arrives_on_the_shell(overlap, seed, turn):
    out, into = journey(90, seed, "a", turn), samples(90, seed + 1, "b")
    made = conformed(dissolve(60, overlap), out, into, dissolve="spring")
    z, last = made.sequence.z, made.mixes[0].record.stop - 1
    assert np.isfinite(z).all()
    assert np.allclose(np.linalg.norm(z, axis=1), SHELL.radius, rtol=1e-5)
    assert angles(z[last], into.sequence.z[last - 20]) <= 1e-3
