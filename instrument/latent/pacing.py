"""When a film is where on its path: curves of pace, and times made even along a length.

The length is given: how far it is, to the eye or otherwise, from the start of a path to places on
it. Knows no pictures and no z; positions are those of `trajectory`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from instrument import InstrumentError
from instrument.latent.space import F64

_NEAR = 1e-7  # rows: nearer to a whole one than this is that row itself
_NOTHING = 1e-12  # a length that is none
_FINE = 64  # straight pieces of a curve that is drawn by a formula
_MOST = 1e6


@dataclass(frozen=True, slots=True)
class Curve:
    """Relative speed over a film: `speeds` at `times` 0..1, straight between them."""

    name: str
    times: tuple[float, ...]
    speeds: tuple[float, ...]

    @classmethod
    def parse(cls, text: str) -> Curve:
        """Read ``even``, ``breathe:6`` or ``0:1,0.5:2,1:1``. Raises InstrumentError."""
        name, _, number = text.strip().partition(":")
        if name in NAMED:
            return _named(name, number)
        try:
            pairs = [pair.split(":") for pair in text.split(",")]
            times = tuple(float(time) for time, _ in pairs)
            speeds = tuple(float(speed) for _, speed in pairs)
        except ValueError:
            raise InstrumentError(
                f"curve {text[:60]!r}: must be {', '.join(NAMED)}, or TIME:SPEED,… as in "
                f"0:1,0.5:2,1:1"
            ) from None
        if not all(map(math.isfinite, times + speeds)) or min(speeds) < 0 or max(speeds) > _MOST:
            raise InstrumentError(f"curve {text[:60]!r}: speeds must be 0 to {_MOST:g}")
        rising = all(a < b for a, b in pairwise(times))
        if not rising or times[0] < 0.0 or times[-1] > 1.0:
            raise InstrumentError(f"curve {text[:60]!r}: times must rise, from 0 to 1 at most")
        if max(speeds) == 0.0:
            raise InstrumentError(f"curve {text[:60]!r}: a speed must be above 0")
        before = ((0.0, speeds[0]),) if times[0] > 0.0 else ()
        after = ((1.0, speeds[-1]),) if times[-1] < 1.0 else ()
        points = (*before, *zip(times, speeds, strict=True), *after)
        return cls(text.strip(), tuple(t for t, _ in points), tuple(s for _, s in points))

    def covered(self, times: F64) -> F64:
        """Which share 0..1 of the way lies behind at `times` 0..1. The reverse of `when`."""
        knots, speeds, behind = self._table()
        piece = np.clip(np.searchsorted(knots, times, "right") - 1, 0, len(knots) - 2)
        since = times - knots[piece]
        slope = np.diff(speeds)[piece] / np.diff(knots)[piece]
        way = behind[piece] + since * (speeds[piece] + 0.5 * slope * since)
        return np.asarray(np.clip(way / behind[-1], 0.0, 1.0))

    def when(self, shares: F64) -> F64:
        """At which time 0..1 the `shares` 0..1 of the way lie behind. The reverse of `covered`."""
        knots, speeds, behind = self._table()
        way = shares * behind[-1]
        piece = np.clip(np.searchsorted(behind, way, "right") - 1, 0, len(knots) - 2)
        left = np.maximum(way - behind[piece], 0.0)
        slope = np.diff(speeds)[piece] / np.diff(knots)[piece]
        start = speeds[piece]
        # The root of the quadratic that stays exact where the speed is constant.
        below = start + np.sqrt(np.maximum(start * start + 2.0 * slope * left, 0.0))
        since = np.where(below > 0.0, 2.0 * left / np.where(below > 0.0, below, 1.0), 0.0)
        return np.asarray(np.clip(knots[piece] + since, 0.0, knots[piece + 1]))

    def _table(self) -> tuple[F64, F64, F64]:
        knots, speeds = np.array(self.times), np.array(self.speeds)
        pieces = 0.5 * (speeds[1:] + speeds[:-1]) * np.diff(knots)
        return knots, speeds, np.concatenate(([0.0], np.cumsum(pieces)))


NAMED = ("even", "ease", "ease-in", "ease-out", "swell", "breathe")
EVEN = Curve("even", (0.0, 1.0), (1.0, 1.0))
_SLOWEST = 0.25  # of a named curve's quickest


def _named(name: str, number: str) -> Curve:
    if number and (name != "breathe" or not re.fullmatch(r"[1-9][0-9]{0,3}", number)):
        raise InstrumentError(f"curve '{name}:{number[:20]}': only breathe has one, 1 to 9999")
    if name == "even":
        return EVEN
    breaths = int(number or 4) if name == "breathe" else 1
    time = np.linspace(0.0, 1.0, _FINE * breaths + 1)
    half = 0.5 - 0.5 * np.cos(math.pi * time)  # 0 to 1
    whole = 0.5 - 0.5 * np.cos(2.0 * math.pi * breaths * time)  # there and back
    rise = {
        "ease": np.minimum(1.0, 2.5 * whole), "ease-in": half, "ease-out": 1.0 - half,
        "swell": whole, "breathe": whole,
    }[name]  # fmt: skip
    speeds = _SLOWEST + (1.0 - _SLOWEST) * rise
    return Curve(f"{name}:{number}" if number else name, tuple(time), tuple(speeds))


@dataclass(frozen=True, slots=True, eq=False)
class Lengths:
    """How far it is along a path: `far F64[k]`, never falling, at `positions F64[k]`, rising."""

    positions: F64
    far: F64

    @classmethod
    def of_steps(cls, positions: F64, steps: F64) -> Lengths:
        """Add up the steps ``F64[k - 1]`` between neighbouring `positions`."""
        return cls(positions, np.concatenate(([0.0], np.cumsum(steps))))

    @property
    def whole(self) -> float:
        """The length of all of it."""
        return float(self.far[-1])

    def between(self, positions: F64) -> F64:
        """The lengths from each of `positions` to the next."""
        return np.diff(np.interp(positions, self.positions, self.far))

    def corrected(self, positions: F64, steps: F64) -> Lengths:
        """These lengths, of which `steps` were measured anew between `positions`.

        Within each step the old lengths keep their proportions. A step that is NaN is not known.
        """
        merged = np.unique(np.concatenate((self.positions, positions)))
        pieces = np.diff(np.interp(merged, self.positions, self.far))
        step = np.searchsorted(positions, merged[:-1], "right") - 1
        measured = (step >= 0) & (step < len(steps))
        step = np.clip(step, 0, len(steps) - 1)
        measured &= np.isfinite(steps)[step]
        before = np.bincount(step[measured], pieces[measured], len(steps))
        wide = np.bincount(step[measured], np.diff(merged)[measured], len(steps))
        # What had no length and now has some is spread evenly.
        long = before > _NOTHING
        scale = np.where(long, steps / np.where(long, before, 1.0), 0.0)
        even = np.where(long, 0.0, steps / np.where(wide > 0.0, wide, 1.0))
        found = pieces * scale[step] + np.diff(merged) * even[step]
        pieces = np.where(measured, found, pieces)
        return Lengths.of_steps(merged, pieces)


def retimed(
    lengths: Lengths, count: int, curve: Curve = EVEN, strength: float = 1.0, closed: bool = False
) -> F64:
    """The positions ``F64[count]`` of a film whose pace along `lengths` follows `curve`.

    With `strength` 0 every moment keeps its time, with 1 it has the one the curve gives it; between
    the two it lies in proportion. An open path is seen from end to end, a closed one up to the
    frame before its first. Never backwards.
    """
    first, last = float(lengths.positions[0]), float(lengths.positions[-1])
    times = np.arange(count) / max(1, count if closed else count - 1)
    kept = (lengths.positions - first) / max(last - first, _NEAR)
    if lengths.whole <= 0.0 or strength == 0.0:
        positions = np.interp(times, kept, lengths.positions)
    elif strength == 1.0:
        positions = np.interp(curve.covered(times) * lengths.whole, lengths.far, lengths.positions)
    else:
        wanted = curve.when(lengths.far / lengths.whole)
        reached = np.maximum.accumulate((1.0 - strength) * kept + strength * wanted)
        positions = np.interp(times, reached, lengths.positions)
    positions[0] = first
    if not closed and count > 1:
        positions[-1] = last
    whole = np.round(positions)
    positions = np.where(np.abs(positions - whole) < _NEAR, whole, positions)
    return np.maximum.accumulate(positions)
