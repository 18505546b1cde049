"""(e) What recording costs: the same performance with and without a take, in turn.

In steps, where every frame is work and none is waiting: the record's share of a frame's period is
then the difference of both in processor time, its writing thread included. On a stage: how much
longer a frame takes until it is shown.
"""

from __future__ import annotations

import itertools
import statistics
from functools import partial
from pathlib import Path

from instrument.bench.frame_cost import meters_of
from instrument.bench.load import Background
from instrument.bench.rows import Effort, Row, row
from instrument.bench.stage import RATE, Size, no_tape, performer_of, script, tape_of, workspace
from instrument.bench.turns import in_turn, processor, wall
from instrument.live.loop import Loop, Show
from instrument.live.meters import Meters
from instrument.timebase import FrameRate, StepClock

_SECONDS = 10.0  # of performance, a sample
_SHARE_TARGET = 1.0  # % of a frame's period
_MINUTE_TARGET = 2.0  # s
_PIXELS = 512
_DECODE = 0.004  # s


def measure(effort: Effort) -> list[Row]:
    """Share of the frame, of the stage's work, and a minute in steps."""
    size = Size()
    with workspace() as folder, Background() as background:
        numbers = itertools.count()

        def steps(record: bool) -> None:
            play_steps(size, _SECONDS, folder / f"{next(numbers)}.take" if record else None)

        steps(True)
        works = {"on": processor(partial(steps, True)), "off": processor(partial(steps, False))}
        spent = in_turn(works, max(3, effort.rounds))
        # Processor time is the measure here, but a minute is a promise in seconds.
        minute = wall(partial(play_steps, size, 60.0, folder / "minute.take"))()
    frames = RATE.frames_in(_SECONDS)
    shares = [
        100.0 * (on - off) / frames / RATE.period
        for on, off in zip(spent["on"], spent["off"], strict=True)
    ]
    ratios, cores = _on_stage(effort)
    return [
        row("recording: share of a frame's period", shares, "%", target=_SHARE_TARGET,
            background=background.cores, dimensions=size.spec.size,
            ms_a_frame={k: round(1e3 * statistics.median(v) / frames, 4)
                        for k, v in spent.items()}),
        row("recording: frame until it is shown, on / off", ratios, "", target=1.02,
            background=cores, decode_ms=1e3 * _DECODE, pixels=_PIXELS),
        row("60 s of performance in steps, recorded", [minute], "s", target=_MINUTE_TARGET,
            background=background.cores, rows=3600),
    ]  # fmt: skip


def play_steps(size: Size, seconds: float, take: Path | None, rate: FrameRate = RATE) -> Loop:
    """Play as fast as it goes, nothing decoded, recorded into `take` if that is given."""
    performer = performer_of(size)
    tape = no_tape() if take is None else tape_of(performer, rate, lambda: take)
    show = Show(
        performer, rate, StepClock(), tape, script=script(size, seconds, rate), seconds=seconds,
        record=take is not None,
    )  # fmt: skip
    loop = Loop(show)
    loop.run()
    return loop


def _on_stage(effort: Effort) -> tuple[list[float], float | None]:
    """Frame with a take by frame without, and the background meanwhile."""

    def frame(record: bool) -> float:
        meters = meters_of(_PIXELS, 2.0, record=record, decode=_DECODE)
        return _usual_frame(meters)

    with Background() as background:
        works = {"on": partial(frame, True), "off": partial(frame, False)}
        taken = in_turn(works, effort.rounds)
    ratios = [on / off for on, off in zip(taken["on"], taken["off"], strict=True)]
    return ratios, background.cores


def _usual_frame(meters: Meters) -> float:
    return meters.overhead.percentile(50) + _DECODE + meters.swaps.percentile(50)
