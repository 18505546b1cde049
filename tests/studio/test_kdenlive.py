"""What Kdenlive adds: tracks of two playlists, sequences, guides, names, the black below."""

import json
from pathlib import Path

import pytest
from melt_edits import BARCODES
from mlt_files import A, B, blank, entry, playlist, producer, read, tags, track, tractor, transition
from mlt_paint import paint
from test_mlt import numbers, told

from instrument import InstrumentError
from instrument.studio import mlt
from instrument.studio.timeline import Marker, Timeline

BLACK = producer("black_track", "in='0' out='99999'", resource="black", mlt_service="color")


def bin_(**written: object) -> str:
    named = {f"kdenlive:docproperties.{key}": value for key, value in written.items()}
    return playlist("main_bin", tags(**{"kdenlive:docproperties.version": "1.04"}, **named))


def video(name: str, *entries: str, hide: str = "audio", **named: object) -> str:
    inner = playlist(f"{name}a", *entries) + playlist(f"{name}b")
    return inner + tractor(name, tags(**named), track(f"{name}a", hide), track(f"{name}b", hide))


def root(*names: str, inside: str = "") -> str:
    joined = "".join(
        transition("qtblend", b_track=n, always_active=1, internal_added=237)
        for n in range(1, len(names) + 1)
    )
    tracks = "".join(track(name) for name in ("black_track", *names))
    return tractor("root", tracks, inside, joined, attributes="in='0' out='99999'")


def project(folder: Path, *inside: str, **chosen: str | None) -> Timeline:
    return read(folder, A, B, BLACK, *inside, **chosen)


def test_the_black_below_is_no_part_of_the_edit(tmp_path: Path) -> None:
    timeline = project(tmp_path, bin_(), video("v", entry("A", 3, 5), blank(4)), root("v"))
    assert [(each.name, len(each.clips)) for each in timeline.tracks] == [("V1", 1)]
    assert (timeline.length, numbers(timeline)) == (3, [3, 4, 5])


def test_a_clip_may_fade_into_the_black_below(tmp_path: Path) -> None:
    fade = transition("luma", 0, 3, a_track=0, b_track=1)
    timeline = project(tmp_path, bin_(), video("v", entry("A", 0, 5)), root("v", inside=fade))
    light = [sum(picture.values()) for picture in paint(timeline, BARCODES)]
    assert light == pytest.approx([0, 0.25, 0.5, 0.75, 1, 1])


def test_names_and_numbers_of_tracks(tmp_path: Path) -> None:
    rows = (
        video("s", entry("A", 0, 5), kdenlive__audio_track=1, hide="video"),
        video("v", entry("A", 0, 5), kdenlive__track_name="Faces", kdenlive__locked_track=1),
        video("w", entry("B", 0, 2)),
        root("s", "v", "w"),
    )
    timeline = project(tmp_path, bin_(), *rows)
    assert [each.name for each in timeline.tracks] == ["Faces", "V2"]
    assert numbers(timeline) == [1000, 1001, 1002, 3, 4, 5]
    assert numbers(project(tmp_path, bin_(), *rows, track="Faces")) == [0, 1, 2, 3, 4, 5]
    assert numbers(project(tmp_path, bin_(), *rows, track="2")) == [1000, 1001, 1002]


@pytest.mark.parametrize("hide", ["both", "video"])
def test_a_track_switched_off(tmp_path: Path, hide: str) -> None:
    rows = video("v", entry("A", 0, 5)), video("w", entry("B", 0, 9), hide=hide), root("v", "w")
    timeline = project(tmp_path, bin_(), *rows)
    assert [each.hidden for each in timeline.tracks] == [False, True]
    assert numbers(timeline)[:6] == [0, 1, 2, 3, 4, 5]
    assert len(project(tmp_path, bin_(), *rows, track="2").tracks[0].clips) == 1


def test_sound_longer_than_the_pictures_adds_nothing(tmp_path: Path) -> None:
    rows = (
        video("s", entry("A", 0, 50), kdenlive__audio_track=1, hide="video"),
        video("v", entry("A", 0, 5)),
        root("s", "v"),
    )
    assert project(tmp_path, bin_(), *rows).length == 6


# --- sequences


def sequence(name: str, uuid: str, *entries: str) -> str:
    row = video(f"row {uuid}", *entries)
    said = tags(kdenlive__uuid=uuid, kdenlive__clipname=name)
    return row + tractor(uuid, said, track("black_track"), track(f"row {uuid}"))


TWO = (
    sequence("Opening", "{1}", entry("A", 3, 5)),
    sequence("Finale", "{2}", entry("B", 0, 1), entry("{1}", 1, 2)),
)


def test_the_open_sequence_is_read(tmp_path: Path) -> None:
    assert numbers(project(tmp_path, *TWO, bin_(activetimeline="{1}"))) == [3, 4, 5]
    assert numbers(project(tmp_path, *TWO, bin_(activetimeline="{2}"))) == [1000, 1001, 4, 5]
    assert numbers(project(tmp_path, *TWO, bin_(uuid="{1}"))) == [3, 4, 5]
    last = tractor("all", tags(kdenlive__projectTractor=1), track("{1}"))
    assert numbers(project(tmp_path, *TWO, bin_(activetimeline="{9}"), last)) == [3, 4, 5]
    assert numbers(project(tmp_path, *TWO, bin_())) == [1000, 1001, 4, 5]


def test_a_sequence_by_name(tmp_path: Path) -> None:
    chosen = project(tmp_path, *TWO, bin_(activetimeline="{2}"), sequence="Opening")
    assert numbers(chosen) == [3, 4, 5]
    with pytest.raises(InstrumentError, match="no sequence 'Coda', allowed: Opening, Finale"):
        project(tmp_path, *TWO, bin_(), sequence="Coda")


def test_a_nested_sequence_bears_its_name(tmp_path: Path) -> None:
    timeline = project(tmp_path, *TWO, bin_(activetimeline="{2}"))
    nested = timeline.tracks[0].clips[1]
    assert (nested.name, isinstance(nested.media, Timeline)) == ("Opening", True)


# --- guides


def test_guides(tmp_path: Path) -> None:
    row = video("v", entry("A", 0, 99))
    text = json.dumps([{"comment": "dawn", "pos": 30, "type": 0}, {"comment": "", "pos": 3}])
    quoted = text.replace('"', "&quot;")
    timeline = project(tmp_path, bin_(guides=quoted), row, root("v"))
    assert timeline.markers == (Marker(3, ""), Marker(30, "dawn"))


def test_guides_of_a_sequence_go_before_the_projects(tmp_path: Path) -> None:
    guides = "[{&quot;pos&quot;: 7, &quot;comment&quot;: &quot;x&quot;}]"
    said = tags(**{"kdenlive:uuid": "{3}", "kdenlive:sequenceproperties.guides": guides})
    row = video("v", entry("A", 0, 99)) + tractor("{3}", said, track("black_track"), track("v"))
    timeline = project(tmp_path, bin_(guides="[{&quot;pos&quot;: 9}]"), row)
    assert timeline.markers == (Marker(7, "x"),)


def test_old_guides(tmp_path: Path) -> None:
    old = playlist(
        "main bin",
        tags(
            **{
                "kdenlive:docproperties.version": "0.95",
                "kdenlive:guide.1.5": "dusk",
                "kdenlive:guide.00:00:00.100": "first",
                "kdenlive:guide.soon": "never",
            }
        ),
    )
    timeline = project(tmp_path, old, video("v", entry("A", 0, 99)), root("v"))
    assert timeline.markers == (Marker(3, "first"), Marker(45, "dusk"))


@pytest.mark.parametrize(
    "guides", ["[{&quot;pos&quot;: -1}, 7, {&quot;pos&quot;: &quot;x&quot;}]", "{}", "7", "null"]
)
def test_guides_that_say_nothing(tmp_path: Path, guides: str) -> None:
    timeline = project(tmp_path, bin_(guides=guides), video("v", entry("A", 0, 9)), root("v"))
    assert (timeline.markers, told(timeline)) == ((), [])


@pytest.mark.parametrize("guides", ["[", "[" * 3000, "nope"])
def test_guides_that_cannot_be_read(tmp_path: Path, guides: str) -> None:
    with pytest.raises(InstrumentError, match="its guides are not JSON"):
        project(tmp_path, bin_(guides=guides), video("v", entry("A", 0, 9)), root("v"))


def test_a_project_of_2017_and_one_of_2024_say_the_same(tmp_path: Path) -> None:
    """One playlist a track, or two; frames, or clocks."""
    old = (
        playlist("playlist1", entry("A", 30, 69), blank(12), entry("A", 200, 249)),
        tractor("root", track("black_track"), track("playlist1")),
    )
    new = (
        video(
            "v",
            entry("A", "00:00:01.000", "00:00:02.300"),
            blank("00:00:00.400"),
            entry("A", "00:00:06.667", "00:00:08.300"),
        ),
        root("v"),
    )
    early, late = project(tmp_path, bin_(), *old), project(tmp_path, bin_(), *new)
    assert numbers(early) == numbers(late)
    assert mlt.read(tmp_path / "edit.mlt").length == early.length == 102
