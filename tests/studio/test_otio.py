"""OpenTimelineIO: every object of its own, what Resolve adds, bundles, and hostile files."""

import json
import time
import zipfile
from fractions import Fraction

import edit_oracle as oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentimelineio import opentime, schema

from instrument import InstrumentError
from instrument.studio import otio as reader
from instrument.studio.timeline import Timeline
from instrument.timebase import FrameRate

RATE = FrameRate(30)


def at(value, rate=30.0):
    return opentime.RationalTime(value, rate)


def span(start, length, rate=30.0):
    return opentime.TimeRange(at(start, rate), at(length, rate))


def clip(name, start, length, *effects, **more):
    media = schema.ExternalReference(f"{name}.mp4", span(0, 300))
    made = schema.Clip(name, media, span(start, length), **more)
    made.effects.extend(effects)
    return made


def gap(length):
    return schema.Gap(source_range=span(0, length))


def mix(before, after, kind="SMPTE_Dissolve"):
    return schema.Transition("mix", kind, at(before), at(after))


def row(*items, name="V1", **more):
    track = schema.Track(name, kind=more.pop("kind", "Video"), **more)
    track.extend(items)
    return track


def edit(*tracks, **more):
    timeline = schema.Timeline("t", **more)
    timeline.tracks.extend(tracks)
    return timeline


@pytest.fixture
def read(tmp_path):
    def read_object(thing, **more) -> Timeline:
        path = tmp_path / "e.otio"
        text = thing if isinstance(thing, bytes) else thing.to_json_string().encode()
        path.write_bytes(text)
        return reader.read(path, **more)

    return read_object


def told(timeline):
    return [(r.verdict, r.record and (r.record.start, r.record.stop)) for r in timeline.remarks]


def test_every_frame_of_the_truth_file():
    oracle.agree(reader.read(oracle.EDITS / "nle.otio"), "nle")


@pytest.mark.parametrize(
    ("scalar", "shown"),
    [(2.0, [60, 62, 64, 66]), (0.5, [60, 61, 61, 62]), (-1.0, [60, 59, 58, 57]),
     (0.0, [60] * 4), (1.0, [60, 61, 62, 63])],
)  # fmt: skip
def test_speeds(read, scalar, shown):
    warp = schema.LinearTimeWarp(time_scalar=scalar)
    timeline = read(edit(row(clip("proxyA", 60, 4, warp))))
    assert oracle.indexes(timeline) == shown
    assert told(timeline) == ([("approximated", (0, 4))] if scalar < 0 else [])


def test_freeze_frame_and_speeds_upon_speeds(read):
    assert oracle.indexes(read(edit(row(clip("proxyA", 60, 3, schema.FreezeFrame()))))) == [60] * 3
    twice = [schema.LinearTimeWarp(time_scalar=s) for s in (4.0, 0.5)]
    assert oracle.indexes(read(edit(row(clip("proxyA", 60, 3, *twice))))) == [60, 62, 64]
    bare = schema.TimeEffect("odd", "Odd")
    timeline = read(edit(row(clip("proxyA", 60, 3, bare))))
    assert (oracle.indexes(timeline), told(timeline)) == ([60, 61, 62], [("refused", (0, 3))])


def test_resolves_speed_ramp(read):
    keys = [[0.0, 0.0], [0.1, 0.1], [0.2, 0.3]]
    effect = schema.TimeEffect("", "", {"Resolve_OTIO": {"Key Frames": keys}})
    timeline = read(edit(row(clip("proxyA", 60, 6, effect))))
    assert oracle.indexes(timeline) == [60, 61, 62, 63, 65, 67]
    assert told(timeline) == [("approximated", (0, 6))]
    for bad in ([[0.0]], [], [["a", 1]], 5, [[0, 0]]):
        effect = schema.TimeEffect("", "", {"Resolve_OTIO": {"Key Frames": bad}})
        with pytest.raises(InstrumentError, match="Key Frames"):
            read(edit(row(clip("proxyA", 60, 6, effect))))


def resolve(name, *parameters, **more):
    rows = [{"Parameter ID": key, "Parameter Value": value} for key, value in parameters]
    return schema.Effect(
        "", name, {"Resolve_OTIO": {"Effect Name": name, "Parameters": rows, **more}}
    )


def test_resolves_faders_and_opacity(read):
    fades = resolve("Video Faders", ("videoFaderIn", 2), ("videoFaderOut", 4))
    shown = oracle.painted(read(edit(row(clip("proxyA", 0, 8, fades)))))
    assert [round(f.get(k, 0.0), 3) for k, f in enumerate(shown)] == [
        0,
        0.5,
        1,
        1,
        1,
        0.75,
        0.5,
        0.25,
    ]
    half = resolve("Composite", ("opacity", 50))
    assert oracle.painted(read(edit(row(clip("proxyA", 7, 1, half))))) == [{7: 0.5}]


def test_effects_that_are_none_and_effects_that_are_refused(read):
    idle = [resolve("Transform"), resolve("Cropping", ("CropLeft", 0.1), Enabled=False)]
    off = schema.Effect("blur", "Gaussian")
    off.enabled = False
    assert told(read(edit(row(clip("proxyA", 0, 8, *idle, off))))) == []
    for effect in (schema.Effect("blur", "Gaussian"), resolve("Transform", ("zoomX", 2.0))):
        timeline = read(edit(row(gap(2), clip("proxyA", 0, 8, effect))))
        assert told(timeline) == [("refused", (2, 10))]
        assert oracle.indexes(timeline)[2:] == list(range(8))


def test_transitions_run_on_past_both_ends(read):
    timeline = read(edit(row(clip("proxyA", 10, 10), mix(2, 2), clip("proxyB", 20, 10))))
    shown = oracle.painted(timeline)
    assert shown[8] == {18: 1.0}
    assert shown[10] == {20: 0.5, 5020: 0.5}
    assert shown[11] == {21: 0.25, 5021: 0.75}
    assert timeline.length == 20


def test_fades_are_transitions_beside_nothing(read):
    items = (mix(0, 4), clip("proxyA", 10, 10), mix(4, 0), gap(2))
    shown = oracle.painted(read(edit(row(*items))))
    assert [round(f.get(10 + k, 0.0), 3) for k, f in enumerate(shown[:5])] == [
        0,
        0.25,
        0.5,
        0.75,
        1,
    ]
    assert [round(shown[k].get(10 + k, 0.0), 3) for k in (6, 7, 8, 9)] == [1, 0.75, 0.5, 0.25]
    over = read(edit(row(clip("proxyA", 10, 4), mix(2, 2), gap(4))))
    assert [round(f.get(10 + k, 0), 2) for k, f in enumerate(oracle.painted(over))][2:7] == [
        1, 0.75, 0.5, 0.25, 0,
    ]  # fmt: skip
    assert over.length == 8


def test_a_transition_between_clips_with_nothing_before_their_first_frame(read):
    timeline = read(edit(row(clip("proxyA", 0, 10), mix(2, 2), clip("proxyB", 0, 10))))
    assert 5000 in oracle.painted(timeline)[9]


def test_other_transitions_are_read_as_dissolves_and_told(read):
    timeline = read(edit(row(clip("proxyA", 0, 9), mix(2, 1, "Custom_Wipe"), clip("proxyB", 9, 9))))
    assert told(timeline) == [("approximated", (7, 10))]


def test_several_tracks_hidden_ones_and_sound(read):
    timeline = edit(
        row(clip("proxyA", 0, 10)),
        row(gap(2), clip("proxyB", 0, 3), name="over"),
        _off(),
        row(clip("proxyA", 100, 50), name="sound", kind="Audio"),
        row(clip("proxyA", 100, 50), name="words", kind="Subtitle"),
    )
    made = read(timeline)
    assert [(t.name, t.hidden) for t in made.tracks] == [
        ("V1", False),
        ("over", False),
        ("off", True),
    ]
    assert oracle.indexes(made) == [0, 1, 5000, 5001, 5002, *range(5, 10)]
    assert oracle.indexes(read(timeline, track="off")) == list(range(100, 110))
    assert oracle.indexes(read(timeline, track="2"))[2:5] == [5000, 5001, 5002]
    with pytest.raises(InstrumentError, match="no track"):
        read(timeline, track="sound")


def _off():
    track = row(clip("proxyA", 100, 10), name="off")
    track.enabled = False
    return track


def test_a_clip_that_is_off_is_a_gap(read):
    off = clip("proxyA", 0, 3)
    off.enabled = False
    assert oracle.indexes(read(edit(row(off, clip("proxyB", 0, 2))))) == [None] * 3 + [5000, 5001]


def test_nested_stacks_and_tracks(read):
    inner = schema.Stack("inner", [row(clip("proxyA", 50, 10)), row(gap(4), clip("proxyB", 0, 2))])
    inner.source_range = span(3, 5)
    timeline = read(edit(row(clip("proxyA", 0, 2), inner, row(clip("proxyA", 7, 2), name="in"))))
    assert oracle.indexes(timeline) == [0, 1, 53, 5000, 5001, 56, 57, 7, 8]
    nested = timeline.tracks[0].clips[1].media
    assert isinstance(nested, Timeline) and nested.length == 5


def test_a_nested_stack_at_twice_the_speed(read):
    inner = schema.Stack("inner", [row(clip("proxyA", 50, 10))])
    inner.effects.append(schema.LinearTimeWarp(time_scalar=2.0))
    inner.source_range = span(0, 5)
    # The range is cut first, as in OTIO: what lies past it is held.
    assert oracle.indexes(read(edit(row(inner))))[:3] == [50, 52, 54]


def test_a_track_within_its_own_range(read):
    track = row(clip("proxyA", 0, 10), clip("proxyB", 0, 10))
    track.source_range = span(8, 5)
    assert oracle.indexes(read(edit(track))) == [8, 9, 5000, 5001, 5002]


def test_markers(read):
    first = clip("proxyA", 30, 10)
    first.markers.append(schema.Marker("on a clip", span(33, 1), comment="said"))
    first.markers.append(schema.Marker("outside", span(90, 1)))
    timeline = edit(row(gap(5), first))
    timeline.tracks.markers.append(schema.Marker("guide", span(2, 0)))
    timeline.tracks[0].markers.append(schema.Marker("track", span(4, 0)))
    assert [(m.frame, m.name, m.note) for m in read(timeline).markers] == [
        (2, "guide", ""), (4, "track", ""), (8, "on a clip", "said"),
    ]  # fmt: skip


def test_timecode_begins_with_the_global_start(read):
    made = read(edit(row(clip("proxyA", 0, 10)), global_start_time=at(108000)))
    assert (made.start, made.timecode(0)) == (108000, "01:00:00:00")


def test_rates(read):
    film = schema.ExternalReference("proxyC.mp4", span(0, 250, 25.0))
    other = schema.Clip("proxyC", film, span(50, 25, 25.0))
    made = read(edit(row(clip("proxyA", 0, 30), other, clip("proxyA", 0, 30))))
    assert (made.rate, made.length) == (RATE, 90)
    assert oracle.indexes(made)[30:36] == [9050, 9051, 9052, 9053, 9053, 9054]
    assert "25" in made.remarks[0].what
    assert read(edit(row(clip("proxyA", 0, 30))), rate=FrameRate(60)).length == 60
    ntsc = schema.Clip("n", schema.ExternalReference("n.mp4"), span(0, 30, 29.97))
    assert read(edit(row(ntsc))).rate == FrameRate(30000, 1001)


def test_media(read):
    named = schema.ExternalReference("file://localhost/C:/My%20Show/a%231.mp4", span(0, 9))
    made = schema.Clip("take one", named, span(0, 9))
    refs = {"DEFAULT_MEDIA": named, "proxy": schema.ExternalReference("/p/a.mov")}
    made.set_media_references(refs, "DEFAULT_MEDIA")
    lost = schema.Clip("lost", schema.MissingReference(), span(0, 9))
    stills = schema.ImageSequenceReference("file:///s", "f.", ".png", 1, 1, 30.0)
    stills.available_range = span(0, 9)
    media = list(read(edit(row(made, lost, schema.Clip("s", stills, span(0, 9))))).media())
    assert media[0].places[0] == "C:/My Show/a#1.mp4"
    assert {"/p/a.mov", "take one"} <= set(media[0].places)
    assert (media[0].name, media[0].frames, media[0].rate) == ("a#1.mp4", 9, RATE)
    assert (media[1].name, media[1].places) == ("lost", ("lost",))
    assert media[2].places[0] == "/s/f.png"


def test_source_time_counts_from_the_start_of_what_is_available(read):
    media = schema.ExternalReference("proxyA.mp4", span(108000, 300))
    assert oracle.indexes(read(edit(row(schema.Clip("a", media, span(108060, 2)))))) == [60, 61]
    assert oracle.indexes(read(edit(row(schema.Clip("a", media)))))[:2] == [0, 1]


def test_generators(read):
    black = schema.Clip("b", schema.GeneratorReference("b", "black"), span(0, 2))
    title = schema.Clip("t", schema.GeneratorReference("t", "Title"), span(0, 2))
    made = read(edit(row(clip("proxyA", 0, 4)), row(black, title)))
    assert oracle.indexes(made) == [None, None, 2, 3]
    assert told(made) == [("refused", (2, 4))]


def test_stills_are_left_out(read):
    logo = schema.Clip("l", schema.ExternalReference("file:///m/logo.PNG"), span(0, 2))
    made = read(edit(row(clip("proxyA", 0, 4)), row(logo)))
    assert (oracle.indexes(made), told(made)) == ([0, 1, 2, 3], [("refused", (0, 2))])


def test_cuts_between_frames_are_told(read):
    odd = schema.Clip("a", schema.ExternalReference("proxyA.mp4"), span(0, 10.4))
    made = read(edit(row(odd, clip("proxyB", 0, 10))))
    assert ("approximated", (10, 11)) in told(made)


def test_collections_and_bare_objects(read):
    two = schema.SerializableCollection(
        "c", [edit(row(clip("proxyA", 0, 2))), edit(row(clip("proxyB", 0, 2)))]
    )
    two[0].name, two[1].name = "one", "two"
    assert oracle.indexes(read(two)) == [0, 1]
    assert oracle.indexes(read(two, sequence="two")) == [5000, 5001]
    with pytest.raises(InstrumentError, match="no sequence 'three', there are 'one', 'two'"):
        read(two, sequence="three")
    assert oracle.indexes(read(row(clip("proxyA", 4, 2)))) == [4, 5]
    assert oracle.indexes(read(clip("proxyA", 4, 2))) == [4, 5]


def test_bundles(tmp_path):
    text = edit(row(clip("proxyA", 4, 2))).to_json_string()
    folder = tmp_path / "e.otiod"
    folder.mkdir()
    (folder / "content.otio").write_text(text)
    assert oracle.indexes(reader.read(folder)) == [4, 5]
    with zipfile.ZipFile(tmp_path / "e.otioz", "w") as bundle:
        bundle.writestr("content.otio", text)
    assert oracle.indexes(reader.read(tmp_path / "e.otioz")) == [4, 5]
    with zipfile.ZipFile(tmp_path / "n.otioz", "w") as bundle:
        bundle.writestr("else", text)
    (tmp_path / "b.otioz").write_bytes(b"PK nothing")
    with zipfile.ZipFile(tmp_path / "bomb.otioz", "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("content.otio", b"[" * (80 << 20))
    for name, reason in (("n", "no content.otio"), ("b", "not an .otioz"), ("bomb", "64 MiB")):
        with pytest.raises(InstrumentError, match=reason):
            reader.read(tmp_path / f"{name}.otioz")


def with_time(start, length, rate=30):
    text = json.loads(edit(row(clip("proxyA", 0, 9))).to_json_string())
    one = text["tracks"]["children"][0]["children"][0]["source_range"]
    one["start_time"] |= {"value": start, "rate": rate}
    one["duration"] |= {"value": length, "rate": rate}
    return json.dumps(text).encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not OpenTimelineIO"),
        (b"make it nice", "not OpenTimelineIO"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[1, 2]", "holds a list, allowed is a Timeline"),
        (b'{"OTIO_SCHEMA": "Timeline.99"}', "tracks: missing"),
        (b'{"OTIO_SCHEMA": "Foo.1"}', "allowed is a Timeline"),
        (b'{"OTIO_SCHEMA": "Timeline.1", "tracks": 5}', "tracks: 5, must be a Stack"),
        (b'{"OTIO_SCHEMA": "Timeline.1"}', "tracks: missing"),
        (b"[" * 300_000 + b"]" * 300_000, "nest deeper"),
        (b'{"OTIO_SCHEMA":"Stack.1","children":[' * 9000 + b"]}" * 9000, "nest deeper"),
        (
            b'{"OTIO_SCHEMA":"Stack.1","OTIO_REF_ID":"a","children":'
            b'[{"OTIO_SCHEMA":"SerializableObjectRef.1","id":"a"}]}',
            "one object twice",
        ),
        (with_time(0, -5), "lasts"),
        (with_time(0, float("nan")), "must be a number"),
        (with_time(float("inf"), 5), "must be a number"),
        (with_time(0, 1e15), "must be a number|too far|at frame"),
        (with_time(0, 1e9), "at frame"),
        (with_time(0, 5, 0), "frame rate|no clip"),
        (with_time(0, 5, -3), "frame rate|no clip"),
        (with_time(0, 5, 1e-300), "frame rate"),
    ],
)
def test_hostile_files_are_one_line(read, data, reason):
    begin = time.perf_counter()
    with pytest.raises(InstrumentError, match=reason) as caught:
        read(data)
    assert "\n" not in str(caught.value) and "e.otio" in str(caught.value)
    assert time.perf_counter() - begin < 10


def test_a_large_file_and_a_deep_nest(read, tmp_path):
    with pytest.raises(InstrumentError, match="64 MiB"):
        read(b" " * (64 << 20) + b"{}")
    deep = row(clip("proxyA", 0, 2))
    for _ in range(40):
        deep = schema.Stack("s", [row(deep) if not isinstance(deep, schema.Track) else deep])
    with pytest.raises(InstrumentError, match="nest deeper than 32"):
        read(deep)
    with pytest.raises(InstrumentError, match="no such file"):
        reader.read(tmp_path / "none.otio")


parts = st.lists(
    st.tuples(st.sampled_from("ABg"), st.integers(0, 250), st.integers(8, 40), st.integers(0, 4),
              st.sampled_from([1, 1, 2, Fraction(1, 2)])), min_size=1, max_size=7,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(parts)
def test_any_edit_is_what_it_says(tmp_path_factory, parts):
    """Objects made of a list, read again, and painted: against the list painted by hand."""
    items, wanted, at_frame = [], [], 0
    for kind, start, length, before, speed in parts:
        previous = items[-1] if items else None
        if before and isinstance(previous, schema.Clip) and kind != "g":
            items.append(mix(before, before))
        name = f"proxy{kind}"
        warp = [schema.LinearTimeWarp(time_scalar=float(speed))] if speed != 1 else []
        items.append(gap(length) if kind == "g" else clip(name, start, length, *warp))
        base = {"A": 0, "B": 5000}.get(kind)
        for k in range(length):
            source = (
                None if base is None else base + min(int(start + k * speed + Fraction(1, 2)), 299)
            )
            wanted.append(source)
        at_frame += length
    path = tmp_path_factory.mktemp("otio") / "e.otio"
    path.write_text(edit(row(*items)).to_json_string())
    if all(isinstance(item, schema.Gap) for item in items):
        return
    made = reader.read(path)
    assert made.length == len(wanted)
    cuts, total = [], 0
    for item in items:
        if isinstance(item, schema.Transition):
            cuts.append((total - int(item.in_offset.value), total + int(item.out_offset.value)))
        else:
            total += int(item.source_range.duration.value)
    for frame, shown in enumerate(oracle.painted(made)):
        mixed = any(a < frame < b for a, b in cuts)
        if not mixed and not any(frame == a for a, _ in cuts):
            assert shown == ({} if wanted[frame] is None else {wanted[frame]: 1.0}), frame
        assert sum(shown.values()) == pytest.approx(0.0 if wanted[frame] is None else 1.0)
