"""(e) What recording costs: the same performance with and without a take, in turn.

In steps, where every frame is work and none is waiting: the record's share of a frame's period is
then the difference of both in processor time, its writing thread included. What is made of the
record once it has ended, the plain files, is told apart. On a stage: how much longer a frame takes
until it is shown, in spells of one show with a take and without.
"""

from __future__ import annotations

import itertools
import statistics
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instrument.bench.frame_cost import LEAST_SHOWN
from instrument.bench.load import Background
from instrument.bench.rows import Effort, Row, row
from instrument.bench.stage import (
    RATE,
    Size,
    card_of,
    no_tape,
    performer_of,
    screen_of,
    script,
    tape_of,
    workspace,
)
from instrument.bench.turns import in_turn, processor, wall
from instrument.control.mirror import Reflection
from instrument.event import ControlEvent
from instrument.latent.space import F64
from instrument.live.inbox import Inbox
from instrument.live.loop import Loop, Show
from instrument.live.rig import NoRig
from instrument.performance.state import Performance
from instrument.take.derive import derive
from instrument.timebase import FrameRate, StepClock, WallClock

_SECONDS = 10.0  # of performance, a sample
_SHARE_TARGET = 1.0  # % of a frame's period
_MINUTE_TARGET = 2.0  # s
_PIXELS = 512
_SPELL, _UNSETTLED = 60, 20  # ticks with a take, then without; of each the first
_DECODE = 0.004  # s


def measure(effort: Effort) -> list[Row]:
    """Share of the frame, of the stage's work, and a minute in steps."""
    size = Size()
    with workspace() as folder, Background() as background:
        numbers = itertools.count()

        def steps(record: bool) -> Path:
            take = folder / f"{next(numbers)}.take"
            play_steps(size, _SECONDS, take if record else None)
            return take

        first = steps(True)
        works = {
            "on": processor(partial(steps, True)),
            "off": processor(partial(steps, False)),
            "files": processor(partial(derive, first)),
        }
        spent = in_turn(works, max(3, effort.rounds))
        # Processor time is the measure here, but a minute is a promise in seconds.
        minute = wall(partial(play_steps, size, 60.0, folder / "minute.take"))()
    frames = RATE.frames_in(_SECONDS)
    shares = [
        100.0 * (on - off - files) / frames / RATE.period
        for on, off, files in zip(spent["on"], spent["off"], spent["files"], strict=True)
    ]
    endings = [100.0 * files / frames / RATE.period for files in spent["files"]]
    ratios, cores, presented = _on_stage(effort)
    return [
        row("recording: share of a frame's period", shares, "%", target=_SHARE_TARGET,
            background=background.cores, dimensions=size.spec.size,
            ms_a_frame={k: round(1e3 * statistics.median(v) / frames, 4)
                        for k, v in spent.items()}),
        row("recording: its plain files, of the same period", endings, "%",
            background=background.cores),
        row("recording: frame until it is shown, on / off", ratios, "", target=1.02,
            background=cores, doubtful=presented < LEAST_SHOWN, presented=round(presented, 3),
            decode_ms=1e3 * _DECODE, pixels=_PIXELS),
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


class _Marking(NoRig):
    """Presses record in turn, and remembers what was so in every tick."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self.recording: list[bool] = []

    def follow(self, performance: Performance, reflection: Reflection, now: float) -> None:
        """Note, and press at the end of a spell."""
        self.recording.append("/take/record" in reflection.lit)
        if len(self.recording) % _SPELL == 0:
            self._inbox.put(ControlEvent("/take/toggle", 1.0, now))


def _on_stage(effort: Effort) -> tuple[list[float], float | None, float]:
    """Frames of spells with a take by frames of the spells beside them without, in one show; the
    background meanwhile; and the share of ticks that showed a picture."""
    clock, size, inbox = WallClock(), Size(), Inbox()
    performer, rig = performer_of(size), _Marking(inbox)
    seconds = RATE.time_of(_SPELL * 2 * (1 + max(2, effort.rounds)))
    numbers = itertools.count()
    with workspace() as folder:
        card = card_of(folder / "card", _PIXELS, _DECODE, performer.spec)
        tape = tape_of(performer, RATE, lambda: folder / f"{next(numbers)}.take")
        with screen_of(card, (_PIXELS, _PIXELS), clock) as screen, Background() as background:
            show = Show(
                performer, RATE, clock, tape, inbox, script(size, seconds), rig, screen,
                seconds=seconds,
            )  # fmt: skip
            loop = Loop(show)
            loop.run()
    meters = loop.meters
    ratios = spell_ratios(meters.overhead.kept(), np.array(rig.recording))
    return ratios, background.cores, meters.swaps.count / meters.ticks


def spell_ratios(overhead: F64, recording: NDArray[np.bool_]) -> list[float]:
    """Usual frame with a take by usual frame without, of neighbouring spells.

    The first spells of either kind, and the beginning of each, are left out: there a file is
    opened, or the take before is brought to its end.
    """
    spells = len(recording) // _SPELL
    frames: dict[bool, list[float]] = {True: [], False: []}
    for spell in range(spells):
        begin = spell * _SPELL
        steady = slice(begin + _UNSETTLED, begin + _SPELL)
        usual = float(np.median(overhead[steady])) + _DECODE
        frames[bool(recording[steady].mean() > 0.5)].append(usual)
    return [on / off for on, off in zip(frames[True][1:], frames[False][1:], strict=False)]
