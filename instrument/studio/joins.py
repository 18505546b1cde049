"""From clips that lie end to end to a track: transitions laid over the cuts between them.

A transition covers frames on both sides of a cut; the clips run on into it beyond their ends.
Frame k of N shows k/N of what comes in. Knows no editor's format.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from instrument import InstrumentError
from instrument.latent.space import F64
from instrument.studio.keyed import shifted
from instrument.studio.timeline import LONGEST, Clip, Track
from instrument.timebase import FrameRange


@dataclass(frozen=True, slots=True)
class Join:
    """A mix over the frames from `start` up to `stop`, between two clips by their numbers.

    None is nothing at all: what lies below, or black. `start` may lie before frame 0.
    """

    outgoing: int | None
    incoming: int | None
    start: int
    stop: int


def laid(shots: Sequence[Clip], joins: Iterable[Join], length: int) -> tuple[Clip, ...]:
    """`shots` with `joins` laid over them, nothing beyond frame `length`; later ones above."""
    clips = list(shots)
    curves = sum(len(clip.record) for clip in shots if clip.opacity is not None)
    for join in joins:
        start, stop = max(join.start, 0), min(join.stop, length)
        if start >= stop:
            continue
        for number in (join.outgoing, join.incoming):
            if number is not None:
                clips[number] = run_on(clips[number], start, stop)
        lone = join.outgoing if join.incoming is None else join.incoming
        if lone is None:
            continue
        curves += len(clips[lone].record)
        if curves > 2 * LONGEST:
            raise InstrumentError(f"transitions over more than {2 * LONGEST} frames of clips")
        rise = (np.arange(start, stop) - join.start) / (join.stop - join.start)
        clips[lone] = veiled(clips[lone], start, 1.0 - rise if join.incoming is None else rise)
    return tuple(clips)


def run_on(clip: Clip, start: int, stop: int) -> Clip:
    """`clip` shown from `start` at the latest up to `stop` at the least, as far as it must."""
    start, stop = min(start, clip.record.start), max(stop, clip.record.stop)
    head, tail = clip.record.start - start, stop - clip.record.stop
    if not head and not tail:
        return clip
    return replace(
        clip,
        record=FrameRange(start, stop),
        retiming=shifted(clip.retiming, -head),
        opacity=_padded(clip.opacity, head, tail),
        gain=_padded(clip.gain, head, tail),
    )


def trimmed(clip: Clip, start: int, stop: int) -> Clip | None:
    """What of `clip` lies within the frames from `start` up to `stop`; None where nothing does."""
    first, last = max(start, clip.record.start), min(stop, clip.record.stop)
    if first >= last:
        return None
    head = first - clip.record.start
    rows = slice(head, head + last - first)
    return replace(
        clip,
        record=FrameRange(first, last),
        retiming=shifted(clip.retiming, head),
        opacity=None if clip.opacity is None else clip.opacity[rows],
        gain=None if clip.gain is None else clip.gain[rows],
    )


def veiled(clip: Clip, start: int, share: F64) -> Clip:
    """`clip` with its opacity over the frames from `start` on multiplied by `share` ``F64[k]``."""
    opacity = np.ones(len(clip.record)) if clip.opacity is None else clip.opacity.copy()
    rows = slice(start - clip.record.start, start - clip.record.start + len(share))
    opacity[rows] *= share
    return replace(clip, opacity=opacity)


def picked(tracks: Sequence[Track], wanted: str | None, path: Path) -> tuple[Track, ...]:
    """All `tracks`, or the one of that name or number, 1 the lowest. Raises InstrumentError."""
    if wanted is None:
        return tuple(tracks)
    named = [track for track in tracks if track.name == wanted]
    if named:
        return (replace(named[0], hidden=False),)
    if wanted.isascii() and wanted.isdigit() and 1 <= int(wanted[:9]) <= len(tracks):
        return (replace(tracks[int(wanted) - 1], hidden=False),)
    names = ", ".join(f"{n} ({track.name})" for n, track in enumerate(tracks, start=1))
    raise InstrumentError(f"{path}: no track {wanted[:60]!r}, there are {names[:300] or 'none'}")


def _padded(curve: F64 | None, head: int, tail: int) -> F64 | None:
    if curve is None or not len(curve):
        return None
    return np.pad(curve, (head, tail), mode="edge")
