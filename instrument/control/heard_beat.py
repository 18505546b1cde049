"""The beat somebody hears in music, held steady: an ear may doubt, a tempo must not.

Small differences are followed slowly. Another tempo, or a beat elsewhere, must be heard for a
while before it counts; half and double the tempo are the same music, and what is heard without
confidence is not heard. Knows beats and not which of them is the first of a bar.
"""

from __future__ import annotations

import math

from instrument.control.pulse import Pulse

_BELIEVED, _DOUBTED = 0.5, 0.25  # confidence from which a beat is followed, below which it is not
_SAME = 0.04  # a share of the tempo, within which it is the same tempo
_ON_TIME = 0.15  # a share of the beat, within which it is the same beat
_PERSISTS = 2.5  # s for which something new must be heard
_EASE = 2.0  # s: the time constant tempo and phase are followed with
_TOLERANCE = 0.25  # bpm
_OCTAVES = (1.0, 0.5, 2.0)
_FORGOTTEN = 8.0  # s without a word
_SLOWEST, _QUICKEST = 1.0, 2000.0  # bpm that are music at all
_FURTHEST = 60.0  # s between now and a beat that means something now


class HeardBeat:
    """What an ear says, made steady. Everything follows from what and when it is told."""

    def __init__(self) -> None:
        self._period = 0.0  # 0 while nothing is followed
        self._beat = 0.0  # when some beat was
        self._told = -math.inf
        self._other: tuple[float, float, float] | None = None  # since, bpm, a beat of it

    def hear(self, bpm: float, beat_time: float, confidence: float, now: float) -> Pulse | None:
        """Take what is heard at `now`: a tempo, when some beat of it falls, and 0..1 how surely."""
        said = (bpm, beat_time, confidence, now)
        if not all(map(math.isfinite, said)) or not _SLOWEST <= bpm <= _QUICKEST:
            return None
        if abs(beat_time - now) > _FURTHEST:
            return None
        if now - self._told > _FORGOTTEN:
            self._period, self._other = 0.0, None
        if confidence < (_DOUBTED if self._period else _BELIEVED):
            return None
        passed = min(max(now - self._told, 0.0), _EASE)
        self._told = now
        if not self._period:
            self._follow(bpm, beat_time)
        elif not self._approach(bpm, beat_time, passed):
            self._consider(bpm, beat_time, now)
        beats = (now - self._beat) / self._period
        return Pulse(now, 60.0 / self._period, beats, _TOLERANCE, bars=False)

    def _follow(self, bpm: float, beat_time: float) -> None:
        self._period, self._beat, self._other = 60.0 / bpm, beat_time, None

    def _approach(self, bpm: float, beat_time: float, passed: float) -> bool:
        """Whether it is the beat that is followed already; if so, a little nearer to it."""
        folded = min(_OCTAVES, key=lambda octave: abs(bpm * octave * self._period / 60.0 - 1.0))
        period = 60.0 / (bpm * folded)
        # At another octave the beat that was heard may be one between two of ours: with twice our
        # tempo every other is. Then only its distance to the nearer of both says something.
        grid = self._period * (0.5 if folded == 0.5 else 1.0)
        off = math.remainder(beat_time - self._beat, grid)
        if abs(period / self._period - 1.0) > _SAME or abs(off) > _ON_TIME * grid:
            return False
        nearer = 1.0 - math.exp(-passed / _EASE)
        here = self._beat + round((beat_time - self._beat) / self._period) * self._period
        self._period += nearer * (period - self._period)
        self._beat = here + nearer * off
        self._other = None
        return True

    def _consider(self, bpm: float, beat_time: float, now: float) -> None:
        """Something else is heard: once it has been for long enough, it is followed."""
        if self._other is not None:
            since, other, beat = self._other
            off = math.remainder(beat_time - beat, 60.0 / bpm)
            if abs(bpm / other - 1.0) < _SAME and abs(off) < _ON_TIME * 60.0 / bpm:
                self._other = since, bpm, beat_time
                if now - since >= _PERSISTS:
                    self._follow(bpm, beat_time)
                return
        self._other = now, bpm, beat_time
