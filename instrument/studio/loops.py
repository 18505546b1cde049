"""Loops: endless films of any length, written as they come.

A loop is a closed path sampled at whole frames, of which the last leads to the first as any other
leads to the next. It begins on the way from its last key to its first, where it is as calm as
usual: at a key it would begin with its sharpest turn. This module knows no decoder.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path as File
from typing import Any

import numpy as np

from instrument import InstrumentError
from instrument.latent.manner import Manner
from instrument.latent.path import Path, passes
from instrument.latent.row_stream import Block, blank, stream_sequence
from instrument.latent.sequence import ZSequence
from instrument.latent.space import F64, LatentSpec
from instrument.latent.steps import off_shell, step_lengths, turns
from instrument.latent.trace import Origin
from instrument.studio.keys import Keys, sampled
from instrument.timebase import FrameRate

_NUMBERS_A_BLOCK = 1 << 17  # a few megabytes, whatever the space
_INSTANT = 1 / 60  # seconds between places that are compared to find where a loop begins
_BEGINNINGS, _LOOKED_AT = 31, 400  # places that it might, and others they are held against
_MOST_PASSES = 1000  # keys whose nearness is measured
_MEASURED = 4000  # places at which steps and turns of a long loop are looked at


class LaterPath:
    """A closed path, begun `offset` seconds later."""

    closed = True

    def __init__(self, path: Path, offset: float) -> None:
        self._path, self._offset = path, offset
        self.seconds = path.seconds
        self.visits = np.mod(path.visits - offset, path.seconds)

    def at(self, times: F64) -> F64:
        """See `Path.at`."""
        return self._path.at(times + self._offset)

    def along(self, values: F64, times: F64) -> F64:
        """See `Path.along`."""
        return self._path.along(values, times + self._offset)

    def between(self, times: F64) -> F64:
        """See `Path.between`."""
        return self._path.between(times + self._offset)


def loop_path(
    keys: Keys, spec: LatentSpec, manner: Manner, seconds: float, rate: FrameRate, seed: int
) -> tuple[Path, int]:
    """The closed path through `keys` and how many frames a lap has: a whole number of them.

    Raises InstrumentError.
    """
    if not 0.0 < seconds < math.inf:
        raise InstrumentError(f"a loop of {seconds} s: must be above 0")
    frames = rate.frames_in(seconds)
    if frames < 3:
        raise InstrumentError(f"a loop of {seconds} s at {rate} /s: has fewer than 3 frames")
    path = manner.path(keys.z, spec, rate.time_of(frames), seed, closed=True)
    return LaterPath(path, _calm(path, spec)), frames


def _calm(path: Path, spec: LatentSpec) -> float:
    """When, on the way from the last key to the first, it neither rushes nor turns.

    Asked of the path itself, so that loops of all frame rates begin at the same place.
    """
    instant = min(_INSTANT, path.seconds / 64.0)
    last = np.linspace(path.visits[-1], path.seconds, _BEGINNINGS + 2)[1:-1]
    everywhere = np.linspace(0.0, path.seconds, _LOOKED_AT, endpoint=False)

    def lively(times: F64) -> tuple[F64, F64]:
        three = path.at((times[:, None] + instant * np.array([-1.0, 0.0, 1.0])).ravel())
        rows = three.reshape(len(times), 3, *spec.shape)
        steps = np.array([step_lengths(row, spec).max() for row in rows])
        return steps, np.array([float(turns(row, spec)[0]) for row in rows])

    usual = [np.sort(measure) for measure in lively(everywhere)]
    ranks = [
        np.searchsorted(known, measure) for known, measure in zip(usual, lively(last), strict=True)
    ]
    return float(last[np.argmin(np.maximum(*ranks))])


def write_loop(
    file: File, path: Path, frames: int, keys: Keys, sequence: ZSequence,
    origins: tuple[Origin, ...], *, rate: FrameRate, seed: int, source: str,
    progress: Callable[[int, int], None] | None = None,
) -> None:  # fmt: skip
    """Write ``NAME.npy`` and all that goes with it; memory does not grow with its length.

    `progress` hears how many frames of how many are made. Raises InstrumentError naming the file.
    """
    header = replace(blank(sequence, frames), rate=rate, seed=seed, source=source)
    blocks = _blocks(path, frames, keys, sequence, rate, progress)
    stream_sequence(file, header, blocks, origins)


def _blocks(
    path: Path, frames: int, keys: Keys, sequence: ZSequence, rate: FrameRate,
    progress: Callable[[int, int], None] | None,
) -> Iterator[Block]:  # fmt: skip
    size = max(1, _NUMBERS_A_BLOCK // sequence.spec.size)
    for start in range(0, frames, size):
        stop = min(start + size, frames)
        times = np.array([rate.time_of(frame) for frame in range(start, stop)])
        yield sampled(path, keys, times, sequence.addresses)
        if progress:
            progress(stop, frames)


def measured(
    path: Path, frames: int, rate: FrameRate, spec: LatentSpec, keys: Keys
) -> dict[str, Any]:
    """The seam beside all other places: its step and turn, and where those of the loop lie.

    And how near the loop comes to all of its keys; None where they are too many to look at.
    Angles in degrees; of a long loop from places spread evenly over it.
    """
    places = np.unique(np.linspace(0, frames - 1, min(frames, _MEASURED)).round()).astype(int)
    steps, turned = np.empty(len(places)), np.empty(len(places))
    off = 0.0
    for number, frame in enumerate(places.tolist()):
        z = _three(path, frame, frames, rate)
        steps[number] = step_lengths(z, spec)[1]
        turned[number] = turns(z, spec)[0]
        off = max(off, off_shell(z, spec))
    # The last frame → the first, and the turns on both sides of that step.
    over, onto = _three(path, frames - 1, frames, rate), _three(path, 0, frames, rate)
    seam_turn = max(float(turns(over, spec)[0]), float(turns(onto, spec)[0]))
    return {
        "seam_step_degrees": _degrees(step_lengths(over, spec)[1]),
        "step_p95_degrees": _degrees(np.percentile(steps, 95)),
        "seam_turn_degrees": _degrees(seam_turn),
        "turn_p95_degrees": _degrees(np.percentile(turned, 95)),
        "sharpest_turn_degrees": _degrees(turned.max()),
        "off_shell_deviations": round(off, 3),
        "passes_keys_within_degrees": (
            _degrees(passes(path, keys.z, spec).max()) if len(keys) <= _MOST_PASSES else None
        ),
        "measured_at": len(places),
    }


def _three(path: Path, frame: int, frames: int, rate: FrameRate) -> Any:
    """The rows before, at and after `frame`, as a player meets them that goes round."""
    around = [(frame + offset) % frames for offset in (-1, 0, 1)]
    return path.at(np.array([rate.time_of(one) for one in around]))


def _degrees(radians: Any) -> float:
    return round(math.degrees(float(radians)), 5)
