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
_QUIETEST = 1e-3  # share of the loudest that may be taken for the loudest


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
        self.rest()

    def rest(self) -> None:
        """As if there had been silence for ever."""
        self._past = np.zeros((_LAG, len(self._bands)))

    def step(self, magnitudes: F64, loudest: float) -> F64:
        """``[1 + ranges]`` from ``magnitudes [bins]``; `loudest` is the reference for the log."""
        bands = self._bands @ magnitudes
        spectrum = np.log1p(_COMPRESSION / max(loudest, 1e-9) * bands)
        before = self._past[0]
        widest = before.copy()
        np.maximum(widest[1:], before[:-1], out=widest[1:])
        np.maximum(widest[:-1], before[1:], out=widest[:-1])
        self._past = np.concatenate([self._past[1:], spectrum[None]])
        grown: F64 = self._members @ np.maximum(spectrum - widest, 0.0)
        return grown


@dataclass(frozen=True, slots=True)
class Onset:
    """`channel` 0 is the whole spectrum. It peaked `ago` hops before the newest one."""

    channel: int
    strength: float  # 0..1, a share of the strongest lately
    ago: int


class OnsetPicker:
    """Peaks of several fluxes that stand out: causal, one hop late.

    A peak counts if it is above the median of the last `_MEMORY` s by a share of the strongest
    peaks lately, and `_REFRACTORY` s after the one before.
    """

    _MEMORY = 0.8
    _REFRACTORY = 0.06
    _FADE = 8.0  # s in which the memory of the strongest fades
    _SHARE = 0.18  # of the strongest that a peak must reach
    _LEAST = 0.06  # flux: below this nothing has begun

    def __init__(self, channels: int, hop_seconds: float, sensitivity: float) -> None:
        self._past = np.zeros((max(int(self._MEMORY / hop_seconds), 8), channels))
        self._fade = np.exp(-hop_seconds / self._FADE)
        self._dead = max(round(self._REFRACTORY / hop_seconds), 1)
        self._sensitivity = sensitivity
        self._strongest = np.full(channels, 4.0 * self._LEAST)
        self._since = np.full(channels, self._dead)
        self._at = 0

    def step(self, flux: F64) -> list[Onset]:
        """The onsets that peaked one hop ago."""
        length = len(self._past)
        last, before = self._past[self._at - 1], self._past[self._at - 2]
        excess = last - np.median(self._past, axis=0)
        bar = np.maximum(self._SHARE * self._strongest, self._LEAST) / self._sensitivity
        peak = (last >= before) & (last > flux) & (excess > bar) & (self._since >= self._dead)
        self._since = np.where(peak, 0, self._since + 1)
        self._strongest *= self._fade
        self._strongest = np.maximum(self._strongest, 4.0 * self._LEAST)
        self._strongest = np.where(peak, np.maximum(excess, self._strongest), self._strongest)
        found = [
            Onset(int(channel), float(min(excess[channel] / self._strongest[channel], 1.0)), 1)
            for channel in np.flatnonzero(peak)
        ]
        self._past[self._at] = flux
        self._at = (self._at + 1) % length
        return found


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
    frame = int(np.argmax(grown)) + 4
    part = np.abs(samples[frame * width : (frame + 1) * width])
    return frame * width + int(np.argmax(part >= 0.1 * part.max()))
