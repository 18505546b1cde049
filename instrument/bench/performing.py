"""(d) A frame of the performer, as what it looks after grows: bindings, oscillators, dimensions.

Processor time, so that neighbours hardly change it. Every kind plays a block of frames in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from instrument.bench.load import Background
from instrument.bench.rows import Effort, Row, row
from instrument.bench.stage import RATE, Size, hands, performer_of
from instrument.bench.turns import in_turn, processor

_FRAMES = 150  # a block
_TARGET = 150.0  # µs, for the usual size
_PERIOD_SHARE = 0.1  # of a frame's period, for everything at once
USUAL = Size()
SCALE = "W+, 200 bindings, 64 LFOs, 1,000 waypoints"
EVERYTHING = Size((18, 512), 200, 64, 1000)
SIZES = (
    USUAL,
    Size(bindings=0), Size(bindings=200),
    Size(lfos=8), Size(lfos=64),
    Size((64,)), Size((18, 512)),
    Size(waypoints=1000),
    EVERYTHING,
)  # fmt: skip


def measure(effort: Effort, sizes: tuple[Size, ...] = SIZES) -> list[Row]:
    """µs of each size, and how many times that of the first."""
    with Background() as background:
        spent = step_seconds(sizes, 3 * effort.rounds)
    usual = sorted(spent[0])[len(spent[0]) // 2]
    rows = []
    for size, seconds in zip(sizes, spent, strict=True):
        micro = [1e6 * s for s in seconds]
        target = {USUAL: _TARGET, EVERYTHING: 1e6 * _PERIOD_SHARE * RATE.period}.get(size)
        scale = {"scale": SCALE} if size == EVERYTHING else {}
        about: dict[str, Any] = {"frames_a_sample": _FRAMES, **scale}
        times = sorted(seconds)[len(seconds) // 2] / usual
        rows.append(
            row(
                f"performer, one frame: {size}", micro, "µs", target=target,
                background=background.cores, times_the_usual=round(times, 3), **about,
            )
        )  # fmt: skip
    return rows


def step_seconds(sizes: tuple[Size, ...], rounds: int) -> list[list[float]]:
    """Seconds of a processor for one frame of each size, `rounds` samples of each."""
    blocks = {str(number): _block(size) for number, size in enumerate(sizes)}
    for block in blocks.values():
        block()
    spent = in_turn({name: processor(block) for name, block in blocks.items()}, rounds)
    return [[s / _FRAMES for s in spent[str(number)]] for number in range(len(sizes))]


def _block(size: Size) -> Callable[[], None]:
    """Play the next frames of a performance that goes on from block to block."""
    performer = performer_of(size)
    performance, frame = performer.begin(), 0

    def play() -> None:
        nonlocal performance, frame
        for _ in range(_FRAMES):
            frame += 1
            now = RATE.time_of(frame)
            performance = performer.advance(performance, now, hands(size, frame, now))
            performer.z(performance)

    return play
