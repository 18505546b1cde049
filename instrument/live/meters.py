"""What the loop measures of itself: a few numbers a tick, kept in rings of fixed size."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instrument.latent.space import F64

_KEPT = 36000  # ten minutes at 60 frames a second
_SMOOTHING = 0.05
_LATE = 0.25  # of a period: a tick that starts later was not on time


@dataclass(slots=True)
class Ring:
    """The newest numbers of one kind."""

    numbers: F64
    count: int = 0

    @classmethod
    def empty(cls) -> Ring:
        """Room for ten minutes."""
        return cls(np.zeros(_KEPT))

    def add(self, number: float) -> None:
        """Put `number` in, over the oldest."""
        self.numbers[self.count % _KEPT] = number
        self.count += 1

    def kept(self) -> NDArray[np.float64]:
        """What is in it, in no order."""
        return self.numbers[: min(self.count, _KEPT)]

    def percentile(self, share: float) -> float:
        """The value below which `share` per cent lie; 0 where nothing was measured."""
        return float(np.percentile(self.kept(), share)) if self.count else 0.0


class Meters:
    """Everything in seconds, from the start of the loop."""

    def __init__(self, period: float) -> None:
        self._period = period
        self.ticks = 0
        self.late_ticks = 0
        self.shown = 0
        self.overhead = Ring.empty()  # a tick less waiting for decoder, driver and swap
        self.latency = Ring.empty()  # from an event's own time to the swap that shows it
        self.swaps = Ring.empty()
        self.driver = Ring.empty()  # of a tick, until everything was drawn
        # After a picture came, smoothed: what who waits for it must leave room for.
        self.draw_seconds = 0.002
        self._unseen: deque[tuple[int, float]] = deque(maxlen=256)
        self._last_shown = 0.0
        self.shown_rate = 0.0
        self.holds = Ring.empty()  # for how long each picture stood on the screen
        self.longest_hold = 0.0
        self.first_picture: float | None = None  # clock second of the first swap, whatever it shows
        self.first_decoded: float | None = None  # and of the first that shows a decoder's picture

    def tick(self, lateness: float) -> None:
        """A tick began `lateness` after its time."""
        self.ticks += 1
        if lateness > _LATE * self._period:
            self.late_ticks += 1

    def event(self, index: int, time: float) -> None:
        """An event of clock second `time` went into row `index`."""
        self._unseen.append((index, time))

    def shows(self, index: int, work: float, driver: float, swap: float, now: float) -> None:
        """The picture of row `index` became visible at `now`, after `work` seconds of drawing.

        For `driver` seconds of them the driver was waited for; then it was swapped in `swap`.
        """
        self.draw_seconds += _SMOOTHING * (work - self.draw_seconds)
        self.driver.add(driver)
        self.swaps.add(swap)
        if self.first_picture is None:
            self.first_picture = now
        if self.first_decoded is None and index >= 0:
            self.first_decoded = now
        newest = None
        while self._unseen and self._unseen[0][0] <= index:
            newest = self._unseen.popleft()[1]
        if newest is not None:
            self.latency.add(now - newest)

    def new_picture(self, now: float) -> None:
        """Another picture than the last one is on the screen."""
        self.shown += 1
        if self._last_shown:
            held = now - self._last_shown
            self.holds.add(held)
            self.longest_hold = max(self.longest_hold, held)
            rate = 1.0 / max(held, 1e-6)
            self.shown_rate += _SMOOTHING * (rate - self.shown_rate)
        self._last_shown = now

    @property
    def on_time(self) -> float:
        """The share of ticks that began within a quarter of a period."""
        return 1.0 - self.late_ticks / self.ticks if self.ticks else 1.0

    def last_latency(self) -> float | None:
        """Seconds from the newest event to its picture."""
        count = self.latency.count
        return float(self.latency.numbers[(count - 1) % _KEPT]) if count else None
