"""The way back: what is written is read again, row for row and mark for mark."""

from pathlib import Path

import numpy as np
import opentimelineio as otio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.studio import edl
from instrument.studio import otio as reader
from instrument.studio.edit_writing import Reel, write_edl
from instrument.studio.otio_writing import write_otio
from instrument.studio.retiming import Footage
from instrument.studio.timeline import Marker
from instrument.timebase import FrameRate

RATES = [FrameRate(24), FrameRate(25), FrameRate(30), FrameRate(60), FrameRate(25, 2)]
RATES += [FrameRate(n * 1000, 1001) for n in (24, 30, 60)]
MARKERS = (
    Marker(0, "dawn", "/waypoint/3/go"), Marker(7, "scene 2", "/preset/2/recall"),
    Marker(19, "cue 1", "/master/gain"),
)  # fmt: skip


def reel(folder, name="night", frames=20, rate=RATES[2], markers=MARKERS):
    return Reel(name, folder / f"{name}.mp4", frames, rate, markers)


def rows(timeline):
    """(stem, frame) of every frame of a timeline without mixes, on one track."""
    found = [None] * timeline.length
    for clip in timeline.tracks[0].clips:
        assert clip.opacity is None and clip.gain is None
        frames = clip.retiming.frames(
            np.arange(len(clip.record)), Footage(timeline.rate, len(clip.record))
        )
        for at, frame in zip(clip.record, frames, strict=True):
            assert found[at] is None
            found[at] = (Path(clip.media.places[0]).stem, int(frame))
    return found


@pytest.mark.parametrize("rate", RATES, ids=str)
@pytest.mark.parametrize("kind", ["otio", "edl"])
def test_there_and_back(tmp_path, rate, kind):
    one, two = reel(tmp_path, rate=rate), reel(tmp_path, "day break", 33, rate)
    path = tmp_path / f"e.{kind}"
    if kind == "otio":
        write_otio(path, [one, two])
        made = reader.read(path)
    else:
        write_edl(path, [one, two])
        made = edl.read(path)
    assert (made.rate, made.length, made.remarks) == (rate, 53, ())
    assert rows(made) == [("night", i) for i in range(20)] + [("day break", i) for i in range(33)]
    names = [(m.frame, m.name) for m in made.markers]
    assert names == [
        (m.frame + shift, m.name) for shift in (0, 20) for m in MARKERS
    ]  # fmt: skip
    if kind == "otio":
        assert {m.note for m in made.markers} == {m.note for m in MARKERS}


names = st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1, max_size=30).filter(
    lambda text: text.strip() and not set(text) & set('/\\:*?"<>|') and text[-1] not in ". "
    and text[0] not in ". "
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from(RATES),
    st.lists(st.tuples(names, st.integers(1, 4000)), min_size=1, max_size=6),
    st.booleans(),
)
def test_any_takes_there_and_back(tmp_path_factory, rate, parts, drop):
    folder = tmp_path_factory.mktemp("way back")
    reels = [
        Reel(name, folder / "takes" / f"{name}.mp4", frames, rate, (Marker(frames - 1, "end"),))
        for name, frames in parts
    ]
    drop = drop and rate.den == 1001 and rate.num > 24000
    write_otio(folder / "e.otio", reels)
    write_edl(folder / "e.edl", reels, drop=drop)
    wanted = [i for _, frames in parts for i in range(frames)]
    ends = np.cumsum([frames for _, frames in parts]) - 1
    for made in (reader.read(folder / "e.otio"), edl.read(folder / "e.edl")):
        assert [row[1] for row in rows(made)] == wanted
        assert [m.frame for m in made.markers] == ends.tolist()
        assert made.rate == rate
        media = [clip.media for clip in made.tracks[0].clips]
        assert [m.places[0] for m in media] == [f"takes/{name}.mp4" for name, _ in parts]


def test_stacked(tmp_path):
    write_otio(tmp_path / "e.otio", [reel(tmp_path), reel(tmp_path, "day", 9)], stacked=True)
    made = reader.read(tmp_path / "e.otio")
    assert [(t.name, len(t.clips), t.clips[0].record.stop) for t in made.tracks] == [
        ("V1", 1, 20), ("V2", 1, 9),
    ]  # fmt: skip


def test_opentimelineio_itself_reads_what_is_written(tmp_path):
    write_otio(tmp_path / "e.otio", [reel(tmp_path), reel(tmp_path, "day", 9)])
    timeline = otio.adapters.read_from_file(str(tmp_path / "e.otio"))
    assert [c.name for c in timeline.find_clips()] == ["night", "day"]
    assert timeline.duration() == otio.opentime.RationalTime(29, 30)
    first = timeline.find_clips()[0]
    assert first.media_reference.target_url == "night.mp4"
    assert [(m.name, m.color, m.comment) for m in first.markers] == [
        ("dawn", "GREEN", "dawn /waypoint/3/go"), ("scene 2", "BLUE", "scene 2 /preset/2/recall"),
        ("cue 1", "YELLOW", "cue 1 /master/gain"),
    ]  # fmt: skip


def test_the_edl_adapter_reads_what_is_written(tmp_path):
    adapter = pytest.importorskip("otio_cmx3600_adapter.cmx_3600")
    write_edl(tmp_path / "e.edl", [reel(tmp_path), reel(tmp_path, "day", 9)])
    timeline = adapter.read_from_string((tmp_path / "e.edl").read_text(), rate=30)
    clips = list(timeline.find_clips())
    assert [(c.name, c.source_range.duration.value) for c in clips] == [
        ("night.mp4", 20), ("day.mp4", 9),
    ]  # fmt: skip
    assert [m.name for m in clips[0].markers] == ["dawn", "scene 2", "cue 1"]


def test_the_lines_of_an_edl(tmp_path):
    rate = FrameRate(30000, 1001)
    write_edl(tmp_path / "e.edl", [reel(tmp_path, frames=1800, rate=rate, markers=())], drop=True)
    assert (tmp_path / "e.edl").read_text().splitlines() == [
        "TITLE: e",
        "FCM: DROP FRAME",
        "",
        "001  NIGHT    V     C        00:00:00;00 00:01:00;02 01:00:00;00 01:01:00;02",
        "* FROM CLIP NAME: night.mp4",
        "* SOURCE FILE: night.mp4",
        "* FRAME RATE: 30000/1001",
    ]


def test_reels_have_names_of_their_own(tmp_path):
    named = ["long night one", "long night two", "l ö n g", "黄昏", "BL", "black", "long night one"]
    write_edl(tmp_path / "e.edl", [reel(tmp_path, name, markers=()) for name in named])
    events = [x.split() for x in (tmp_path / "e.edl").read_text().splitlines() if x[:1].isdigit()]
    tapes = [words[1] for words in events]
    assert tapes == ["LONGNIGH", "LONGNIG2", "LNG", "REEL", "BL1", "BLACK1", "LONGNIGH"]


def test_names_that_no_text_can_hold(tmp_path):
    odd = [reel(tmp_path, "a\udcffb\x07\u2028", markers=(Marker(1, "m\udcff\n", "n"),))]
    write_edl(tmp_path / "e.edl", odd)
    write_otio(tmp_path / "e.otio", odd)
    assert [m.name for m in reader.read(tmp_path / "e.otio").markers] == ["m"]
    assert edl.read(tmp_path / "e.edl").length == 20


def test_marks_of_one_line(tmp_path):
    odd = (Marker(3, "two\nlines\t", ""),)
    write_edl(tmp_path / "e.edl", [reel(tmp_path, markers=odd)])
    assert [m.name for m in edl.read(tmp_path / "e.edl").markers] == ["two lines"]


def test_the_same_bytes_every_time(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_otio(tmp_path / name / "e.otio", [reel(tmp_path / name)])
        write_edl(tmp_path / name / "e.edl", [reel(tmp_path / name)])
    for file in ("e.otio", "e.edl"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize(
    ("kind", "frames", "rate", "more", "reason"),
    [
        ("otio", [], 30, {}, "nothing to write"),
        ("edl", [], 30, {}, "nothing to write"),
        ("otio", [0], 30, {}, "has 0 frames"),
        ("edl", [5], 120, {}, "up to 99"),
        ("edl", [5], 30, {"drop": True}, "30000/1001"),
        ("edl", [2_500_000], 30, {}, "24 hours"),
        ("edl", [1] * 1000, 30, {}, "999 events"),
    ],
)
def test_what_cannot_be_written_leaves_nothing(tmp_path, kind, frames, rate, more, reason):
    reels = [reel(tmp_path, f"r{n}", count, FrameRate(rate), ()) for n, count in enumerate(frames)]
    write = write_otio if kind == "otio" else write_edl
    with pytest.raises(InstrumentError, match=reason):
        write(tmp_path / f"e.{kind}", reels, **more)
    assert list(tmp_path.iterdir()) == []


def test_rates_that_differ_and_folders_that_are_not_there(tmp_path):
    mixed = [reel(tmp_path), reel(tmp_path, "day", rate=FrameRate(60))]
    for write in (write_otio, write_edl):
        with pytest.raises(InstrumentError, match=r"night is at 30 /s and day at 60 /s"):
            write(tmp_path / "e.x", mixed)
        with pytest.raises(InstrumentError, match="cannot be written"):
            write(tmp_path / "no" / "e.x", [reel(tmp_path)])
    assert list(tmp_path.iterdir()) == []
