"""Replay: the same events through the same laws give the same z.

A take carries its preset, its bank and the performance it began with, so it can be played again
without the devices, files and hands that made it (and sampled at any time, see `sampling`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from instrument import InstrumentError
from instrument.event import ControlEvent
from instrument.latent.directions import directions_from_bytes
from instrument.latent.space import F32, F64
from instrument.latent.waypoints import bank_from_bytes, bank_to_bytes
from instrument.performance.performer import Performer
from instrument.performance.preset import Preset, compose, preset_from_text
from instrument.performance.state import Performance, performance_from_json
from instrument.take.reader import TakeRecord
from instrument.timebase import FrameRate


def attachments_of(
    performer: Performer, preset: Preset, performance: Performance
) -> dict[str, bytes]:
    """What a take must carry along to be played again. Its reverse is `performer_of`."""
    toml, array = bank_to_bytes(performer.bank)
    laws = {
        "seed": performer.seed,
        "snapshots": performer.snapshots,
        "models": list(performer.models),
        "sources": dict(preset.sources),
    }
    directions = performer.directions
    ways = {"directions.npy": directions.to_bytes()} if len(directions) else {}
    return {
        **ways,
        "preset.toml": preset.text.encode(),
        "bank.toml": toml,
        "bank.npy": array,
        "laws.json": json.dumps(laws).encode(),
        "performance.json": json.dumps(performance.to_json()).encode(),
    }


def performer_of(attachments: Mapping[str, bytes], where: str) -> tuple[Performer, Performance]:
    """The performer a take was played with, and the performance it began with.

    Raises InstrumentError naming `where` when something is missing or damaged.
    """
    try:
        preset = preset_from_text(attachments["preset.toml"].decode(), f"{where}: preset.toml")
        bank = bank_from_bytes(attachments["bank.toml"], attachments["bank.npy"], f"{where}: bank")
        laws = json.loads(attachments["laws.json"])
        sources = {str(name): str(source) for name, source in laws.get("sources", {}).items()}
        preset = preset.hearing(sources)
        directions = None
        if preset.directions is not None:
            ways = attachments["directions.npy"]
            directions = directions_from_bytes(ways, bank.spec, f"{where}: directions")
        performer = compose(
            preset, bank, seed=int(laws["seed"]), snapshots=int(laws["snapshots"]),
            models=tuple(map(str, laws["models"])), directions=directions,
        )  # fmt: skip
        began = json.loads(attachments["performance.json"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InstrumentError(f"{where}: cannot be played again ({error!r})") from error
    performance = performance_from_json(began, bank.spec)
    try:
        performance = performer.completed(performance)
    except InstrumentError as error:
        raise InstrumentError(f"{where}: {error}") from error
    if max(performance.models.wanted) > len(performer.models):
        raise InstrumentError(f"{where}: begins with a model that is not in its list")
    performer.check_aims(performance)
    performer.matrix.check(performance.modulation)
    return performer, performance


def play(
    performer: Performer,
    performance: Performance,
    events: Sequence[ControlEvent],
    rate: FrameRate,
    frames: int,
) -> Iterator[tuple[F32, F64]]:
    """Every row again: z ``F32[shape]`` and values ``F64[P]`` at frame/rate seconds.

    Row i is the state after every event with time <= i/N.
    """
    played = 0
    for now in map(rate.time_of, range(frames)):
        begin = played
        while played < len(events) and events[played].time <= now:
            played += 1
        performance = performer.advance(performance, now, events[begin:played])
        yield performer.z(performance), performer.values(performance)


@dataclass(frozen=True, slots=True)
class Verification:
    """How far a replay lies from the record.

    `largest` is the largest absolute difference of z and `row` where it is (None where nothing
    differs); `parameters` that of the parameters. `missing` rows were lost and not compared.
    """

    rows: int
    largest: float
    row: int | None
    parameters: float
    missing: int


def verify(record: TakeRecord, where: str) -> Verification:
    """Play `record` again and compare. Raises InstrumentError where it cannot be."""
    performer, performance = performer_of(record.attachments, where)
    largest, worst, parameters = 0.0, None, 0.0
    columns = columns_of(performer, record, where)
    rows = play(performer, performance, record.events, record.header.rate, len(record.z))
    for row, (z, values) in enumerate(rows):
        if not record.present[row]:
            continue
        difference = float(np.max(np.abs(z - record.z[row])))
        if difference > largest:
            largest, worst = difference, row
        recorded = record.parameters[row]
        off = np.abs(values[columns].astype(np.float32) - recorded)
        parameters = max(parameters, float(np.max(off, initial=0.0)))
    missing = int(np.count_nonzero(~record.present))
    return Verification(len(record.z), largest, worst, parameters, missing)


def columns_of(performer: Performer, record: TakeRecord, where: str) -> list[int]:
    """Where the parameters of `record` stand among the performer's, which may have more."""
    try:
        return [performer.space.index(address) for address in record.header.addresses]
    except InstrumentError as error:
        raise InstrumentError(f"{where}: {error}") from error
