"""Where an edit mixes: its dissolves, one by one, and what becomes of them.

A *mix* is a run of frames that show the same clips together. It is a *dissolve* where one clip
hands over to another. ``slerp`` follows the editor's weights, ``hold`` cuts where the incoming
weighs more, and ``spring`` flies: from where the outgoing was, and as fast, to the incoming.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from instrument.latent import geometry
from instrument.latent.space import F32, F64, LatentSpec
from instrument.latent.spring import Spring, SpringState, arrival_phase, position_after
from instrument.studio.footage import Source
from instrument.studio.gathering import rows_at
from instrument.studio.plan import NONE, Flags, Seen
from instrument.timebase import FrameRange

Dissolve = Literal["slerp", "hold", "spring"]

# Just no swinging past: a spring that lands and leaves again would miss the cut.
DAMPING = 1.0
ARRIVED = 5e-4  # rad, of the incoming's own place, at the last frame of a mix
_STEADY = 1e-6  # a weight that rises by less stands still


@dataclass(frozen=True, slots=True)
class Mix:
    """Frames `record` that show the clips `pieces` together.

    `outgoing` and `incoming` are the heavier ones at its two ends, the same where nothing is
    handed over. `weights` are how much of `incoming` its first and last frame show.
    """

    record: FrameRange
    pieces: tuple[int, ...]
    outgoing: int
    incoming: int
    weights: tuple[float, float]

    @property
    def is_dissolve(self) -> bool:
        """Whether one clip hands over to another."""
        return len(self.pieces) == 2 and self.outgoing != self.incoming


def mixes_of(seen: Seen, apart: Flags) -> list[Mix]:
    """Every mix, in order. Frames that are `apart` ``[n]`` (bridged gaps) are none."""
    mixed = (seen.count > 1) & ~apart
    shown = np.where(seen.share > 0.0, seen.piece, NONE)
    same = np.zeros(len(seen), np.bool_)
    same[1:] = mixed[1:] & mixed[:-1] & (shown[1:] == shown[:-1]).all(axis=1)
    starts = np.flatnonzero(mixed & ~same)
    ends = np.flatnonzero(mixed & ~np.append(same[1:], False)) + 1
    return [
        _mix(seen, start, end) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]


def _mix(seen: Seen, start: int, end: int) -> Mix:
    layers = np.flatnonzero(seen.share[start] > 0.0)
    pieces: list[int] = seen.piece[start, layers].tolist()
    first, last = seen.share[start, layers], seen.share[end - 1, layers]
    rise = (last - first).tolist()
    before, after = _alone(seen, start - 1, pieces), _alone(seen, end, pieces)
    if before is None and after is None:
        steady = max(rise) < _STEADY
        before = pieces[int(np.argmax(first) if steady else np.argmin(rise))]
        after = before if steady else pieces[int(np.argmax(rise))]
    elif before is None:  # an edit, or a cut, that begins within the mix
        before = min(pieces, key=lambda piece: rise[pieces.index(piece)])
    elif after is None:
        after = max(pieces, key=lambda piece: rise[pieces.index(piece)])
    assert before is not None
    assert after is not None
    into = pieces.index(after)
    ends = (float(first[into]), float(last[into]))
    return Mix(FrameRange(start, end), tuple(pieces), before, after, ends)


def _alone(seen: Seen, frame: int, pieces: list[int]) -> int | None:
    """The one of `pieces` that `frame` shows and nothing else, if it does."""
    if not 0 <= frame < len(seen):
        return None
    layers = np.flatnonzero(seen.share[frame] > 0.0)
    piece = int(seen.piece[frame, layers[0]])
    return piece if len(layers) == 1 and piece in pieces else None


def cut_mixes(seen: Seen, mixes: Sequence[Mix]) -> Seen:
    """`seen` with every mix cut: whatever weighs most is all there is, of equals the lower."""
    share = seen.share.copy()
    for mix in mixes:
        rows = slice(mix.record.start, mix.record.stop)
        heaviest = np.argmax(share[rows], axis=1)
        share[rows] = np.arange(share.shape[1]) == heaviest[:, None]
    return replace(seen, share=share)


def fly(z: F32, seen: Seen, mix: Mix, sources: Sequence[Source], spec: LatentSpec) -> bool:
    """Let `z` of a dissolve follow a spring, in place; False where there is nothing to follow.

    Where the spring is it says relative to the incoming, which may move as it likes: so it is the
    exact motion towards a target at rest, over a time that counts as 1.
    """
    frames = np.arange(mix.record.start, mix.record.stop)
    came_from = mix.record.start - 1
    from_before = came_from >= 0 and _shows(seen, came_from, mix.outgoing)
    start = came_from if from_before else mix.record.start
    last = mix.record.stop - 1
    if not mix.is_dissolve or last == start:
        return False
    target = _rows_of(seen, frames, mix.incoming, sources, spec)
    pace_in = target[1] - target[0] if len(frames) > 1 else np.zeros_like(target[0])
    begins = target[0] - pace_in if from_before else target[0]
    here = _rows_of(seen, np.array([start]), mix.outgoing, sources, spec)[0]
    pace_out = _pace(seen, start, mix, sources, spec)
    away, drift = here - begins, (pace_out - pace_in) * (last - start)
    reach = float(np.max(geometry.length(away) + geometry.length(drift)))
    if reach <= 0.0:
        return True
    closeness = ARRIVED * _radius(spec, target[-1]) / reach
    phase = arrival_phase(DAMPING, min(0.5, max(closeness, 1e-9)))
    spring = Spring(phase / (2.0 * math.pi), DAMPING)
    state, home = SpringState(away, drift), np.zeros_like(away)
    for frame, goal in zip(frames.tolist(), target, strict=True):
        place = goal + position_after(state, home, spring, (frame - start) / (last - start))
        z[frame] = place if spec.radius is None else geometry.project(place, spec.radius)
    return True


def _shows(seen: Seen, frame: int, piece: int) -> bool:
    return bool(((seen.piece[frame] == piece) & (seen.share[frame] > 0.0)).any())


def _rows_of(
    seen: Seen, frames: NDArray[np.intp], piece: int, sources: Sequence[Source], spec: LatentSpec
) -> F64:
    """What `piece` shows ``F64[n, *shape]`` at `frames`, where it is one of the layers."""
    layer = np.argmax((seen.piece[frames] == piece) & (seen.share[frames] > 0.0), axis=1)
    rows = rows_at(sources, seen.source[frames, layer], seen.place[frames, layer], spec)
    return rows.astype(np.float64)


def _pace(seen: Seen, frame: int, mix: Mix, sources: Sequence[Source], spec: LatentSpec) -> F64:
    """How far the outgoing goes in a frame, at `frame`; nothing where it is shown once only."""
    for one, other in ((frame - 1, frame), (frame, frame + 1)):
        if one >= 0 and other < len(seen) and all(
            _shows(seen, at, mix.outgoing) for at in (one, other)
        ):  # fmt: skip
            rows = _rows_of(seen, np.array([one, other]), mix.outgoing, sources, spec)
            return np.asarray(rows[1] - rows[0])
    return np.zeros(spec.shape)


def _radius(spec: LatentSpec, place: F64) -> float:
    """How long a row is, that an angle may be meant; of a free space, of the row at hand."""
    return spec.radius or float(np.mean(geometry.length(place))) or 1.0
