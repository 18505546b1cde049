"""Causal filters of one channel, a whole block at a time.

A recursive filter goes sample by sample, which Python is too slow for. Over a block of N samples it
is linear in the block and in the state before it, so the N steps are two matrices made once:
y = H x + O s, s' = Φ s + G x. The result is the same to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

_BUTTERWORTH = (0.541196100146197, 1.306562964876377)  # Q of the two halves of a 4th order
_TINY = 1e-30  # states below are silence; denormal numbers would be slow


@dataclass(frozen=True, slots=True)
class Biquad:
    """y[n] = b0 x[n] + b1 x[n-1] + b2 x[n-2] - a1 y[n-1] - a2 y[n-2]."""

    b0: float
    b1: float
    b2: float
    a1: float
    a2: float


def high_pass(frequency: float, q: float, rate: float) -> Biquad:
    """Second order, -3 dB at `frequency` for q = √½. Source: Bristow-Johnson, Audio EQ Cookbook."""
    cos, alpha = _turn(frequency, q, rate)
    b = (1.0 + cos) / 2.0
    return _scaled(b, -2.0 * b, b, cos, alpha)


def low_pass(frequency: float, q: float, rate: float) -> Biquad:
    """The mirror of `high_pass`; the same source."""
    cos, alpha = _turn(frequency, q, rate)
    b = (1.0 - cos) / 2.0
    return _scaled(b, 2.0 * b, b, cos, alpha)


def _turn(frequency: float, q: float, rate: float) -> tuple[float, float]:
    w = 2.0 * math.pi * frequency / rate
    return math.cos(w), math.sin(w) / (2.0 * q)


def _scaled(b0: float, b1: float, b2: float, cos: float, alpha: float) -> Biquad:
    a0 = 1.0 + alpha
    return Biquad(b0 / a0, b1 / a0, b2 / a0, -2.0 * cos / a0, (1.0 - alpha) / a0)


def band_pass(low: float, high: float, rate: float) -> list[Biquad]:
    """Fourth-order Butterworth flanks at `low` and `high` Hz; what lies near rate/2 is left open.

    An empty list: the band lies above what this rate can hold.
    """
    top = 0.45 * rate
    if low >= top:
        return []
    sections = [high_pass(low, q, rate) for q in _BUTTERWORTH]
    if high < top:
        sections += [low_pass(high, q, rate) for q in _BUTTERWORTH]
    return sections


def k_weighting(rate: float) -> list[Biquad]:
    """The two filters of ITU-R BS.1770-4, annex 1, for any rate.

    The recommendation lists coefficients for 48 kHz only; these analogue figures give them back to
    nine digits there. Source: B. De Man, "Evaluation of implementations of the EBU R128 loudness
    measurement", AES 145 (2018).
    """
    k = math.tan(math.pi * 1681.974450955533 / rate)
    q, gain = 0.7071752369554196, 10.0 ** (3.999843853973347 / 20.0)
    middle = gain**0.4996667741545416
    a0 = 1.0 + k / q + k * k
    shelf = Biquad(
        (gain + middle * k / q + k * k) / a0,
        2.0 * (k * k - gain) / a0,
        (gain - middle * k / q + k * k) / a0,
        2.0 * (k * k - 1.0) / a0,
        (1.0 - k / q + k * k) / a0,
    )
    k, q = math.tan(math.pi * 38.13547087602444 / rate), 0.5003270373238773
    a0 = 1.0 + k / q + k * k
    rumble = Biquad(1.0, -2.0, 1.0, 2.0 * (k * k - 1.0) / a0, (1.0 - k / q + k * k) / a0)
    return [shelf, rumble]


class FilterBank:
    """Several chains of biquads on the same input, which comes in multiples of `block` samples."""

    def __init__(self, chains: Sequence[Sequence[Biquad]], block: int) -> None:
        a, b, c, d = _parallel([_series(chain) for chain in chains])
        states, outputs = len(a), len(c)
        self._state = np.zeros(states)
        free = np.empty((outputs, block, states))
        self._feed = np.empty((states, block))  # G
        impulse = np.empty((outputs, block))
        impulse[:, 0] = d
        power, reach = np.eye(states), b.copy()
        for n in range(block):
            free[:, n] = c @ power
            power = a @ power
            self._feed[:, block - 1 - n] = reach
            if n + 1 < block:
                impulse[:, n + 1] = c @ reach
            reach = a @ reach
        self._step = power  # Φ
        lag = np.subtract.outer(np.arange(block), np.arange(block))
        through = np.where(lag >= 0, impulse[:, np.maximum(lag, 0)], 0.0)
        self._through = through.reshape(outputs * block, block)  # H
        self._free = free.reshape(outputs * block, states)  # O: what is still ringing
        self._shape = (outputs, block)

    def __call__(self, samples: F64) -> F64:
        """``samples [n·block]`` → ``[chains, n·block]``."""
        outputs, block = self._shape
        blocks = samples.reshape(-1, block)
        # Only the states go block by block; what comes out of them is one product for all.
        states = np.empty((len(blocks) + 1, len(self._state)))
        states[0] = self._state
        fed = blocks @ self._feed.T
        for n in range(len(blocks)):
            states[n + 1] = self._step @ states[n] + fed[n]
        self._state = np.where(np.abs(states[-1]) < _TINY, 0.0, states[-1])
        out = blocks @ self._through.T + states[:-1] @ self._free.T
        chains: F64 = out.reshape(-1, outputs, block).transpose(1, 0, 2).reshape(outputs, -1)
        return chains

    def rest(self) -> None:
        """As if there had been silence for ever."""
        self._state = np.zeros_like(self._state)


_System = tuple[F64, F64, F64, float]  # s' = A s + B x, y = C s + D x


def _series(chain: Sequence[Biquad]) -> _System:
    """Transposed direct form II, one section after another."""
    a, b, c, d = np.zeros((0, 0)), np.zeros(0), np.zeros(0), 1.0
    for one in chain:
        n = len(a)
        own_b = np.array([one.b1 - one.a1 * one.b0, one.b2 - one.a2 * one.b0])
        joined = np.zeros((n + 2, n + 2))
        joined[:n, :n] = a
        joined[n:, :n] = np.outer(own_b, c)
        joined[n:, n:] = [[-one.a1, 1.0], [-one.a2, 0.0]]
        a, b = joined, np.concatenate([b, own_b * d])
        c, d = np.concatenate([one.b0 * c, [1.0, 0.0]]), one.b0 * d
    return a, b, c, d


def _parallel(systems: list[_System]) -> tuple[F64, F64, F64, F64]:
    sizes = [len(a) for a, _, _, _ in systems]
    total, at = sum(sizes), np.concatenate([[0], np.cumsum(sizes)]).astype(int)
    a, c = np.zeros((total, total)), np.zeros((len(systems), total))
    for row, (one, _, out, _) in enumerate(systems):
        part = slice(at[row], at[row + 1])
        a[part, part] = one
        c[row, part] = out
    b = np.concatenate([b for _, b, _, _ in systems])
    return a, b, c, np.array([d for _, _, _, d in systems])
