"""(a) What a frame costs beside decoding it and the swap: control, performer, record, drawing.

A card stands in for the model, so nothing of the figures is a decoder's; a screen of the picture's
size that nobody sees is drawn to, a take is written, fifty bindings are there and five move.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from instrument import InstrumentError
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
from instrument.control.mirror import Reflection
from instrument.latent.space import F64
from instrument.live.loop import Loop, Show
from instrument.live.meters import Meters
from instrument.live.rig import NoRig
from instrument.performance.state import Performance
from instrument.timebase import WallClock

DECODE = 0.004  # s the card paints: a model that keeps up, with time to spare
LEAST_SHOWN = 0.9  # of all ticks: with fewer, the stage did not keep up
_TARGETS = {512: 2.0, 1024: 4.0}  # ms


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a show measured of itself: its meters, and the seconds beside decode and swap of those
    ticks alone that showed a new picture, for the others do less."""

    meters: Meters
    frames: F64
    renderer: str  # who draws

    @property
    def share(self) -> float:
        """Of all ticks, those with a new picture."""
        return len(self.frames) / max(1, self.meters.ticks)


class _Counting(NoRig):
    """Notes in every tick how many pictures came before it."""

    def __init__(self) -> None:
        self.meters = Meters(1.0)  # until the loop's own are known
        self._before: list[int] = []

    def follow(self, performance: Performance, reflection: Reflection, now: float) -> None:
        """Note it."""
        self._before.append(self.meters.shown)

    def frames(self) -> F64:
        """What the ticks with a new picture cost beside decode and swap, in seconds."""
        came = np.diff([*self._before, self.meters.shown]) > 0
        overhead = self.meters.overhead.kept()
        return overhead[: len(came)][came[: len(overhead)]]


def measure(effort: Effort) -> list[Row]:
    """A row for each size of picture."""
    seconds = 3.0 if effort.full else 1.5
    seen: dict[int, list[Seen]] = {pixels: [] for pixels in _TARGETS}

    def play(pixels: int) -> float:
        seen[pixels].append(shown(pixels, seconds, record=True))
        return seen[pixels][-1].share

    with Background() as background:
        shares = in_turn({str(p): partial(play, p) for p in _TARGETS}, effort.rounds)
    rows = []
    for pixels, target in _TARGETS.items():
        # The first ones are no usual ones.
        kept = np.concatenate([one.frames[len(one.frames) // 4 :] for one in seen[pixels]])
        share = min(shares[str(pixels)])
        rows.append(
            row(
                f"frame beside decode and swap, {pixels} px", (1e3 * kept).tolist(), "ms",
                target=target, background=background.cores, doubtful=share < LEAST_SHOWN,
                rounds=effort.rounds, new_pictures=round(share, 3), recording=True,
                renderer=seen[pixels][0].renderer,
                p99=round(1e3 * float(np.percentile(kept, 99)), 3),
            )
        )  # fmt: skip
    return rows


def shown(
    pixels: int, seconds: float, *, record: bool, screen: tuple[int, int] | None = None,
    size: Size | None = None, decode: float = DECODE,
) -> Seen:  # fmt: skip
    """What a show of so many `seconds` measures of itself, with pictures of `pixels`².

    `screen` is (width, height) of the framebuffer, the picture's own where it is None. Raises
    InstrumentError where no picture came.
    """
    size, rig = size or Size(), _Counting()
    clock, performer = WallClock(), performer_of(size)
    with workspace() as folder:
        card = card_of(folder / "card", pixels, decode, performer.spec)
        tape = tape_of(performer, RATE, lambda: folder / "bench.take") if record else no_tape()
        with screen_of(card, screen or (pixels, pixels), clock) as opened:
            show = Show(
                performer, RATE, clock, tape, script=script(size, seconds), seconds=seconds,
                record=record, rig=rig, screen=opened,
            )  # fmt: skip
            loop = Loop(show)
            rig.meters = loop.meters
            loop.run()
            renderer = opened.surface.ctx.info["GL_RENDERER"]
    frames = rig.frames()
    if not len(frames):
        raise InstrumentError(f"not one picture of {pixels} px within {seconds:g} s")
    return Seen(loop.meters, frames, renderer)
