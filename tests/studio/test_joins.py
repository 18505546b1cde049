"""Transitions laid over cuts: weights, lengths, order; tracks picked; files and rates by name."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument import InstrumentError
from instrument.studio.joins import Join, laid, picked, run_on, trimmed, veiled
from instrument.studio.keyed import straight
from instrument.studio.places import is_ntsc, kind_of, naming, nominal, places_of, rate_of, stem_of
from instrument.studio.retiming import Footage
from instrument.studio.timeline import LONGEST, Clip, Media, Track
from instrument.timebase import FrameRange, FrameRate

RATE = FrameRate(30)
FOOTAGE = Footage(RATE, 300)


def clip(start, stop, first=0, opacity=None):
    line = straight(Fraction(first, 30), Fraction(1), RATE, stop - start)
    return Clip(Media("a", ("a",)), FrameRange(start, stop), line, "a", opacity)


def frames(one):
    return one.retiming.frames(np.arange(len(one.record)), FOOTAGE).tolist()


@given(st.integers(1, 20), st.integers(0, 20), st.integers(0, 20), st.integers(0, 9))
def test_both_clips_run_on_and_every_frame_stays_where_it_was(length, before, after, first):
    one, two = clip(20, 40, first), clip(40, 40 + length, 50)
    out, came = laid([one, two], [Join(0, 1, 40 - before, 40 + after)], 40 + length)
    stop = min(40 + max(after if before + after else 0, 0), 40 + length)
    assert out.record == FrameRange(20, max(40, stop))
    assert frames(out)[:20] == list(range(first, first + 20))
    assert frames(came)[came.opacity is not None and before :][:1] == [50]
    if before + after and before < 50:
        rise = (np.arange(len(came.record)) + 0) / (before + after)
        assert np.allclose(came.opacity, np.minimum(rise, 1.0))


def test_nothing_lies_beyond_the_ends():
    out, came = laid([clip(0, 4), clip(4, 8, 9)], [Join(0, 1, -4, 12)], 8)
    assert (out.record, came.record) == (FrameRange(0, 8), FrameRange(0, 8))
    assert np.allclose(came.opacity, (np.arange(8) + 4) / 16)
    assert laid([clip(0, 4)], [Join(0, None, 9, 20)], 8)[0].record == FrameRange(0, 4)


def test_in_from_nothing_and_out_to_nothing():
    (one,) = laid([clip(0, 8)], [Join(None, 0, 0, 2), Join(0, None, 4, 8)], 8)
    assert np.allclose(one.opacity, [0, 0.5, 1, 1, 1, 0.75, 0.5, 0.25])
    assert laid([clip(0, 8)], [Join(None, None, 0, 4)], 8)[0].opacity is None


def test_no_more_curves_than_memory():
    long = clip(0, LONGEST)
    with pytest.raises(InstrumentError, match="transitions over more than"):
        laid([long] * 3, [Join(None, n, 0, 4) for n in range(3)], LONGEST)


def test_opacity_that_is_there_is_kept():
    half = clip(2, 6, opacity=np.full(4, 0.5))
    grown = run_on(half, 0, 8)
    assert np.allclose(grown.opacity, 0.5) and len(grown.opacity) == 8
    assert np.allclose(veiled(grown, 2, np.array([0.0, 1.0])).opacity[1:5], [0.5, 0, 0.5, 0.5])
    assert run_on(half, 3, 5) is half


@given(st.integers(0, 12), st.integers(0, 12))
def test_what_is_trimmed_is_a_part_of_it(start, stop):
    one = clip(4, 10, 7, np.linspace(0, 1, 6))
    part = trimmed(one, start, stop)
    rows = [k for k in range(4, 10) if start <= k < stop]
    if not rows:
        assert part is None
        return
    assert list(part.record) == rows
    assert frames(part) == [k + 3 for k in rows]
    assert np.allclose(part.opacity, [(k - 4) / 5 for k in rows])


def test_tracks_by_name_and_number():
    tracks = (Track("low", ()), Track("2", (), hidden=True), Track("high", ()))
    assert picked(tracks, None, Path("e")) == tracks
    assert picked(tracks, "1", Path("e"))[0].name == "low"
    assert picked(tracks, "2", Path("e"))[0].hidden is False
    assert picked(tracks, "3", Path("e"))[0].name == "high"
    for wanted in ("0", "4", "٣", "9" * 400, "", "lower"):
        with pytest.raises(InstrumentError, match=r"e: no track .*1 \(low\)"):
            picked(tracks, wanted, Path("e"))
    with pytest.raises(InstrumentError, match="there are none"):
        picked((), "1", Path("e"))


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("file:///a/b%20c.mov", "/a/b c.mov"), ("file://localhost/a/b.mov", "/a/b.mov"),
        ("FILE:///C:/a.mov", "C:/a.mov"), ("file:a.mov", "a.mov"), ("a%20b.mov", "a b.mov"),
        ("/plain/100%.mov", "/plain/100%.mov"), (r"C:\x\y.mov", r"C:\x\y.mov"),
        ("file:///a.mov?x=1#y", "/a.mov"), ("  a.mov ", "a.mov"),
        ("file:///a%FFb.mov", "/a\ufffdb.mov"),
    ],
)  # fmt: skip
def test_paths_and_urls(name, first):
    assert places_of(name)[0] == first


def test_names_that_say_nothing():
    assert places_of(None, "", "  ", "a\0b") == ()
    assert places_of("a b", "a%20b") == ("a b", "a%20b")
    assert (stem_of(None, "file:///x/y.mov"), stem_of(r"C:\x\y.mov"), stem_of("")) == (
        "y.mov", "y.mov", "",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.mov", "film"), ("a.wav", "sound"), ("a.PNG", "still"), ("a.00001.png", "film"),
     ("a.%05d.png", "film"), ("a[1-9].exr", "film"), ("png", "film"), ("", "film")],
)  # fmt: skip
def test_kinds_of_files(name, kind):
    assert kind_of(name) == kind


@pytest.mark.parametrize(
    ("number", "rate"),
    [(29.97, (30000, 1001)), (23.976, (24000, 1001)), (23.98, (24000, 1001)),
     (59.94, (60000, 1001)),
     (30000 / 1001, (30000, 1001)), (24.0, (24, 1)), (12.5, (25, 2)), (30.0, (30, 1)),
     (Fraction(30000, 1001), (30000, 1001)), (119.88, (120000, 1001))],
)  # fmt: skip
def test_rates_as_people_write_them(number, rate):
    assert rate_of(number) == FrameRate(*rate)


@pytest.mark.parametrize("number", [0.0, -1.0, float("nan"), float("inf"), 1e9, 1e-9])
def test_rates_that_are_none(number):
    with pytest.raises(InstrumentError, match="frame rate"):
        rate_of(number)


def test_counting():
    assert [nominal(FrameRate(*r)) for r in ((30000, 1001), (25, 1), (25, 2))] == [30, 25, 13]
    dropping = [is_ntsc(FrameRate(n * 1000, 1001)) for n in (24, 30, 48, 60, 120)]
    assert dropping == [False, True, False, True, True]


def test_errors_name_the_file_once():
    with pytest.raises(InstrumentError, match=r"^e\.edl: wrong$"), naming(Path("e.edl")):
        raise InstrumentError("wrong")
    with pytest.raises(InstrumentError, match=r"^e\.edl: wrong$"), naming(Path("e.edl")):
        raise InstrumentError("e.edl: wrong")
