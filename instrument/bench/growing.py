"""(j) How cost grows: with pictures, frame rate, dimensions, waypoints and length, one at a time.

A row's value is the exponent: 1 grows as what it is measured against, 0 not at all. `points` are
the figures themselves.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from instrument.bench.belongings import resident
from instrument.bench.frame_cost import LEAST_SHOWN, shown
from instrument.bench.load import Background
from instrument.bench.performing import EVERYTHING, SCALE, step_seconds
from instrument.bench.recording import play_steps
from instrument.bench.rows import Effort, Row, row
from instrument.bench.stage import RATE, Size, performer_of, tape_of, workspace
from instrument.bench.statistics import exponent, median_interval
from instrument.bench.turns import in_turn, processor
from instrument.timebase import FrameRate, WallClock

_PROPORTIONAL = 1.1  # what a proportional cost may seem to be
_FOUR_K = (3840, 2160)
_SHAPES = ((64,), (512,), (18, 512))


def measure(effort: Effort) -> list[Row]:
    """A row for each thing that grows, one for an output of 4K, and one for all that a large show
    has at once."""
    return [
        _pixels(effort), _rate(effort), _dimensions(effort), _waypoints(effort),
        _take_length(effort), _four_k(effort), _everything(effort),
    ]  # fmt: skip


def grown(
    name: str, x: Sequence[float], y: Sequence[Sequence[float]], unit: str,
    background: float | None, target: float | None = _PROPORTIONAL,
) -> Row:  # fmt: skip
    """A row of samples `y` at each of `x`: rounds first take their own exponent."""
    rounds = list(zip(*y, strict=True))
    points = [[place, median_interval(samples).middle] for place, samples in zip(x, y, strict=True)]
    return row(
        name, [exponent(x, samples) for samples in rounds], "exponent", target=target,
        background=background, points=points, of=unit,
    )  # fmt: skip


def _pixels(effort: Effort) -> Row:
    sizes = (256, 512, 1024, 2048)

    def play(pixels: int) -> float:
        return 1e3 * float(np.median(shown(pixels, 1.5, record=False).frames))

    with Background() as background:
        taken = in_turn({str(n): partial(play, n) for n in sizes}, effort.rounds)
    pixels = [float(n * n) for n in sizes]
    return grown("pixels of a picture → ms beside decode and swap", pixels,
                 [taken[str(n)] for n in sizes], "ms a frame", background.cores)  # fmt: skip


def _rate(effort: Effort) -> Row:
    rates = (30, 60, 120)
    works = {
        str(n): processor(partial(play_steps, Size(), 10.0, None, FrameRate(n))) for n in rates
    }
    with Background() as background:
        taken = in_turn(works, effort.rounds)
    seconds = [[100.0 * one for one in taken[str(n)]] for n in rates]
    return grown("frames a second → processor", [float(n) for n in rates], seconds,
                 "ms a second", background.cores)  # fmt: skip


def _dimensions(effort: Effort) -> Row:
    sizes = tuple(Size(shape) for shape in _SHAPES)
    with Background() as background:
        spent = step_seconds(sizes, effort.rounds)
    return grown("dimensions → performer", [float(size.spec.size) for size in sizes],
                 _micro(spent), "µs a frame", background.cores)  # fmt: skip


def _waypoints(effort: Effort) -> Row:
    counts = (8, 100, 1000)
    with Background() as background:
        spent = step_seconds(tuple(Size(waypoints=n) for n in counts), effort.rounds)
    return grown("waypoints → performer", [float(n) for n in counts], _micro(spent),
                 "µs a frame", background.cores, target=0.1)  # fmt: skip


def _micro(spent: list[list[float]]) -> list[list[float]]:
    return [[1e6 * seconds for seconds in samples] for samples in spent]


def _take_length(effort: Effort) -> Row:
    minutes = (1.0, 4.0, 16.0) if effort.full else (0.5, 2.0)
    memory: dict[str, list[float]] = {str(n): [] for n in minutes}

    def end(folder: Path, length: float) -> float:
        before = resident("self")
        performer = performer_of(Size(bindings=0))
        target = folder / f"{length:g}-{len(memory[str(length)])}.take"
        tape = tape_of(performer, RATE, lambda: target)
        performance = performer.begin()
        tape.start(performance)
        z, values = performer.z(performance), performer.values(performance).astype("float32")
        for index in range(RATE.frames_in(60.0 * length)):
            tape.row(RATE.time_of(index), z, values)
        clock = WallClock()
        begun = clock.now()
        tape.close()
        memory[str(length)].append((resident("self") - before) / (1 << 20))
        return clock.now() - begun

    with workspace() as folder, Background() as background:
        taken = in_turn({str(n): partial(end, folder, n) for n in minutes}, effort.rounds)
    told = grown("length of a take → seconds to end it", [float(n) for n in minutes],
                 [taken[str(n)] for n in minutes], "s", background.cores)  # fmt: skip
    told["about"]["memory_mib"] = {n: round(max(more), 1) for n, more in memory.items()}
    return told


def _four_k(effort: Effort) -> Row:
    with Background() as background:
        seen = [shown(1024, 3.0, record=True, screen=_FOUR_K) for _ in range(effort.rounds)]
    return row(
        "frame beside decode and swap, 1024 px onto 3840x2160",
        [1e3 * float(np.median(one.frames)) for one in seen], "ms", target=4.0,
        background=background.cores, scale="4K output",
        swap_ms=round(1e3 * max(one.meters.swaps.percentile(50) for one in seen), 2),
        doubtful=min(one.share for one in seen) < LEAST_SHOWN, cores=os.cpu_count(),
        new_pictures=round(min(one.share for one in seen), 3), renderer=seen[0].renderer,
    )  # fmt: skip


def _everything(effort: Effort) -> Row:
    """A tick of the largest show, recorded, in steps: what of it is work."""
    seconds, numbers = 5.0, itertools.count()
    with workspace() as folder, Background() as background:

        def play() -> None:
            play_steps(EVERYTHING, seconds, folder / f"{next(numbers)}.take")

        spent = [processor(play)() for _ in range(effort.rounds)]
    frames = RATE.frames_in(seconds)
    return row(
        "tick of the largest show, recorded, no pictures", [1e3 * s / frames for s in spent], "ms",
        target=4.0, background=background.cores, scale=SCALE, of=str(EVERYTHING),
    )  # fmt: skip
