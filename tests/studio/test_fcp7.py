"""Final Cut Pro 7 XML: minimal documents for every feature, and hostile ones."""

import time

import edit_oracle as oracle
import pytest

from instrument import InstrumentError
from instrument.studio import fcp7
from instrument.studio.timeline import Timeline
from instrument.timebase import FrameRate

RATE = "<rate><timebase>30</timebase><ntsc>FALSE</ntsc></rate>"
FILES = {
    name: f'<file id="{name}"><name>{name}.mp4</name><pathurl>file://localhost/m/{name}.mp4</pathurl>'
    f"{RATE}<duration>300</duration></file>"
    for name in ("proxyA", "proxyB")
}


def clip(name, start, end, first, last, more="", file=None):
    source = FILES[name] if file is None else file
    return (
        f"<clipitem><name>{name}</name>{RATE}<start>{start}</start><end>{end}</end>"
        f"<in>{first}</in><out>{last}</out>{source}{more}</clipitem>"
    )


def mix(start, end, name="Cross Dissolve"):
    return (
        f"<transitionitem><start>{start}</start><end>{end}</end><alignment>center</alignment>"
        f"<effect><name>{name}</name></effect></transitionitem>"
    )


def effect(kind, *parameters, media="video", more=""):
    rows = "".join(
        f"<parameter><parameterid>{key}</parameterid>{value}</parameter>"
        for key, value in parameters
    )
    return (
        f"<filter>{more}<effect><name>{kind}</name><effectid>{kind}</effectid>"
        f"<mediatype>{media}</mediatype>{rows}</effect></filter>"
    )


def value(number):
    return f"<value>{number}</value>"


def keys(*pairs):
    return "".join(f"<keyframe><when>{w}</when><value>{v}</value></keyframe>" for w, v in pairs)


def track(*items, more=""):
    return f"<track>{''.join(items)}{more}</track>"


def sequence(*tracks, more="", name="s", rate=RATE):
    video = f"<media><video><format/>{''.join(tracks)}</video></media>"
    return f'<sequence id="{name}"><name>{name}</name>{rate}{more}{video}</sequence>'


@pytest.fixture
def read(tmp_path):
    def read_text(text, **more) -> Timeline:
        path = tmp_path / "e.xml"
        whole = f'<?xml version="1.0"?><!DOCTYPE xmeml><xmeml version="4">{text}</xmeml>'
        path.write_text(whole)
        return fcp7.read(path, **more)

    return read_text


def told(timeline):
    return [(r.verdict, r.record and (r.record.start, r.record.stop)) for r in timeline.remarks]


def shown(read, item, **more):
    return oracle.indexes(read(sequence(track(item)), **more))


def test_every_frame_of_the_truth_file():
    oracle.agree(fcp7.read(oracle.EDITS / "nle_fcp7.xml"), "nle_fcp7")


def test_cuts_and_gaps_and_files_named_once(read):
    again = clip("proxyA", 5, 8, 100, 103, file='<file id="proxyA"/>')
    made = read(sequence(track(clip("proxyA", 0, 3, 10, 13), again)))
    assert oracle.indexes(made) == [10, 11, 12, None, None, 100, 101, 102]
    (media,) = made.media()
    assert media.places == ("/m/proxyA.mp4", "proxyA.mp4", "proxyA")
    assert (media.rate, media.frames) == (FrameRate(30), 300)


def test_a_transition_whose_clips_say_minus_one(read):
    items = (clip("proxyA", 0, -1, 0, 12), mix(8, 12), clip("proxyB", -1, 20, 40, 52))
    made = read(sequence(track(*items)))
    assert oracle.painted(made)[9] == {9: 0.75, 5041: 0.25}
    assert oracle.painted(made)[12] == {5044: 1.0}
    assert made.length == 20


def test_a_transition_whose_clips_say_where_they_are_cut(read):
    items = (clip("proxyA", 0, 10, 0, 10), mix(8, 12), clip("proxyB", 10, 20, 42, 52))
    minus = (clip("proxyA", 0, -1, 0, 12), mix(8, 12), clip("proxyB", -1, 20, 40, 52))
    one, other = (oracle.painted(read(sequence(track(*each)))) for each in (items, minus))
    assert one == other


def test_fades_are_transitions_beside_nothing(read):
    items = (mix(0, 4), clip("proxyA", -1, -1, 0, 20), mix(16, 20))
    frames = oracle.painted(read(sequence(track(*items))))
    assert [round(frames[k].get(k, 0), 3) for k in range(5)] == [0, 0.25, 0.5, 0.75, 1]
    assert [round(frames[k].get(k, 0), 3) for k in range(16, 20)] == [1, 0.75, 0.5, 0.25]


def test_other_transitions(read):
    items = (clip("proxyA", 0, 10, 0, 10), mix(8, 12, "Wipe"), clip("proxyB", 10, 20, 42, 52))
    assert told(read(sequence(track(*items)))) == [("approximated", (8, 12))]


def remap(speed, *more, reverse="FALSE"):
    return effect(
        "timeremap", ("variablespeed", value(0)), ("speed", value(speed)),
        ("reverse", value(reverse)),
        *more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("speed", "first", "last", "wanted"),
    [
        (200, 10, 14, [20, 22, 24, 26]),  # in and out after the change of speed
        (200, 10, 18, [10, 12, 14, 16]),  # or in the footage, as some write: twice as many
        (50, 40, 44, [20, 21, 21, 22]),
        (50, 40, 42, [40, 41, 41, 42]),
        (0, 40, 44, [40] * 4),
        (100, 40, 44, [40, 41, 42, 43]),
    ],
)
def test_speeds(read, speed, first, last, wanted):
    made = read(sequence(track(clip("proxyA", 0, 4, first, last, remap(speed)))))
    assert oracle.indexes(made) == wanted
    assert made.remarks == ()


@pytest.mark.parametrize(
    ("speed", "first", "last", "wanted"),
    [
        (100, 290, 294, [9, 8, 7, 6]),  # 290 frames after the last of 300, backwards
        (-100, 290, 294, [9, 8, 7, 6]),
        (200, 10, 18, [17, 15, 13, 11]),
    ],
)
def test_reversed_clips_and_that_they_are_told(read, speed, first, last, wanted):
    made = read(sequence(track(clip("proxyA", 0, 4, first, last, remap(speed, reverse="TRUE")))))
    assert oracle.indexes(made) == wanted
    assert told(made) == [("approximated", (0, 4))]


def test_a_speed_graph(read):
    graph = ("graphdict", keys((0, 0), (12, 20), (14, 24), (100, 60)))
    item = clip("proxyA", 0, 4, 12, 16, remap(150, graph))
    assert shown(read, item) == [20, 22, 24, 24]
    varies = effect("timeremap", ("variablespeed", value(1)), graph)
    made = read(sequence(track(clip("proxyA", 0, 4, 12, 16, varies))))
    assert oracle.indexes(made) == [20, 22, 24, 24]
    assert told(made) == [("approximated", (0, 4))]
    back = ("graphdict", keys((0, 61), (60, 1)))
    made = read(sequence(track(clip("proxyA", 0, 4, 0, 4, remap(100, back, reverse="TRUE")))))
    assert oracle.indexes(made) == [60, 59, 58, 57]


def test_opacity(read):
    half = effect("opacity", ("opacity", value(50)))
    assert oracle.painted(read(sequence(track(clip("proxyA", 0, 1, 7, 8, half))))) == [{7: 0.5}]
    fade = effect("opacity", ("opacity", value(100) + keys((10, 0), (14, 100))))
    frames = oracle.painted(read(sequence(track(clip("proxyA", 0, 6, 10, 16, fade)))))
    assert [round(f.get(10 + k, 0), 3) for k, f in enumerate(frames)] == [0, 0.25, 0.5, 0.75, 1, 1]
    basic = effect("basic", ("opacity", value(50)), ("scale", value(100)))
    made = read(
        sequence(track(clip("proxyA", 0, 1, 7, 8)), track(clip("proxyB", 0, 1, 7, 8, basic)))
    )
    assert oracle.painted(made) == [{7: 0.5, 5007: 0.5}]
    assert told(made) == []


def test_filters_that_are_refused_and_filters_that_are_not_there(read):
    moved = effect("basic", ("scale", value(80)), ("center", "<value><horiz>0</horiz></value>"))
    blur = effect("gaussian blur")
    for one in (moved, blur, "<compositemode>add</compositemode>"):
        assert told(read(sequence(track(clip("proxyA", 2, 6, 0, 4, one))))) == [("refused", (2, 6))]
    off = effect("blur", more="<enabled>FALSE</enabled>")
    sound = effect("gain", media="audio")
    plain = effect("basic", ("scale", value(100)), ("rotation", value(0)))
    item = clip("proxyA", 0, 4, 0, 4, off + sound + plain + "<compositemode>normal</compositemode>")
    assert read(sequence(track(item))).remarks == ()


def test_what_is_off(read):
    made = read(
        sequence(
            track(
                clip("proxyA", 0, 4, 0, 4), clip("proxyB", 4, 6, 0, 2, "<enabled>FALSE</enabled>")
            ),
            track(clip("proxyB", 0, 4, 0, 4), more="<enabled>FALSE</enabled>"),
        )
    )
    assert oracle.indexes(made) == [0, 1, 2, 3]
    assert [t.hidden for t in made.tracks] == [False, True]


def test_generators(read):
    slug = clip("Slug", 0, 2, 0, 2, file="").replace("clipitem", "generatoritem")
    title = slug.replace("Slug", "Text")
    made = read(sequence(track(clip("proxyA", 0, 4, 0, 4)), track(slug)))
    assert oracle.indexes(made) == [None, None, 2, 3]
    made = read(sequence(track(clip("proxyA", 0, 4, 0, 4)), track(title)))
    assert (oracle.indexes(made), told(made)) == ([0, 1, 2, 3], [("refused", (0, 2))])


def test_stills_and_master_clips(read):
    still = FILES["proxyA"].replace("proxyA.mp4", "logo.png").replace('id="proxyA"', 'id="l"')
    item = clip("logo", 1, 3, 0, 2, file=still)
    made = read(sequence(track(clip("proxyA", 0, 4, 0, 4)), track(item)))
    assert (oracle.indexes(made), told(made)) == ([0, 1, 2, 3], [("refused", (1, 3))])
    stills = still.replace("logo.png", "proxyA.00001.png")
    assert read(sequence(track(clip("x", 0, 2, 0, 2, file=stills)))).media()
    tracks = f"<media><video><track><clipitem>{FILES['proxyB']}</clipitem></track></video></media>"
    master = f'<bin><children><clip id="m1"><name>proxyB</name>{tracks}</clip></children></bin>'
    ticks = "<pproTicksIn>999999</pproTicksIn><masterclipid>m1</masterclipid>"
    used = clip("proxyB", 0, 2, 7, 9, more=ticks, file="")
    assert oracle.indexes(read(master + sequence(track(used)))) == [5007, 5008]


def test_nested_sequences(read):
    inner = sequence(track(clip("proxyA", 0, 10, 50, 60)), name="inner")
    one = clip("proxyA", 0, 4, 3, 7, file=inner)
    two = clip("proxyA", 4, 6, 0, 2, file='<sequence id="inner"/>')
    assert oracle.indexes(read(sequence(track(one, two)))) == [53, 54, 55, 56, 50, 51]
    ring = sequence(track(clip("proxyA", 0, 4, 0, 4, file='<sequence id="s"/>')))
    with pytest.raises(InstrumentError, match="lies inside itself"):
        read(ring)
    with pytest.raises(InstrumentError, match="sequence 'none': is defined nowhere"):
        read(sequence(track(clip("proxyA", 0, 4, 0, 4, file='<sequence id="none"/>'))))


def test_sequences_by_name(read):
    two = "".join(sequence(track(clip(f"proxy{n}", 0, 2, 0, 2)), name=n) for n in "AB")
    project = f"<project><children><bin><children>{two}</children></bin></children></project>"
    assert oracle.indexes(read(project)) == [0, 1]
    assert oracle.indexes(read(project, sequence="B")) == [5000, 5001]
    with pytest.raises(InstrumentError, match="no sequence 'C', there are 'A', 'B'"):
        read(project, sequence="C")


def test_rates(read):
    ntsc = "<rate><timebase>30</timebase><ntsc>TRUE</ntsc></rate>"
    made = read(sequence(track(clip("proxyA", 0, 4, 0, 4)), rate=ntsc))
    assert made.rate == FrameRate(30000, 1001)
    film = "<rate><timebase>25</timebase><ntsc>FALSE</ntsc></rate>"
    item = clip("proxyA", 0, 6, 50, 55).replace(RATE, film, 1)  # 5 frames of 25 on 6 of 30
    assert shown(read, item)[:3] == [60, 61, 62]
    grid = clip("proxyA", 0, 6, 50, 56).replace(RATE, film, 1)  # as long as on the sequence
    assert shown(read, grid) == [50, 51, 52, 53, 54, 55]
    bare = sequence(track(clip("proxyA", 0, 4, 0, 4)), rate="")
    assert read(bare, rate=FrameRate(24)).rate == FrameRate(24)
    with pytest.raises(InstrumentError, match="say --rate"):
        read(bare)
    with pytest.raises(InstrumentError, match="leave --rate out"):
        read(sequence(track()), rate=FrameRate(24))


def test_markers_timecode_and_length(read):
    code = f"<timecode>{RATE}<string>01:00:00:00</string></timecode><duration>20</duration>"
    mark = "<marker><name>m</name><comment>c</comment><in>7</in><out>-1</out></marker>"
    on_clip = "<marker><name>on clip</name><in>12</in></marker><marker><in>90</in></marker>"
    made = read(sequence(track(clip("proxyA", 2, 8, 10, 16, on_clip)), more=code + mark))
    assert [(m.frame, m.name, m.note) for m in made.markers] == [(4, "on clip", ""), (7, "m", "c")]
    assert (made.start, made.length, made.timecode(0)) == (108000, 20, "01:00:00:00")


def test_tracks(read):
    made = sequence(track(clip("proxyA", 0, 2, 0, 2)), track(clip("proxyB", 0, 2, 0, 2)))
    assert oracle.indexes(read(made)) == [5000, 5001]
    assert oracle.indexes(read(made, track="1")) == [0, 1]


def test_a_subclip(read):
    sub = "<subclipinfo><startoffset>100</startoffset><endoffset>0</endoffset></subclipinfo>"
    assert shown(read, clip("proxyA", 0, 3, 5, 8, sub)) == [105, 106, 107]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no sequence"),
        ("<sequence/>", "no sequence"),
        (sequence(track(clip("proxyA", 0, 4, 9, 2))), "in 9 lies after out 2"),
        (sequence(track(clip("proxyA", 9, 4, 0, 4))), "start 9, end 4"),
        (sequence(track(clip("proxyA", -7, 4, 0, 4))), "start -7"),
        (
            sequence(track(clip("proxyA", 0, 4, 0, 4, file='<file id="x"/>'))),
            "file 'x': is defined",
        ),
        (sequence(track(clip("proxyA", 0, 999999999, 0, 4))), "end 999999999"),
        (sequence(track(clip("proxyA", 0, "x", 0, 4))), "end 'x'"),
        (sequence(track(clip("proxyA", 0, "1" * 99, 0, 4))), "must be a number"),
        (sequence(track(mix(9, 2))), "start 9, end 2"),
        (sequence(track(), rate=RATE.replace("30", "0")), "timebase 0"),
        (sequence(track(), rate=RATE.replace("30", "-5")), "timebase -5"),
        (sequence(track(), more="<duration>99999999999</duration>"), "duration"),
        (sequence(track(clip("proxyA", 0, 4, 0, 4, remap("fast")))), "speed 'fast'"),
        (sequence(track(clip("proxyA", 0, 4, 0, 4, remap("1e30")))), "speed"),
    ],
)
def test_hostile_documents_are_one_line(read, text, reason):
    begin = time.perf_counter()
    with pytest.raises(InstrumentError, match=reason) as caught:
        read(text)
    assert "\n" not in str(caught.value) and "e.xml" in str(caught.value)
    assert time.perf_counter() - begin < 10


def test_sequences_that_use_each_other_many_times_are_read_once(read):
    text = sequence(track(clip("proxyA", 0, 4, 0, 4)), name="0")
    for n in range(1, 8):
        items = (
            clip("proxyA", 4 * k, 4 * k + 4, 0, 4, file=f'<sequence id="{n - 1}"/>')
            for k in range(40)
        )
        text += sequence(track(*items), name=str(n))
    made = read(text, sequence="7")
    assert made.length == 160
    text += sequence(track(clip("proxyA", 0, 4, 0, 4, file='<sequence id="7"/>')), name="8")
    with pytest.raises(InstrumentError, match="nest deeper than 8"):
        read(text, sequence="8")


def test_many_clips_in_little_time(read):
    items = [clip("proxyA", n, n + 1, n % 300, n % 300 + 1) for n in range(3000)]
    begin = time.perf_counter()
    assert read(sequence(track(*items))).length == 3000
    assert time.perf_counter() - begin < 10
