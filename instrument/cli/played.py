"""What a film is rendered from: a z-sequence, or a take, which can be sampled at any time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from instrument.latent.sequence import ZSequence, load_sequence
from instrument.studio.held import holding
from instrument.studio.performed import Performed
from instrument.studio.shutter import BetweenRows, Exposure, Instant, Shutter
from instrument.take.layout import RECORD
from instrument.take.marks import marks_of
from instrument.take.reader import TakeRecord, read_take
from instrument.take.sampling import Sampling, resample
from instrument.timebase import FrameRate


@dataclass(frozen=True)
class Played:
    """All rows of `source`, one for each frame; `record` is the take they are of."""

    source: Path
    sequence: ZSequence
    record: TakeRecord | None = None

    @cached_property
    def held(self) -> ZSequence:
        """The rows as the display showed them, which may have been frozen."""
        return holding(self.sequence)

    def exposure(self, shutter: Shutter | None) -> Exposure:
        """What the frames are exposed to: those of a take to the performance itself."""
        if shutter is None:
            return Instant(self.held)
        if self.record is None:
            return BetweenRows(self.held, shutter)
        sampling = Sampling(self.record, str(self.source))
        return Performed(sampling, shutter, self.sequence.rate)

    def marks(self) -> list[tuple[float, str]]:
        """Moments with names, in seconds; only takes have some."""
        if self.record is None:
            return []
        rate = self.record.header.rate
        marks = marks_of(self.record, str(self.source))
        return [(rate.time_of(mark.frame), mark.name) for mark in marks]


def open_source(source: Path, rate: FrameRate | None = None) -> Played:
    """A z-sequence, or a take; with `rate` a take is sampled anew, and rows are only re-timed."""
    if source.is_dir() or source.name == RECORD:
        record = read_take(source)
        if rate is not None and rate != record.header.rate:
            return Played(source, resample(record, rate, str(source)), record)
        return Played(source, record.sequence, record)
    sequence = load_sequence(source, rate)
    return Played(source, replace(sequence, rate=rate) if rate else sequence)
