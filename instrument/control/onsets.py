"""Where sounds begin: spectral flux, and a threshold that lives with the music.

Flux is how much the logarithmic spectrum has grown against the widest of its own recent past: a
maximum over neighbouring bands keeps vibrato from counting as new notes. Source: S. Böck,
G. Widmer, "Maximum filter vibrato suppression for onset detection", DAFx 2013; here the window is
asymmetric, short towards the present, so a beginning is seen within two hops. Knows no clock:
hops in, hops out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

WINDOW = 4  # hops a spectrum looks back
_LAG = 2  # hops between the two spectra that are compared
_PER_OCTAVE = 6  # bands of the spectrum
_COMPRESSION = 30.0  # log(1 + C·x): what lies 30 dB below the loudest still counts
_SWING_OF_NOISE = 2.0  # flux of one bin that noise does not reach; measured with pink noise
_FIRST = 0.7  # of the steepest rise: an earlier one this steep is the beginning


def window(hop: int) -> F64:
    """``[WINDOW·hop]``: rises as half a Hann window over 7/8 of its length, falls over the rest."""
    length = WINDOW * hop
    falling = length // 8
    rising = length - falling
    up = 0.5 - 0.5 * np.cos(np.pi * (np.arange(rising) + 0.5) / rising)
    down = 0.5 + 0.5 * np.cos(np.pi * (np.arange(falling) + 0.5) / falling)
    return np.concatenate([up, down])


def spectral_bands(
    rate: float, hop: int, lowest: float = 30.0, highest: float = 16_000.0
) -> tuple[F64, F64]:
    """Triangles of equal width in octaves, ``[bands, bins]``, and their centres in Hz ``[bands]``.

    Where bins are wider than bands, a band is one bin; every row sums to 1.
    """
    bins = np.fft.rfftfreq(WINDOW * hop, 1.0 / rate)
    top = min(highest, 0.45 * rate)
    edges = lowest * 2.0 ** (np.arange(int(_PER_OCTAVE * np.log2(top / lowest)) + 2) / _PER_OCTAVE)
    at = np.unique(np.maximum(np.round(edges / bins[1]).astype(int), 1))
    at = at[at < len(bins)]
    rows = np.zeros((len(at) - 2, len(bins)))
    for row, (left, middle, right) in enumerate(zip(at, at[1:], at[2:], strict=False)):
        rows[row, left : middle + 1] = np.linspace(0.0, 1.0, middle - left + 1)
        rows[row, middle : right + 1] = np.linspace(1.0, 0.0, right - middle + 1)
    return rows / rows.sum(axis=1, keepdims=True), bins[at[1:-1]]


class Flux:
    """Spectra in, how much they grew out: overall and in each range of `ranges` (Hz)."""

    def __init__(self, rate: float, hop: int, ranges: list[tuple[float, float]]) -> None:
        self._bands, centres = spectral_bands(rate, hop)
        inside = [(centres >= low) & (centres < high) for low, high in ranges]
        members = np.array([np.ones(len(centres), dtype=bool), *inside], dtype=np.float64)
        self._members = members / np.maximum(members.sum(axis=1, keepdims=True), 1.0)
        # Even steady noise swings, the more the fewer bins there are to average over.
        bins = [(rate / 2.0), *(min(high, rate / 2.0) - low for low, high in ranges)]
        width = rate / (WINDOW * hop)
        self.least = np.maximum(_SWING_OF_NOISE / np.sqrt(np.maximum(bins, width) / width), 0.1)
        self.rest()

    def rest(self) -> None:
        """As if there had been silence for ever."""
        self._past = np.zeros((_LAG, len(self._bands)))
        self._deaf = WINDOW + _LAG  # that the stream begins is no beginning of a sound

    def step(self, magnitudes: F64, loudest: float) -> F64:
        """``[1 + ranges]`` from ``magnitudes [bins]``; `loudest` is the reference for the log."""
        bands = self._bands @ magnitudes
        spectrum = np.log1p(_COMPRESSION / max(loudest, 1e-9) * bands)
        before = self._past[0]
        widest = before.copy()
        np.maximum(widest[1:], before[:-1], out=widest[1:])
        np.maximum(widest[:-1], before[1:], out=widest[:-1])
        self._past = np.concatenate([self._past[1:], spectrum[None]])
        if self._deaf:
            self._deaf -= 1
            return np.zeros(len(self._members))
        grown: F64 = self._members @ np.maximum(spectrum - widest, 0.0)
        return grown


@dataclass(frozen=True, slots=True)
class Onset:
    """`channel` 0 is the whole spectrum; `strength` 0..1 is a share of the strongest lately."""

    channel: int
    strength: float


class OnsetPicker:
    """Peaks of several fluxes that stand out: causal, one hop late.

    A peak counts if it rises above the median of the last `_MEMORY` s by a share of the strongest
    peaks lately and by several times what the flux swings anyway, and `_REFRACTORY` s after the one
    before. Channel 0 also takes what only one of the others notices: a hi-hat moves few bands.
    """

    _MEMORY = 0.8
    _REFRACTORY = 0.06
    _FADE = 8.0  # s in which the memory of the strongest fades
    _SHARE = 0.15  # of the strongest that a peak must reach
    _SWING = 6.0  # how far the upper fifth lies above the median

    def __init__(self, least: F64, hop_seconds: float, sensitivity: float) -> None:
        channels = len(least)
        self._least = least  # flux, of each channel, below which nothing has begun
        self._past = np.zeros((max(int(self._MEMORY / hop_seconds), 8), channels))
        # Before anything is known, take it for a noisy room: only what is clear begins there.
        self._past[::3] = 0.4 * least
        self._fade = np.exp(-hop_seconds / self._FADE)
        self._dead = max(round(self._REFRACTORY / hop_seconds), 1)
        self._sensitivity = sensitivity
        self._strongest = 2.0 * least
        self._since = np.full(channels, self._dead)
        self._at = 0

    def step(self, flux: F64) -> list[Onset]:
        """The onsets that peaked one hop ago."""
        last, before = self._past[self._at - 1], self._past[self._at - 2]
        median = _ranked(self._past, 0.5)
        bar = np.maximum(self._SHARE * self._strongest, self._least)
        bar = np.maximum(bar, self._SWING * (_ranked(self._past, 0.8) - median))
        excess = last - median
        peak = (last >= before) & (last > flux) & (excess > bar / self._sensitivity)
        self._strongest = np.maximum(self._strongest * self._fade, 2.0 * self._least)
        self._strongest = np.where(peak, np.maximum(excess, self._strongest), self._strongest)
        strength = np.where(peak, excess / self._strongest, 0.0)
        strength[0] = strength.max()
        begun = (strength > 0.0) & (self._since >= self._dead)
        self._since = np.where(begun, 0, self._since + 1)
        self._past[self._at] = flux
        self._at = (self._at + 1) % len(self._past)
        return [Onset(int(i), float(min(strength[i], 1.0))) for i in np.flatnonzero(begun)]


def _ranked(rows: F64, share: float) -> F64:
    """What `share` of each column lies below. Several times as fast as numpy's quantile."""
    at = int(share * len(rows))
    ranked: F64 = np.partition(rows, at, axis=0)[at]
    return ranked


def beginning(samples: F64, rate: float) -> int:
    """The sample at which the loudest new sound in ``samples [n]`` begins.

    Where the energy of a millisecond has grown most against what came before it, and from there
    the first sample that is as loud as a tenth of that millisecond's loudest.
    """
    width = max(int(rate / 1000.0), 1)
    count = len(samples) // width
    energy = (samples[: count * width].reshape(count, width) ** 2).mean(axis=1)
    if count < 6 or energy.max() <= 0.0:
        return len(samples)
    summed = np.concatenate([[0.0], np.cumsum(energy)])
    before = (summed[4:-1] - summed[:-5]) / 4.0  # the four milliseconds ahead of each
    grown = np.log(energy[4:] + 0.02 * energy.max()) - np.log(before + 0.02 * energy.max())
    frame = int(np.argmax(grown >= _FIRST * grown.max())) + 4
    part = np.abs(samples[frame * width : (frame + 1) * width])
    return frame * width + int(np.argmax(part >= 0.1 * part.max()))
