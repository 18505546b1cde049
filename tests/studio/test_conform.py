"""Conform, case by case: what every frame of an edit is made of."""

import numpy as np
import pytest
from edit_fakes import (
    RATE,
    SHELL,
    clip,
    conformed,
    indexes,
    journey,
    media,
    numbered,
    ramp,
    samples,
    timeline,
)

from instrument import InstrumentError
from instrument.latent import geometry
from instrument.latent.sequence import ModelReference, ZSequence
from instrument.latent.space import LatentSpec
from instrument.studio import conform as conforming
from instrument.studio.retiming import NO_FRAME, Frozen
from instrument.studio.timeline import Clip, Marker, Remark, Timeline, Track
from instrument.timebase import FrameRange, FrameRate

A, B = numbered(100), numbered(100, 1000, "b")
GAIN = "/master/gain"


def gains(made) -> list[float]:
    column = made.sequence.column(GAIN)
    assert column is not None
    return [round(float(x), 4) for x in column]


# --- one track


def test_cuts_copy_rows_bit_for_bit():
    source = samples(50)
    edit = timeline([clip("a", 0, 3, first=7), clip("a", 3, 2, first=7), clip("a", 5, 4, first=40)])
    made = conformed(edit, source)
    rows = [7, 8, 9, 7, 8, 40, 41, 42, 43]
    assert made.sequence.z.tobytes() == source.sequence.z[rows].tobytes()
    assert made.sequence.parameters.size == 0


@pytest.mark.parametrize(
    ("speed", "first", "rows"),
    [
        (1, 5, [5, 6, 7, 8]),
        (-1, 5, [5, 4, 3, 2]),
        (2, 5, [5, 7, 9, 11]),
        ("1/2", 5, [5, 6, 6, 7]),
        ("-1/2", 5, [5, 5, 4, 4]),
        (0, 5, [5, 5, 5, 5]),
        (1, 98, [98, 99, 99, 99]),
        (-1, 1, [1, 0, 0, 0]),
    ],
)
def test_nearest_takes_the_frame_that_the_editor_shows(speed, first, rows):
    made = conformed(timeline([clip("a", 0, 4, first=first, speed=speed)]), A, retime="nearest")
    assert indexes(made) == rows


def test_a_path_is_evaluated_between_rows():
    edit = timeline([clip("a", 0, 5, first=5, speed="1/4")])
    assert indexes(conformed(edit, A, retime="path")) == [5, 5.25, 5.5, 5.75, 6]
    assert indexes(conformed(edit, A)) == [5, 5.25, 5.5, 5.75, 6]  # the rows are a way
    assert indexes(conformed(edit, A, retime="nearest")) == [5, 5, 6, 6, 6]


def test_whole_places_of_a_path_are_the_rows_bit_for_bit():
    walk = journey(40)
    edit = timeline([clip("a", 0, 9, first=5, speed="1/4")])
    z = conformed(edit, walk, retime="path").sequence.z
    assert z[[0, 4, 8]].tobytes() == walk.sequence.z[[5, 6, 7]].tobytes()
    assert np.allclose(np.linalg.norm(z, axis=1), SHELL.radius)
    turned = geometry.angle(z[:-1].astype(float), z[1:].astype(float))
    assert np.allclose(turned, 0.005, atol=1e-5)


def test_unrelated_samples_are_not_evaluated_unless_asked():
    source = samples(60)
    edit = timeline([clip("a", 0, 8, first=5, speed="1/2")])
    rows = [5, 6, 6, 7, 7, 8, 8, 9]
    assert np.array_equal(conformed(edit, source).sequence.z, source.sequence.z[rows])
    assert not np.array_equal(
        conformed(edit, source, retime="path").sequence.z, source.sequence.z[rows]
    )


def test_a_way_is_not_evaluated_across_its_cuts():
    z = np.concatenate([journey(30, 1).sequence.z, journey(30, 2).sequence.z])
    cut = samples(60)
    cut = type(cut)(ZSequence(z, RATE, SHELL), cut.origin, "a")
    edit = timeline([clip("a", 0, 8, first=28, speed="1/2")])
    made = conformed(edit, cut).sequence
    assert made.trace.rows[:, 1].tolist() == [28, 28.5, 29, 30, 30, 30.5, 31, 31.5]


def test_past_the_footage_its_last_row_is_held_and_told():
    made = conformed(timeline([clip("a", 0, 6, first=97)]), A)
    assert indexes(made) == [97, 98, 99, 99, 99, 99]
    assert made.pieces[0].held == 3


def test_footage_of_another_rate_plays_in_its_own_time():
    slow = numbered(100, rate=FrameRate(15))
    edit = timeline([clip("a", 0, 6)])
    assert indexes(conformed(edit, slow, retime="nearest")) == [0, 1, 1, 2, 2, 3]
    # What the edit says of the proxy goes before the sidecar: row i is frame i of the proxy.
    told = timeline([Clip(media(rate=RATE), FrameRange(0, 4), clip().retiming)])
    assert indexes(conformed(told, slow, retime="nearest")) == [0, 1, 2, 3]


def test_a_frozen_clip_is_one_row():
    edit = timeline([Clip(media(), FrameRange(0, 3), Frozen(7))])
    assert indexes(conformed(edit, A)) == [7, 7, 7]


# --- gaps


GAPPED = timeline(
    [clip("a", 2, 3, first=10), clip("b", 8, 2)], length=12
)  # two frames, 10 11 12, three frames, 1000 1001, two frames


def test_a_gap_is_black_and_z_stays():
    made = conformed(GAPPED, A, B)
    assert indexes(made) == [10, 10, 10, 11, 12, 12, 12, 12, 1000, 1001, 1001, 1001]
    assert gains(made) == [0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 0, 0]


def test_a_gap_can_be_held():
    made = conformed(GAPPED, A, B, gap="hold")
    assert indexes(made) == [10, 10, 10, 11, 12, 12, 12, 12, 1000, 1001, 1001, 1001]
    assert made.sequence.column(GAIN) is None


def test_a_gap_can_be_flown_over():
    made = conformed(GAPPED, A, B, gap="slerp")
    assert indexes(made) == [10, 10, 10, 11, 12, 259, 506, 753, 1000, 1001, 1001, 1001]
    assert made.sequence.column(GAIN) is None


def test_black_that_was_meant_stays_black_whatever_gaps_are():
    edit = timeline([clip("a", 0, 2), clip(None, 2, 2), clip("b", 4, 1)])
    for gap in ("black", "hold", "slerp"):
        made = conformed(edit, A, B, gap=gap)
        assert gains(made) == [1, 1, 0, 0, 1]
        assert indexes(made) == [0, 1, 1, 1, 1000]
        assert not made.gaps.any()


def test_no_frame_lets_through():
    class Blinks:
        def frames(self, offsets, footage):
            return np.where(offsets % 2, NO_FRAME, offsets)

        def positions(self, offsets, footage):
            return np.where(offsets % 2, np.nan, offsets)

    blinking = Clip(media("b"), FrameRange(0, 4), Blinks())
    for retime in ("nearest", "path", "auto"):
        made = conformed(timeline([clip("a", 0, 4)], [blinking]), A, B, retime=retime)
        assert indexes(made) == [1000, 1, 1002, 3]


# --- mixes and fades


def test_a_dissolve_follows_the_editors_weights():
    edit = timeline([clip("a", 0, 6), clip("b", 2, 6, opacity=ramp(6, 4))])
    assert indexes(conformed(edit, A, B)) == [
        0, 1, 2, 0.75 * 3 + 0.25 * 1001, 503, 0.25 * 5 + 0.75 * 1003, 1004, 1005,
    ]  # fmt: skip


def test_a_dissolve_on_the_shell_is_a_slerp():
    one, other = samples(20, 1), samples(20, 2, "b")
    edit = timeline([clip("a", 0, 6), clip("b", 2, 6, opacity=ramp(6, 4))])
    z = conformed(edit, one, other).sequence.z
    for frame, weight in ((3, 0.25), (4, 0.5), (5, 0.75)):
        a, b = (s.sequence.z[r].astype(float) for s, r in ((one, frame), (other, frame - 2)))
        assert np.allclose(z[frame], geometry.slerp(a, b, weight), atol=1e-5)
    assert np.array_equal(z[6], other.sequence.z[4])


def test_a_dissolve_of_a_row_with_itself_is_that_row():
    source = samples(20)
    edit = timeline([clip("a", 0, 6), clip("a", 2, 6, first=2, opacity=ramp(6, 4))])
    assert np.array_equal(conformed(edit, source).sequence.z, source.sequence.z[:8])


def test_an_opaque_clip_hides_what_is_below():
    edit = timeline([clip("a", 0, 6)], [clip("b", 2, 2)])
    assert indexes(conformed(edit, A, B)) == [0, 1, 1000, 1001, 4, 5]


def test_a_hidden_track_is_not_there_and_its_footage_is_not_asked_for():
    hidden = Track("V2", (clip("missing", 0, 6),), hidden=True)
    assert indexes(conformed(timeline([clip("a", 0, 6)], hidden), A)) == [0, 1, 2, 3, 4, 5]


def test_half_transparent_over_half_transparent():
    half = np.full(2, 0.5)
    c = numbered(100, 5000, "c")
    edit = timeline(
        [clip("a", 0, 2)], [clip("b", 0, 2, opacity=half)], [clip("c", 0, 2, opacity=half)]
    )
    made = conformed(edit, A, B, c)
    assert made.seen.share[0].tolist() == [0.25, 0.25, 0.5]
    assert indexes(made)[0] == 0.25 * 0 + 0.25 * 1000 + 0.5 * 5000


def test_three_on_the_shell_stay_on_it():
    sources = [samples(9, seed, name) for seed, name in enumerate("abc")]
    half = np.full(3, 0.4)
    edit = timeline(
        [clip("a", 0, 3)], [clip("b", 0, 3, opacity=half)], [clip("c", 0, 3, opacity=half)]
    )
    z = conformed(edit, *sources).sequence.z.astype(float)
    assert np.allclose(np.linalg.norm(z, axis=1), SHELL.radius, rtol=1e-6)
    shares = np.array([0.36, 0.24, 0.4])
    points = np.stack([s.sequence.z[0].astype(float) for s in sources])
    assert np.allclose(z[0], geometry.SphericalMean(points)(shares), atol=1e-5)


def test_fades_go_to_gain_and_rows_stay_whole():
    level = np.array([0.0, 0.5, 1.0, 0.5])
    made = conformed(timeline([clip("a", 0, 4, first=3, gain=level)]), A)
    assert indexes(made) == [3, 4, 5, 6]
    assert gains(made) == [0, 0.5, 1, 0.5]


def test_transparent_over_nothing_is_a_fade_too():
    made = conformed(timeline([clip("a", 0, 4, opacity=ramp(4, 4))]), A)
    assert indexes(made) == [0, 1, 2, 3]
    assert gains(made) == [0, 0.25, 0.5, 0.75]
    assert not made.gaps.any()


def test_a_dissolve_to_black_is_a_fade():
    edit = timeline([clip("a", 0, 4)], [clip(None, 0, 4, opacity=ramp(4, 4))])
    made = conformed(edit, A)
    assert indexes(made) == [0, 1, 2, 3]
    assert gains(made) == [1, 0.75, 0.5, 0.25]


def test_what_shines_more_weighs_more():
    """The picture of a mix is a sum; a dark clip has less of its part."""
    dark = np.full(1, 0.5)
    edit = timeline([clip("a", 0, 1)], [clip("b", 0, 1, opacity=np.full(1, 0.5), gain=dark)])
    made = conformed(edit, A, B)
    assert gains(made) == [0.75]
    assert made.seen.share[0] == pytest.approx([2 / 3, 1 / 3])


# --- nested timelines


def nested(inner: Timeline, start: int, frames: int, **more):
    return clip(inner, start, frames, **more)


INNER = timeline([clip("a", 1, 4, first=10), clip("b", 3, 4, opacity=ramp(4, 2))], length=8)


def test_a_nested_timeline_is_what_it_shows():
    flat = conformed(INNER, A, B)
    outer = conformed(timeline([nested(INNER, 0, 8)]), A, B)
    assert np.array_equal(outer.sequence.z, flat.sequence.z)
    assert gains(outer) == gains(flat)


def test_a_nested_timeline_lets_through_where_it_is_empty():
    edit = timeline([clip("b", 0, 10, first=50)], [nested(INNER, 1, 8)])
    assert indexes(conformed(edit, A, B)) == [
        1050, 1051, 10, 11, 12, (13 + 1001) / 2, 1002, 1003, 1058, 1059,
    ]  # fmt: skip


def test_a_nested_timeline_is_dimmed_retimed_and_reversed_as_one():
    edit = timeline([nested(INNER, 0, 3, first=3, speed=-1, gain=np.full(3, 0.5))])
    made = conformed(edit, A, B)
    assert indexes(made) == [12, 11, 10]
    assert gains(made) == [0.5, 0.5, 0.5]


def test_timelines_within_timelines_without_end_are_refused():
    deep = timeline([clip("a", 0, 1)])
    for _ in range(80):
        deep = timeline([nested(deep, 0, 1)])
    with pytest.raises(InstrumentError, match="sequences within sequences, allowed are 64 deep"):
        conformed(deep, A)


def test_a_timeline_used_over_and_over_is_planned_once():
    many = timeline([clip("a", 0, 1)])
    for _ in range(50):  # 2^50 clips, if each use counted
        many = timeline([nested(many, 0, 1), nested(many, 1, 1)], length=2)
    assert indexes(conformed(many, A)) == [0, 0]


# --- what does not go together


def test_sources_of_different_spaces_are_one_line():
    other = samples(9, 1, "b")
    with pytest.raises(InstrumentError, match=r"b\.npy: is z16 \(radius 4\), but a\.npy is z4"):
        conformed(timeline([clip("a", 0, 2), clip("b", 2, 2)]), A, other)
    wider = samples(9, 1, "b", LatentSpec((16,), "z", 5.0))
    with pytest.raises(InstrumentError, match=r"radius 5.*radius 4"):
        conformed(timeline([clip("a", 0, 2), clip("b", 2, 2)]), samples(9), wider)


@pytest.mark.parametrize("edit", [
    timeline([clip(None, 0, 5)]), timeline([], length=5), timeline([], length=0),
    timeline(Track("V1", (clip("a", 0, 5),), hidden=True)),
])  # fmt: skip
def test_an_edit_that_shows_no_footage_is_one_line(edit):
    with pytest.raises(InstrumentError, match="nothing to conform"):
        conformed(edit, A)


def test_an_edit_that_no_memory_holds_is_refused_at_once():
    edit = timeline([clip("a", 0, 5)], length=10_000_000)
    wide = samples(3, spec=LatentSpec((1 << 19,)))
    with pytest.raises(InstrumentError, match="GiB, this machine has"):
        conforming.conform(edit, [wide], {media(): 0})


def test_footage_and_edit_that_do_not_agree_are_remarked():
    told = media(frames=120)
    bare = type(A)(A.sequence, A.origin, "a", rated=False)
    made = conforming.conform(
        timeline([Clip(told, FrameRange(0, 3), clip().retiming)]), [bare], {told: 0}
    )
    said = [remark.what for remark in made.remarks]
    assert any("100 rows, the edit's a has 120 frames" in what for what in said)
    assert any("nobody says its rate, taken as the edit's 30 /s" in what for what in said)
    assert conformed(timeline([clip()]), A).remarks == ()


# --- what a timeline is


def test_a_timeline_is_cut_with_its_curves_markers_and_remarks():
    fade = np.arange(10) / 10
    edit = timeline(
        [clip("a", 0, 10, first=5, opacity=fade), clip("b", 10, 5)],
        markers=(Marker(3, "early"), Marker(12, "late")),
        remarks=(Remark("refused", "blur", FrameRange(0, 4)), Remark("refused", "all"),
                 Remark("refused", "wipe", FrameRange(8, 20))), start=30, length=20,
    )  # fmt: skip
    cut = edit.cut(FrameRange(4, 14))
    assert (cut.length, cut.start, cut.timecode(0)) == (10, 34, "00:00:01:04")
    assert [m.frame for m in cut.markers] == [8]
    assert [(r.what, r.record) for r in cut.remarks] == [("all", None), ("wipe", FrameRange(4, 10))]
    whole, part = conformed(edit, A, B), conformed(cut, A, B)
    assert np.array_equal(part.sequence.z, whole.sequence.z[4:14])
    with pytest.raises(InstrumentError, match="frames 4:21 of 20"):
        edit.cut(FrameRange(4, 21))


def test_the_film_says_what_made_it():
    model = ModelReference("walker", "ab" * 32)
    source = numbered(9, model=model)
    sequence = conformed(timeline([clip("a", 0, 3)]), source).sequence
    assert (sequence.rate, sequence.spec, sequence.model) == (RATE, source.sequence.spec, model)
    assert sequence.source == "conform edit"
    assert sequence.models == ()
