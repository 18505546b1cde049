"""Figures of a run and of a history: how far from their targets, how cost grows, what came of it.

matplotlib is an optional extra; see `plot_paper`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from instrument.bench.rows import Row
from instrument.studio.plot_paper import (
    AFTER,
    BEFORE,
    WANTED,
    need_matplotlib,
    paper,
    printed,
)

__all__ = ["growth_figure", "history_figure", "need_matplotlib", "target_figure"]

_LOWEST = 0.01  # of a target: what is less is drawn there


def nearness(one: Row, value: float) -> float | None:
    """`value` as a share of the row's target: above 1 is missed. None where that says nothing."""
    target = one["target"]
    if not target or target <= 0.0 or value <= 0.0:
        return None
    return value / target if one["better"] == "lower" else target / value


def target_figure(parts: Sequence[dict[str, Any]], kind: str = "png") -> bytes | None:
    """Every row that has a target, with its quartiles; hollow is doubtful. None without any."""
    shown = [
        (one, share)
        for part in parts
        for one in part["rows"]
        if (share := nearness(one, one["value"])) is not None
    ]
    if not shown:
        return None
    with paper(11.0, 1.4 + 0.34 * len(shown), "Measured against its target") as figure:
        axes = figure.subplots()
        for line, (one, share) in enumerate(reversed(shown)):
            colour = WANTED if share <= 1.0 else AFTER
            ends = [max(_LOWEST, nearness(one, end) or _LOWEST) for end in one["quartiles"]]
            axes.plot(ends, [line, line], color=BEFORE, linewidth=2.5, solid_capstyle="round")
            face = "none" if one["doubtful"] else colour
            axes.plot(max(_LOWEST, share), line, "o", color=colour, markerfacecolor=face)
        axes.axvline(1.0, color=BEFORE, linestyle="--", linewidth=1.0)
        axes.set_xscale("log")
        axes.set_yticks(range(len(shown)), [one["name"] for one, _ in reversed(shown)])
        axes.set_xlabel("share of the target (right of the line: missed; hollow: doubtful)")
        return printed(figure, kind)


def growth_figure(parts: Sequence[dict[str, Any]], kind: str = "png") -> bytes | None:
    """Every row that has points, on axes of its own, doubly logarithmic. None without any."""
    shown = [one for part in parts for one in part["rows"] if one["about"].get("points")]
    if not shown:
        return None
    columns = min(3, len(shown))
    lines = -(-len(shown) // columns)
    with paper(4.2 * columns, 1.0 + 3.0 * lines, "Cost as it grows") as figure:
        panels = figure.subplots(lines, columns, squeeze=False).ravel()
        for axes, one in zip(panels, shown, strict=False):
            x, y = np.asarray(one["about"]["points"], np.float64).T
            axes.loglog(x, y, "o-", color=AFTER, label="measured")
            axes.loglog(x, y[0] * x / x[0], "--", color=BEFORE, label="proportional")
            axes.set(title=one["name"], ylabel=one["about"].get("of", ""))
            axes.set_xlabel(one["name"].partition(" → ")[0])
        for axes in panels[len(shown) :]:
            axes.set_visible(False)
        panels[0].legend()
        return printed(figure, kind)


def history_figure(runs: Sequence[dict[str, Any]], kind: str = "png") -> bytes | None:
    """Rows with a target, over the runs of one machine. None where there are fewer than two.

    Runs are of different hours: what this shows are drifts, and no verdicts.
    """
    lines: dict[str, list[tuple[int, float]]] = {}
    for number, run in enumerate(runs):
        for part in run["parts"]:
            for one in part["rows"]:
                share = nearness(one, one["value"])
                if share is not None:
                    lines.setdefault(one["name"], []).append((number, max(_LOWEST, share)))
    lines = {name: points for name, points in lines.items() if len(points) > 1}
    if not lines:
        return None
    with paper(12.0, 6.0, "Runs on this machine, each at an hour of its own") as figure:
        axes = figure.subplots()
        for name, points in lines.items():
            axes.plot(*zip(*points, strict=True), ".-", label=name)
        axes.axhline(1.0, color=BEFORE, linestyle="--", linewidth=1.0)
        axes.set_yscale("log")
        commits = [(run["commit"] or "?")[:7] for run in runs]
        every = max(1, -(-len(runs) // 16))
        axes.set_xticks(range(0, len(runs), every), commits[::every], rotation=45)
        axes.set(xlabel="commit", ylabel="share of the target")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return printed(figure, kind)
