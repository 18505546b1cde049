"""Even pace: a z-sequence retimed along its own path, by looking at its pictures.

Every row is decoded and the way from picture to picture measured; the path is then walked so that
the eye goes equally far in every frame, or as far as a curve says. What comes out is decoded too,
and what it still has too much or too little of is put right. z stays on the path: only the times
change. Where z jumps, the film is cut, and no journey is made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from instrument import InstrumentError
from instrument.decoder.protocol import Decoder
from instrument.frame import U8
from instrument.latent.pacing import EVEN, Curve, Lengths, retimed
from instrument.latent.path import apart
from instrument.latent.sequence import ZSequence
from instrument.latent.space import F64
from instrument.latent.trajectory import Bools, Trajectory
from instrument.studio.evenness import Evenness
from instrument.studio.perception import Ruler

Tell = Callable[[str, int, int], None]  # what is being done, how many pictures of how many

_BATCH = 8  # pictures decoded together
_ROWS = 1024  # of z, looked at together
_COARSE = 2.0  # a step so many times as long as wanted is measured in parts
_MOST_PARTS = 16
_STILL = 1e-4  # of a length: less than the levels of 8 bits make by themselves
_CUT = 45.0  # degrees; a spring turns by 9 in a frame at most, unrelated places lie 90 apart


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted: `frames` of film, and how its pace is made.

    `corrections` is how often the result is looked at and put right. Between neighbours that lie
    `cut` degrees apart or more the film is cut.
    """

    frames: int
    curve: Curve = EVEN
    strength: float = 1.0
    closed: bool = False
    corrections: int = 2
    cut: float = _CUT

    def __post_init__(self) -> None:
        if self.frames < 2:
            raise InstrumentError(f"frames {self.frames}: must be 2 or more")
        if not 0.0 <= self.strength <= 1.0:
            raise InstrumentError(f"strength {self.strength:g}: must be 0 to 1")
        if not 0 <= self.corrections <= 20:
            raise InstrumentError(f"iterations {self.corrections}: must be 0 to 20")
        if not 0.0 < self.cut <= 360.0:
            raise InstrumentError(f"cut {self.cut:g}: must be above 0, up to 360 degrees")


@dataclass(frozen=True, slots=True, eq=False)
class Paced:
    """Where on its path the film is in every frame, and what was measured.

    `steps_before` and `steps_after` lead from each frame to the next, NaN over a cut; `wanted` is
    what the latter were to be. `still` says that no picture differed from another: then nothing was
    changed. `cuts` are the rows that follow one.
    """

    positions: F64
    steps_before: F64
    steps_after: F64
    wanted: F64
    still: bool
    cuts: tuple[int, ...]
    decoded: int


class Eye:
    """Decodes places on a trajectory, and measures the way from each to the next."""

    def __init__(self, path: Trajectory, decoder: Decoder, ruler: Ruler, tell: Tell | None) -> None:
        self._path, self._decoder, self._ruler, self._tell = path, decoder, ruler, tell
        self.decoded = 0

    def steps(self, positions: F64, what: str) -> F64:
        """Lengths ``F64[m - 1]`` between neighbours among `positions`."""
        found = np.zeros(max(0, len(positions) - 1))
        last: U8 | None = None
        for start, pictures in self._pictures(positions):
            seen = pictures if last is None else np.concatenate((last, pictures))
            if len(seen) > 1:
                first = max(0, start - 1)
                found[first : first + len(seen) - 1] = self._ruler.between(seen)
            last = pictures[-1:].copy()
            if self._tell:
                self._tell(what, start + len(pictures), len(positions))
        if not np.isfinite(found).all():
            raise InstrumentError(f"distance {self._ruler.name}: gave what is no number")
        return found

    def _pictures(self, positions: F64) -> Iterator[tuple[int, U8]]:
        addresses = self._path.sequence.addresses
        for start in range(0, len(positions), _BATCH):
            some = positions[start : start + _BATCH]
            values = self._path.parameters(some)
            columns = {a: values[:, i].copy() for i, a in enumerate(addresses)}
            try:
                yield start, self._decoder.decode(self._path.z(some), columns)
            except (InstrumentError, ValueError) as error:
                name = self._decoder.spec.name
                rows = f"rows {some[0]:.2f} to {some[-1]:.2f}"
                raise InstrumentError(f"{rows}: {name} failed ({error})") from error
            self.decoded += len(some)


def pace(
    sequence: ZSequence, decoder: Decoder, ruler: Ruler, wish: Wish, tell: Tell | None = None
) -> Paced:
    """Retime `sequence` as `wish` says. Raises InstrumentError where it is too short for a path."""
    if len(sequence) < 2:
        raise InstrumentError(f"{sequence.source or 'z'}: {len(sequence)} row is no path, needs 2")
    path = Trajectory(sequence, wish.closed)
    eye = Eye(path, decoder, ruler, tell)
    cuts = path.turns() >= np.radians(wish.cut)
    rows = np.arange(path.segments + 1, dtype=np.float64)
    before = eye.steps(rows, "looking")
    before[cuts] = np.nan
    lengths = Lengths.of_steps(rows, np.where(cuts, 0.0, before))
    found = [int(row) + 1 for row in np.flatnonzero(cuts)]
    if lengths.whole <= _STILL:
        positions = snapped(retimed(lengths, wish.frames, closed=wish.closed), cuts)
        nothing = np.zeros(wish.frames - (not wish.closed))
        return Paced(positions, before, nothing, nothing, True, tuple(found), eye.decoded)
    lengths = _refined(lengths, wish, eye)
    positions, after = _walk(lengths, wish, eye, cuts)
    return Paced(positions, before, after, _wanted(wish, after), False, tuple(found), eye.decoded)


def _refined(lengths: Lengths, wish: Wish, eye: Eye) -> Lengths:
    """`lengths`, the long steps among them measured in parts: within them pace is not even."""
    wanted = lengths.whole / wish.frames
    steps = np.diff(lengths.far)
    long = np.flatnonzero(steps > _COARSE * wanted)
    if wish.strength == 0.0 or len(long) == 0:
        return lengths
    parts = np.minimum(np.ceil(steps[long] / wanted), _MOST_PARTS).astype(int)
    places = [np.linspace(row, row + 1, n + 1) for row, n in zip(long, parts, strict=True)]
    found = eye.steps(np.concatenate(places), "looking closer")
    start = 0
    for place in places:
        within = found[start : start + len(place) - 1]
        lengths = lengths.corrected(place, within)
        start += len(place)
    return lengths


def _walk(lengths: Lengths, wish: Wish, eye: Eye, cuts: Bools) -> tuple[F64, F64]:
    """Positions, and the steps between their pictures: of all that were tried, the most even."""
    best: tuple[float, F64, F64] | None = None
    for round_ in range(wish.corrections + 1):
        positions = retimed(lengths, wish.frames, wish.curve, wish.strength, wish.closed)
        positions = snapped(positions, cuts)
        ends = np.append(positions, len(cuts)) if wish.closed else positions
        steps = eye.steps(ends, f"pacing, pass {round_ + 1}")
        steps[_across(ends, cuts)] = np.nan
        error = _uneven(steps, wish)
        if best is None or error < best[0]:
            best = error, positions, steps
        if wish.strength == 0.0:
            break
        lengths = _put_right(lengths, ends, steps)
    assert best is not None
    return best[1], best[2]


def _put_right(lengths: Lengths, ends: F64, steps: F64) -> Lengths:
    """`lengths` as the film shows them. Frames that stand on one place say nothing of it."""
    moving = np.diff(ends) > 0.0
    kept = np.append(np.flatnonzero(moving), len(ends) - 1)
    if len(kept) < 2:
        return lengths
    return lengths.corrected(ends[kept], steps[kept[:-1]])


def snapped(positions: F64, cuts: Bools) -> F64:
    """`positions`, of which none lies within a cut: there the nearer row is shown."""
    if not cuts.any():
        return positions
    segment = np.minimum(positions.astype(np.intp), len(cuts) - 1)
    return np.where(cuts[segment], np.round(positions), positions)


def _across(ends: F64, cuts: Bools) -> Bools:
    """Which steps between `ends` lead over a cut."""
    behind = np.concatenate(([0], np.cumsum(cuts)))
    first = np.minimum(np.ceil(ends[:-1]).astype(np.intp), len(cuts))
    last = np.minimum(np.floor(ends[1:]).astype(np.intp), len(cuts))
    return np.asarray(behind[np.maximum(last, first)] > behind[first])


def _wanted(wish: Wish, steps: F64) -> F64:
    """What `steps` were to be, of the same total."""
    count = len(steps)
    shares = np.diff(wish.curve.covered(np.arange(count + 1) / count))
    known = np.isfinite(steps)
    total = float(shares[known].sum())
    return shares * (float(steps[known].sum()) / total if total > 0.0 else 0.0)


def _uneven(steps: F64, wish: Wish) -> float:
    """How far `steps` are from what is wanted, as a share of their mean (root mean square)."""
    known = np.isfinite(steps)
    if not known.any() or (mean := float(steps[known].mean())) <= 0.0:
        return 0.0
    off = steps[known] - _wanted(wish, steps)[known]
    return float(np.sqrt(np.mean(off * off))) / mean


def report_of(paced: Paced, wish: Wish, sequence: ZSequence, ruler: str) -> dict[str, Any]:
    """The report of a retiming: before, after, and how true it stayed to its path."""
    path = Trajectory(sequence, wish.closed)
    off, step = _on_the_path(path, paced)
    turns = path.turns()
    whole = turns[turns < np.radians(wish.cut)]
    return {
        "format": "pace/1",
        "distance": ruler,
        "still": paced.still,
        "frames": {"before": len(sequence), "after": wish.frames},
        "curve": wish.curve.name,
        "strength": wish.strength,
        "closed": wish.closed,
        "cuts": list(paced.cuts),
        "before": Evenness.of(paced.steps_before, sequence.rate).to_json(),
        "after": Evenness.of(paced.steps_after, sequence.rate).to_json(),
        "off_the_curve": float(f"{_uneven(paced.steps_after, wish):.6g}"),
        "path": {
            "largest_distance_rad": float(f"{off:.3g}"),
            "largest_step_deg": {
                "before": round(float(np.degrees(whole.max(initial=0.0))), 4),
                "after": round(float(np.degrees(step)), 4),
            },
        },
        "pictures_decoded": paced.decoded,
    }


def _on_the_path(path: Trajectory, paced: Paced) -> tuple[float, float]:
    """How far the furthest row lies off the path, and the longest step from one to the next.

    Both in radians, of z as it is written; a step over a cut is none.
    """
    off = step = 0.0
    spec = path.sequence.spec
    for start in range(0, len(paced.positions), _ROWS):
        some = paced.positions[start : start + _ROWS + 1]
        z = path.z(some)
        off = max(off, float(path.distances(some, z).max()))
        exact = z.astype(np.float64)
        taken = paced.steps_after[start : start + len(z) - 1]
        turned = apart(exact[:-1], exact[1:], spec)[np.isfinite(taken)]
        step = max(step, float(turned.max(initial=0.0)))
    return off, step
