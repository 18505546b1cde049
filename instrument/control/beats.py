"""Beat and tempo by ear: how often, and when the next one is.

Causal. From the last seconds of onset strength: the tempo by comb-filtered autocorrelation times
the strength at that frequency itself (the first alone takes half tempos, the second alone double
ones for the truth), then the phase by folding the strength over the period. Sources: A. Klapuri et
al., "Analysis of the meter of acoustic musical signals", IEEE TASLP 14(1), 2006; G. Peeters, "Time
variable tempo detection and beat marking", ICMC 2005, for the product of the two. A tempo that is
held gives way only to one that is clearly better for some time, so octaves do not flicker.

Knows no clock and no sound: one strength a frame in, frames out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

_MEMORY = 8.0  # s of strength that are looked at
_STRIDE = 0.1  # s between two looks
_PREFERRED, _OCTAVES = 120.0, 0.85  # bpm that people tap, and how far they stray (log-normal)
_BLUR = 0.02  # s: no hand is more even (standard deviation)
_TEETH = 4  # of the comb
_FIRST_TOOTH = 0.4  # how much more the first tooth counts (an exponent)
_RECENT = 3.0  # s: how fast phase forgets
_COAST = 2.0  # s without any strength, from which tempo and phase are only held
_PATIENCE = 1.5  # s that a rival must be ahead
_AHEAD = 1.2  # and by how much
_BINS = 96  # of a folded period


@dataclass(frozen=True, slots=True)
class Beat:
    """`bpm`, the time of a beat (the newest or the next one) and how sure that is, 0..1."""

    bpm: float
    time: float
    confidence: float


class BeatTracker:
    """Times are frames since the first one; `frame_rate` in Hz turns them into tempo."""

    def __init__(self, frame_rate: float, bpm_low: float = 40.0, bpm_high: float = 240.0) -> None:
        self._rate = frame_rate
        self._strength = np.zeros(int(_MEMORY * frame_rate))
        self._count = 0
        self._stride = max(int(_STRIDE * frame_rate), 1)
        self._fft = 1 << (2 * len(self._strength) - 1).bit_length()
        steps = int(math.log(bpm_high / bpm_low) / 0.006) + 1
        self._bpm = np.geomspace(bpm_low, bpm_high, steps)
        self._prior = np.exp(-0.5 * (np.log2(self._bpm / _PREFERRED) / _OCTAVES) ** 2)
        self._period = 0.0  # frames; 0: none yet
        self._beat = 0.0  # a beat's frame
        self._confidence = 0.0
        self._rival_seconds = 0.0
        self._off_seconds = 0.0

    def step(self, strength: float) -> bool:
        """Take one frame's onset strength; whether `beat` has been looked at again."""
        self._strength[self._count % len(self._strength)] = strength
        self._count += 1
        if self._count % self._stride:
            return False
        self._look()
        return True

    @property
    def newest(self) -> int:
        """The newest frame."""
        return self._count - 1

    def beat(self) -> Beat | None:
        """The next beat after the newest frame, in frames; None before there ever was a tempo."""
        if not self._period:
            return None
        ahead = math.floor((self._count - self._beat) / self._period) + 1
        bpm = 60.0 * self._rate / self._period
        time = self._beat + max(ahead, 0) * self._period
        return Beat(float(bpm), float(time), float(self._confidence))

    def _look(self) -> None:
        recent = np.roll(self._strength, -(self._count % len(self._strength)))
        recent = recent[-min(self._count, len(recent)) :]
        # Nothing new to go by: what is known holds. A few old beats at the edge would bend it.
        heard = recent[-int(_COAST * self._rate) :].any()
        steady = self._autocorrelation(recent) if heard else None
        if steady is None or len(recent) < 2.0 * self._rate:
            self._confidence *= math.exp(-_STRIDE)
            return
        self._choose(recent, steady)
        if not self._period:
            return
        self._period = self._refined(steady, self._period)
        sharpness = self._align(recent)
        teeth = np.arange(1, _TEETH + 1) * self._period
        held = float(np.clip(np.interp(teeth, np.arange(len(steady)), steady), 0.0, 1.0).mean())
        goal = min(math.sqrt(held * sharpness) * 1.2, 1.0)
        self._confidence += (goal - self._confidence) * (1.0 - math.exp(-_STRIDE / 0.5))

    def _autocorrelation(self, recent: F64) -> F64 | None:
        """``[lags]``, 1 at lag 0; each lag divided by how many pairs it had. None of a constant."""
        even = recent - recent.mean()
        spectrum = np.fft.rfft(even, self._fft)
        raw = np.fft.irfft(np.abs(spectrum) ** 2, self._fft)[: len(recent)]
        if raw[0] <= 1e-12:
            return None
        pairs = np.arange(len(recent), 0, -1) / len(recent)
        kernel = np.exp(-0.5 * (np.arange(-8, 9) / (_BLUR * self._rate)) ** 2)
        smooth = np.convolve(raw / np.maximum(pairs, 0.2), kernel / kernel.sum(), mode="same")
        scored: F64 = smooth / max(smooth[0], 1e-12)
        return scored

    def _scores(self, recent: F64, steady: F64) -> F64:
        """How good each tempo of the grid is, by comb times strength at its own frequency."""
        periods = 60.0 * self._rate / self._bpm
        lags = np.arange(len(steady))
        comb = np.zeros(len(periods))
        weight = np.zeros(len(periods))
        for tooth in range(1, _TEETH + 1):
            inside = tooth * periods < 0.8 * len(steady)
            comb += np.where(inside, np.interp(tooth * periods, lags, steady), 0.0)
            weight += inside
        comb = np.maximum(comb / np.maximum(weight, 1.0), 0.0)
        # Twice the true tempo also has every second tooth; its own first one is missing.
        comb *= np.clip(np.interp(periods, lags, steady), 0.05, 1.0) ** _FIRST_TOOTH
        even = (recent - recent.mean()) * np.hanning(len(recent))
        size = 4 * self._fft
        spectrum = np.abs(np.fft.rfft(even, size))
        own = np.interp(1.0 / periods, np.arange(len(spectrum)) / size, spectrum)
        scores: F64 = comb * np.sqrt(own / max(own.max(), 1e-12)) * self._prior
        return scores

    def _choose(self, recent: F64, steady: F64) -> None:
        scores = self._scores(recent, steady)
        best = int(np.argmax(scores))
        if scores[best] <= 0.0:
            return
        period = 60.0 * self._rate / self._bpm[best]
        if not self._period:
            self._period, self._beat = period, -1.0  # the phase is looked for afresh
            return
        if abs(math.log(period / self._period)) < 0.05:
            self._rival_seconds = 0.0
            self._period = period if self._confidence < 0.2 else self._period
            return
        near = np.abs(np.log(self._bpm * self._period / (60.0 * self._rate))) < 0.03
        held = float(scores[near].max()) if near.any() else 0.0
        ahead = scores[best] > _AHEAD * held
        self._rival_seconds = self._rival_seconds + _STRIDE if ahead else 0.0
        if self._rival_seconds >= self._patience():
            self._rival_seconds, self._period, self._beat = 0.0, period, -1.0

    def _patience(self) -> float:
        """Seconds a rival must be ahead; short while there is little to go by."""
        return _PATIENCE if self._count > len(self._strength) else 0.2

    def _refined(self, steady: F64, period: float) -> float:
        """The period from the farthest multiple that still shows: an error there is divided."""
        for multiple in (1, 2, 4, 8):
            near = multiple * period
            reach = max(3, int(0.04 * period))
            left, right = int(near) - reach, int(near) + reach + 1
            if right + 1 >= min(len(steady), 0.8 * len(self._strength)):
                break
            at = left + int(np.argmax(steady[left:right]))
            if at in (left, right - 1) or steady[at] < 0.1:
                break
            a, b, c = steady[at - 1 : at + 2]
            curve = a - 2.0 * b + c
            period = (at + (0.5 * (a - c) / curve if curve < 0.0 else 0.0)) / multiple
        return period

    def _align(self, recent: F64) -> float:
        """Move `_beat` to where the strength gathers; the share of it that is gathered there."""
        frames = np.arange(self._count - len(recent), self._count)
        weight = np.maximum(recent - recent.mean(), 0.0) * np.exp(
            (frames - self._count) / (_RECENT * self._rate)
        )
        phase = frames / self._period % 1.0
        folded = np.bincount((phase * _BINS).astype(int) % _BINS, weight, _BINS)
        width = np.clip(0.015 * self._rate / self._period, 0.02, 0.06) * _BINS
        kernel = np.exp(
            -0.5 * (np.minimum(np.arange(_BINS), _BINS - np.arange(_BINS)) / width) ** 2
        )
        smooth = np.fft.irfft(np.fft.rfft(folded) * np.fft.rfft(kernel), _BINS)
        best = (int(np.argmax(smooth)) + 0.5) / _BINS
        total = float(weight.sum())
        if total <= 0.0:
            return 0.0
        if self._beat < 0.0:
            self._beat = self._nearest(_centre(phase, weight, best)[0])
        here = self._beat / self._period % 1.0
        off = (best - here + 0.5) % 1.0 - 0.5
        if abs(off) > 0.12:
            at_here = float(np.interp(here * _BINS - 0.5, np.arange(_BINS), smooth))
            ahead = smooth.max() > _AHEAD * at_here
            self._off_seconds = self._off_seconds + _STRIDE if ahead else 0.0
            if self._off_seconds >= _PATIENCE:
                self._beat, self._off_seconds = self._nearest(_centre(phase, weight, best)[0]), 0.0
        else:
            self._off_seconds = 0.0
        centre, gathered = _centre(phase, weight, self._beat / self._period % 1.0)
        ahead_by = (centre - self._beat / self._period + 0.5) % 1.0 - 0.5
        self._beat = self._nearest((self._beat / self._period + 0.5 * ahead_by) % 1.0)
        return gathered / total

    def _nearest(self, phase: float) -> float:
        """The beat of this phase closest before the newest frame."""
        return (math.floor(self._count / self._period - phase) + phase) * self._period


def _centre(phase: F64, weight: F64, around: float, reach: float = 0.12) -> tuple[float, float]:
    """The weighted middle of what lies within `reach` of the phase `around`, and its weight."""
    off = (phase - around + 0.5) % 1.0 - 0.5
    near = weight * (np.abs(off) < reach)
    gathered = float(near.sum())
    if gathered <= 0.0:
        return around, 0.0
    return float(around + (near * off).sum() / gathered) % 1.0, gathered
