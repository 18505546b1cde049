"""MLT documents that are broken, absurd or meant to harm: one line each, soon, or a reading."""

import random
import re
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from melt_edits import KINDS, edit
from mlt_files import (
    A,
    B,
    blank,
    document,
    entry,
    filter_,
    playlist,
    producer,
    tags,
    track,
    tractor,
    transition,
)

from instrument import InstrumentError
from instrument.latent.space import F64
from instrument.studio import mlt, mlt_lanes, mlt_tractor
from instrument.studio.mlt_lanes import Lane, weigh
from instrument.studio.retiming import Frozen
from instrument.studio.timeline import Clip
from instrument.timebase import FrameRange

ROW = playlist("main", entry("A", 0, 5))
LINK = f"<link>{tags(mlt_service='timeremap', map='0=')}</link>"
CHAIN = f'<chain id="A" out="9">{tags(resource="a.mp4")}{LINK}</chain>'


def refusal(folder: Path, text: str, **chosen: str) -> str:
    """The line in which a document is refused."""
    path = folder / "edit.kdenlive"
    path.write_text(text, encoding="utf-8")
    started = time.process_time()
    with pytest.raises(InstrumentError) as caught:
        mlt.read(path, **chosen)
    assert time.process_time() - started < 5
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    assert len(line) < len(str(path)) + 200
    return line.removeprefix(f"{path}: ")


def over(made: str) -> str:
    rows = playlist("t0", entry("A", 0, 9)), playlist("t1", entry("B", 0, 9))
    return document(A, B, *rows, tractor("main", track("t0"), track("t1"), made))


REFUSED = {
    "not xml": ("<mlt><playlist", "not XML"),
    "another": ("<svg/>", "begins with <svg>, allowed is <mlt> or <westley>"),
    "bomb": ("<!DOCTYPE mlt [<!ENTITY a 'a'>]><mlt/>", "declarations of its own"),
    "nothing": ("<mlt/>", "holds no playlist and no tractor"),
    "rate": (document(A, ROW, rate=(0, 1)), "<profile>: frame_rate_num and frame_rate_den"),
    "rate -": (document(A, ROW, rate=(-30, 1)), "whole numbers above 0"),
    "rate huge": (document(A, ROW, rate=(10**12, 1)), "whole numbers above 0"),
    "missing": (
        document(playlist("main", entry("Z", 0, 5))),
        "<entry> 'Z': there is no producer 'Z'",
    ),
    "no resource": (document('<producer id="A"/>', ROW), "<producer> 'A': names no resource"),
    "in > out": (
        document(A, playlist("main", entry("A", 5, 4))),
        "<entry> 'A': in 5 lies after out 4",
    ),
    "negative in": (
        document(A, playlist("main", entry("A", -5, 4))),
        "in is -5, allowed is 0 and more",
    ),
    "negative blank": (document(A, playlist("main", blank(-1))), "<blank>: length is -1"),
    "words": (document(A, playlist("main", entry("A", "x", 4))), "in: 'x' is no time, allowed are"),
    "no out": (document(A, playlist("main", '<entry producer="A" in="3"/>')), "has no out"),
    "endless blank": (
        document(A, playlist("main", blank(10**9))),
        "<blank>: reaches frame 1000000000",
    ),
    "endless clip": (document(A, playlist("main", entry("A", 0, 10**10))), "reaches frame"),
    "repeat": (
        document(A, playlist("main", '<entry producer="A" in="0" out="9" repeat="999999999999"/>')),
        "more than",
    ),
    "length": (document(producer("A", resource="a.mp4", length="-4"), ROW), "length is -4"),
    "length words": (
        document(producer("A", resource="a.mp4", length="x"), ROW),
        "length: 'x' is no time",
    ),
    "speed": (
        document(producer("A", resource="x:a.mp4", mlt_service="timewarp"), ROW),
        "speed: 'x' is no number",
    ),
    "fast": (
        document(producer("A", resource="1e9:a.mp4", mlt_service="timewarp"), ROW),
        "speed 1e9, allowed are",
    ),
    "slow": (
        document(producer("A", resource="1e-9:a.mp4", mlt_service="timewarp"), ROW),
        "speed 1e-9, allowed",
    ),
    "hold": (
        document(producer("A", resource="a.mp4", mlt_service="hold", frame="1e9"), ROW),
        "frame is 1e9",
    ),
    "self": (document(tractor("main", track("main"))), "contains itself"),
    "self playlist": (document(playlist("main", entry("main", 0, 1))), "contains itself"),
    "circle": (
        document(
            A, tractor("b", track("c")), tractor("c", track("d")), playlist("d", entry("b", 0, 1))
        ),
        "contains itself",
    ),
    "track": (document(tractor("main", track("z"))), "there is no producer 'z'"),
    "tracks": (
        over(transition("luma", 0, 3, b_track=9)),
        "joins tracks 0 and 9, allowed are two below 2",
    ),
    "same track": (over(transition("luma", 0, 3, a_track=1, b_track=1)), "joins tracks 1 and 1"),
    "track words": (over(transition("luma", 0, 3, b_track="x")), "b_track is 'x'"),
    "transition": (over(transition("luma", 9, 3, b_track=1)), "in 9 lies after out 3"),
    "rectangle": (
        over(transition("qtblend", 0, 3, b_track=1, rect="0=1 2")),
        "rectangle: '1 2' is no rectangle",
    ),
    "rectangle words": (
        over(transition("qtblend", 0, 3, b_track=1, rect="a b c d")),
        "rectangle: ",
    ),
    "keyframes": (
        document(A, playlist("main", entry("A", 0, 5, filter_("brightness", level="0=x;5=1")))),
        "level: 'x' is no number",
    ),
    "keyframe times": (
        document(A, playlist("main", entry("A", 0, 5, filter_("brightness", level="zz=1")))),
        "level: 'z' is no time",
    ),
    "filter": (
        document(A, playlist("main", entry("A", 0, 5, filter_("brightness", 5, 1, level=1)))),
        "<filter>: in 5 lies after out 1",
    ),
    "freeze": (
        document(A, playlist("main", entry("A", 0, 5, filter_("freeze", frame="x")))),
        "frame: 'x' is no number",
    ),
    "map": (document(CHAIN, ROW), "<link>: map: '' is no number"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    text, reason = REFUSED[case]
    assert reason in refusal(tmp_path, text)


@pytest.mark.parametrize("name", ["missing.mlt", "folder.mlt"])
def test_files_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.mlt").mkdir()
    with pytest.raises(InstrumentError, match=r"no such file|cannot be read"):
        mlt.read(tmp_path / name)


def test_nothing_else_is_opened(tmp_path: Path) -> None:
    """A document may name any path; none is looked at."""
    made = producer("A", resource="/dev/stdin"), producer("B", resource="http://127.0.0.1:1/x")
    path = tmp_path / "edit.mlt"
    path.write_text(document(*made, playlist("main", entry("A", 0, 5), entry("B", 0, 5))), "utf-8")
    assert mlt.read(path).length == 12


def test_nesting_that_multiplies_is_refused(tmp_path: Path) -> None:
    """Ten levels of ten clips of one frame: small to write, ten thousand million to read."""
    levels = [playlist("n0", *[entry("A", 0, 0)] * 10)]
    levels += [playlist(f"n{k}", *[entry(f"n{k - 1}", 0, 0)] * 10) for k in range(1, 11)]
    assert "more than" in refusal(tmp_path, document(A, *levels))


def test_deep_nesting_is_read_or_refused(tmp_path: Path) -> None:
    levels = [playlist("n0", entry("A", 0, 0))]
    levels += [playlist(f"n{k}", entry(f"n{k - 1}", 0, 0)) for k in range(1, 5000)]
    assert "nested deeper than" in refusal(tmp_path, document(A, *levels))


def test_many_tracks_that_are_long_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlt_tractor, "MOST_CELLS", 1000)
    rows = [playlist(f"t{k}", blank(100), entry("A", 0, 0)) for k in range(20)]
    root = tractor("main", *(track(f"t{k}") for k in range(20)))
    assert "20 tracks of 101 frames" in refusal(tmp_path, document(A, *rows, root))


def test_too_many_clips_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlt_lanes, "MOST_CLIPS", 10)
    assert "more than 10 clips" in refusal(
        tmp_path, document(A, playlist("main", *[entry("A", 0, 0)] * 11))
    )


@pytest.mark.parametrize("count", [20_000])
def test_many_transitions_are_read_soon(tmp_path: Path, count: int) -> None:
    rows = playlist("t0", entry("A", 0, 299)), playlist("t1", *[entry("B", 0, 9), blank(2)] * 1000)
    made = "".join(transition("luma", k % 9000, k % 9000 + 3, b_track=1) for k in range(count))
    path = tmp_path / "edit.mlt"
    path.write_text(document(A, B, *rows, tractor("main", track("t0"), track("t1"), made)), "utf-8")
    started = time.process_time()
    assert mlt.read(path).length == 11_998
    assert time.process_time() - started < 30  # measured: 2


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(KINDS)), st.integers(0, 50), st.randoms(use_true_random=False))
def test_a_document_that_was_tampered_with(
    tmp_path_factory: pytest.TempPathFactory, kind: str, seed: int, rng: random.Random
) -> None:
    """Numbers, names and tags of real edits, exchanged: a reading or one line, nothing else."""
    text = edit(kind, seed)
    for _ in range(rng.randint(1, 4)):
        found = list(re.finditer(r'"[^"]*"|>[^<]+<|<\w+', text))
        where, what = rng.choice(found), rng.choice(found)[0]
        if where[0][0] != what[0]:
            what = rng.choice(['"-1"', '""', '"9999999999"', '"é"', '"0=1;-1=;"', '"00:00:99.9"'])
            if where[0][0] == "<":
                what = rng.choice(["<track", "<entry", "<tractor", "<property", "<filter"])
            elif where[0][0] == ">":
                what = rng.choice([">-1<", "><", ">1e400<", ">luma<", ">0=0;5=1<"])
        text = text[: where.start()] + what + text[where.end() :]
    path = tmp_path_factory.mktemp("edit") / "edit.mlt"
    path.write_text(text, encoding="utf-8")
    try:
        timeline = mlt.read(path)
    except InstrumentError as error:
        assert "\n" not in str(error)
    else:
        assert all(clip.record.stop <= timeline.length for t in timeline.tracks for clip in t.clips)


# --- laws of weighing


def stack(opacities: list[F64], weights: F64 | None) -> list[F64]:
    """The share of each clip, painted in order over three frames."""
    clips = [Clip(None, FrameRange(0, 3), Frozen(0), opacity=opacity) for opacity in opacities]
    lane = Lane(clips, 3)
    if weights is not None:
        weigh(lane, 0, weights)
    parts: list[F64] = []
    for clip in lane.clips:
        assert clip.opacity is not None
        parts = [part * (1 - clip.opacity) for part in parts] + [clip.opacity]
    return parts


UNIT = st.floats(0, 1)
THREE = st.lists(UNIT, min_size=3, max_size=3).map(np.array)


@given(st.lists(THREE, min_size=1, max_size=4), THREE)
def test_a_lane_is_let_through_as_one_picture(opacities: list[F64], weights: F64) -> None:
    before, after = stack(opacities, None), stack(opacities, weights)
    for one, other in zip(before, after, strict=True):
        assert other == pytest.approx(one * weights, abs=1e-6)
