"""Clocks for tests: MIDI ticks that jitter and get lost, and the beat they stand for."""

from __future__ import annotations

import numpy as np


def ticks_of(
    tempos: list[tuple[int, float]], jitter: float = 0.0, lost: float = 0.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Arrivals ``F64[n]`` of MIDI clock, and when each of the even ticks was due ``F64[m]``.

    `tempos` are (beats, bpm) one after the other, the first beat at second 1. A queue delivers in
    order, so what jitters past its neighbour comes after it.
    """
    random = np.random.default_rng(seed)
    gaps = np.concatenate([np.full(24 * beats, 2.5 / bpm) for beats, bpm in tempos])
    due = 1.0 + np.concatenate([[0.0], np.cumsum(gaps)])
    arrived = due + random.normal(0.0, jitter, len(due)) if jitter else due.copy()
    kept = random.random(len(due)) >= lost
    return np.sort(arrived[kept]), due


def beats_at(due: np.ndarray, time: float) -> float:
    """How many beats a clock with ticks `due` has counted at `time`."""
    return float(np.interp(time, due, np.arange(len(due)) / 24.0))
