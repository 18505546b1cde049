"""A take made with oscillators, an ear and hands is played again from its events alone."""

import numpy as np
from stage_parts import event, tape_into

from instrument.cli.sources import assemble
from instrument.live.inbox import Inbox
from instrument.live.loop import Loop, Show
from instrument.performance.preset import load_preset
from instrument.resources import bundled
from instrument.take.reader import read_take
from instrument.take.replay import verify
from instrument.take.sampling import resample
from instrument.timebase import FrameRate, StepClock

TABLES = """
[[lfo]]
name = "breath"
rate = 0.7

[[lfo]]
name = "four"
shape = "smooth"
beats = 2

[[lfo]]
name = "dice"
shape = "hold"
rate = 3

[[modulation]]
source = "/lfo/breath"
target = "/spring/frequency"
depth = 0.2
bipolar = true

[[modulation]]
source = "/lfo/four"
target = "/pad/x"
depth = 0.4
bipolar = true

[[modulation]]
source = "/audio/in/low"
target = "/noise/strength"
depth = 0.4
release = 0.15

[[modulation]]
source = "/lfo/dice"
target = "/master/gain"
depth = -0.5

[[modulation]]
source = "/midi/generic/cc/1"
target = "/lfo/breath/rate"
depth = 0.4
attack = 0.2
release = 0.2
"""
HANDS = [
    *(event(n / 43, "/audio/in/low", abs(np.sin(n / 5))) for n in range(120)),
    event(0.31, "/mouse/x", 0.7),
    event(0.62, "/midi/generic/cc/1", 0.8),
    event(0.9, "/raw/tempo/bpm", 97.0),
    event(1.2, "/master/gain", 0.8),
    event(1.5, "/lfo/four/restart"),
    event(1.7, "/raw/modulation/1/depth", -0.3),
    event(2.1, "/waypoint/3/go"),
]


def played(folder, script):
    """Three seconds of the preset "procedural" with the tables above, recorded."""
    text = (bundled("presets") / "procedural.toml").read_text(encoding="utf-8")
    preset = folder / "moving.toml"
    preset.write_text(text + TABLES, encoding="utf-8")
    programme = assemble(str(preset), None, None, None)
    tape = tape_into(folder, programme)
    record = not any(e.address == "/take/record" for e in script)
    script = sorted(script, key=lambda e: e.time)
    show = Show(
        programme.performer, programme.rate, StepClock(), tape, Inbox(),
        script=script, seconds=3.0, record=record,
    )  # fmt: skip
    Loop(show).run()
    (summary,) = tape.summaries
    return programme.performer, read_take(summary.folder)


def test_it_replays_bit_by_bit(tmp_path) -> None:
    performer, take = played(tmp_path, HANDS)
    found = verify(take, "take")
    assert (found.rows, found.missing) == (180, 0)
    assert found.largest == found.parameters == 0.0
    # What was shown is what is recorded: the gain is diced, and a hand has it for a second.
    gain = take.parameters[:, performer.space.index("/master/gain")]
    assert len(np.unique(gain[:72])) > 3
    assert set(gain[73:130].tolist()) == {np.float32(0.8)}
    for address in ("/lfo/breath", "/spring/frequency", "/noise/strength", "/pad/x"):
        assert np.ptp(take.parameters[:, performer.space.index(address)]) > 0.0


def test_a_take_that_begins_in_the_middle_replays_too(tmp_path) -> None:
    """Phases, followers and a touch that has not faded come along with it."""
    _, take = played(tmp_path, [*HANDS, event(1.43, "/take/record")])
    assert 60 < len(take) < 120
    found = verify(take, "take")
    assert found.largest == found.parameters == 0.0


def test_another_rate_sees_the_same_path(tmp_path) -> None:
    _, take = played(tmp_path, HANDS)
    slow = resample(take, FrameRate(12), "take")
    assert np.asarray(slow.z).tobytes() == take.z[::5].tobytes()
    assert slow.parameters is not None
    assert np.asarray(slow.parameters).tobytes() == take.parameters[::5].tobytes()


def test_the_take_carries_the_tables(tmp_path) -> None:
    _, take = played(tmp_path, HANDS)
    (tmp_path / "again.toml").write_bytes(take.attachments["preset.toml"])
    assert len(load_preset(tmp_path / "again.toml").fields.modulation) == 5
