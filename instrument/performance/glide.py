"""What is on its way from one value to another, in closed form: smoothed, or in a given time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

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
        here = self.on_way(time)
        return self.aim if here is None else here

    def on_way(self, time: float) -> float | None:
        """The position at `time`; None once it has arrived."""
        gone = time - self.since
        if gone >= _DONE * self.smoothing:
            return None
        return self.aim + (self.start - self.aim) * math.exp(-gone / self.smoothing)

    def rebased(self, now: float) -> ValueGlide:
        """The same, with the time `now` called 0: it arrives at the same moment."""
        return replace(self, since=self.since - now)

    def is_done(self, time: float) -> bool:
        """Whether it has arrived."""
        return time - self.since >= _DONE * self.smoothing


@dataclass(frozen=True, slots=True)
class ValueRamp:
    """A parameter that goes from `start` to `aim` (positions 0..1) within `seconds`.

    Along 3 u² - 2 u³, so that it sets out and arrives without a corner; its steepest slope is
    1.5 times that of a straight line.
    """

    start: float
    aim: float
    since: float
    seconds: float

    def at(self, time: float) -> float:
        """The position at `time`: exactly `start` first, exactly `aim` last."""
        here = self.on_way(time)
        return self.aim if here is None else here

    def on_way(self, time: float) -> float | None:
        """The position at `time`; None once it has arrived."""
        if self.is_done(time):
            return None
        u = max((time - self.since) / self.seconds, 0.0)
        share = u * u * (3.0 - 2.0 * u)
        return (1.0 - share) * self.start + share * self.aim

    def is_done(self, time: float) -> bool:
        """Whether it has arrived."""
        return time - self.since >= self.seconds

    def rebased(self, now: float) -> ValueRamp:
        """The same way, with `now` called 0: it began before that."""
        return ValueRamp(self.start, self.aim, self.since - now, self.seconds)


Glide = ValueGlide | ValueRamp


def glide_to_json(glide: Glide) -> list[Any]:
    """Plain numbers, and a word for what is no smoothing. The reverse of `glide_from_json`."""
    if isinstance(glide, ValueRamp):
        return [glide.start, glide.aim, glide.since, glide.seconds, "ramp"]
    return [glide.start, glide.aim, glide.since, glide.smoothing]


def glide_from_json(fields: Sequence[Any]) -> Glide:
    """Read what `glide_to_json` wrote. Raises TypeError or ValueError where it is damaged."""
    kind = ValueGlide if len(fields) == 4 else ValueRamp
    start, aim, since, seconds = map(float, fields[:4])
    if len(fields) not in (4, 5) or fields[4:] not in ([], ["ramp"]):
        raise ValueError(f"glide {list(fields)[4:]}")
    # A negative one would be far beyond its aim; of none nothing is left.
    if not (0.0 <= seconds < math.inf and math.isfinite(start) and math.isfinite(aim)):
        raise ValueError(f"a glide from {start} to {aim} in {seconds} s")
    return kind(start, aim, since, seconds)
