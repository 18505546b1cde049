"""A take in which controls were learnt, scenes recalled, morphed and saved replays exactly."""

import json
import math
from dataclasses import replace

import pytest
from test_replay_tempo import BEATING, ROWS, Stage

from instrument import InstrumentError
from instrument.cli.sources import assemble
from instrument.event import ControlEvent, read_events, write_events
from instrument.performance.state import performance_from_json
from instrument.take.replay import performer_of, verify
from instrument.take.sampling import resample
from instrument.timebase import FrameRate

PRESET = """\
format = "preset/1"
model = "procedural"
bank = "first-light"

[parameters]
"/noise/strength" = 4.0
"/preset/seconds" = 0.7

[[scene]]
name = "storm"
waypoint = "3"
parameters = { "/noise/strength" = 40.0, "/spring/frequency" = 3.0, "/noise/rate" = 4.0 }

[[scene]]
name = "calm"
parameters = { "/glide/seconds" = 2.0, "/model/mix" = 0.7, "/pad/x" = 0.2 }

[[binding]]
source = "/midi/deck/program/3"
target = "/preset/calm/recall"

[[lfo]]
name = "breath"
rate = 1.3

[[modulation]]
source = "/lfo/breath"
target = "/noise/strength"
depth = 0.2
"""
FADER, PAD = "/midi/deck/cc/1", "/midi/deck/note/36"


def swept(source: str, start: float, stop: float, since: float, steps: int = 12):
    return [
        (since + 0.011 * i, source, start + (stop - start) * i / steps) for i in range(steps + 1)
    ]


TOLD = [
    (0.05, "/learn/target/spring/frequency", 1.0),
    *swept(FADER, 0.2, 0.8, 0.06),  # learnt, and then it meets the value
    *[(0.3, "/key/l", 1.0), (0.31, "/key/l", 0.0), (0.32, PAD, 0.3), (0.35, PAD, 0.0)],
    (0.4, "/preset/storm/morph", 1.0),
    *swept(FADER, 0.8, 0.5, 0.6),
    *[(0.8, "/preset/5/save", 1.0), (0.9, "/midi/deck/program/3", 1.0)],
    *[(1.0, "/learn/target/preset/5/morph", 1.0), (1.1, PAD, 0.1), (1.15, PAD, 0.0)],
    *[(1.3, PAD, 1.0), (1.4, "/performance/hold", 1.0), (1.5, "/preset/6/save", 1.0)],
    *[(1.6, "/performance/hold", 0.0), (1.7, "/key/shift+l", 1.0)],
    (1.8, "/preset/6/recall", 1.0),
    *swept(FADER, 0.5, 0.9, 1.9),
    *[(2.5, "/raw/preset/beats", 1.5), (2.6, "/preset/1/morph", 1.0)],
]
EVENTS = tuple(sorted((ControlEvent(a, v, t) for t, a, v in TOLD), key=lambda e: e.time))


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    path = tmp_path_factory.mktemp("preset") / "show.toml"
    path.write_text(PRESET)
    return path


@pytest.fixture(scope="module")
def stage(preset) -> Stage:
    return Stage(assemble(str(preset), None, 1, "30"))


@pytest.mark.parametrize("before", [0.0, 0.777])
@pytest.mark.parametrize("more", [(), BEATING], ids=["plain", "with a beat"])
def test_a_take_with_learning_and_scenes_replays_exactly(stage, before, more) -> None:
    events = tuple(sorted((*EVENTS, *more), key=lambda e: e.time))
    record = stage.record(events, before)
    verified = verify(record, "here")
    assert (verified.rows, verified.largest, verified.parameters) == (ROWS, 0.0, 0.0)
    without = tuple(e for e in events if not e.address.startswith(("/learn/", "/preset/")))
    assert verify(replace(record, events=without), "here").largest > 0.1  # it can fail
    sampled = resample(record, FrameRate(60), "here")
    assert sampled.z[::2].tobytes() == record.z.tobytes()


def test_what_was_learnt_and_saved_before_a_take_is_in_it(stage) -> None:
    """A take that begins in the middle of everything: armed, learnt, saved, on its way."""
    performer = stage.programme.performer
    early = [replace(e, time=e.time) for e in EVENTS if e.time < 1.05]
    p = performer.advance(performer.begin(), 1.05, early)
    assert p.learning.armed and p.learning.learnt and p.scenes.saved
    began = performer.rebased(p)
    late = tuple(replace(e, time=e.time - 1.05) for e in EVENTS if e.time > 1.05)
    record = stage.record(late)
    whole = json.dumps(began.to_json()).encode()
    record = replace(record, attachments={**record.attachments, "performance.json": whole})
    again, read = performer_of(record.attachments, "here")
    assert read.to_json() == began.to_json()
    ours, theirs = performer.advance(began, 2.0, late), again.advance(read, 2.0, late)
    assert performer.z(ours).tobytes() == again.z(theirs).tobytes()
    assert performer.values(ours).tobytes() == again.values(theirs).tobytes()


def test_a_take_that_remembers_what_its_preset_does_not_have_is_refused(stage) -> None:
    record = stage.record(EVENTS)
    began = json.loads(record.attachments["performance.json"])
    began["learning"]["armed"] = "/no/such"
    wrong = {**record.attachments, "performance.json": json.dumps(began).encode()}
    with pytest.raises(InstrumentError, match="no '/no/such' can be learnt"):
        verify(replace(record, attachments=wrong), "here")


def test_a_recorded_performance_is_a_script(stage, tmp_path) -> None:
    """Every event stands in one line of a file, and comes back with every digit."""
    write_events(tmp_path / "events.jsonl", EVENTS)
    assert tuple(read_events(tmp_path / "events.jsonl")) == EVENTS
    performer = stage.programme.performer
    p = performer.advance(performer.begin(), 3.0, EVENTS)
    assert {b.source for b in p.learning.learnt.values()} == {FADER, PAD}
    assert sorted(p.scenes.saved) == [5, 6]
    assert math.isfinite(p.time)
    assert performance_from_json(p.to_json(), performer.spec).to_json() == p.to_json()
