"""What the loop and the devices around it tell one another."""

import difflib
import time

import numpy as np
import pytest
from stage_parts import event

from instrument.cli.ports import Wishes, tree_of
from instrument.cli.rig import StageRig
from instrument.cli.sources import assemble
from instrument.control.mirror import Reflection
from instrument.live.loop import Loop, Show
from instrument.live.rig import reflection_of
from instrument.live.tape import Tape
from instrument.performance.preset_fields import OscFields
from instrument.timebase import StepClock, WallClock

PRESET = """format = "preset/1"
model = "procedural"
bank = "first-light"
home = "dawn"

[[binding]]
source = "/midi/midimix/fader.1"
target = "/noise/strength"

[[binding]]
source = "/midi/midimix/cc/50"
target = "/noise/rate"
low = 1.0
high = 0.0

[[binding]]
source = "/midi/apcmini/note/0"
target = "/waypoint/2/go"

[[binding]]
source = "/midi/apcmini/note/1"
target = "/waypoint/3/go"

[[binding]]
source = "/midi/apcmini/note/90"
target = "/performance/hold"
mode = "toggle"

[[lfo]]
name = "breath"
rate = 1.0

[[modulation]]
source = "/lfo/breath"
target = "/noise/strength"
depth = 0.5

[[scene]]
number = 2
name = "far"
waypoint = "reef"
"""
QUIET = Wishes(OscFields(port=0))


@pytest.fixture
def programme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.toml"
    path.write_text(PRESET)
    return assemble(str(path), None, None, None)


def moment(programme, *events, until: float = 0.3):
    performer = programme.performer
    played = performer.advance(performer.begin(), until, events)
    return played, reflection_of(performer, played, performer.values(played), recording=False)


def column(programme, address: str) -> int:
    return programme.performer.space.index(address)


def test_what_is_lit_is_where_z_is_heading(programme):
    _, seen = moment(programme)
    assert {"/performance/home", "/waypoint/1/go", "/waypoint/dawn/go"} <= seen.lit
    _, seen = moment(programme, event(0.1, "/waypoint/2/go"))
    assert {"/waypoint/2/go", "/waypoint/iris/go"} <= seen.lit
    assert not {"/waypoint/1/go", "/performance/home", "/performance/hold"} & seen.lit
    _, seen = moment(programme, event(0.1, "/performance/hold"))
    assert "/performance/hold" in seen.lit and "/waypoint/1/go" not in seen.lit


def test_scenes_scores_models_and_takes_are_lit(programme):
    played, seen = moment(programme, event(0.1, "/preset/2/recall"))
    assert {"/preset/2/recall", "/model/1/load", "/waypoint/3/go"} <= seen.lit
    assert "/take/record" not in seen.lit and "/score/play" not in seen.lit
    performer = programme.performer
    recording = reflection_of(performer, played, performer.values(played), recording=True)
    assert {"/take/record", "/take/toggle"} <= recording.lit


def test_what_waits_for_its_beat_blinks_with_it(programme):
    waits = (event(0.0, "/raw/launch/quantise", 16.0), event(0.01, "/waypoint/4/go"))
    lit = []
    for until in np.linspace(0.1, 1.5, 57):
        _, seen = moment(programme, *waits, until=float(until))
        lit.append("/waypoint/4/go" in seen.lit)
    assert 0.3 < np.mean(lit) < 0.7
    assert int(np.abs(np.diff(np.array(lit, int))).sum()) == 6


def test_a_fader_is_not_moved_by_an_oscillator(programme):
    where = column(programme, "/noise/strength")
    shown, stood = set(), set()
    for until in np.linspace(0.1, 1.1, 21):
        played, seen = moment(programme, until=float(until))
        shown.add(round(float(programme.performer.values(played)[where]), 3))
        stood.add(float(seen.values[where]))
    assert len(shown) > 5 and stood == {0.0}
    told = column(programme, "/lfo/breath")
    values = {round(float(moment(programme, until=u)[1].values[told]), 3) for u in (0.1, 0.3, 0.5)}
    assert len(values) == 3, "what is told is told"


# --- the rig


def test_lamps_and_faders_stand_where_the_parameters_do(programme):
    rig = StageRig(programme, lambda event: None, WallClock(), QUIET)
    assert rig.wanted() == {}
    start = (event(0.1, "/noise/strength", 0.25), event(0.1, "/noise/rate", 0.25))
    played, seen = moment(programme, *start, event(0.2, "/waypoint/2/go"))
    rig.follow(played, seen, 0.3)
    wanted = rig.wanted()
    assert wanted["/midi/midimix/cc/19"] == pytest.approx(0.25)  # fader 1, by its number
    assert wanted["/midi/midimix/cc/50"] == pytest.approx(0.75)  # the other way round
    assert wanted["/midi/apcmini/note/0"] == 1.0  # where z is heading
    assert wanted["/midi/apcmini/note/1"] == 0.5  # a place to go to
    assert wanted["/midi/apcmini/note/90"] == 0.0
    assert {b.target for b in rig.bindings} >= {"/waypoint/2/go", "/noise/strength"}


def test_what_is_learnt_is_lit_and_listened_to_at_once(programme):
    rig = StageRig(programme, lambda event: None, WallClock(), QUIET)
    heard = []
    rig.midi.listen = heard.append
    armed = event(0.05, "/learn/target/flick/strength")
    played, seen = moment(programme, armed)
    rig.follow(played, seen, 0.3)
    assert any("/flick/strength" in line for line in rig.lines())
    turns = [event(0.1 + 0.01 * n, "/midi/desk/cc/9", n / 10) for n in range(8)]
    played, seen = moment(programme, armed, *turns)
    rig.follow(played, seen, 0.4)
    assert "/midi/desk/cc/9" in rig.wanted() and "/midi/desk/cc/9" in heard[-1]
    assert not any("learn" in line for line in rig.lines())
    before = len(heard)
    rig.follow(played, seen, 0.5)
    assert len(heard) == before, "nothing new, and yet it was asked again"


def test_a_tap_is_told_to_the_conductor_at_its_own_time(programme):
    rig = StageRig(programme, lambda event: None, WallClock(), QUIET)
    taps = []
    rig.conductor.tapped = taps.append
    played, seen = moment(programme, event(0.1, "/tempo/tap"))
    rig.follow(played, seen, 100.3)
    assert taps == [pytest.approx(100.1)]


def test_what_was_learnt_in_a_show_is_in_the_file_after_it(programme, tmp_path):
    clock = StepClock()
    tape = Tape(lambda began: pytest.fail("nothing is recorded"))
    show = Show(programme.performer, programme.rate, clock, tape, seconds=1.0)
    with StageRig(programme, show.inbox.put, clock, QUIET) as rig:
        show.rig = rig
        show.inbox.put(event(0.1, "/learn/target/flick/strength"))
        for n in range(8):
            show.inbox.put(event(0.2 + 0.01 * n, "/midi/desk/cc/9", n / 10))
        Loop(show).run()
    text = (tmp_path / "mine.toml").read_text()
    assert 'source = "/midi/desk/cc/9"' in text and 'target = "/flick/strength"' in text
    more = list(difflib.ndiff(PRESET.splitlines(), text.splitlines()))
    assert not [line for line in more if line.startswith("- ")], "a line was lost or changed"
    again = assemble(str(tmp_path / "mine.toml"), None, None, None)
    assert "/midi/desk/cc/9" in again.performer.by_source


def test_what_is_forgotten_is_found_under_the_name_of_its_control(programme, tmp_path):
    clock = StepClock()
    tape = Tape(lambda began: pytest.fail("nothing is recorded"))
    show = Show(programme.performer, programme.rate, clock, tape, seconds=1.0)
    with StageRig(programme, show.inbox.put, clock, QUIET) as rig:
        show.rig = rig
        show.inbox.put(event(0.1, "/learn/target/noise/strength"))
        show.inbox.put(event(0.2, "/learn/forget"))
        Loop(show).run()
    text = (tmp_path / "mine.toml").read_text()
    assert "fader.1" not in text and "cc/50" in text


def test_a_script_that_was_a_take_writes_nothing(programme, tmp_path):
    script = [event(0.1, "/learn/target/flick/strength")]
    script += [event(0.2 + 0.01 * n, "/midi/desk/cc/9", n / 10) for n in range(8)]
    clock = StepClock()
    tape = Tape(lambda began: pytest.fail("nothing is recorded"))
    show = Show(programme.performer, programme.rate, clock, tape, script=script, seconds=1.0)
    with StageRig(programme, show.inbox.put, clock, QUIET) as rig:
        show.rig = rig
        loop = Loop(show)
        loop.run()
    assert (tmp_path / "mine.toml").read_text() == PRESET


def test_notices_are_fetched_by_a_thread_and_told_once(programme):
    told = []
    with StageRig(programme, lambda event: None, WallClock(), QUIET, told.append) as rig:
        rig.midi.notices = iter([["desk is here"], *[[]] * 1000]).__next__
        until = time.monotonic() + 5.0
        while "desk is here" not in told and time.monotonic() < until:
            time.sleep(0.02)
        assert told.count("desk is here") == 1
        assert rig.notices().count("desk is here") == 1 and "desk is here" not in rig.notices()


def test_the_tree_says_everything_and_arms_what_can_be_learnt(programme):
    tree = tree_of(programme.performer)
    assert {n.address for n in tree if n.kind == "parameter"} == set(
        programme.performer.space.addresses
    )
    node = tree.find("/spring/frequency")
    assert node is not None and node.map(node.unmap(2.0)) == pytest.approx(2.0)
    assert tree.find("/lfo/breath").told
    arming = tree_of(programme.performer, learning=True)
    assert arming.find("/learn/target/spring/frequency") is not None
    assert tree.find("/learn/target/spring/frequency") is None


def test_a_reflection_never_changes(programme):
    played, seen = moment(programme)
    kept = seen.values.copy()
    programme.performer.advance(played, 1.0, [event(0.5, "/noise/strength", 1.0)])
    assert np.array_equal(seen.values, kept) and isinstance(seen, Reflection)
