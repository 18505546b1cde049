"""Ticks in step with the screen: each begins so late that its picture just meets the refresh.

A screen that is waited for shows a picture at its own next refresh. A tick that begins at any other
time makes z older than it must be: by half a refresh in the mean, by a whole one at worst. How long
swaps wait says how much too early ticks begin, so a few swaps are looked at, the next few ticks are
moved, and again: quickly in the first moments of a show, later so little that nobody could tell.
What is moved is the second of the clock at which performance time was 0; of performance time
itself nothing is added or left out.

It knows no clock, no window and no z: durations go in, seconds to move by come out.
"""

from __future__ import annotations

_BLOCK = 12  # swaps that are looked at together, and ticks that are moved after that
_MARGIN = 0.001  # s a swap should wait at least: what a picture may come later than usual
_WAITS = 0.0004  # s: swaps that take less wait for no screen
_SAME = 0.0005  # share of a period by which those of ticks and swaps may differ
_DROPS = 1.05  # periods between two swaps: every now and then a picture is left out
_NEAR = 0.0003  # s that are not worth moving for
_MISSES = 2  # of a block: with more, the margin grows
_QUICK, _SLOW = 0.05, 0.0005  # shares of a period by which a tick is moved, at most
_FIRST = 240  # ticks in which that may be quick; later only where pictures stutter anyway
_PROOF = 0.002  # s of moving after which waits must have become shorter by half of that
_DOUBTS = 3  # proofs in a row that fail: these waits are no screen's


class Alignment:
    """Told of every swap; says by how much the ticks from now on begin later (below 0: earlier)."""

    def __init__(self, period: float) -> None:
        """`period` is that of the ticks, in seconds."""
        self._period = period
        self._margin = _MARGIN
        self._waits: list[float] = []
        self._began = 0.0  # when the first swap of the block returned
        self._ticks = self._moving = 0
        self._step = 0.0
        self._expected: float | None = None  # what the shortest wait of the next block should be
        self._doubts = 0  # how often in a row they did not
        self._tried = 0.0  # s of moving since waits last did what they should
        self.is_screen: bool | None = None  # whether swaps wait for a refresh, once that is known
        self.aligned = False  # whether ticks begin as late as they should

    def swapped(self, now: float, early: float) -> float:
        """A swap returned at `now`. The seconds to move by.

        `early` is how much later its tick could have begun at most: what the swap waited, and
        what the tick began after its own time, because the swap before it had not returned.
        """
        self._ticks += 1
        if self._moving:
            self._moving -= 1
            return self._step
        if not self._waits:
            self._began = now
        self._waits.append(early)
        if len(self._waits) < _BLOCK or self.is_screen is False:
            return 0.0
        gap = (now - self._began) / (_BLOCK - 1) / self._period
        waits, self._waits = sorted(self._waits), []
        if abs(gap - 1.0) <= _SAME or gap > _DROPS:
            self._judge(waits)
        return 0.0

    def _judge(self, waits: list[float]) -> None:
        shortest = waits[1]  # one may be a slip of the clock
        missed = sum(wait > shortest + 0.6 * self._period for wait in waits)
        if shortest < _WAITS and not missed and not self.is_screen:
            return  # it costs next to nothing, and waits for nobody
        self._check(shortest)
        if self.is_screen is False:
            return
        if missed >= _MISSES:
            self._margin = min(self._margin + 0.5 * _MARGIN, 0.25 * self._period)
        else:
            self._margin += 0.02 * (_MARGIN - self._margin)
        off = shortest - self._margin
        self.aligned = abs(off) <= _NEAR
        quick = self._ticks < _FIRST or missed >= _MISSES or shortest > self._period
        self._move(0.0 if self.aligned else off, shortest, _QUICK if quick else _SLOW)

    def _check(self, shortest: float) -> None:
        """Whether waits did what moving should have done to them: else they are no screen's."""
        if self._expected is None or abs(self._tried) < _PROOF:
            return
        # A refresh that was missed meanwhile makes the wait longer by one.
        off, tried = abs(shortest - self._expected) % self._period, abs(self._tried)
        off, tried = min(off, self._period - off), min(tried, 0.5 * self._period)
        self._doubts = 0 if off < 0.5 * tried else self._doubts + 1
        self.is_screen = None if 0 < self._doubts < _DOUBTS else self._doubts == 0
        self._tried, self._expected = 0.0, None

    def _move(self, off: float, shortest: float, most: float) -> None:
        most *= self._period
        self._step = min(max(off / _BLOCK, -most), most)
        self._moving = _BLOCK if self._step else 0
        if self._expected is None:
            self._expected = shortest
        self._expected -= self._step * self._moving
        self._tried += self._step * self._moving
