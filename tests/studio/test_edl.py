"""CMX3600: every way an event is written, the truth file, and OpenTimelineIO's adapter beside."""

import time
import warnings

import edit_oracle as oracle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.studio import edl
from instrument.studio.edl_lines import frame_of, timecode_of
from instrument.studio.timeline import LONGEST
from instrument.timebase import FrameRate

RATE = FrameRate(30)
NTSC = FrameRate(30000, 1001)
HEAD = "TITLE: t\nFCM: NON-DROP FRAME\n\n"
CUT = "001  proxyA   V     C        00:00:02:00 00:00:03:00 01:00:00:00 01:00:01:00\n"


@pytest.fixture
def read(tmp_path):
    def read_text(text, rate=RATE, **more):
        path = tmp_path / "e.edl"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return edl.read(path, rate=rate, **more)

    return read_text


def event(number, reel, kind, source, record, *, frames="", channel="V"):
    codes = " ".join(timecode_of(frame, RATE) for frame in (*source, *record))
    return f"{number:03d}  {reel}  {channel}  {kind} {frames} {codes}\n"


def test_every_frame_of_the_truth_file():
    oracle.agree(edl.read(oracle.EDITS / "edl.edl", rate=RATE), "edl")


def test_the_rate_is_guessed_and_the_guess_told():
    timeline = edl.read(oracle.EDITS / "edl.edl")
    oracle.agree(timeline, "edl")
    assert timeline.rate == RATE
    assert [r.verdict for r in timeline.remarks] == ["approximated"]
    assert "--rate" in timeline.remarks[0].what
    assert edl.read(oracle.EDITS / "edl.edl", rate=RATE).remarks == ()


@pytest.mark.parametrize(
    ("rate", "last"), [("24", 23), ("25", 24), ("30", 29), ("50", 49), ("60", 59)]
)
def test_guesses(read, rate, last):
    base = FrameRate.parse(rate)
    codes = [timecode_of(f, base) for f in (last, last + 110, 0, 110)]
    assert read(f"{HEAD}001 proxyA V C {' '.join(codes)}\n", None).rate == base


def test_semicolons_mean_drop_frame(read):
    codes = "00:00:00;00 00:01:00;02 01:00:00;00 01:01:00;02"
    timeline = read(f"FCM: DROP FRAME\n001 proxyA V C {codes}\n", None)
    assert (timeline.rate, timeline.length) == (NTSC, 1800)


def test_counting_may_change_on_the_way(read):
    """The same numbers a minute in: two of them are dropped after FCM says so, none before."""
    codes = "00:00:00:00 00:00:01:00 01:01:00:02 01:01:01:02"
    head = "001 proxyA V C 00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00\n"
    for word, frame in (("NON-DROP", 1802), ("DROP", 1800)):
        text = f"FCM: {word} FRAME\n{head}FCM: {word} FRAME\n002 proxyA V C {codes}\n"
        assert read(text, NTSC).tracks[0].clips[1].record.start == frame
    mixed = f"FCM: NON-DROP FRAME\n{head}FCM: DROP FRAME\n002 proxyA V C {codes}\n"
    # 01:00:00:00 counted without dropping is frame 108000, 01:01:00:02 with it 109692.
    assert read(mixed, NTSC).tracks[0].clips[1].record.start == 109692 - 108000


def test_time_counts_from_the_first_record_in(read):
    timeline = read(HEAD + CUT)
    assert (timeline.start, timeline.length) == (108000, 30)
    assert timeline.timecode(0) == "01:00:00:00"
    assert oracle.indexes(timeline) == list(range(60, 90))


def test_events_in_any_order_and_gaps(read):
    text = event(1, "proxyB", "C", (0, 10), (130, 140)) + event(
        2, "proxyA", "C", (5, 15), (100, 110)
    )
    assert oracle.indexes(read(text)) == [*range(5, 15), *[None] * 20, *range(5000, 5010)]


@pytest.mark.parametrize(
    ("speed", "shown"),
    [
        ("060.0", [60, 62, 64, 66]), ("015.0", [60, 61, 61, 62]), ("-030.0", [60, 59, 58, 57]),
        ("- 15.0", [60, 60, 59, 59]), ("000.0", [60, 60, 60, 60]), ("030.0", [60, 61, 62, 63]),
    ],
)  # fmt: skip
def test_motion_holds_whatever_the_source_out_says(read, speed, shown):
    """Resolve writes the source range as long as the record's; the M2 counts all the same."""
    text = event(1, "proxyA", "C", (60, 64), (0, 4)) + f"M2   proxyA  {speed}   00:00:02:00\n"
    timeline = read(text)
    assert oracle.indexes(timeline) == shown
    assert timeline.remarks == ()


def test_freeze_frame_and_fitted_speed(read):
    frozen = event(1, "proxyA", "C", (60, 64), (0, 4)) + "* * FREEZE FRAME\n"
    assert oracle.indexes(read(frozen)) == [60] * 4
    fitted = read(event(1, "proxyA", "C", (60, 68), (0, 4)))
    assert oracle.indexes(fitted) == [60, 62, 64, 66]
    assert fitted.remarks[0].verdict == "approximated"
    assert fitted.remarks[0].record.stop == 4


@pytest.mark.parametrize("rounded", ["029.9", "030.0", "29.97"])
def test_ordinary_speed_at_ntsc_rates(read, rounded):
    text = event(1, "proxyA", "C", (60, 64), (0, 4)) + f"M2 proxyA {rounded} 00:00:02:00\n"
    assert oracle.indexes(read(text, NTSC)) == [60, 61, 62, 63]


def test_a_dissolve_in_one_line_or_two(read):
    one = event(1, "proxyA", "C", (0, 10), (0, 10)) + event(
        2, "proxyB", "D", (0, 20), (10, 30), frames="004"
    )
    two = event(1, "proxyA", "C", (0, 10), (0, 10)) + (
        event(2, "proxyA", "C", (10, 10), (10, 10))
        + event(2, "proxyB", "D", (0, 20), (10, 30), frames="004")
    )
    assert oracle.painted(read(one)) == oracle.painted(read(two))
    assert oracle.painted(read(one))[11] == {11: 0.75, 5001: 0.25}
    assert oracle.painted(read(one))[14] == {5004: 1.0}


def test_the_outgoing_half_may_be_footage_of_its_own(read):
    text = event(1, "proxyA", "C", (50, 50), (0, 0)) + event(
        1, "proxyB", "D", (0, 10), (0, 10), frames="002"
    )
    assert oracle.painted(read(text))[:3] == [{50: 1.0}, {51: 0.5, 5001: 0.5}, {5002: 1.0}]


def test_fades_are_dissolves_with_black(read):
    text = (
        event(1, "BL", "C", (0, 0), (0, 0))
        + event(1, "proxyA", "D", (0, 10), (0, 10), frames="004")
        + event(2, "BL", "D", (0, 10), (10, 20), frames="005")
    )
    shown = oracle.painted(read(text))
    assert shown[1] == {1: 0.25}
    assert [round(f.get(10 + k, 0), 3) for k, f in enumerate(shown[10:15])] == [
        1,
        0.8,
        0.6,
        0.4,
        0.2,
    ]
    assert shown[15:] == [{}] * 5


def test_wipes_and_keys_are_told(read):
    text = (
        event(1, "proxyA", "C", (0, 10), (0, 10))
        + event(2, "proxyB", "W001", (0, 10), (10, 20), frames="004")
        + event(3, "proxyA", "KB", (0, 10), (20, 30))
        + event(3, "proxyB", "K", (0, 10), (20, 30), frames="000")
    )
    timeline = read(text)
    assert [(r.verdict, r.record.start, r.record.stop) for r in timeline.remarks] == [
        ("approximated", 10, 14), ("refused", 20, 30),
    ]  # fmt: skip
    assert oracle.indexes(timeline)[20:] == list(range(10))
    assert oracle.painted(timeline)[12] == {12: 0.5, 5002: 0.5}


def test_names(read):
    text = (
        event(1, "AX", "C", (0, 10), (0, 10)) + "* FROM CLIP NAME: proxyA.mp4\n"
        + "* SOURCE FILE: /films/My Show/proxyA.mov\n"
        + event(2, "AX", "C", (10, 10), (10, 10))
        + event(2, "AX", "D", (0, 10), (10, 20), frames="002")
        + "* FROM CLIP NAME: proxyA.mp4\n* TO CLIP NAME: proxyB.mp4\n"
        + event(3, "TAPE01", "C", (0, 10), (20, 30)) + "*FROM FILE: proxyC.mov\n"
    )  # fmt: skip
    timeline = read(text)
    media = list(timeline.media())
    assert [m.name for m in media] == ["proxyA.mp4", "proxyB.mp4", "proxyC.mov"]
    assert media[0].places == ("/films/My Show/proxyA.mov", "proxyA.mp4")
    assert media[2].places == ("proxyC.mov", "TAPE01")
    assert "AX" not in {place for m in media for place in m.places}


def test_markers(read):
    text = HEAD + CUT + (
        "* LOC: 01:00:00:14 RED     ANIM FIX NEEDED\n* LOC: 01:00:00:02 GREEN\n"
        "* LOC: 00:00:00:02 RED too early\n* LOC: nonsense\n"
    )  # fmt: skip
    assert [(m.frame, m.name, m.note) for m in read(text).markers] == [
        (2, "", "GREEN"), (14, "ANIM FIX NEEDED", "RED"),
    ]  # fmt: skip


def test_tracks(read):
    text = (
        event(1, "proxyA", "C", (0, 20), (0, 20), channel="B")
        + event(2, "proxyB", "C", (0, 5), (5, 10), channel="V2")
        + event(3, "sound", "C", (0, 30), (0, 30), channel="A")
        + event(4, "sound", "C", (0, 30), (0, 30), channel="NONE")
    )
    timeline = read(text)
    assert [t.name for t in timeline.tracks] == ["V", "V2"]
    assert oracle.indexes(timeline) == [*range(5), *range(5000, 5005), *range(10, 20)]
    assert oracle.indexes(read(text, track="V2")) == [*[None] * 5, *range(5000, 5005)]
    assert oracle.indexes(read(text, track="1")) == list(range(20))
    with pytest.raises(InstrumentError, match=r"no track 'V9', there are 1 \(V\), 2 \(V2\)"):
        read(text, track="V9")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings(read, encoding):
    timeline = read((HEAD + CUT + "* FROM CLIP NAME: été.mp4\r\n").encode(encoding))
    assert [m.name for m in timeline.media()] == ["été.mp4"]


def test_what_other_programs_add_is_passed_over(read):
    text = HEAD + ">>> SOURCE proxyA\n" + CUT + (
        "EFFECTS NAME IS CROSS DISSOLVE\n* ASC_SOP (1 1 1)(0 0 0)(1 1 1)\nSPLIT: AUDIO DELAY= 1\n"
        "* FROM CLIP IS A STILL\n\n"
    )  # fmt: skip
    assert oracle.indexes(read(text)) == list(range(60, 90))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no event"),
        ("TITLE: x\n", "no event"),
        ("make it nice\n", "no event"),
        ("001 proxyA V C 00:00:00:00\n", "line 1: '001 proxyA V C 00:00:00:00' is no event"),
        (HEAD + CUT.replace("01:00:01:00", "01:00:01:30"), "line 4: timecode 01:00:01:30"),
        (HEAD + CUT.replace("01:00:01:00", "00:00:01:00"), "line 4: record out 00:00:01:00 lies"),
        (HEAD + CUT.replace("01:00:01:00", "999:00:01:00"), "lasts"),
        (HEAD + CUT.replace(" V ", " A "), "no event with a picture"),
        (event(1, "a", "D", (0, 4), (0, 4), frames="9999"), "transition of 9999 frames"),
        ("001 " + "x" * 3000, "longer than 2000"),
        (HEAD + CUT + "M2 proxyA 99999999999999999999 00:00:00:00", "too large|too far"),
    ],
)
def test_faults_are_one_line(read, text, reason):
    with pytest.raises(InstrumentError, match=reason) as caught:
        read(text)
    assert "\n" not in str(caught.value) and "e.edl" in str(caught.value)


def test_a_sequence_and_a_missing_file(read, tmp_path):
    with pytest.raises(InstrumentError, match="one sequence"):
        read(HEAD + CUT, sequence="x")
    with pytest.raises(InstrumentError, match="no such file"):
        edl.read(tmp_path / "none.edl", rate=RATE)
    with pytest.raises(InstrumentError, match="cannot be read"):
        edl.read(tmp_path, rate=RATE)


def test_large_ones_are_refused_or_read_quickly(read):
    begin = time.perf_counter()
    with pytest.raises(InstrumentError, match="16 MiB"):
        read(b"0" * ((16 << 20) + 1))
    with pytest.raises(InstrumentError):
        read("001 " + "9 " * 990 + "\n" * 100_000)
    lines = [event(n, "proxyA", "C", (n, n + 1), (n, n + 1)) for n in range(20_000)]
    assert read("".join(lines)).length == 20_000
    assert time.perf_counter() - begin < 20  # a generous bound: a quadratic reader takes minutes


@given(st.integers(0, 24 * 3600 * 30 - 1), st.sampled_from([NTSC, FrameRate(60000, 1001)]))
def test_drop_frame_timecode_there_and_back(frame, rate):
    code = timecode_of(frame, rate, True)
    assert frame_of(code, rate, True) == frame
    dropped = 2 if rate == NTSC else 4
    if code[4] != "0" and code[6:8] == "00":
        assert int(code[9:]) >= dropped


def test_known_drop_frame_timecodes():
    for code, frame in (("00:01:00;02", 1800), ("00:10:00;00", 17982), ("01:00:00;00", 107892)):
        assert frame_of(code, NTSC, False) == frame
        assert timecode_of(frame, NTSC, True) == code
    assert frame_of("00:01:00:00", NTSC, False) == 1800


cuts = st.lists(
    st.tuples(st.sampled_from(["proxyA", "proxyB"]), st.integers(0, 200), st.integers(1, 40),
              st.integers(0, 12), st.sampled_from([0, 0, 4, 9])), min_size=1, max_size=8,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(cuts)
def test_beside_the_adapter(tmp_path_factory, parts):
    """Cuts, gaps and dissolves as OpenTimelineIO's own reader sees them."""
    adapter = pytest.importorskip("otio_cmx3600_adapter.cmx_3600")
    from instrument.studio.otio import timeline_in

    text, at, previous = HEAD, 108000, None
    for number, (reel, first, length, gap, mix) in enumerate(parts, start=1):
        if previous is None or gap or mix > length or not mix:
            at += gap if previous is not None else 0
            text += event(number, reel, "C", (first, first + length), (at, at + length))
        else:
            out = previous[1] + previous[2]
            text += event(number, previous[0], "C", (out, out), (at, at))
            text += event(number, reel, "D", (first, first + length), (at, at + length),
                          frames=f"{mix:03d}")  # fmt: skip
        text += f"* FROM CLIP NAME: {reel}\n* TO CLIP NAME: {reel}\n"
        at += length
        previous = (reel, first, length)
    path = tmp_path_factory.mktemp("edl") / "e.edl"
    path.write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = adapter.read_from_string(text, rate=30)
    for track in read.tracks:
        track.source_range = None  # it puts minus the first record-in there
    other = timeline_in(read.to_json_string().encode(), path, rate=RATE)
    ours, theirs = oracle.painted(edl.read(path, rate=RATE)), oracle.painted(other)
    ours += [{}] * (len(theirs) - len(ours))
    assert len(ours) == len(theirs)
    for frame, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        assert set(a) == set(b), frame
        assert np.allclose([a[k] for k in sorted(a)], [b[k] for k in sorted(b)]), frame


def test_where_the_adapter_is_not_exact():
    """Why there is a reader of our own: speeds of Resolve, which the adapter passes over."""
    adapter = pytest.importorskip("otio_cmx3600_adapter.cmx_3600")
    text = event(1, "proxyA", "C", (60, 90), (0, 30)) + "M2 proxyA 060.0 00:00:02:00\n"
    clip = adapter.read_from_string(text, rate=30).tracks[0][0]
    assert list(clip.effects) == []
    with pytest.raises(Exception, match=r"Unknown event type|KB|incorrect"):
        adapter.read_from_string(event(1, "a", "KB", (0, 9), (0, 9)), rate=30)


def test_limits_are_those_of_a_timeline(read):
    long = event(1, "proxyA", "C", (0, 4), (0, 4)).replace("00:00:00:04", "99:59:59:29")
    with pytest.raises(InstrumentError, match=str(LONGEST)):
        read(long)
