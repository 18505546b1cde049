"""(c) From a hand to light: an event's own time to the swap that shows it.

Hands act at moments nobody can foresee, so an event waits for its tick between nothing and a
period; what is beyond that wait, a decode and the swap is the instrument's own.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import numpy as np

from instrument.bench.load import Background
from instrument.bench.rows import Effort, Row, row
from instrument.bench.stage import RATE, Size, card_of, no_tape, performer_of, screen_of, workspace
from instrument.event import ControlEvent
from instrument.latent.space import F64
from instrument.live.loop import Loop, Show
from instrument.timebase import WallClock

_DECODE = 0.005  # s
_PIXELS = 512
_WARM = 1.0  # s in which nothing is counted
_GAPS = (0.03, 0.07)  # s between two events, evenly spread: no two in step with a tick
_OWN = 0.002  # s beyond decode and one period
_JITTER = 3.0  # ms
_STRETCHES = 4  # of the show, each with a figure of its own: how far those lie apart


def measure(effort: Effort) -> list[Row]:
    """p50, p99 and jitter."""
    seconds = 20.0 if effort.full else 5.0
    with Background() as background:
        late = 1e3 * latencies(seconds)
    period = 1e3 * RATE.period
    goal = 1e3 * (_DECODE + _OWN) + period
    figures: dict[str, tuple[Callable[[F64], float], float]] = {
        "p50": (lambda ms: float(np.percentile(ms, 50)), goal - 0.5 * period),
        "p99": (lambda ms: float(np.percentile(ms, 99)), goal),
        # Of what is spread evenly over a period, p99 lies .49 periods above p50.
        "jitter beyond the wait for a tick": (
            lambda ms: max(0.0, float(np.ptp(np.percentile(ms, (50, 99)))) - 0.49 * period),
            _JITTER,
        ),
    }
    stretches = np.array_split(late, _STRETCHES)
    return [
        row(
            f"hand to light, {name}", [said(some) for some in stretches], "ms", value=said(late),
            target=target, background=background.cores, events=len(late), decode_ms=1e3 * _DECODE,
            period_ms=round(period, 2), pixels=_PIXELS, to="swap returned",
        )
        for name, (said, target) in figures.items()
    ]  # fmt: skip


def latencies(seconds: float) -> F64:
    """Seconds from event to swap, for some twenty events a second."""
    size, clock = Size(), WallClock()
    performer = performer_of(size)
    with (
        workspace() as folder,
        screen_of(
            card_of(folder, _PIXELS, _DECODE, performer.spec), (_PIXELS, _PIXELS), clock
        ) as screen,
    ):
        show = Show(performer, RATE, clock, no_tape(), screen=screen, seconds=_WARM + seconds)
        loop = Loop(show)
        hand = threading.Thread(target=_play, args=(show, seconds), name="hand")
        hand.start()
        loop.run()
        hand.join()
    return loop.meters.latency.kept()


def _play(show: Show, seconds: float) -> None:
    chance, clock = random.Random(1), show.clock  # noqa: S311
    clock.wait_until(clock.now() + _WARM)
    over = clock.now() + seconds - 0.2
    while clock.now() < over:
        clock.wait_until(clock.now() + chance.uniform(*_GAPS))
        show.inbox.put(ControlEvent("/noise/rate", chance.random(), clock.now()))
