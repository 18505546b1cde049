"""(a) What a frame costs beside decoding it and the swap: control, performer, record, drawing.

A card stands in for the model, so nothing of the figures is a decoder's; a screen of the picture's
size that nobody sees is drawn to, a take is written, fifty bindings are there and five move.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

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
from instrument.bench.turns import in_turn
from instrument.latent.space import F64
from instrument.live.loop import Loop, Show
from instrument.live.meters import Meters
from instrument.timebase import WallClock

DECODE = 0.004  # s the card paints: a model that keeps up, with time to spare
_MOST_SHOWN = 0.9  # of all ticks
_TARGETS = {512: 2.0, 1024: 4.0}  # ms


def measure(effort: Effort) -> list[Row]:
    """A row for each size of picture."""
    seconds = 3.0 if effort.full else 1.5
    seen: dict[int, list[F64]] = {pixels: [] for pixels in _TARGETS}
    presented: dict[int, list[float]] = {pixels: [] for pixels in _TARGETS}

    def play(pixels: int) -> float:
        meters = meters_of(pixels, seconds, record=True)
        presented[pixels].append(meters.swaps.count / meters.ticks)
        overhead = meters.overhead.kept()
        seen[pixels].append(overhead[len(overhead) // 4 :])  # the first ones are no usual ones
        return 1e3 * float(np.median(seen[pixels][-1]))

    with Background() as background:
        in_turn({str(p): partial(play, p) for p in _TARGETS}, effort.rounds)
    rows = []
    for pixels, target in _TARGETS.items():
        all_of_it = 1e3 * np.concatenate(seen[pixels])
        rows.append(
            row(
                f"frame beside decode and swap, {pixels} px", all_of_it.tolist(), "ms",
                target=target, background=background.cores, rounds=effort.rounds,
                # A tick that comes too late shows nothing, and costs less than it should.
                doubtful=min(presented[pixels]) < _MOST_SHOWN,
                presented=round(min(presented[pixels]), 3),
                p99=round(float(np.percentile(all_of_it, 99)), 3), recording=True,
            )
        )  # fmt: skip
    return rows


def meters_of(
    pixels: int, seconds: float, *, record: bool, screen: tuple[int, int] | None = None,
    size: Size | None = None, decode: float = DECODE,
) -> Meters:  # fmt: skip
    """What a show of so many `seconds` measures of itself, with pictures of `pixels`².

    `screen` is (width, height) of the framebuffer, the picture's own where it is None.
    """
    size = size or Size()
    clock, performer = WallClock(), performer_of(size)
    with workspace() as folder:
        card = card_of(folder / "card", pixels, decode, performer.spec)
        tape = tape_of(performer, RATE, partial(_take, folder)) if record else no_tape()
        with screen_of(card, screen or (pixels, pixels), clock) as shown:
            show = Show(
                performer, RATE, clock, tape, script=script(size, seconds), seconds=seconds,
                record=record, screen=shown,
            )  # fmt: skip
            loop = Loop(show)
            loop.run()
    return loop.meters


def _take(folder: Path) -> Path:
    return folder / "bench.take"
