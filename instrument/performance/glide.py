"""One-pole smoothing in closed form: what is on its way from one value to another."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

_DONE = 20.0  # time constants after which a glide has arrived: e^-20 of its way, 2e-9, is left


@dataclass(frozen=True, slots=True)
class ValueGlide:
    """A parameter on its way from `start` to `aim` (positions 0..1) since `since` seconds."""

    start: float
    aim: float
    since: float
    smoothing: float

    def at(self, time: float) -> float:
        """The position at `time`: one-pole smoothing in closed form."""
        if self.is_done(time):
            return self.aim
        left = math.exp(-(time - self.since) / self.smoothing)
        return self.aim + (self.start - self.aim) * left

    def rebased(self, now: float) -> ValueGlide:
        """The same, with the time `now` called 0: it arrives at the same moment."""
        return replace(self, since=self.since - now)

    def is_done(self, time: float) -> bool:
        """Whether it has arrived."""
        return time - self.since >= _DONE * self.smoothing
