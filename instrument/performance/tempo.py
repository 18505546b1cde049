"""Tempo: the beat as a closed form of time, and what a performance remembers of it.

Like the flight, the count of beats is read from an anchor. A new tempo anchors it anew, so the
count never jumps; a clock that stands elsewhere is met by running up to half as fast again, or
half as slow, for a while; only ``/tempo/start`` makes beat 0 of any moment. What a hand taps is
turned into a tempo here, from the times of the taps alone. Knows no parameter.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

SLOWEST, FASTEST = 40.0, 240.0  # bpm
BAR = 4.0  # beats: a clock that is further away than half of them is met at the nearest bar
_BEND = 0.5  # how much faster or slower beats may come while a clock is met, as a share
_MOST_TAPS = 8
# Above one, so that a hand at 40 bpm sharp goes on and one at 240 is not taken for a bounce.
_TOLERANCE = 1.05


@dataclass(frozen=True, slots=True)
class Launch:
    """The trigger at `address` fires when the count of beats comes to `beat`."""

    address: str
    beat: float


@dataclass(frozen=True, slots=True)
class Tempo:
    """`count` beats at `anchor` seconds, from there `bpm`.

    Within the next `over` beats of that tempo, `offset` beats more (or fewer) are slipped in,
    evenly. `taps` are the times of the newest taps, `pending` is what waits for its beat.
    """

    anchor: float = 0.0
    count: float = 0.0
    bpm: float = 120.0
    offset: float = 0.0
    over: float = 0.0
    taps: tuple[float, ...] = ()
    pending: Launch | None = None

    def beats(self, time: float) -> float:
        """The count of beats at `time`, a real number. The reverse of `time_of`."""
        gone = (time - self.anchor) * (self.bpm / 60.0)
        if 0.0 < self.over and gone < self.over:
            return self.count + gone + self.offset * (gone / self.over)
        return self.count + gone + self.offset

    def time_of(self, beats: float) -> float:
        """When the count comes to `beats`, if nothing happens meanwhile."""
        ahead = beats - self.count
        if ahead < self.over + self.offset:  # only while something is slipped in
            gone = ahead / (1.0 + self.offset / self.over) if self.over > 0.0 else ahead
        else:
            gone = ahead - self.offset
        return self.anchor + gone * (60.0 / self.bpm)

    def anchored(self, time: float) -> Tempo:
        """The same beat, read from `time` on."""
        return self if time == self.anchor else self._from(time, self.bpm)

    def paced(self, time: float, bpm: float) -> Tempo:
        """With another tempo from `time` on."""
        return self if bpm == self.bpm else self._from(time, bpm)

    def _from(self, time: float, bpm: float) -> Tempo:
        left = self.over - (time - self.anchor) * (self.bpm / 60.0)
        # Not `replace`: this runs 240 times a second while a smoothed tempo is on its way.
        if left > 0.0:
            offset = self.offset * (left / self.over)
            return Tempo(time, self.beats(time), bpm, offset, left, self.taps, self.pending)
        return Tempo(time, self.beats(time), bpm, 0.0, 0.0, self.taps, self.pending)

    def aligned(self, time: float, beats: float) -> Tempo:
        """On its way to a clock that counts `beats` at `time`, to the nearest bar."""
        return self._bent(time, math.remainder(beats - self.beats(time), BAR))

    def met(self, time: float) -> Tempo:
        """On its way to a whole beat at `time`, whichever is nearest."""
        return self._bent(time, -math.remainder(self.beats(time), 1.0))

    def _bent(self, time: float, offset: float) -> Tempo:
        over = max(1.0, abs(offset) / _BEND)
        return replace(self.anchored(time), offset=offset, over=over)

    def started(self, time: float) -> Tempo:
        """With beat 0 at `time`. What waits for a beat has come to it."""
        pending = self.pending and replace(self.pending, beat=0.0)
        return replace(self, anchor=time, count=0.0, offset=0.0, over=0.0, pending=pending)

    def tapped(self, time: float) -> tuple[Tempo, float | None]:
        """After a tap at `time`, which is a beat; and the bpm the taps agree on, from two on."""
        if self.taps and time - self.taps[-1] < 60.0 / FASTEST / _TOLERANCE:
            return self, None  # a bounce, or two fingers
        goes_on = self.taps and time - self.taps[-1] <= 60.0 / SLOWEST * _TOLERANCE
        taps = (*(self.taps if goes_on else ()), time)[-_MOST_TAPS:]
        bpm = None if len(taps) < 2 else min(max(60.0 / tapped_period(taps), SLOWEST), FASTEST)
        return replace(self.met(time), taps=taps), bpm

    def waiting(self, pending: Launch | None) -> Tempo:
        """With `pending` in place of what waited before."""
        return self if pending == self.pending else replace(self, pending=pending)

    def rebased(self, now: float) -> Tempo:
        """The same, where the moment `now` is called 0."""
        taps = tuple(tap - now for tap in self.taps)
        return replace(self.anchored(now), anchor=0.0, taps=taps)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, every float in full. The reverse of `tempo_from_json`."""
        pending = self.pending and [self.pending.address, self.pending.beat]
        return {
            "anchor": self.anchor,
            "count": self.count,
            "bpm": self.bpm,
            "offset": self.offset,
            "over": self.over,
            "taps": list(self.taps),
            "pending": pending,
        }


def tapped_period(taps: tuple[float, ...]) -> float:
    """Seconds a beat, from the times of two taps or more.

    The median over all pairs of taps (Theil 1950, Sen 1968): one tap too early or too late moves
    it little. A tap left out counts as the beats it stands for.
    """
    gaps = [b - a for a, b in itertools.pairwise(taps)]
    usual = median(gaps)
    beats = [0, *itertools.accumulate(max(round(gap / usual), 1) for gap in gaps)]
    pairs = itertools.combinations(zip(taps, beats, strict=True), 2)
    return median((b - a) / (n - m) for (a, m), (b, n) in pairs)


def tempo_from_json(fields: Any, time: float) -> Tempo:
    """Read what `Tempo.to_json` wrote; `time` is that of the performance it belongs to.

    None is a performance of before there were beats. Raises KeyError, TypeError or ValueError.
    """
    if fields is None:
        return Tempo(anchor=time)
    pending, taps = fields["pending"], tuple(map(float, fields["taps"]))
    names = ("anchor", "count", "bpm", "offset", "over")
    numbers = {name: float(fields[name]) for name in names}
    launch = None if pending is None else Launch(str(pending[0]), float(pending[1]))
    tempo = Tempo(**numbers, taps=taps[-_MOST_TAPS:], pending=launch)
    rest = (*taps, 0.0 if launch is None else launch.beat)
    if not all(map(math.isfinite, (*numbers.values(), *rest))):
        raise ValueError("a beat that is not finite")
    in_order = all(a < b for a, b in itertools.pairwise(taps)) and (not taps or taps[-1] <= time)
    if tempo.anchor > time or not SLOWEST <= tempo.bpm <= FASTEST or not in_order:
        raise ValueError("a beat from another time")
    if tempo.over < 0.0 or abs(tempo.offset) > _BEND * tempo.over * (1.0 + 1e-9):
        raise ValueError("a beat that runs backwards")
    return tempo
