"""Reading MLT: what tracks, transitions, filters and producers become, and what is told of them.

The numbers in "as rendered" were read off renders of MLT 7.12.
"""

import time
from pathlib import Path

import numpy as np
import pytest
from melt_edits import BARCODES
from mlt_files import (
    A,
    B,
    blank,
    document,
    entry,
    filter_,
    playlist,
    producer,
    read,
    tags,
    track,
    tractor,
    transition,
)
from mlt_paint import Picture, paint

from instrument import InstrumentError
from instrument.studio import mlt
from instrument.studio.timeline import Timeline
from instrument.timebase import FrameRange, FrameRate

C = producer("C", resource="c.mp4")
Shown = int | tuple[int, float] | None


def pictures(timeline: Timeline) -> list[Picture]:
    return [
        {number: share for number, share in picture.items() if share > 1e-6}
        for picture in paint(timeline, BARCODES)
    ]


def numbers(timeline: Timeline) -> list[Shown]:
    """For each frame its number if it is one, with its share where that is not 1."""
    found: list[Shown] = []
    for picture in pictures(timeline):
        assert len(picture) <= 1
        number, share = next(iter(picture.items()), (None, 1.0))
        found.append(number if number is None or share > 0.999 else (number, round(share, 3)))
    return found


def shares(timeline: Timeline, first: int, number: int) -> list[float]:
    """The share of frame `number + k` in picture `first + k`, as far as it has one."""
    found = []
    for k, picture in enumerate(pictures(timeline)[first:]):
        if number + k not in picture:
            break
        found.append(round(picture[number + k], 3))
    return found


def told(timeline: Timeline) -> list[tuple[str, str]]:
    return [(remark.verdict, remark.what) for remark in timeline.remarks]


def two_tracks(*inside: str, upper: str = "", first: str = "", attributes: str = "") -> tuple:
    """Frames 10 to 19 of A, above them 1010 to 1019 of B."""
    return (
        A,
        B,
        playlist("t0", entry("A", 10, 19, first)),
        playlist("t1", entry("B", 10, 19, upper)),
        tractor("main", track("t0"), track("t1"), *inside, attributes=attributes),
    )


# --- playlists


def test_a_playlist(tmp_path: Path) -> None:
    row = playlist("main", entry("A", 3, 5), blank(2), entry("A", 9, 9), '<blank length="0"/>')
    timeline = read(tmp_path, A, row)
    assert numbers(timeline) == [3, 4, 5, None, None, 9]
    assert (timeline.name, timeline.rate, timeline.start) == ("edit", FrameRate(30), 0)
    assert [clip.record for clip in timeline.tracks[0].clips] == [
        FrameRange(0, 3),
        FrameRange(5, 6),
    ]
    assert timeline.tracks[0].name == "main"


def test_an_edit_ends_with_its_last_clip(tmp_path: Path) -> None:
    assert read(tmp_path, A, playlist("main", entry("A", 3, 5), blank(20))).length == 3
    assert read(tmp_path, A, playlist("main")).length == 0


@pytest.mark.parametrize(
    ("made", "row", "frames"),
    [
        (producer("X", length=200, resource="a.mp4"), [entry("X", 198, 205)], [198, 199]),
        (producer("X", length=200, resource="a.mp4"), [entry("X", 205, 210)], [199]),
        (
            producer("X", "in='3' out='9'", resource="a.mp4"),
            ['<entry producer="X"/>'],
            [3, 4, 5, 6, 7, 8, 9],
        ),
        (producer("X", "in='3' out='9'", resource="a.mp4"), [entry("X", 1, 2)], [4, 5]),
        (producer("X", "in='3' out='9'", resource="a.mp4"), [entry("X", 5, 8)], [8, 9, 9, 9]),
        (
            producer("X", resource="a.mp4", mlt_service="hold", frame=77),
            [entry("X", 5, 8)],
            [77] * 4,
        ),
        (
            producer("X", resource="a.mp4", mlt_service="hold", frame=77),
            ['<entry producer="X"/>'],
            [77] * 26,
        ),
        (A, ['<entry producer="A" in="3" out="5" repeat="2"/>'], [3, 4, 5, 3, 4, 5]),
        ("", [f'<entry in="3" out="4">{A}</entry>'], [3, 4]),
        (C, [entry("C", 20, 24)], [2017, 2018, 2018, 2019, 2020]),
    ],
)
def test_cuts_as_rendered(tmp_path: Path, made: str, row: list[str], frames: list[int]) -> None:
    assert numbers(read(tmp_path, made, playlist("main", *row))) == frames


def test_times_may_be_clocks(tmp_path: Path) -> None:
    row = playlist("main", blank("00:00:00.067"), entry("A", "00:00:03.333", "00:00:03.367"))
    assert numbers(read(tmp_path, A, row)) == [None, None, 100, 101]


@pytest.mark.parametrize(
    ("speed", "frames"),
    [("2", [20, 22, 24]), ("-1", [289, 288, 287]), ("0.5", [5, 6, 6]), ("1", [10, 11, 12])],
)
def test_speeds(tmp_path: Path, speed: str, frames: list[int]) -> None:
    warp = producer("X", resource=f"{speed}:a.mp4", mlt_service="timewarp")
    assert numbers(read(tmp_path, warp, playlist("main", entry("X", 10, 12)))) == frames


@pytest.mark.parametrize(
    "made",
    [
        producer("slowmotion:4:2", resource="a.mp4?2", mlt_service="framebuffer"),
        producer("slowmotion:4:2", resource="a.mp4", mlt_service="avformat"),
        producer("X", resource="a.mp4?2"),
    ],
)
def test_old_slow_motion(tmp_path: Path, made: str) -> None:
    name = "X" if 'id="X"' in made else "slowmotion:4:2"
    timeline = read(tmp_path, made, playlist("main", entry(name, 20, 22)))
    assert numbers(timeline) == [40, 42, 44]
    assert [media.places for media in timeline.media()] == [("a.mp4",)]


# --- tracks and transitions


def test_the_upper_track_hides_the_lower(tmp_path: Path) -> None:
    lower, upper = playlist("t0", entry("A", 0, 5)), playlist("t1", blank(2), entry("B", 0, 1))
    timeline = read(tmp_path, A, B, lower, upper, tractor("main", track("t0"), track("t1")))
    assert numbers(timeline) == [0, 1, 1000, 1001, 4, 5]
    assert [each.name for each in timeline.tracks] == ["t0", "t1"]


@pytest.mark.parametrize("hide", ["video", "both"])
def test_a_track_switched_off(tmp_path: Path, hide: str) -> None:
    lower, upper = playlist("t0", entry("A", 0, 2)), playlist("t1", entry("B", 0, 1))
    rows = (A, B, lower, upper, tractor("main", track("t0"), track("t1", hide)))
    timeline = read(tmp_path, *rows)
    assert [each.hidden for each in timeline.tracks] == [False, True]
    assert numbers(timeline) == [0, 1, 2]
    assert numbers(read(tmp_path, *rows, track="t1")) == [1000, 1001]


DISSOLVE = [1.0, 1.0, 1.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
TURNED = [1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 1.0, 1.0, 1.0]
HALF = [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0]
RAMP = [1.0, 1.0, 1.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 1.0]
FULL = [1.0] * 10


@pytest.mark.parametrize(
    ("made", "weights"),
    [
        ("", FULL),
        (transition("luma", 3, 6, b_track=1), DISSOLVE),
        (transition("luma", 3, 6, b_track=1, reverse=1), TURNED),
        (transition("luma", 3, 6, b_track=1, invert=1), TURNED),
        (transition("luma", 3, 6, b_track=1, invert=1, reverse=1), TURNED),
        (transition("luma", 3, 6, a_track=1, b_track=0), TURNED),
        (transition("luma", 3, 6, b_track=1, disable=1), FULL),
        (transition("luma", b_track=1, **{"in": 3, "out": 6}), DISSOLVE),
        (transition("luma", 4, 4, b_track=1), [1.0] * 4 + [0.5] + [1.0] * 5),
        (transition("mix", 3, 6, b_track=1), FULL),
        (transition("composite", 3, 6, a_track=1, b_track=0), [1, 1, 1, 0, 0, 0, 0, 1, 1, 1]),
        (transition("composite", 3, 6, b_track=1, geometry="0/0:100%x100%:50%"), HALF),
        (transition("composite", 3, 6, b_track=1, geometry="0/0:192x64:50%"), HALF),
        (transition("affine", 3, 6, b_track=1, rect="0=0 0 192 64 0.2;3=0 0 192 64 0.8"), RAMP),
        (
            transition("qtblend", 3, 6, b_track=1, rect="0=0% 0% 100% 100% 20%;3=0 0 192 64 .8"),
            RAMP,
        ),
        (transition("qtblend", b_track=1, always_active=1), FULL),
    ],
)
def test_transitions_as_rendered(tmp_path: Path, made: str, weights: list[float]) -> None:
    timeline = read(tmp_path, *two_tracks(made))
    painted = pictures(timeline)
    assert [round(painted[k].get(1010 + k, 0), 3) for k in range(10)] == weights
    assert [round(painted[k].get(10 + k, 0), 3) for k in range(10)] == [
        round(1 - weight, 3) for weight in weights
    ]
    assert timeline.remarks == ()


def test_percent_of_old_documents(tmp_path: Path) -> None:
    fade = transition("composite", 3, 6, b_track=1, geometry="0=0/0:192x64:0;-1=0/0:192x64:100")
    old = (*two_tracks(fade),)
    painted = pictures(read(tmp_path, *old, attributes='version="6.4.1"'))
    assert [round(painted[k].get(1010 + k, 0), 3) for k in range(3, 7)] == [0, 0.333, 0.667, 1]
    painted = pictures(read(tmp_path, *old, attributes='version="7.12.0"'))
    assert [round(painted[k].get(1010 + k, 0), 3) for k in range(3, 7)] == [0, 1, 1, 1]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (transition("luma", 3, 6, b_track=1, resource="wipe.pgm"), ("approximated", "a dissolve")),
        (transition("composite", 3, 6, b_track=1, luma="wipe.pgm"), ("refused", "wipe")),
        (transition("qtblend", 3, 6, b_track=1, compositing=11), ("refused", "blends")),
        (transition("qtblend", 3, 6, b_track=1, rect="9 0 50 50 1"), ("refused", "shown full")),
        (transition("frei0r.screen", 3, 6, b_track=1), ("refused", "shown over")),
        (
            transition("qtblend", 3, 6, b_track=1, rect="0a=0 0 192 64 0;3=0 0 192 64 1"),
            ("approximated", "eases"),
        ),
        (
            transition("slide", 3, 6, b_track=1, **{"kdenlive:mixcut": 2}),
            ("approximated", "a dissolve"),
        ),
        (transition("luma", b_track=1, always_active=1), ("refused", "without an end")),
    ],
)
def test_what_a_transition_cannot_be(tmp_path: Path, made: str, said: tuple[str, str]) -> None:
    (remark,) = read(tmp_path, *two_tracks(made)).remarks
    assert (remark.verdict, said[1] in remark.what) == (said[0], True)
    assert remark.record in (FrameRange(3, 7), FrameRange(0, 10))


THREE = (
    playlist("t0", entry("A", 10, 19)),
    playlist("t1", blank(4), entry("A", 100, 104)),
    playlist("t2", entry("B", 10, 19)),
)


@pytest.mark.parametrize(
    ("service", "pair", "frames"),
    [
        ("composite", (0, 2), [1010, 1011, 1012, 1013, 100, 101, 102, 103, 1018, 1019]),
        ("composite", (1, 2), [1010, 1011, 1012, 1013, 1014, 1015, 1016, 1017, 1018, 1019]),
        ("composite", (0, 1), [1010, 1011, 1012, 1013, 1014, 1015, 1016, 1017, 1018, 1019]),
    ],
)
def test_three_tracks_as_rendered(
    tmp_path: Path, service: str, pair: tuple[int, int], frames: list[int]
) -> None:
    made = transition(service, 2, 7, a_track=pair[0], b_track=pair[1])
    root = tractor("main", track("t0"), track("t1"), track("t2"), made)
    assert numbers(read(tmp_path, A, B, *THREE, root)) == frames


def test_two_playlists_take_turns(tmp_path: Path) -> None:
    """What comes in lies over what goes, whichever of the two playlists it is in."""
    first = playlist("p0", entry("A", 0, 9), blank(10), entry("A", 100, 109))
    second = playlist("p1", blank(6), entry("B", 0, 17))
    inner = tractor(
        "V",
        track("p0"),
        track("p1"),
        transition("luma", 6, 9, b_track=1),
        transition("luma", 20, 23, b_track=1, reverse=1),
    )
    timeline = read(tmp_path, A, B, first, second, inner, tractor("main", track("V")))
    assert [clip.record.start for clip in timeline.tracks[0].clips] == [0, 6, 20]
    assert [
        None if c.opacity is None else c.opacity[:5].round(3).tolist()
        for c in timeline.tracks[0].clips
    ] == [
        None,
        [0.0, 0.25, 0.5, 0.75, 1.0],
        [0.0, 0.25, 0.5, 0.75, 1.0],
    ]
    assert shares(timeline, 20, 1014) == [1.0, 0.75, 0.5, 0.25]


# --- filters


@pytest.mark.parametrize(
    ("made", "light"),
    [
        (filter_("brightness", 10, 19, level="0=0;9=1"), [k / 9 for k in range(10)]),
        (filter_("brightness", 10, 19, start=0, end=1), [k / 9 for k in range(10)]),
        (filter_("brightness", 12, 17, start=0, end=1), [1, 1, 0, 0.2, 0.4, 0.6, 0.8, 1, 1, 1]),
        (filter_("brightness", 10, 19, level="0=0;-5=1"), [0, 0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1]),
        (filter_("brightness", 10, 19, level="0|=0.2;5=1"), [0.2] * 5 + [1] * 5),
        (filter_("brightness", level="0.5"), [0.5] * 10),
        (filter_("brightness", level="0=0;9=1"), [1] * 10),
        (filter_("brightness", 10, 19, level="0=0;9=1", disable=1), [1] * 10),
        (filter_("brightness", 10, 19, level=1, alpha="0=0;9=1"), [1] * 10),
        (filter_("volume", 10, 19, level="0=0;9=1"), [1] * 10),
    ],
)
def test_fades_as_rendered(tmp_path: Path, made: str, light: list[float]) -> None:
    timeline = read(tmp_path, A, playlist("main", entry("A", 10, 19, made)))
    shown = timeline.tracks[0].clips[0].gain
    assert (np.ones(10) if shown is None else shown) == pytest.approx(light)
    alone = read(
        tmp_path, A, playlist("t0", entry("A", 10, 19, made)), tractor("main", track("t0"))
    )
    assert alone.tracks[0].clips[0].opacity is None  # nothing below that could be let through
    assert timeline.remarks == ()


def test_a_fade_by_transparency(tmp_path: Path) -> None:
    made = filter_("brightness", 10, 19, level=1, alpha="0=0;9=1")
    over = transition("composite", b_track=1, always_active=1)
    painted = pictures(read(tmp_path, *two_tracks(over, upper=made)))
    assert [round(painted[k].get(1010 + k, 0), 2) for k in range(10)] == [
        0,
        0.11,
        0.22,
        0.33,
        0.44,
        0.56,
        0.67,
        0.78,
        0.89,
        1,
    ]
    assert painted[3][13] == pytest.approx(2 / 3)


def test_a_fade_by_transparency_within_a_transition_is_told(tmp_path: Path) -> None:
    made = filter_("brightness", 10, 19, level=1, alpha="0=0;9=1")
    (remark,) = read(tmp_path, *two_tracks(transition("luma", 3, 6, b_track=1), upper=made)).remarks
    assert (remark.verdict, remark.record) == ("approximated", FrameRange(3, 7))
    later = filter_("brightness", 18, 19, level=1, alpha="0=0;1=1")
    over = transition("luma", 3, 6, b_track=1)
    assert read(tmp_path, *two_tracks(over, upper=later)).remarks == ()


def test_a_fade_of_a_whole_track(tmp_path: Path) -> None:
    row = playlist(
        "main",
        entry("A", 0, 4),
        blank(2),
        entry("A", 0, 4),
        filter_("brightness", 3, 9, level="0=0;6=1"),
    )
    light = [1, 1, 1, 0, 1 / 6, 0, 0, 4 / 6, 5 / 6, 1, 1, 1]
    painted = pictures(read(tmp_path, A, row))
    assert [sum(picture.values()) for picture in painted] == pytest.approx(light)
    inner = filter_("brightness", 3, 9, level="0=0;6=1")
    root = tractor("main", track("t0"), inner)
    painted = pictures(read(tmp_path, A, playlist("t0", entry("A", 0, 9)), root))
    assert [sum(picture.values()) for picture in painted][2:6] == pytest.approx(
        [1, 0, 1 / 6, 2 / 6]
    )


def test_an_opacity_that_is_drawn_with_the_picture(tmp_path: Path) -> None:
    made = filter_("qtblend", 10, 19, rect="0=0 0 192 64 0;9=0 0 192 64 1")
    over = transition("qtblend", b_track=1, always_active=1)
    timeline = read(tmp_path, *two_tracks(over, upper=made))
    assert shares(timeline, 4, 1014)[0] == 0.444
    assert timeline.remarks == ()


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (
            filter_("frei0r.hueshift0r", 12, 13),
            ("refused", "effect 'frei0r.hueshift0r': shown without it"),
        ),
        (filter_("boxblur", kdenlive_id="blur"), ("refused", "effect 'blur': shown without it")),
        (filter_("qtblend", rect="5 5 10 10 1"), ("refused", "effect 'qtblend': shown full")),
        (
            filter_("qtblend", rect="0 0 192 64 1", rotation="30"),
            ("refused", "effect 'qtblend': shown full"),
        ),
        (
            filter_("brightness", level="1.5"),
            ("approximated", "effect 'brightness' brighter than 1: kept at 1"),
        ),
        (
            filter_("brightness", 10, 19, level="0b=0;9=1"),
            ("approximated", "'brightness' eases between keyframes: drawn straight"),
        ),
    ],
)
def test_what_a_filter_cannot_be(tmp_path: Path, made: str, said: tuple[str, str]) -> None:
    timeline = read(tmp_path, A, playlist("main", blank(5), entry("A", 10, 19, made)))
    assert told(timeline) == [said]
    assert timeline.remarks[0].record == FrameRange(5, 15)


@pytest.mark.parametrize(
    "service",
    [
        "volume",
        "panner",
        "sox.echo",
        "ladspa.1",
        "avfilter.acompressor",
        "avfilter.loudnorm",
        "audiochannels",
    ],
)
def test_sound_is_passed_over(tmp_path: Path, service: str) -> None:
    timeline = read(tmp_path, A, playlist("main", entry("A", 10, 19, filter_(service, 10, 19))))
    assert timeline.remarks == ()


@pytest.mark.parametrize(
    ("made", "frames"),
    [
        (filter_("freeze", frame=4), [14] * 6),
        (filter_("freeze", frame=4, freeze_after=1), [10, 11, 12, 13, 14, 14]),
        (filter_("freeze", frame=4, freeze_before=1), [14, 14, 14, 14, 14, 15]),
        (filter_("freeze", 10, 15, frame=4, freeze_after=1), [10, 11, 12, 13, 14, 15]),
    ],
)
def test_freezes_as_rendered(tmp_path: Path, made: str, frames: list[int]) -> None:
    assert numbers(read(tmp_path, A, playlist("main", entry("A", 10, 15, made)))) == frames


# --- time remapping


def remapped(link: str, attributes: str = "out='99'") -> str:
    return f'<chain id="R" {attributes}>{tags(resource="a.mp4")}<link>{link}</link></chain>'


@pytest.mark.parametrize(
    ("link", "frames", "verdicts"),
    [
        (tags(mlt_service="timeremap", map="0=1;50=5"), [42, 44, 46, 49, 51], []),
        (
            tags(mlt_service="timeremap", time_map="0=1;50=5"),
            [42, 44, 46, 49, 51],
            ["approximated"],
        ),
        (tags(mlt_service="timeremap", speed_map="0=2"), [10, 11, 13, 16, 18], ["approximated"]),
        (tags(mlt_service="timeremap", speed_map="0=1;10=3"), [7, 9, 11, 13, 16], ["approximated"]),
        (
            tags(mlt_service="timeremap", map="0=1;50=5", image_mode="blend"),
            [42, 44, 46, 49, 51],
            ["approximated"],
        ),
        (tags(mlt_service="timeremap", map="0a=1;50=5"), [42, 44, 46, 49, 51], ["approximated"]),
        (tags(mlt_service="timeremap"), [5, 6, 7, 8, 9], []),
        (tags(mlt_service="swirl"), [5, 6, 7, 8, 9], ["refused"]),
    ],
)
def test_remaps(tmp_path: Path, link: str, frames: list[int], verdicts: list[str]) -> None:
    timeline = read(tmp_path, remapped(link), playlist("main", entry("R", 5, 9)))
    assert numbers(timeline) == frames
    assert [remark.verdict for remark in timeline.remarks] == verdicts


# --- nesting


def test_nested_as_rendered(tmp_path: Path) -> None:
    inner = (
        playlist("n0", entry("A", 10, 19)),
        playlist("n1", blank(5), entry("A", 100, 103)),
        tractor("N", track("n0"), track("n1")),
    )
    row = playlist("main", entry("N", 3, 8), entry("A", 20, 21), entry("N", 7, 15))
    timeline = read(tmp_path, A, *inner, row)
    assert numbers(timeline) == [13, 14, 100, 101, 102, 103, 20, 21, 102, 103, 19]
    assert isinstance(timeline.tracks[0].clips[0].media, Timeline)
    assert [media.name for media in timeline.media()] == ["a.mp4"]


def test_a_nested_blank_lets_through_as_rendered(tmp_path: Path) -> None:
    inner = playlist("N", entry("A", 10, 14), blank(3), entry("A", 30, 32))
    rows = playlist("t0", entry("C", 50, 69)), playlist("t1", entry("N", 0, 10))
    timeline = read(tmp_path, A, C, inner, *rows, tractor("main", track("t0"), track("t1")))
    assert numbers(timeline) == [
        10,
        11,
        12,
        13,
        14,
        2046,
        2047,
        2048,
        30,
        31,
        32,
        2051,
        2052,
        2053,
        2053,
        2054,
        2055,
        2056,
        2057,
        2057,
    ]


def test_what_is_told_inside_is_told_there(tmp_path: Path) -> None:
    inner = playlist("N", entry("A", 10, 14, filter_("boxblur")))
    timeline = read(tmp_path, A, inner, playlist("main", entry("N", 0, 4), entry("N", 0, 4)))
    nested = timeline.tracks[0].clips[0].media
    assert isinstance(nested, Timeline)
    assert (timeline.remarks, [remark.verdict for remark in nested.remarks]) == ((), ["refused"])
    assert timeline.tracks[0].clips[1].media is nested


# --- what has no latent vectors


@pytest.mark.parametrize(
    ("made", "count", "verdicts"),
    [
        (producer("K", resource="black", mlt_service="color"), 1, []),
        (producer("K", resource="#ff000000", mlt_service="colour"), 1, []),
        (producer("K", resource="#00000000", mlt_service="color"), 0, []),
        (producer("K", resource="red", mlt_service="color"), 0, ["refused"]),
        (producer("K", resource="x.png", mlt_service="qimage"), 0, ["refused"]),
        (producer("K", mlt_service="kdenlivetitle"), 0, ["refused"]),
        (producer("K", resource="x.mp4", set__test_image=1).replace("set:", "set."), 0, []),
        (producer("K", resource="x.wav", video_index=-1), 0, []),
    ],
)
def test_colours_titles_pictures_and_sound(
    tmp_path: Path, made: str, count: int, verdicts: list[str]
) -> None:
    timeline = read(tmp_path, A, made, playlist("main", entry("K", 0, 3), entry("A", 0, 0)))
    assert len(timeline.tracks[0].clips) == count + 1
    assert numbers(timeline) == [None] * 4 + [0]
    assert [remark.verdict for remark in timeline.remarks] == verdicts
    assert all(remark.record == FrameRange(0, 4) for remark in timeline.remarks)
    assert [media.name for media in timeline.media()] == ["a.mp4"]


# --- footage


def test_the_original_comes_first(tmp_path: Path) -> None:
    binned = producer(
        "1",
        kdenlive__originalurl="/films/night.mp4",
        resource="/proxies/abc.mkv",
        kdenlive__proxy="/proxies/abc.mkv",
    )
    warp = producer("2", resource="2:/proxies/abc.mkv", mlt_service="timewarp")
    plain = producer("3", resource="/films/night.mp4", kdenlive__proxy="-")
    row = playlist("main", entry("2", 0, 3), entry("1", 0, 3), entry("3", 0, 3))
    for made in ((binned, warp, plain), (warp, plain, binned), (plain, binned, warp)):
        timeline = read(tmp_path, *made, row)
        assert [media.places for media in timeline.media()] == [
            ("/films/night.mp4", "/proxies/abc.mkv")
        ]


def test_places_are_seen_from_the_documents_root(tmp_path: Path) -> None:
    made = producer("1", resource="a.mp4"), producer("2", resource="/b.mp4")
    row = playlist("main", entry("1", 0, 3), entry("2", 0, 3))
    timeline = read(tmp_path, *made, row, attributes='root="/films/"')
    assert [media.places for media in timeline.media()] == [("/films/a.mp4",), ("/b.mp4",)]


def test_what_the_edit_says_of_footage(tmp_path: Path) -> None:
    stated = tags(**{"meta.media.frame_rate_num": 30000, "meta.media.frame_rate_den": 1001})
    made = producer("1", inside=stated, resource="a.mp4", length=300)
    other = producer(
        "2", inside=tags(**{"meta.media.0.stream.frame_rate": 30}), resource="b.mp4", length=200
    )
    row = playlist("main", entry("1", 0, 3), entry("2", 0, 3))
    found = {media.name: media for media in read(tmp_path, made, other, row).media()}
    assert (found["a.mp4"].rate, found["a.mp4"].frames) == (FrameRate(30000, 1001), None)
    assert (found["b.mp4"].rate, found["b.mp4"].frames) == (FrameRate(30), 200)


# --- choosing


def test_a_track_by_name_or_number(tmp_path: Path) -> None:
    rows = two_tracks(transition("luma", 3, 6, b_track=1))
    assert numbers(read(tmp_path, *rows, track="2")) == list(range(1010, 1020))
    assert numbers(read(tmp_path, *rows, track="t0")) == list(range(10, 20))
    assert numbers(read(tmp_path, *rows, track="T0")) == list(range(10, 20))
    for wrong in ("0", "3", "x", "-1", "9" * 30):
        with pytest.raises(InstrumentError, match=r"no video track .*, allowed: 1 t0, 2 t1"):
            read(tmp_path, *rows, track=wrong)
    with pytest.raises(InstrumentError, match="no track '2', allowed is 1"):
        read(tmp_path, A, playlist("main", entry("A", 0, 1)), track="2")


def test_what_is_played(tmp_path: Path) -> None:
    rows = playlist("one", entry("A", 1, 1)), playlist("two", entry("A", 2, 2))
    assert numbers(read(tmp_path, A, *rows)) == [2]
    assert numbers(read(tmp_path, A, *rows, attributes='producer="one"')) == [1]
    assert numbers(read(tmp_path, A, *rows, sequence="one")) == [1]
    assert numbers(read(tmp_path, producer("X", "in='3' out='5'", resource="a.mp4"))) == [3, 4, 5]
    with pytest.raises(InstrumentError, match="no sequence 'three'"):
        read(tmp_path, A, *rows, sequence="three")


def test_a_long_row_is_read_soon(tmp_path: Path) -> None:
    path = tmp_path / "long.mlt"
    row = "".join(entry("A", k % 200, k % 200 + 8) for k in range(50_000))
    path.write_text(document(A, playlist("main", row)), encoding="utf-8")
    started = time.process_time()
    timeline = mlt.read(path)
    assert time.process_time() - started < 20  # measured: 0.6
    assert (timeline.length, len(timeline.tracks[0].clips)) == (450_000, 50_000)
