"""The pacer: looks at the pictures, and says how quickly the flight's own time should run.

Along one way through latent space pictures change quickly here and slowly there, and a spring sets
out fast and arrives slowly. The pacer knows from the newest rows how fast z moves in its own time,
and from the newest pictures how much of a picture a step of z is worth at this place. Together:
how fast pictures would change at rate 1. Where that is more than the flight's own mean of late,
the rate goes down; where it is less, up; where hardly anything moves, back to 1.

What it asks for follows from the place alone and not from the rate it asked for before, so nothing
can swing. It knows no parameter, no clock and no decoder, and what it says becomes an event.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from instrument.frame import Frame
from instrument.latent.space import F32, F64
from instrument.live.glance import distance, glance
from instrument.performance.parameters import FASTEST_PACE

# Found with scripts/bench_pace: what a doubling or halving changes there is said where it is much.
_BASELINE = 0.06  # s of z between two looks that are compared: less is mostly rounding
_PATIENCE = 0.5  # s without a picture: then nothing is known of what is seen
_GAIN = 0.1  # s: what a step of z is worth, smoothed
_MEAN = 12.0  # s of motion over which the flight's own pace is its mean
_REST = (0.12, 0.5)  # shares of that mean: below the first it rests, above the second it flies
_STILL = 0.01  # a share of the mean, too: less moves nothing
_SURE = 1.0  # s of motion from which on the mean is trusted
_LULL = 3.0  # s of motion: so long a rest counts in the mean as flight does
_IDLE = 0.2  # what it counts from there on: a slow flight after a quick one is not rest for ever
_EASE = 0.06  # s: how the rate goes to where it should be
# e-folds a second: a rush must be met at once; who hurries while a flight sets out, makes one.
_BRAKE, _QUICKEN = 8.0, 1.2
_BAND = 0.04  # e-folds: a smaller change is not worth an event
_BETWEEN = 0.1  # s from one event to the next


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """What the pacer must know of a row: `z F32[shape]` at `time` seconds, which never go back.

    `place F[shape]` is where the spring alone has it: without what breathes or is added.
    `rate` is in force there, `base` what it is without what modulates it, `even` how much of the
    unevenness is to go. `scene` is whatever else a picture depends on: only pictures of one scene
    are compared.
    """

    index: int
    time: float
    z: F32
    place: F32 | F64
    rate: float
    base: float
    even: float
    scene: object = None


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """A picture that was looked at: of which row, and what was seen."""

    row: Row
    seen: F32


class Pacer:
    """Told of every row, and of every picture that comes; says a rate when it is time to."""

    def __init__(self) -> None:
        self._rows: dict[int, Row] = {}  # those whose pictures may be on their way
        self._before: Row | None = None
        self._look: _Look | None = None
        self._looked = -math.inf  # when a picture came last
        self._gain: float | None = None  # what a step of z is worth
        self._mean, self._weight = 0.0, 0.0  # of the pace, and how much it stands on
        self._rested = 0.0  # s of motion since it flew
        self._log = 0.0  # the rate that is being approached, as a logarithm
        self._spoke, self._said = -math.inf, 1.0
        self._plays = False  # whether the rate that is in force is the pacer's word

    def follow(self, row: Row, picture: Frame | None, steady: bool = True) -> float | None:
        """The rate from now on, if it should change. `picture` is what came since the last row.

        Not `steady` is a show whose pictures say nothing of the flight: held, or two mixed.
        """
        before, self._before = self._before, row
        if before is None or row.base not in (before.base, self._said):
            self._plays, self._log = False, math.log(row.base)  # a hand has set it: on from there
        if row.even <= 0.0 and not self._plays:
            self._forget()
            return None
        if row.even <= 0.0 or not steady:
            self._forget()
        else:
            self._remember(row)
            if picture is not None:
                self._see(picture, row.time)
            if row.time - self._looked > _PATIENCE:
                self._look = self._gain = None
        seconds = 0.0 if before is None else row.time - before.time
        wanted = 0.0 if before is None else self._wanted(before, row, seconds)
        return self._speak(row, wanted, seconds)

    def _forget(self) -> None:
        """Know nothing of what is seen; the mean pace is the flight's own, and stays."""
        self._rows.clear()
        self._look = self._gain = None

    def _remember(self, row: Row) -> None:
        self._rows[row.index] = row
        while self._rows and next(iter(self._rows.values())).time < row.time - 2.0 * _PATIENCE:
            del self._rows[next(iter(self._rows))]

    # What a step of z is worth, from pictures.

    def _see(self, picture: Frame, now: float) -> None:
        row, pixels = self._rows.get(picture.index), picture.on_host
        if row is None or pixels is None or now - row.time > _PATIENCE:  # too old to go by
            return
        self._looked, look = now, self._look
        if look is not None and row.scene == look.row.scene:
            seconds = row.time - look.row.time
            if seconds < _BASELINE:
                return  # not even looked at: most pictures cost nothing
            seen = glance(pixels)
            way = _step(look.row.z, row.z)
            if seen.shape == look.seen.shape and way > 0.0:
                worth = distance(look.seen, seen) / way
                share = 1.0 if self._gain is None else -math.expm1(-seconds / _GAIN)
                self._gain = (self._gain or 0.0) * (1.0 - share) + share * worth
        else:
            seen = glance(pixels)
        self._look = _Look(row, seen)

    # What the rate should be.

    def _wanted(self, before: Row, row: Row, seconds: float) -> float:
        """The logarithm of the rate at which pictures would change at the mean pace."""
        motion = seconds * row.rate
        if self._gain is None or not motion > 0.0:
            return 0.0
        pace = self._gain * _step(before.z, row.z) / motion
        own = self._gain * _step(before.place, row.place) / motion
        if not (math.isfinite(pace) and math.isfinite(own)):
            return 0.0
        flying = self._flying(own)
        self._rested = 0.0 if flying > 0.5 else self._rested + motion
        weight = motion * (flying + (1.0 - flying) * self._weight_of_rest(own))
        self._weight = min(self._weight + weight, _MEAN)
        if weight > 0.0:
            self._mean += (pace - self._mean) * min(weight / self._weight, 1.0)
        if flying == 0.0 or not pace > 0.0:
            return 0.0
        wanted = -row.even * math.log(pace / self._mean) * min(self._weight / _SURE, 1.0)
        widest = math.log(FASTEST_PACE)
        return min(max(wanted, -widest), widest) * flying

    def _flying(self, own: float) -> float:
        """How much of a flight the spring's `own` pace is, beside the mean: 0 at rest, 1 in full
        flight. Breathing alone is rest."""
        if self._mean <= 0.0 or own <= 0.0:
            return float(own > 0.0)
        rests, flies = _REST
        share = math.log(own / self._mean / rests) / math.log(flies / rests)
        return min(max(share, 0.0), 1.0)

    def _weight_of_rest(self, own: float) -> float:
        """What a moment of rest counts in the mean, beside one of flight.

        A lull between two flights is a part of the flying: a pace that fills it is the even one.
        A long rest says nothing of the next flight.
        """
        if self._mean <= 0.0:
            return 0.0
        if self._rested < _LULL:
            return 1.0
        return _IDLE if own > _STILL * self._mean else 0.0

    # What is said of it.

    def _speak(self, row: Row, wanted: float, seconds: float) -> float | None:
        step = (wanted - self._log) * -math.expm1(-seconds / _EASE)
        self._log += min(max(step, -_BRAKE * seconds), _QUICKEN * seconds)
        if row.time - self._spoke < _BETWEEN:
            return None
        home = wanted == 0.0 and abs(self._log) < 0.5 * _BAND
        if home:
            self._log = 0.0
            if row.base == 1.0:
                self._plays = False
                return None
        elif abs(self._log - math.log(row.base)) < _BAND:
            return None
        self._spoke, self._said, self._plays = row.time, math.exp(self._log), True
        return self._said


def _step(one: F32 | F64, other: F32 | F64) -> float:
    """How far two places of z lie apart."""
    gap = (other.astype(np.float64) - one).ravel()
    return math.sqrt(float(np.dot(gap, gap)))
