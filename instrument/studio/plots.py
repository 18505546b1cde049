"""Figures of z-sequences and of their pace, as one would rather look at than at numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from instrument.latent.space import F64
from instrument.studio.evenness import Evenness
from instrument.studio.motion import Motion, thinned
from instrument.studio.pace import Paced
from instrument.studio.plot_paper import (
    AFTER,
    BEFORE,
    FAINT,
    INK,
    WANTED,
    bare,
    beside_title,
    diverging,
    need_matplotlib,
    paper,
    printed,
)
from instrument.timebase import FrameRate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["need_matplotlib", "pace_figure", "sequence_figure", "snapshot_figure"]

_COLOURS = (BEFORE, AFTER)
_HEAT_RANGE = 2.5  # of a Gaussian number 99 % lie within
_BINS = 48


def pace_figure(paced: Paced, rate: FrameRate, name: str, kind: str = "png") -> bytes:
    """Perceptual speed before and after, which moment is seen when, and how steps are spread."""
    before, after = (s * rate.num / rate.den for s in (paced.steps_before, paced.steps_after))
    wanted = paced.wanted * rate.num / rate.den
    with paper(11.0, 6.4, f"Pace of {name}") as figure:
        grid = figure.add_gridspec(2, 2, height_ratios=(1.25, 1.0), width_ratios=(1.6, 1.0))
        speed, when, spread = (figure.add_subplot(grid[at]) for at in ((0, slice(None)), (1, 0),
                                                                       (1, 1)))  # fmt: skip
        for steps, colour, word in ((before, BEFORE, "before"), (after, AFTER, "after")):
            judged = Evenness.of(steps, rate)
            cv = "" if judged.cv is None else f"  (CV {judged.cv:.3f})"
            _curve(speed, steps, rate, colour, word + cv)
        if np.ptp(wanted) > 1e-9:
            _curve(speed, wanted, rate, WANTED, "wanted", dashed=True)
        for row in paced.cuts:
            speed.axvline(rate.time_of(row), color=FAINT, linewidth=0.8, linestyle=":")
        speed.set(title="Perceptual speed", xlabel="film time (s)", ylabel="change a second")
        speed.set_ylim(bottom=0.0)
        speed.margins(x=0.0)
        beside_title(speed)
        _times(when, paced, rate)
        _spread(spread, (before, after), ("before", "after"), (BEFORE, AFTER))
        spread.set(title="How steps are spread", xlabel="change a second", ylabel="frames")
        return printed(figure, kind)


def sequence_figure(
    motions: Sequence[Motion], looks: Sequence[F64] = (), kind: str = "png"
) -> bytes:
    """Heat maps of one or two z-sequences, their speed and turns over time, and how those lie.

    `looks` are steps between pictures, one ``F64[n - 1]`` for each sequence, where they are known.
    """
    rows = 3 if looks else 2
    title = " and ".join(motion.name for motion in motions)
    colours = _COLOURS[-len(motions) :]
    with paper(12.0, 2.5 * len(motions) + 2.3 * rows, title) as figure:
        heights = (2.5,) * len(motions) + (2.1,) * rows
        grid = figure.add_gridspec(len(heights), 2, height_ratios=heights, width_ratios=(2.6, 1.0))
        for index, motion in enumerate(motions):
            _heat(figure.add_subplot(grid[index, :]), motion)
        quantities = [
            ("Speed of z", "degrees a second", [m.speed for m in motions]),
            ("Turns", "degrees a frame", [m.turns for m in motions]),
        ]
        if looks:
            per_second = [s * m.rate.num / m.rate.den for s, m in zip(looks, motions, strict=True)]
            quantities.append(("Perceptual speed", "change a second", per_second))
        for offset, (title, unit, values) in enumerate(quantities):
            along = figure.add_subplot(grid[len(motions) + offset, 0])
            spread = figure.add_subplot(grid[len(motions) + offset, 1])
            for motion, some, colour in zip(motions, values, colours, strict=True):
                label = motion.name if title == "Turns" else _with_cv(motion.name, some)
                _curve(along, some, motion.rate, colour, label)
            along.set(title=title, ylabel=unit, xlabel="time (s)")
            along.set_ylim(bottom=0.0)
            along.margins(x=0.0)
            beside_title(along)
            _spread(spread, values, [m.name for m in motions], colours)
            spread.set(xlabel=unit, ylabel="frames")
            if title == "Turns":  # most frames turn by nothing, and the few that do are sought
                spread.set_yscale("log")
        return printed(figure, kind)


def snapshot_figure(
    names: Sequence[str], apart: F64, kept: F64, flips: F64, kind: str = "png"
) -> bytes:
    """How far snapshots lie apart ``F64[s, s]``, and what of the newest is there in each."""
    with paper(11.0, 5.0, "The same z through every snapshot") as figure:
        table, share = figure.subplots(1, 2, width_ratios=(1.0, 1.2))
        drawn = table.imshow(apart, cmap="magma", vmin=0.0, interpolation="nearest")
        bare(table)
        table.set(title="Mean distance of pictures", xlabel="snapshot", ylabel="snapshot")
        every = max(1, -(-len(names) // 10))
        at = list(range(0, len(names), every))
        table.set_xticks(at, [names[i] for i in at])
        table.set_yticks(at, [names[i] for i in at])
        bar = figure.colorbar(drawn, ax=table, shrink=0.82)
        bar.outline.set_visible(False)
        places = np.arange(len(names))
        share.plot(places, kept, color=AFTER, marker="o", markersize=3, label="order kept")
        share.plot(places, 1.0 - flips, color=WANTED, marker="o", markersize=3, label="kind kept")
        share.set(title="What is left of the edit", xlabel="snapshot")
        share.set_xticks(at, [names[i] for i in at])
        share.set_ylim(float(kept.min(initial=0.0, where=np.isfinite(kept))), 1.03)
        beside_title(share)
        return printed(figure, kind)


def _heat(axes: Axes, motion: Motion) -> None:
    """z over time: one line for each number, dark at 0."""
    reach = _HEAT_RANGE if motion.size > 1 else max(1e-9, float(np.abs(motion.heat).max()))
    axes.imshow(
        motion.heat, aspect="auto", cmap=diverging(), vmin=-reach, vmax=reach,
        interpolation="nearest", extent=(0.0, motion.seconds, motion.numbers, 0.0),
    )  # fmt: skip
    bare(axes)
    shown = f"{motion.numbers} of {motion.size}" if motion.numbers < motion.size else motion.size
    axes.set(title=f"{motion.name}: {motion.frames} rows", ylabel=f"{shown} numbers of z")
    axes.set_yticks([])
    axes.set_xlabel("time (s)")


def _curve(
    axes: Axes, values: F64, rate: FrameRate, colour: str, label: str, dashed: bool = False
) -> None:
    if len(values) == 0:
        return
    drawn = thinned(values, np.arange(len(values), dtype=np.float64) * rate.period)
    if drawn.least is not drawn.mean:
        axes.fill_between(drawn.at, drawn.least, drawn.most, color=colour, alpha=0.28, linewidth=0)
    axes.plot(drawn.at, drawn.mean, color=colour, label=label, linestyle="--" if dashed else "-")


def _times(axes: Axes, paced: Paced, rate: FrameRate) -> None:
    """Which moment of the source every moment of the film shows."""
    film = np.arange(len(paced.positions), dtype=np.float64) * rate.period
    shown = thinned(paced.positions * rate.period, film)
    end = float(paced.positions[-1]) * rate.period
    axes.plot([0.0, film[-1]], [0.0, end], color=BEFORE, linewidth=1.0, linestyle=":")
    axes.plot(shown.at, shown.mean, color=AFTER)
    axes.set(title="Which moment is seen when", xlabel="film time (s)", ylabel="source time (s)")
    axes.margins(0.0)


def _spread(
    axes: Axes, values: Sequence[F64], names: Sequence[str], colours: Sequence[str]
) -> None:
    """Histograms over one another, on common bins; the last percent lies in the last bin."""
    known = [v[np.isfinite(v)] for v in values]
    every = np.concatenate(known) if known else np.zeros(0)
    if len(every) == 0:
        return
    top = max(float(np.percentile(v, 99.0)) for v in known if len(v)) or 1.0
    edges = np.linspace(0.0, top * 1.05, _BINS + 1).tolist()
    for some, name, colour in zip(known, names, colours, strict=False):
        axes.hist(
            np.minimum(some, edges[-1]), edges, color=colour, alpha=0.55, label=name,
            histtype="stepfilled", edgecolor=INK, linewidth=0.0,
        )  # fmt: skip
    axes.margins(x=0.0)


def _with_cv(name: str, values: F64) -> str:
    known = values[np.isfinite(values)]
    mean = float(known.mean()) if len(known) else 0.0
    return f"{name}  (CV {float(known.std()) / mean:.2f})" if mean > 0.0 else name
