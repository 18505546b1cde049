"""Ticks in step with the screen: each begins so late that its picture just meets the refresh.

A screen that is waited for shows a picture at its own next refresh. A tick that begins at any other
time makes z older than it must be: by half a refresh in the mean, by a whole one at worst. Swaps
return at refreshes, whatever was waited for before them: so they say where refreshes lie between
two ticks. A few are looked at, the next few ticks are moved, and again: quickly in the first
moments of a show and where pictures stutter anyway, else so little that nobody could tell.
What is moved is the second of the clock at which performance time was 0; of performance time
itself nothing is added or left out.

It knows no clock, no window and no z: times of a clock go in, seconds to move by come out.
"""

from __future__ import annotations

from bisect import bisect
from collections import deque
from dataclasses import dataclass

_BLOCK = 12  # swaps that are looked at together, and ticks that are moved after that
_REMEMBERED = 120  # ticks whose work is
_WORTH = 8.0  # periods of waiting that one refresh without its picture is worth
_MARGIN = 0.0005  # s, at least, between a picture that is drawn and its refresh
_WIDER = 0.0006  # s more where refreshes are missed: a swap may have work of its own to do
_NARROWER = 0.002  # of what the margin is too wide, after every block without
_MISSES = 2  # of a block
_SAME = 0.0005  # share of a period by which those of ticks and swaps may differ
_DROPS = 1.05  # periods between two swaps: every now and then a picture is left out
_SPREAD = 0.0015  # s by which refreshes may seem to differ
_LATE = 0.1  # of a period
_NEAR = 0.0003  # s that are not worth moving for
_EARLIER = 0.75  # of a period: who would have to wait that long is better moved back
_QUICK, _SLOW = 0.05, 0.001  # shares of a period by which a tick is moved, at most
_FIRST = 240  # ticks in which that may be quick
_PROOF = 0.002  # s of moving after which refreshes must have stayed where they were
_DOUBTS = 3  # proofs in a row that fail: swaps wait for something else


@dataclass(frozen=True, slots=True)
class Shown:
    """A tick that was to begin at `due` and did at `begun`; drawn after `work`, and swapped.

    `work` is what the picture of its own row takes, in seconds, even if it came too late.
    """

    due: float
    begun: float
    work: float
    swapped: float


class Alignment:
    """Told of every swap; says by how much the ticks from now on begin later (below 0: earlier)."""

    def __init__(self, period: float) -> None:
        """`period` is that of the ticks, in seconds."""
        self._period = period
        self._block: list[Shown] = []
        self._works: deque[float] = deque(maxlen=_REMEMBERED)
        self._ticks = self._moving = self._doubts = 0
        self._step, self._margin = 0.0, _MARGIN
        self._was_aligned = False
        self._expected: float | None = None  # where between ticks the next refreshes should lie
        self._tried = 0.0  # s of moving since that was last seen
        self.is_screen: bool | None = None  # whether swaps wait for refreshes, once that is known
        self.aligned = False  # whether ticks begin as late as they should

    def swapped(self, shown: Shown) -> float:
        """The seconds to move by after `shown`."""
        self._ticks += 1
        self._works.append(shown.work)
        if self._moving:
            self._moving -= 1
            return self._step
        self._block.append(shown)
        if len(self._block) == _BLOCK:
            block, self._block = self._block, []
            gap = (block[-1].swapped - block[0].swapped) / (_BLOCK - 1) / self._period
            if self.is_screen is not False and (abs(gap - 1.0) <= _SAME or gap > _DROPS):
                self._judge(block)
        return 0.0

    def is_late(self, seconds: float) -> bool:
        """Whether a tick that begins so late was held up: by the swap before it, as a rule."""
        return seconds > _LATE * self._period

    def _judge(self, block: list[Shown]) -> None:
        first = block[0].swapped - block[0].due
        offs = sorted(self._around(one.swapped - one.due - first) for one in block)
        if offs[-2] - offs[1] > _SPREAD:
            return
        refresh = (first + offs[_BLOCK // 2]) % self._period
        self._check(refresh)
        if self.is_screen is False:
            return
        work = self._room_for(sorted(self._works))
        stutters = self._widen(block, work)
        off = (refresh - work - self._margin) % self._period
        if off > _EARLIER * self._period:
            off -= self._period
        self.aligned = abs(off) <= _NEAR
        self._was_aligned = self.aligned or self._was_aligned
        quick = self._ticks < _FIRST or stutters
        self._move(0.0 if self.aligned else off, refresh, _QUICK if quick else _SLOW)

    def _room_for(self, works: list[float]) -> float:
        """What to allow for, of `works` (sorted): less makes z younger, but more pictures late.

        So a machine that was held up for some ticks does not make all others wait: where to wait
        for the longest would cost more than to miss it, it is missed.
        """
        price = _WORTH * self._period / len(works)
        longer = (len(works) - bisect(works, work) for work in works)
        return min((work + price * more, work) for work, more in zip(works, longer, strict=True))[1]

    def _widen(self, block: list[Shown], work: float) -> bool:
        """Leave more room before a refresh where it is missed; whether pictures stutter."""
        latest = self._margin + 0.5 * self._period
        on_time = [one for one in block if not self.is_late(one.begun - one.due)]
        missed = [one for one in on_time if one.swapped - one.begun > max(work, one.work) + latest]
        if len(missed) >= _MISSES and self._was_aligned:
            self._margin = min(self._margin + _WIDER, 0.25 * self._period)
        else:
            self._margin += _NARROWER * (_MARGIN - self._margin)
        too_long = sum(one.work > work for one in block)
        return max(len(missed), too_long, len(block) - len(on_time)) >= _MISSES

    def _around(self, seconds: float) -> float:
        """`seconds` less whole periods, as near to 0 as can be."""
        half = 0.5 * self._period
        return (seconds + half) % self._period - half

    def _check(self, refresh: float) -> None:
        """Whether refreshes stayed when ticks were moved: what moves with them is no screen."""
        if self._expected is None or abs(self._tried) < _PROOF:
            return
        tried = min(abs(self._tried), 0.5 * self._period)
        stayed = abs(self._around(refresh - self._expected)) < 0.5 * tried
        self._doubts = 0 if stayed else self._doubts + 1
        self.is_screen = None if 0 < self._doubts < _DOUBTS else stayed
        self._tried, self._expected = 0.0, None

    def _move(self, off: float, refresh: float, most: float) -> None:
        most *= self._period
        self._step = min(max(off / _BLOCK, -most), most)
        self._moving = _BLOCK if self._step else 0
        if self._expected is None:
            self._expected = refresh
        self._expected -= self._step * self._moving
        self._tried += self._step * self._moving
