"""FCPXML: minimal documents for every feature, and hostile ones."""

import time

import edit_oracle as oracle
import pytest

from instrument import InstrumentError
from instrument.studio import fcpx
from instrument.studio.timeline import Timeline
from instrument.timebase import FrameRate

RESOURCES = """
<format id="f" frameDuration="1/30s"/><format id="film" frameDuration="100/2500s"/>
<format id="ntsc" frameDuration="1001/30000s"/><format id="none"/>
<format id="named" name="FFVideoFormat1080p2997"/>
<asset id="A" name="proxyA" start="0s" duration="300/30s" format="f" src="file:///m/proxyA.mov"/>
<asset id="B" name="proxyB" start="3600s" duration="10s" format="f">
 <media-rep kind="proxy-media" src="small/proxyB.mov"/>
 <media-rep kind="original-media" src="big/proxyB.mov"/></asset>
<asset id="C" name="proxyC" start="0s" duration="10s" format="film" src="proxyC.mov"/>
<effect id="title" name="Basic Title"/>
<media id="compound" name="inside"><sequence format="f" tcStart="10s"><spine>
 <asset-clip ref="A" offset="10s" start="2s" duration="1s"/></spine></sequence></media>
<media id="cam" name="cam"><multicam format="f" tcStart="0s">
 <mc-angle name="one" angleID="a1">
  <asset-clip ref="A" offset="0s" start="1s" duration="2s"/></mc-angle>
 <mc-angle name="two" angleID="a2"><gap offset="0s" duration="1s"/>
  <asset-clip ref="B" offset="1s" start="3600s" duration="1s"/></mc-angle></multicam></media>
"""


def f(frames):
    return f"{frames}/30s"


def clip(ref, offset, start, length, inside="", more=""):
    """An asset-clip; times in frames of 30 a second, B's own first frame called 3600 s."""
    start = start + 108000 if ref == "B" else start
    return (
        f'<asset-clip ref="{ref}" name="{ref}" offset="{f(offset)}" start="{f(start)}" '
        f'duration="{f(length)}" {more}>{inside}</asset-clip>'
    )


def edit(*items, more='format="f" tcStart="0s"', extra=""):
    spine = "".join(items)
    return (
        f"<resources>{RESOURCES}{extra}</resources><library><event><project name='p'>"
        f"<sequence {more}><spine>{spine}</spine></sequence></project></event></library>"
    )


@pytest.fixture
def read(tmp_path):
    def read_text(text, **more) -> Timeline:
        path = tmp_path / "e.fcpxml"
        whole = f'<?xml version="1.0"?><!DOCTYPE fcpxml><fcpxml version="1.10">{text}</fcpxml>'
        path.write_text(whole)
        return fcpx.read(path, **more)

    return read_text


def told(timeline):
    return [(r.verdict, r.record and (r.record.start, r.record.stop)) for r in timeline.remarks]


def shown(read, *items, **more):
    return oracle.indexes(read(edit(*items), **more))


def test_every_frame_of_the_truth_file():
    oracle.agree(fcpx.read(oracle.EDITS / "nle_fcpx.fcpxml"), "nle_fcpx")


def test_cuts_and_gaps(read):
    items = (clip("A", 0, 10, 3), '<gap offset="3/30s" duration="2/30s"/>', clip("B", 5, 7, 2))
    assert shown(read, *items) == [10, 11, 12, None, None, 5007, 5008]


def test_media(read):
    media = list(read(edit(clip("A", 0, 0, 3), clip("B", 3, 0, 3))).media())
    assert media[0].places == ("/m/proxyA.mov", "proxyA")
    assert media[1].places == ("big/proxyB.mov", "small/proxyB.mov", "proxyB")
    assert [(m.rate, m.frames) for m in media] == [(FrameRate(30), 300)] * 2


def test_clips_without_offset_or_start(read):
    items = ('<asset-clip ref="A" duration="2/30s"/>', '<asset-clip ref="B" duration="2/30s"/>')
    assert shown(read, *items) == [0, 1, 5000, 5001]


def test_timecode_and_offsets_that_count_from_it(read):
    made = read(edit(clip("A", 108000, 0, 2), more='format="f" tcStart="3600s" duration="4/30s"'))
    assert (made.start, made.length, oracle.indexes(made)) == (108000, 4, [0, 1, None, None])
    loose = read(edit(clip("A", 0, 0, 2), more='format="f" tcStart="3600s"'))
    assert oracle.indexes(loose) == [0, 1]


@pytest.mark.parametrize(
    ("form", "rate"),
    [("f", FrameRate(30)), ("ntsc", FrameRate(30000, 1001)), ("named", FrameRate(30000, 1001)),
     ("film", FrameRate(25))],
)  # fmt: skip
def test_rates(read, form, rate):
    assert read(edit(clip("A", 0, 0, 30), more=f'format="{form}"')).rate == rate


def test_a_rate_that_is_not_said_or_said_twice(read):
    silent = edit(clip("A", 0, 0, 30), more='format="none"')
    assert read(silent, rate=FrameRate(24)).length == 24
    with pytest.raises(InstrumentError, match="say --rate"):
        read(silent)
    with pytest.raises(InstrumentError, match="leave --rate out"):
        read(edit(clip("A", 0, 0, 3)), rate=FrameRate(24))


def test_footage_of_another_rate_shows_the_frame_that_began_last(read):
    item = f'<asset-clip ref="C" offset="0s" start="2s" duration="{f(6)}"/>'
    assert shown(read, item) == [9050, 9050, 9051, 9052, 9053, 9054]
    conform = '<conform-rate scaleEnabled="1" srcFrameRate="25"/>'
    made = read(edit(f'<asset-clip ref="C" start="0s" duration="{f(6)}">{conform}</asset-clip>'))
    assert oracle.indexes(made) == list(range(9000, 9006))
    assert told(made) == [("approximated", (0, 6))]


def timemap(*points, interp="linear", more=""):
    rows = "".join(f'<timept time="{f(t)}" value="{f(v)}" interp="{interp}"/>' for t, v in points)
    return f"<timeMap {more}>{rows}</timeMap>"


@pytest.mark.parametrize(
    ("points", "start", "wanted"),
    [
        (((0, 0), (150, 300)), 10, [20, 22, 24, 26]),
        (((0, 0), (600, 300)), 20, [10, 10, 11, 11]),
        (((0, 299), (299, 0)), 0, [299, 298, 297, 296]),
        (((0, 30), (300, 30)), 0, [30] * 4),
        (((0, 0), (2, 2), (4, 8)), 0, [0, 1, 2, 5]),
    ],
)
def test_time_maps(read, points, start, wanted):
    made = read(edit(clip("A", 0, start, 4, timemap(*points))))
    assert oracle.indexes(made) == wanted
    assert made.remarks == ()


def test_time_maps_that_are_told(read):
    eased = timemap((0, 0), (2, 2), (4, 8), interp="smooth")
    assert told(read(edit(clip("A", 0, 0, 4, eased)))) == [("approximated", (0, 4))]
    flow = timemap((0, 0), (600, 300), more='frameSampling="optical-flow-classic"')
    made = read(edit(clip("A", 0, 20, 4, flow)))
    assert (oracle.indexes(made), told(made)) == ([10, 11, 11, 12], [("approximated", (0, 4))])
    for bad in (timemap((0, 0)), timemap(), timemap((0, 0), (0, 4))):
        with pytest.raises(InstrumentError, match="two timept"):
            read(edit(clip("A", 0, 0, 4, bad)))


def mix(offset, length, name="Cross Dissolve"):
    return f'<transition name="{name}" offset="{f(offset)}" duration="{f(length)}"/>'


def test_transitions(read):
    made = read(edit(clip("A", 0, 10, 10), mix(8, 4), clip("B", 10, 20, 10)))
    assert oracle.painted(made)[9] == {19: 0.75, 5019: 0.25}
    assert oracle.painted(made)[11] == {21: 0.25, 5021: 0.75}
    frames = oracle.painted(read(edit(mix(0, 4), clip("A", 0, 10, 10), mix(6, 4))))
    assert [round(frames[k].get(10 + k, 0), 3) for k in (0, 1, 4, 6, 7)] == [0, 0.25, 1, 1, 0.75]
    made = read(edit(clip("A", 0, 10, 10), mix(8, 4, "Bands"), clip("B", 10, 20, 10)))
    assert told(made) == [("approximated", (8, 12))]


def test_connected_clips_lie_at_offsets_of_their_clips_own_time(read):
    above = clip("B", 102, 5, 3, more='lane="1"')
    below = clip("B", 100, 50, 20, more='lane="-1"')
    made = read(edit(clip("A", 0, 100, 8, above + below)))
    assert oracle.indexes(made)[:9] == [100, 101, 5005, 5006, 5007, 105, 106, 107, 5058]
    assert [t.name for t in made.tracks] == ["lane -1", "primary", "lane 1"]
    assert oracle.indexes(read(edit(clip("A", 0, 100, 8, above)), track="lane 1"))[2:5] == [
        5005, 5006, 5007,
    ]  # fmt: skip


def test_connected_storylines_and_clips_on_clips(read):
    line = f'<spine lane="1" offset="{f(102)}">{clip("B", 0, 5, 2)}{clip("B", 2, 9, 2)}</spine>'
    made = read(edit(clip("A", 0, 100, 8, line)))
    assert oracle.indexes(made) == [100, 101, 5005, 5006, 5009, 5010, 106, 107]
    deep = clip("B", 101, 5, 4, clip("A", 108006, 200, 1, more='lane="1"'), more='lane="1"')
    assert oracle.indexes(read(edit(clip("A", 0, 100, 4, deep))))[:4] == [100, 5005, 200, 5007]


def test_on_a_gap_and_on_a_retimed_clip(read):
    held = clip("B", 108001, 5, 2, more='lane="1"')
    gap = f'<gap offset="0s" start="3600s" duration="{f(4)}">{held}</gap>'
    assert shown(read, gap) == [None, 5005, 5006, None]
    on = timemap((0, 0), (150, 300)) + clip("B", 12, 5, 1, more='lane="1"')
    assert shown(read, clip("A", 0, 10, 4, on)) == [20, 22, 5005, 26]


def test_blends_keyframes_and_fades(read):
    half = '<adjust-blend amount="0.5"/>'
    assert oracle.painted(read(edit(clip("A", 0, 7, 1, half)))) == [{7: 0.5}]
    keys = "".join(f'<keyframe time="{f(7 + k)}" value="{v}"/>' for k, v in ((0, 0), (4, 1)))
    moving = (
        f'<adjust-blend amount="1"><param name="amount"><keyframeAnimation>{keys}'
        "</keyframeAnimation></param></adjust-blend>"
    )
    frames = oracle.painted(read(edit(clip("A", 0, 7, 6, moving))))
    assert [round(x.get(7 + k, 0), 3) for k, x in enumerate(frames)] == [0, 0.25, 0.5, 0.75, 1, 1]
    fade = (
        '<adjust-blend><param name="amount"><fadeIn type="linear" duration="2/30s"/>'
        '<fadeOut type="{}" duration="4/30s"/></param></adjust-blend>'
    )
    made = read(edit(clip("A", 0, 7, 8, fade.format("linear"))))
    frames = oracle.painted(made)
    assert [round(x.get(7 + k, 0), 3) for k, x in enumerate(frames)] == [
        0, 0.5, 1, 1, 1, 0.75, 0.5, 0.25,
    ]  # fmt: skip
    assert told(made) == []
    assert told(read(edit(clip("A", 0, 7, 8, fade.format("easeOut"))))) == [
        ("approximated", (0, 8))
    ]


@pytest.mark.parametrize(
    "inside",
    ['<filter-video ref="title" name="Blur"/>', '<adjust-transform scale="2 2"/>',
     '<adjust-crop mode="trim"><trim-rect left="5"/></adjust-crop>',
     '<adjust-blend amount="1" mode="2"/>'],
)  # fmt: skip
def test_effects_are_refused(read, inside):
    made = read(edit(clip("A", 0, 7, 8, inside)))
    assert (told(made), oracle.indexes(made)[0]) == ([("refused", (0, 8))], 7)


@pytest.mark.parametrize(
    "inside",
    ['<filter-video name="Blur" enabled="0"/>', '<adjust-transform scale="1 1" position="0 0"/>',
     '<adjust-conform type="fit"/>', '<adjust-volume amount="-3dB"/>', "<note>n</note>"],
)  # fmt: skip
def test_what_changes_nothing_is_passed_over(read, inside):
    assert told(read(edit(clip("A", 0, 7, 8, inside)))) == []


def test_what_is_off_and_what_is_only_heard(read):
    off = clip("A", 0, 7, 2, more='enabled="0"')
    heard = clip("A", 2, 7, 2, more='srcEnable="audio"')
    made = read(edit(off, heard, clip("A", 4, 0, 1)))
    assert (oracle.indexes(made), told(made)) == ([None] * 4 + [0], [])


def test_music_and_stills(read):
    extra = (
        '<asset id="M" name="music" hasAudio="1" format="f" src="music.mov" duration="9s"/>'
        '<asset id="W" name="w" src="w.wav" duration="9s"/>'
        '<asset id="L" name="logo" hasVideo="1" src="logo.png" format="none"/>'
    )
    lanes = "".join(clip(ref, 0, 0, 2, more=f'lane="{n}"') for ref, n in (("M", -1), ("W", -2)))
    made = read(edit(clip("A", 0, 0, 4, lanes + clip("L", 1, 0, 2, more='lane="1"')), extra=extra))
    assert oracle.indexes(made) == [0, 1, 2, 3]
    assert ([t.name for t in made.tracks], told(made)) == (["primary"], [("refused", (1, 3))])


def test_titles_are_left_out(read):
    title = f'<title ref="title" name="Hello" lane="1" offset="0s" duration="{f(3)}"/>'
    made = read(edit(clip("A", 0, 0, 4, title)))
    assert (oracle.indexes(made), told(made)) == ([0, 1, 2, 3], [("refused", (0, 3))])
    video = f'<video ref="title" offset="0s" duration="{f(3)}"/>'
    assert told(read(edit(video))) == [("refused", (0, 3))]


def test_auditions_show_their_first(read):
    audition = f"<audition>{clip('B', 0, 5, 2)}{clip('A', 0, 5, 2)}</audition>"
    assert shown(read, audition, clip("A", 2, 0, 1)) == [5005, 5006, 0]


def test_clips_around_a_video(read):
    inside = '<video ref="B" offset="10s" start="3601s" duration="5s"/>'
    item = f'<clip name="c" offset="0s" start="311/30s" duration="{f(3)}">{inside}</clip>'
    assert shown(read, item) == [5041, 5042, 5043]
    heard = f'<clip name="c" offset="0s" duration="{f(3)}"><audio ref="A"/></clip>'
    assert told(read(edit(heard, clip("A", 3, 0, 1)))) == []


def test_compound_clips(read):
    item = '<ref-clip ref="compound" offset="0s" start="{}" duration="3/30s"/>'
    assert shown(read, item.format("10s")) == [60, 61, 62]
    assert shown(read, item.format("302/30s")) == [62, 63, 64]
    assert shown(read, item.format("10s").replace('start="10s" ', "")) == [60, 61, 62]


def test_compound_clips_inside_themselves(read):
    ring = (
        '<media id="ring"><sequence format="f"><spine><ref-clip ref="ring" offset="0s" '
        'duration="1s"/></spine></sequence></media>'
    )
    item = '<ref-clip ref="ring" offset="0s" duration="3/30s"/>'
    with pytest.raises(InstrumentError, match="lies inside itself"):
        read(edit(item, extra=ring))
    chain = "".join(
        f'<media id="m{n}"><sequence format="f"><spine><ref-clip ref="m{n + 1}" duration="1s"/>'
        "</spine></sequence></media>"
        for n in range(12)
    )
    with pytest.raises(InstrumentError, match="nest deeper than 8"):
        read(edit('<ref-clip ref="m0" duration="1s"/>', extra=chain))


def test_synchronized_clips(read):
    inside = clip("A", 30, 60, 10, clip("B", 60, 0, 5, more='lane="-1"'))
    item = f'<sync-clip name="s" offset="0s" start="{f(32)}" duration="{f(3)}">{inside}</sync-clip>'
    assert shown(read, item)[:3] == [62, 63, 64]
    line = f"<spine>{clip('A', 0, 60, 10)}</spine>"
    item = f'<sync-clip offset="0s" start="{f(2)}" duration="{f(3)}">{line}</sync-clip>'
    assert shown(read, item) == [62, 63, 64]


@pytest.mark.parametrize(
    ("sources", "wanted"),
    [
        ('<mc-source angleID="a1" srcEnable="all"/>', [60, 61, 62]),
        ('<mc-source angleID="a1" srcEnable="audio"/><mc-source angleID="a2" srcEnable="video"/>',
         [5000, 5001, 5002]),
        ("", [60, 61, 62]),
    ],
)  # fmt: skip
def test_multicams(read, sources, wanted):
    item = f'<mc-clip ref="cam" offset="0s" start="1s" duration="{f(3)}">{sources}</mc-clip>'
    assert shown(read, item) == wanted


def test_markers(read):
    marks = (
        f'<marker start="{f(12)}" duration="1/30s" value="hit" note="n"/>'
        f'<chapter-marker start="{f(10)}" value="one"/><marker start="90s" value="outside"/>'
    )
    made = read(edit(clip("B", 0, 0, 5), clip("A", 5, 10, 5, marks)))
    assert [(m.frame, m.name, m.note) for m in made.markers] == [(5, "one", ""), (7, "hit", "n")]


def test_projects_by_name_and_bundles(read, tmp_path):
    text = edit(clip("A", 0, 10, 3))
    two = text.replace("</event>", text[text.index("<project") : text.index("</event>")].replace(
        "name='p'", "name='q'").replace('ref="A"', 'ref="B"').replace("10/30s", "3601s", 1)
        + "</event>")  # fmt: skip
    assert oracle.indexes(read(two)) == [10, 11, 12]
    assert oracle.indexes(read(two, sequence="q"))[0] == 5030
    assert oracle.indexes(read(two, sequence="inside")) == list(range(60, 90))
    with pytest.raises(InstrumentError, match="no sequence 'r', there are 'p', 'q'"):
        read(two, sequence="r")
    folder = tmp_path / "e.fcpxmld"
    folder.mkdir()
    (folder / "Info.fcpxml").write_bytes((tmp_path / "e.fcpxml").read_bytes())
    assert oracle.indexes(fcpx.read(folder)) == [10, 11, 12]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<resources/>", "no sequence"),
        (edit(clip("X", 0, 0, 3)), "asset 'X': is defined nowhere"),
        (edit(clip("f", 0, 0, 3)), "asset 'f': is defined nowhere"),
        (edit(clip("A", 0, 0, -3)), "below 0"),
        (edit(clip("A", -9, 0, 3)), "before all"),
        (edit(clip("A", 10**12, 0, 3)), "cut at frame"),
        (edit(clip("A", 0, 0, 10**12)), "cut at frame"),
        (edit(mix(0, -4)), "less than nothing"),
        (edit('<asset-clip ref="A" offset="abc"/>'), "offset 'abc'"),
        (edit('<asset-clip ref="A" duration="1/0s"/>'), "duration '1/0s'"),
        (edit(f'<asset-clip ref="A" duration="{"9" * 400}s"/>'), "duration"),
        (edit(f'<asset-clip ref="A" duration="{"9" * 19}s"/>'), "too far"),
        (edit(clip("A", 0, 0, 3, clip("A", 0, 0, 1, more='lane="x"'))), "lane 'x'"),
        (edit(clip("A", 0, 0, 3, '<adjust-blend amount="x"/>')), "amount 'x'"),
        (edit('<ref-clip ref="no" duration="1s"/>'), "media 'no'"),
        (edit('<mc-clip ref="compound" duration="1s"/>'), "no such angle"),
        (
            edit(more='format="zero"', extra='<format id="zero" frameDuration="0s"/>'),
            "frameDuration",
        ),
        ("<project><sequence format='f'/></project>", "format 'f'"),
    ],
)
def test_hostile_documents_are_one_line(read, text, reason):
    begin = time.perf_counter()
    with pytest.raises(InstrumentError, match=reason) as caught:
        read(text)
    assert "\n" not in str(caught.value) and "e.fcpxml" in str(caught.value)
    assert time.perf_counter() - begin < 10


def test_clips_on_clips_without_end(read):
    text = ""
    for _ in range(40):
        text = clip("A", 0, 0, 3, text, more='lane="1"')
    with pytest.raises(InstrumentError, match="nest deeper than 16"):
        read(edit(clip("A", 0, 0, 3, text)))
