"""(c) From a hand to light: an event's own time to the pixel that shows it.

Hands act at moments nobody can foresee, so an event waits for its tick between nothing and a
period; what is beyond that wait, a decode and the swap is the instrument's own. Where cores can be
watched, figures are of the events during whose way none stood still; `with_stalls` is of them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from shutil import which

import numpy as np

from instrument.bench.load import Background
from instrument.bench.photon import JITTER, Which, Wish, sight
from instrument.bench.rows import Effort, Row, row
from instrument.latent.space import F64
from instrument.timebase import FrameRate

_WISH = Wish(decode=0.005, size=256)
_SECONDS = 5.0
_STRETCHES = 4  # of the show, each with a figure of its own: how far those lie apart


def measure(effort: Effort) -> list[Row]:
    """p50, p99 and jitter: of a window, where there is Xvfb; else, or in full, of a screen with
    refreshes that is a framebuffer."""
    screens: list[Which] = [*(("window",) if which("Xvfb") else ())]
    if effort.full or not screens:
        screens.append("refreshing")
    seconds = 4.0 * _SECONDS if effort.full else _SECONDS
    return [
        one for screen in screens for one in _on(replace(_WISH, screen=screen, seconds=seconds))
    ]


def _on(wish: Wish) -> list[Row]:
    with Background() as background:
        seen = sight(wish)
    period = 1e3 * FrameRate.parse(wish.refresh).period
    goal = seen.goal(wish)
    figures: dict[str, tuple[str, Callable[[F64], float], float]] = {
        "p50": ("event_to_pixel", lambda ms: float(np.percentile(ms, 50)), goal - 0.5 * period),
        "p99": ("event_to_pixel", lambda ms: float(np.percentile(ms, 99)), goal),
        "jitter from z on": ("z_to_pixel", late, JITTER),
        "jitter of swaps": ("swap_to_swap", late, JITTER),
    }
    parts = seen.parts if seen.calm is None else seen.calm
    return [
        row(
            f"hand to light, {name}, {wish.screen}",
            [said(some) for some in np.array_split(parts[part], _STRETCHES)], "ms",
            value=said(parts[part]), target=target, background=background.cores,
            events=seen.events, unseen=seen.unseen, decode_ms=1e3 * wish.decode,
            period_ms=round(period, 2), pixels=wish.size, to="a pixel that was read",
            stalls=seen.stalls, with_stalls=round(said(seen.parts[part]), 2),
        )
        for name, (part, said, target) in figures.items()
    ]  # fmt: skip


def late(times: F64) -> float:
    """From the usual to the late: p99 less p50."""
    return float(np.ptp(np.percentile(times, (50, 99))))
