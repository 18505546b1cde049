"""When a sample sounded, by counting samples: blocks arrive early, late and in bunches.

A block can be late but never early, so the clock time of sample 0 is the lower envelope of
arrival - count/rate. It is followed over a long window while the sound card's quartz drifts. When
even the most punctual block of the last fifth of a second is late, samples have been lost on the
way: their number is what the lateness says.
"""

from __future__ import annotations

from collections import deque

_LONG, _SHORT = 10.0, 0.2  # s
_STALL = 0.05  # s without a block: what comes next was only held up
_LOST = 0.004  # s by which every block must be late before samples count as lost


class SampleClock:
    """Clock seconds of sample counts at `rate` Hz; counts include what was lost."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._lost = 0
        self._long: deque[tuple[float, float]] = deque()
        self._short: deque[tuple[float, float]] = deque()
        self._last: float | None = None
        self._flowing_since = 0.0

    def arrived(self, count: int, seconds: float) -> int:
        """`count` samples in all have arrived by `seconds`; how many are newly known as lost."""
        if self._last is None or seconds - self._last > _STALL:
            self._flowing_since = seconds
        self._last = seconds
        offset = seconds - (count + self._lost) / self._rate
        _push(self._long, seconds, offset, _LONG)
        _push(self._short, seconds, offset, _SHORT)
        late = self._short[0][1] - self._long[0][1]
        if late < _LOST or seconds - self._flowing_since < _SHORT:
            return 0
        lost = round(late * self._rate)
        self._lost += lost
        shift = lost / self._rate
        # The long memory keeps what was punctual: only what came after the loss moves.
        self._short = deque((at, value - shift) for at, value in self._short)
        self._long = deque([(seconds, self._long[0][1]), *self._short])
        return lost

    def time_of(self, count: float) -> float:
        """Clock seconds at which sample `count`, lost ones included, was taken in."""
        return (self._long[0][1] if self._long else 0.0) + count / self._rate

    @property
    def lost(self) -> int:
        """Samples that were lost so far."""
        return self._lost


def _push(window: deque[tuple[float, float]], seconds: float, offset: float, length: float) -> None:
    """A sliding minimum: the first is the smallest, each one after it larger and younger."""
    while window and window[-1][1] >= offset:
        window.pop()
    window.append((seconds, offset))
    while window[0][0] < seconds - length:
        window.popleft()
