"""How loud it is, for meters: peak, RMS, and loudness as broadcasters measure it.

Knows no spectrum and no event. Source of the loudness: ITU-R BS.1770-4, L = -0.691 + 10 log10 z
over 0.4 s (momentary) and 3 s (short-term, EBU Tech 3341); here z is of the one channel that is
heard, ungated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instrument.control.envelopes import decibels

_MOMENTARY, _SHORT = 0.4, 3.0  # s
_QUIETEST, _LOUDEST = -60.0, 0.0  # LUFS that are 0 and 1 as a share
_PEAK_FALL = 0.6  # s for which the needle of the peak falls to a third


@dataclass(frozen=True, slots=True)
class Meter:
    """Levels in dBFS before `gain`, -120 at least; loudness in LUFS, after it.

    `open` is the gate; `clipped` and `broken` count samples at full scale, and NaNs or infinities.
    """

    peak: float = -120.0
    rms: float = -120.0
    momentary: float = -120.0
    short_term: float = -120.0
    open: bool = False
    clipped: int = 0
    broken: int = 0


class Loudness:
    """The memory of a meter, one hop of `hop_seconds` at a time."""

    def __init__(self, hop_seconds: float) -> None:
        self._hop = hop_seconds
        self._squares: NDArray[np.float64] = np.zeros(max(round(_SHORT / hop_seconds), 1))
        self._at = 0
        self._filled = 0
        self._rms = self._peak = 0.0
        self._clipped = self._broken = 0

    def saw(self, samples: NDArray[np.float64], seconds: float, broken: int) -> None:
        """``samples [n]`` as they came, without what was broken."""
        if len(samples):
            peak = float(np.abs(samples).max())
            fallen = self._peak * math.exp(-seconds / _PEAK_FALL)
            self._peak = max(peak, fallen)
            if peak >= 0.999:
                self._clipped += int((np.abs(samples) >= 0.999).sum())
        self._broken += broken

    def step(self, rms: float, weighted: float, hearing: bool) -> None:
        """One hop: its RMS and the mean square of its K-weighted signal."""
        self._squares[self._at] = weighted
        self._at = (self._at + 1) % len(self._squares)
        self._filled = min(self._filled + 1, len(self._squares))
        kept = math.exp(-self._hop / 0.1)
        self._rms = math.sqrt(rms**2 * (1.0 - kept) + self._rms**2 * kept)

    def over(self, seconds: float) -> float:
        """Loudness in LUFS of the last `seconds`, -120 at least."""
        count = min(max(round(seconds / self._hop), 1), self._filled)
        if not count:
            return -120.0
        recent = self._squares.take(range(self._at - count, self._at), mode="wrap")
        return max(-0.691 + 10.0 * math.log10(max(float(recent.mean()), 1e-12)), -120.0)

    def share(self, hearing: bool) -> float:
        """Momentary loudness as 0..1, from -60 to 0 LUFS; 0 when there is nothing to hear."""
        if not hearing:
            return 0.0
        share = (self.over(_MOMENTARY) - _QUIETEST) / (_LOUDEST - _QUIETEST)
        return min(max(share, 0.0), 1.0)

    def meter(self, gate_open: bool) -> Meter:
        """What a meter shows."""
        return Meter(
            decibels(self._peak),
            decibels(self._rms),
            self.over(_MOMENTARY),
            self.over(_SHORT),
            gate_open,
            self._clipped,
            self._broken,
        )
