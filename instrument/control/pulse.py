"""What a source of tempo knows at one moment: how many beats it has counted, and how fast."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pulse:
    """At `time`, clock seconds, `beats` had been counted, a real number, at `bpm`.

    A difference of `tolerance` bpm means nothing. Where `bars` is False the source hears beats and
    does not know which: of `beats` only the fraction counts.
    """

    time: float
    bpm: float
    beats: float
    tolerance: float = 0.02
    bars: bool = True

    def beats_at(self, time: float) -> float:
        """The count at another time near by, as it looks from here."""
        return self.beats + (time - self.time) * self.bpm / 60.0

    def next_beat(self, after: float) -> float:
        """When the next whole beat falls that is not before `after`."""
        missing = -self.beats_at(after) % 1.0
        return after + missing * 60.0 / self.bpm
