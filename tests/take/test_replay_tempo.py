"""Takes with a beat in them replay exactly, and those of before there was one still open."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from instrument import InstrumentError
from instrument.cli.sources import assemble
from instrument.event import ControlEvent
from instrument.take.header import TakeHeader
from instrument.take.reader import TakeRecord
from instrument.take.replay import attachments_of, play, verify
from instrument.take.sampling import resample
from instrument.timebase import FrameRate

RATE = FrameRate(30)
ROWS = 90
# What takes of before do not have.
SINCE = ("/launch/quantise", "/launch/ahead", "/preset/seconds", "/preset/beats")
SINCE += ("/pace/even", "/pace/rate")
LATER = ("tempo", "modulation", "learning", "touched", "scenes")
QUIET = (
    ControlEvent("/raw/glide/beats", 1.0, 0.1),
    ControlEvent("/waypoint/2/go", 1.0, 0.21),
    ControlEvent("/raw/tempo/bpm", 97.0, 0.9),
    ControlEvent("/waypoint/3/go", 1.0, 1.37),
)
BEATING = (
    ControlEvent("/raw/launch/quantise", 2.0, 0.05),
    ControlEvent("/raw/launch/ahead", 0.08, 0.06),
    ControlEvent("/raw/glide/beats", 1.0, 0.1),
    ControlEvent("/tempo/tap", 1.0, 0.2),
    ControlEvent("/waypoint/2/go", 1.0, 0.21),
    ControlEvent("/tempo/tap", 1.0, 0.68),
    ControlEvent("/tempo/align", 17.3, 0.9),
    ControlEvent("/raw/tempo/bpm", 131.7, 0.9),
    ControlEvent("/waypoint/3/go", 1.0, 1.37),
    ControlEvent("/tempo/beat", 1.0, 1.9),
    ControlEvent("/tempo/start", 1.0, 2.3),
)


@dataclass
class Stage:
    """A programme, and takes made with it in memory."""

    programme: object

    def record(self, events: tuple[ControlEvent, ...], before: float = 0.0) -> TakeRecord:
        """A take that begins after `before` seconds."""
        performer = self.programme.performer
        began = performer.rebased(performer.advance(performer.begin(), before))
        rows = list(play(performer, began, events, RATE, ROWS))
        header = TakeHeader(
            "beat", RATE, performer.spec, performer.space.addresses, seed=performer.seed
        )
        return TakeRecord(
            Path("beat.take"), header, attachments_of(performer, self.programme.preset, began),
            np.stack([z for z, _ in rows]), np.stack([v for _, v in rows]).astype(np.float32),
            np.ones(ROWS, np.bool_), events, (), True, (),
        )  # fmt: skip


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage(assemble("procedural", None, 1, "30"))


def of_before(record: TakeRecord) -> TakeRecord:
    """The same take as the version before there were beats had written it."""
    addresses = [a for a in record.header.addresses if a not in SINCE]
    began = json.loads(record.attachments["performance.json"])
    for key in LATER:
        del began[key]
    del began["flight"]["pace"]
    began["values"] = began["values"][: len(addresses)]
    return replace(
        record,
        header=replace(record.header, addresses=tuple(addresses)),
        parameters=record.parameters[:, : len(addresses)],
        attachments={**record.attachments, "performance.json": json.dumps(began).encode()},
    )


@pytest.mark.parametrize("before", [0.0, 0.777])
def test_a_take_with_a_beat_replays_exactly(stage, before: float) -> None:
    record = stage.record(BEATING, before)
    verified = verify(record, "here")
    assert (verified.largest, verified.parameters) == (0.0, 0.0)
    assert np.ptp(record.z, axis=0).max() > 0.1
    shifted = tuple(replace(e, time=e.time + 0.1) for e in BEATING)
    assert verify(replace(record, events=shifted), "here").largest > 0.0  # it can fail


def test_a_take_of_before_still_opens_and_replays_exactly(stage) -> None:
    record = of_before(stage.record(QUIET))
    assert len(record.header.addresses) == record.parameters.shape[1]
    verified = verify(record, "here")
    assert (verified.rows, verified.largest, verified.parameters) == (ROWS, 0.0, 0.0)
    sampled = resample(record, FrameRate(60), "here")
    assert sampled.z[::2].tobytes() == record.z.tobytes()
    assert sampled.parameters[::2].tobytes() == record.parameters.tobytes()


def test_a_take_of_another_instrument_is_one_line(stage) -> None:
    record = stage.record(QUIET)
    began = json.loads(record.attachments["performance.json"])
    began["values"] = began["values"][:5]
    short = {**record.attachments, "performance.json": json.dumps(began).encode()}
    with pytest.raises(InstrumentError, match="here: holds 5 parameters, this version"):
        verify(replace(record, attachments=short), "here")
    named = replace(record.header, addresses=("/moon/phase", *record.header.addresses[1:]))
    with pytest.raises(InstrumentError, match="here: no parameter '/moon/phase'"):
        verify(replace(record, header=named), "here")
