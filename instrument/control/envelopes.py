"""From how loud it is to 0..1: a gate, followers with attack and release, automatic gain.

Everything moves by closed forms of the time that passes, so the size of a hop hardly matters. Knows
no sample and no spectrum: amplitudes in, shares out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

_HYSTERESIS = 0.5  # an open gate closes 6 dB lower than a closed one opens
_HOLD = 0.2  # s of quiet before it closes: the pause between two notes is no silence
_LEARN = 0.2  # s: how fast automatic gain gives way to what is louder than ever
_REST = 1e-4  # shares below are 0


def amplitude(decibels: float) -> float:
    """dB → factor. The reverse of `decibels`."""
    return float(10.0 ** (decibels / 20.0))


def decibels(amplitude: float, lowest: float = -120.0) -> float:
    """Factor → dB, not below `lowest`. The reverse of `amplitude`."""
    return float(20.0 * np.log10(max(amplitude, 10.0 ** (lowest / 20.0))))


class Gate:
    """Whether there is anything to hear. `threshold` is an amplitude (RMS)."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._quiet = _HOLD
        self.open = False

    def step(self, rms: float, seconds: float) -> bool:
        """Hear `seconds` at `rms`; whether the gate is open then."""
        if rms >= self._threshold:
            self.open, self._quiet = True, 0.0
        elif rms < self._threshold * _HYSTERESIS:
            self._quiet += seconds
            self.open = self.open and self._quiet < _HOLD
        else:
            self._quiet = 0.0
        return self.open


class Followers:
    """Several one-pole followers: up with `attack`, down with `release` (time constants in s).

    y(t) = x + (y(0) - x) e^(-t/τ) while x stands still.
    """

    def __init__(self, attack: list[float], release: list[float]) -> None:
        self._attack, self._release = np.array(attack), np.array(release)
        self.values: F64 = np.zeros(len(attack))

    def step(self, targets: F64, seconds: float) -> F64:
        """Follow `targets` for `seconds`."""
        tau = np.where(targets > self.values, self._attack, self._release)
        left = np.exp(-seconds / np.maximum(tau, 1e-9))
        self.values = targets + (self.values - targets) * left
        self.values[self.values < 1e-12] = 0.0
        return self.values


class AutomaticGain:
    """Amplitudes as shares of the loudest there has been lately, one memory per channel.

    The memory rises within `_LEARN` s, fades with `adaptation` s (both time constants), and never
    falls below `floor`, so that a whisper is not blown up to a shout.
    """

    def __init__(self, channels: int, adaptation: float, floor: float) -> None:
        self._adaptation, self._floor = adaptation, floor
        self.loudest: F64 = np.full(channels, floor)

    def step(self, amplitudes: F64, seconds: float, hearing: bool) -> F64:
        """The shares 0..1. While not `hearing` nothing is learned: silence does not pump."""
        if hearing:
            tau = np.where(amplitudes > self.loudest, _LEARN, self._adaptation)
            kept = np.exp(-seconds / tau)
            self.loudest = amplitudes + (self.loudest - amplitudes) * kept
            self.loudest = np.maximum(self.loudest, self._floor)
        shares: F64 = np.minimum(amplitudes / self.loudest, 1.0)
        shares[shares < _REST] = 0.0
        return shares
