"""Scores: cues at fixed times, counted from the moment the score is played."""

from __future__ import annotations

import math
from dataclasses import dataclass

from instrument import InstrumentError
from instrument.event import is_address

SHORTEST_LOOP = 0.1  # s


@dataclass(frozen=True, slots=True)
class Cue:
    """`value` at `address`, `at` seconds after the score begins."""

    at: float
    address: str
    value: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.at < 1e6:
            raise InstrumentError(f"cue at {self.at}: must be 0 or more seconds")
        if not is_address(self.address):
            raise InstrumentError(f"cue address {self.address!r}: must look like /waypoint/2/go")
        if self.address == "/score/play":
            raise InstrumentError("cue address /score/play: a score cannot play itself")
        if not abs(self.value) <= 1e12:
            raise InstrumentError(f"cue value {self.value}: must be a finite number")


@dataclass(frozen=True, slots=True)
class Score:
    """Cues in order of time; those of one time keep the order they were written in.

    With a `loop` of so many seconds the score begins again, and again, until it is stopped.
    """

    cues: tuple[Cue, ...] = ()
    loop: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "cues", tuple(sorted(self.cues, key=lambda cue: cue.at)))
        last = self.cues[-1].at if self.cues else 0.0
        if self.loop is not None and not max(last, SHORTEST_LOOP) <= self.loop < 1e6:
            raise InstrumentError(
                f"score loop {self.loop:g}: must be seconds, {SHORTEST_LOOP:g} or more, and not "
                f"end before the last cue at {last:g}"
            )

    def __len__(self) -> int:
        return len(self.cues)

    def time_of(self, number: int) -> float:
        """Seconds from the beginning to cue `number`, counted on through the loops; inf: never."""
        if number < len(self.cues):
            return self.cues[number].at
        if self.loop is None or not self.cues:
            return math.inf
        lap, within = divmod(number, len(self.cues))
        return lap * self.loop + self.cues[within].at
