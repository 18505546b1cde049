"""The report: every clip, dissolve, fade and gap, with its timecode, and a few lines of it all."""

import json

import numpy as np
import pytest
from edit_fakes import clip, conformed, numbered, ramp, samples, timeline
from hypothesis import given
from hypothesis import strategies as st

from instrument.latent.sequence import ModelReference
from instrument.studio.conform_report import report_of, summary_of
from instrument.studio.timeline import Remark
from instrument.timebase import FrameRange, FrameRate

A, B = numbered(100), numbered(100, 1000, "b")
FADE = np.concatenate([np.arange(4) / 4, np.ones(16)])
EDIT = timeline(
    [clip("a", 0, 20, first=10, gain=FADE), clip("b", 16, 20, opacity=ramp(20, 4)),
     clip("a", 40, 10, first=95, speed=-2)], start=30 * 3600,
    remarks=(Remark("refused", "blur is no matter of z", FrameRange(5, 9)),
             Remark("approximated", "wipe: read as a dissolve", FrameRange(16, 21))),
)  # fmt: skip


def entries(report, kind: str) -> list[dict]:
    return [entry for entry in report["entries"] if entry["kind"] == kind]


def test_a_report_has_one_entry_for_everything():
    report = report_of(conformed(EDIT, A, B))
    assert json.loads(json.dumps(report)) == report
    assert report["totals"] == {
        "clip": 3, "dissolve": 1, "mix": 0, "fade": 1, "gap": 1,
        "honoured": 6, "approximated": 1, "refused": 1,
    }  # fmt: skip
    one, _, three = entries(report, "clip")
    assert (one["record"], one["timecode"]) == ([0, 20], ["01:00:00:00", "01:00:00:20"])
    assert (one["source"], one["rows"], one["speed"]) == ("a.npy", [10, 29], 1.0)
    assert (three["rows"], three["speed"]) == ([95, 77], -2.0)
    (mix,) = entries(report, "dissolve")
    assert (mix["from"], mix["to"], mix["rule"], mix["record"]) == ("a", "b", "slerp", [17, 20])
    assert mix["weights"] == [0.25, 0.75]
    (fade,) = entries(report, "fade")
    assert (fade["name"], fade["record"], fade["gain"]) == ("in", [0, 4], [0.0, 0.75])
    (gap,) = entries(report, "gap")
    assert (gap["name"], gap["record"]) == ("black", [36, 40])
    assert entries(report, "remark")[0]["name"] == "blur is no matter of z"
    assert report["sources"][0] == {"path": "a.npy", "sha256": "a" * 8, "rows": 100, "clips": 2}


def test_the_summary_counts_and_names_what_was_refused_with_its_timecode():
    assert summary_of(report_of(conformed(EDIT, A, B))).splitlines() == [
        "3 clips, 1 dissolve, 1 fade, 1 gap",
        "refused: blur is no matter of z at 01:00:00:05",
        "approximated: wipe: read as a dissolve at 01:00:00:16",
    ]


def test_a_long_list_of_complaints_is_cut_on_screen_only():
    remarks = tuple(Remark("refused", f"effect {n}", FrameRange(n, n + 1)) for n in range(9))
    report = report_of(conformed(timeline([clip("a", 0, 9)], remarks=remarks), A))
    lines = summary_of(report).splitlines()
    assert lines[-1] == "refused: 4 more, see the report"
    assert len(lines) == 7
    assert len(entries(report, "remark")) == 9


def test_frames_past_the_footage_are_approximated():
    report = report_of(conformed(timeline([clip("a", 0, 10, first=95)]), A))
    (entry,) = entries(report, "clip")
    assert entry["verdict"] == "approximated"
    assert entry["notes"] == ["5 frames lie outside its 100 rows: the nearest is held"]
    assert summary_of(report).splitlines()[1].endswith("the nearest is held at 00:00:00:00")


def test_a_clip_that_is_hidden_says_so():
    report = report_of(conformed(timeline([clip("a", 0, 9)], [clip("b", 2, 3)]), A, B))
    assert [entry["frames_seen"] for entry in entries(report, "clip")] == [6, 3]


def test_frames_that_a_gap_borrows_are_not_the_clips():
    report = report_of(conformed(timeline([clip("a", 0, 3)], length=9), A))
    assert entries(report, "clip")[0]["frames_seen"] == 3


def test_a_dissolve_across_models_is_approximated():
    red, blue = (
        numbered(9, first, name, model=ModelReference(model))
        for first, name, model in ((0, "a", "red"), (50, "b", "blue"))
    )
    edit = timeline([clip("a", 0, 5), clip("b", 2, 5, opacity=ramp(5, 3))])
    (mix,) = entries(report_of(conformed(edit, red, blue)), "dissolve")
    assert mix["verdict"] == "approximated"
    assert "across models (blue and red)" in mix["notes"][0]


def test_three_at_once_are_approximated():
    half = np.full(3, 0.4)
    tracks = [[clip("a", 0, 3)], [clip("b", 0, 3, opacity=half)], [clip("c", 0, 3, opacity=half)]]
    made = conformed(timeline(*tracks), *(samples(9, n, name) for n, name in enumerate("abc")))
    (mix,) = entries(report_of(made), "mix")
    assert mix["verdict"] == "approximated"
    assert "3 clips at once" in mix["notes"][0]


def test_remarks_of_a_nested_timeline_say_where_it_lies():
    inner = timeline([clip("a", 0, 5)], remarks=(Remark("refused", "blur", FrameRange(1, 2)),))
    once = report_of(conformed(timeline([clip("a", 0, 3), clip(inner, 3, 5)]), A))
    (remark,) = entries(once, "remark")
    assert (remark["name"], remark["record"]) == ("edit: blur", [3, 8])
    twice = report_of(conformed(timeline([clip(inner, 0, 5), clip(inner, 5, 5)]), A))
    assert entries(twice, "remark")[0]["record"] is None


def test_evaluated_clips_say_so():
    report = report_of(conformed(timeline([clip("a", 0, 5, speed="1/2")]), A))
    (entry,) = entries(report, "clip")
    assert (entry["frame_choice"], entry["rows"], entry["speed"]) == ("between rows", [0, 2], 0.5)


@given(
    st.sampled_from([FrameRate(25), FrameRate(30000, 1001), FrameRate(60)]), st.integers(0, 9999)
)
def test_speed_is_of_seconds_not_of_frames(rate, start):
    edit = timeline([clip("a", 0, 10)], rate=rate, start=start)
    made = conformed(edit, numbered(100, rate=FrameRate(30)))
    entry = entries(report_of(made), "clip")[0]
    # The retiming of these tests counts 30 frames a second, whatever the timeline's rate.
    assert entry["speed"] == pytest.approx(rate.num / rate.den / 30, abs=1e-6)
    assert entry["timecode"][0] == made.timeline.timecode(0)
