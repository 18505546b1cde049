"""Laws of conform, held against edits of all kinds."""

from dataclasses import replace

import numpy as np
from edit_fakes import RATE, SHELL, clip, conformed, journey, samples, source_of, timeline
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument.latent import geometry
from instrument.latent.sequence import ZSequence
from instrument.latent.trace import rows_behind
from instrument.studio.timeline import Timeline, Track, _cut
from instrument.timebase import FrameRange

LENGTH = 24
SOURCES = (journey(40, 1, "a"), samples(30, 2, "b"), samples(7, 3, "c"))
SPEEDS = ["1", "-1", "2", "1/2", "-3/4", "0", "7/5"]
RETIMES = st.sampled_from(["auto", "nearest", "path"])
GAPS = st.sampled_from(["black", "hold", "slerp"])


@st.composite
def clips(draw):
    start = draw(st.integers(0, LENGTH - 1))
    frames = draw(st.integers(1, LENGTH - start))
    of = draw(st.sampled_from(["a", "a", "b", "c", None]))
    kind = draw(st.sampled_from(["opaque", "opaque", "in", "out", "level", "gain"]))
    ramp = np.arange(frames) / frames
    curves = {
        "opaque": {}, "in": {"opacity": ramp}, "out": {"opacity": 1 - ramp},
        "level": {"opacity": np.full(frames, 0.3)}, "gain": {"gain": ramp},
    }  # fmt: skip
    first, speed = draw(st.integers(0, 35)), draw(st.sampled_from(SPEEDS))
    return clip(of, start, frames, first=first, speed=speed, **curves[kind])


@st.composite
def edits(draw) -> Timeline:
    tracks = draw(st.lists(st.lists(clips(), max_size=4), min_size=1, max_size=3))
    tracks[-1].append(clip("a", draw(st.integers(0, LENGTH - 1)), 1))  # something is shown
    return timeline(*tracks, length=LENGTH)


def same(one, other) -> None:
    assert one.sequence.z.tobytes() == other.sequence.z.tobytes()
    assert one.sequence.addresses == other.sequence.addresses
    assert one.sequence.parameters.tobytes() == other.sequence.parameters.tobytes()


@given(n=st.integers(1, 60), seed=st.integers(0, 99), retime=RETIMES)
@settings(max_examples=30)
def test_the_identity_edit_is_the_identity(n, seed, retime):
    numbers = np.random.default_rng(seed).random((n, 2)).astype(np.float32)
    addresses = ("/noise/strength", "/master/gain")
    source = samples(n, seed, parameters=numbers, addresses=addresses)
    made = conformed(timeline([clip("a", 0, n)]), source, retime=retime).sequence
    assert made.z.tobytes() == source.sequence.z.tobytes()
    assert made.parameters.tobytes() == numbers.tobytes()
    assert made.addresses == addresses
    assert made.trace.rows[:, 1].tolist() == list(range(n))


@given(
    edit=edits(), retime=RETIMES, gap=GAPS, dissolve=st.sampled_from(["slerp", "hold", "spring"])
)
@settings(max_examples=60, deadline=None)
def test_every_row_is_finite_on_the_shell_and_as_many_as_frames(edit, retime, gap, dissolve):
    made = conformed(edit, *SOURCES, retime=retime, gap=gap, dissolve=dissolve).sequence
    assert len(made) == edit.length
    lengths = np.linalg.norm(made.z.astype(float), axis=1)
    assert np.allclose(lengths, SHELL.radius, rtol=1e-5)
    gain = made.column("/master/gain")
    assert gain is None or (0 <= gain.min() and gain.max() <= 1)


@given(edit=edits(), retime=RETIMES, gap=GAPS)
@settings(max_examples=40, deadline=None)
def test_the_trace_makes_the_rows_again(edit, retime, gap):
    made = conformed(edit, *SOURCES, retime=retime, gap=gap)
    names = {source.origin: source for source in made.sources}
    for frame in np.flatnonzero(made.seen.count <= 2).tolist():
        behind = rows_behind(made.sequence.trace, frame)
        ends = [names[o].at(np.array([row]))[0].astype(float) for o, row, _ in behind]
        again = ends[0] if len(ends) == 1 else geometry.slerp(*ends, behind[1][2])
        assert np.allclose(made.sequence.z[frame], again, atol=2e-5)
        if len(behind) == 1:
            assert np.array_equal(made.sequence.z[frame], again.astype(np.float32))


@given(edit=edits(), data=st.data(), retime=RETIMES, gap=GAPS)
@settings(max_examples=40, deadline=None)
def test_a_clip_split_anywhere_is_the_same(edit, data, retime, gap):
    number = data.draw(st.integers(0, len(edit.tracks) - 1))
    track = edit.tracks[number]
    parts = []
    for whole in track.clips:
        at = data.draw(st.integers(whole.record.start, whole.record.stop))
        for piece in (FrameRange(0, at), FrameRange(at, LENGTH)):
            if part := _cut(whole, piece):
                shifted = FrameRange(
                    part.record.start + piece.start, part.record.stop + piece.start
                )
                parts.append(replace(part, record=shifted))
    split = [*edit.tracks]
    split[number] = Track(track.name, tuple(parts))
    other = replace(edit, tracks=tuple(split))
    choices = {"retime": retime, "gap": gap}
    same(conformed(edit, *SOURCES, **choices), conformed(other, *SOURCES, **choices))


@given(edit=edits(), at=st.integers(1, LENGTH - 1), retime=RETIMES)
@settings(max_examples=40, deadline=None)
def test_cut_and_joined_it_is_the_same_wherever_something_shows(edit, at, retime):
    whole = conformed(edit, *SOURCES, retime=retime)
    halves = []
    for frames in (FrameRange(0, at), FrameRange(at, LENGTH)):
        part = edit.cut(frames)
        padded = replace(part, tracks=(*part.tracks, Track("", (clip("a", len(frames), 1),))),
                         length=len(frames) + 1)  # fmt: skip
        halves.append(conformed(padded, *SOURCES, retime=retime))
    lit = whole.seen.gain > 0
    z = np.concatenate([half.sequence.z[:-1] for half in halves])
    gain = np.concatenate([half.seen.gain[:-1] for half in halves])
    assert np.array_equal(z[lit], whole.sequence.z[lit])
    assert np.array_equal(gain, whole.seen.gain)


@given(edit=edits(), retime=st.just("nearest"), gap=GAPS)
@settings(max_examples=40, deadline=None)
def test_nested_is_flattened(edit, retime, gap):
    outer = timeline([clip(edit, 0, LENGTH)])
    flat = conformed(edit, *SOURCES, retime=retime, gap=gap)
    nested = conformed(outer, *SOURCES, retime=retime, gap=gap)
    lit = flat.seen.gain > 0  # in the dark a clip that is not seen yet may lend its row
    assert np.allclose(nested.seen.gain, flat.seen.gain, atol=1e-12)
    if gap == "black":
        assert np.allclose(nested.sequence.z[lit], flat.sequence.z[lit], atol=1e-5)


@given(frames=st.integers(1, 30), first=st.integers(0, 29), turns=st.integers(0, 4))
def test_reversed_twice_is_itself(frames, first, turns):
    frames = min(frames, 30 - first)
    source = SOURCES[1]
    forth = conformed(timeline([clip("b", 0, frames, first=first)]), source).sequence
    z = forth.z
    for _ in range(2 * turns):
        again = timeline([clip("a", 0, frames, first=frames - 1, speed=-1)])
        z = conformed(again, source_of(ZSequence(z, RATE, SHELL))).sequence.z
    assert z.tobytes() == forth.z.tobytes()


@given(n=st.integers(1, 30), turn=st.sampled_from(["1/2", "1/3", "2/7"]))
def test_a_way_slowed_down_and_back_is_itself(n, turn):
    """Every row of the slow one that lies on a whole place is that row, bit for bit."""
    made = conformed(timeline([clip("a", 0, n, speed=turn)]), SOURCES[0], retime="path")
    rows = made.sequence.trace.rows[:, 1]
    whole = np.flatnonzero(rows == np.rint(rows))
    source = SOURCES[0].sequence.z
    assert made.sequence.z[whole].tobytes() == source[rows[whole].astype(int)].tobytes()


@given(edit=edits(), hidden=clips(), place=st.integers(0, 2), retime=RETIMES)
@settings(max_examples=30, deadline=None)
def test_a_hidden_track_changes_nothing_wherever_it_lies(edit, hidden, place, retime):
    tracks = [*edit.tracks]
    tracks.insert(min(place, len(tracks)), Track("hidden", (hidden,), hidden=True))
    other = replace(edit, tracks=tuple(tracks))
    same(conformed(edit, *SOURCES, retime=retime), conformed(other, *SOURCES, retime=retime))


@given(edit=edits(), retime=RETIMES, gap=GAPS)
@settings(max_examples=30, deadline=None)
def test_what_lies_under_an_opaque_track_does_not_matter(edit, retime, gap):
    top = Track("top", (clip("b", 0, LENGTH),))
    alone = replace(edit, tracks=(top,))
    above = replace(edit, tracks=(*edit.tracks, top))
    one, other = (conformed(e, *SOURCES, retime=retime, gap=gap) for e in (alone, above))
    same(one, other)


@given(edit=edits(), order=st.permutations([0, 1, 2]), retime=RETIMES, gap=GAPS)
@settings(max_examples=30, deadline=None)
def test_the_order_in_which_sources_are_handed_in_does_not_matter(edit, order, retime, gap):
    shuffled = [SOURCES[number] for number in order]
    same(conformed(edit, *SOURCES, retime=retime, gap=gap),
         conformed(edit, *shuffled, retime=retime, gap=gap))  # fmt: skip


@given(edit=edits(), retime=RETIMES, gap=GAPS)
@settings(max_examples=15, deadline=None)
def test_the_same_edit_is_the_same_film(edit, retime, gap):
    one, other = (conformed(edit, *SOURCES, retime=retime, gap=gap) for _ in range(2))
    same(one, other)
    assert one.sequence.trace.rows.tobytes() == other.sequence.trace.rows.tobytes()
