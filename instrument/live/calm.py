"""Garbage, collected where nobody waits, and never in the middle of a tick.

Everything that is there when the show begins is set aside for good, so that a collection looks
only at what has come since. It knows no picture, no z and no device: times go in, and it decides.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from instrument.timebase import Clock

_EVERY = 600  # ticks, if there is room
_AT_LATEST = 36000  # ticks: ten minutes without a calm moment, and circles fill the memory
_SPARE = 0.002  # s that must be left over
_SURPRISE = 2.0  # a collection may take so many times as long as the last one
_GUESS = 0.002  # s the first one takes
_YIELD = 0.001  # s after which a thread that works gives way: a tick may be waiting


class Housekeeping:
    """Collects at calm moments of a show: at the end of a tick that has time to spare."""

    def __init__(self, clock: Clock, collect: Callable[[], object] = gc.collect) -> None:
        self._clock, self._collect = clock, collect
        self._since = 0
        self._usual = _GUESS
        self.collections = 0
        self.longest = 0.0

    def tick(self, next_tick: float) -> None:
        """A tick is done; the next one begins at clock second `next_tick`."""
        self._since += 1
        if self._since < _EVERY:
            return
        begun = self._clock.now()
        room = next_tick - begun - _SPARE
        if room < _SURPRISE * self._usual and self._since < _AT_LATEST:
            return
        self._collect()
        took = self._clock.now() - begun
        self._usual = max(took, 0.5 * self._usual)  # one quick collection promises little
        self._since = 0
        self.collections += 1
        self.longest = max(self.longest, took)


@contextmanager
def undisturbed() -> Iterator[None]:
    """No collection but those one asks for, and threads that yield within a millisecond."""
    interval = sys.getswitchinterval()
    gc.collect()
    gc.freeze()
    gc.disable()
    sys.setswitchinterval(_YIELD)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        gc.enable()
        gc.unfreeze()
