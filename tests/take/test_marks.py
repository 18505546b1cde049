"""Marks: what was called in a take, at the first row that shows it, by its own name."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
from test_replay_tempo import BEATING, Stage

from instrument import InstrumentError
from instrument.cli.sources import assemble
from instrument.event import ControlEvent
from instrument.take.marks import marks_of

PRESET = """
format = "preset/1"
model = "procedural"
bank = "first-light"
[[scene]]
name = "storm"
waypoint = "3"
[[binding]]
source = "/osc/fader/1"
target = "/waypoint/4/go"
mode = "trigger"
[[cue]]
at = 0.25
address = "/waypoint/3/go"
[[cue]]
at = 0.5
address = "/raw/master/gain"
value = 0.5
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    path = tmp_path_factory.mktemp("marks") / "show.toml"
    path.write_text(PRESET)
    return Stage(assemble(str(path), None, None, None))


def marks(stage, *events):
    found = marks_of(stage.record(tuple(ControlEvent(*event) for event in events)), "t.take")
    return [(mark.frame, mark.name, mark.address) for mark in found]


def waypoint(stage, number):
    return stage.programme.bank.waypoints[number - 1].name


def test_waypoints_at_the_first_row_that_shows_them(stage):
    assert marks(
        stage, ("/waypoint/2/go", 1.0, 0.0), ("/waypoint/3/go", 1.0, 1 / 3),
        ("/waypoint/2/go", 1.0, 1.001),
    ) == [
        (0, waypoint(stage, 2), "/waypoint/2/go"),
        (10, waypoint(stage, 3), "/waypoint/3/go"),
        (31, waypoint(stage, 2), "/waypoint/2/go"),
    ]  # fmt: skip


def test_through_a_binding_at_the_press_alone(stage):
    found = marks(
        stage, ("/osc/fader/1", 0.2, 0.1), ("/osc/fader/1", 0.9, 0.5), ("/osc/fader/1", 0.95, 0.6),
        ("/osc/fader/1", 0.1, 0.7),
    )  # fmt: skip
    assert found == [(15, waypoint(stage, 4), "/waypoint/4/go")]


def test_cues_of_the_score(stage):
    assert marks(stage, ("/score/play", 1.0, 1.0)) == [
        (30, "score", "/score/play"),
        (38, waypoint(stage, 3), "/waypoint/3/go"),
        (45, "cue 2", "/raw/master/gain"),
    ]


def test_home_panic_and_models(stage):
    found = marks(
        stage, ("/performance/home", 1.0, 0.2), ("/performance/panic", 1.0, 0.4),
        ("/model/1/load", 1.0, 0.6), ("/performance/hold", 1.0, 0.8),
    )  # fmt: skip
    assert found == [
        (6, "home", "/performance/home"), (12, "panic", "/performance/panic"),
        (18, "model 1", "/model/1/load"), (24, "hold", "/performance/hold"),
    ]  # fmt: skip


def test_scenes(stage):
    found = marks(
        stage, ("/preset/5/save", 1.0, 0.1), ("/preset/5/recall", 1.0, 0.5),
        ("/preset/storm/morph", 1.0, 0.6), ("/preset/2/recall", 1.0, 0.8),
    )  # fmt: skip
    assert found == [
        (15, "scene 5", "/preset/5/recall"), (18, "storm", "/preset/storm/morph"),
        (24, "storm", "/preset/2/recall"),
    ]  # fmt: skip


def test_what_is_no_mark(stage):
    assert marks(
        stage, ("/raw/noise/strength", 20.0, 0.1), ("/tempo/tap", 1.0, 0.2), ("/pad/x", 0.3, 0.3),
        ("/waypoint/2/go", 0.0, 0.4), ("/osc/nothing", 1.0, 0.5), ("/display/hud", 1.0, 0.6),
    ) == []  # fmt: skip


def test_what_waits_for_a_beat_is_marked_where_it_goes(stage):
    record = stage.record(BEATING)
    found = [(mark.frame, mark.address) for mark in marks_of(record, "t.take")]
    assert [address for _, address in found] == ["/waypoint/2/go", "/waypoint/3/go"]
    (first, _), (second, _) = found
    assert first > 0.21 * 30 and second > 1.37 * 30  # asked for at .21 and 1.37 s


def test_a_take_that_cannot_be_played_again(stage):
    record = replace(stage.record(()), attachments={})
    with pytest.raises(InstrumentError, match="cannot be played again"):
        marks_of(record, "t.take")


def test_among_many_events_of_a_microphone(stage):
    heard = [ControlEvent("/raw/noise/rate", 1.0 + n % 3, n / 100) for n in range(290)]
    called = ControlEvent("/waypoint/2/go", 1.0, 1.004)
    record = stage.record(tuple(sorted([*heard, called], key=lambda event: event.time)))
    assert [(m.frame, m.address) for m in marks_of(record, "t.take")] == [(31, "/waypoint/2/go")]
