"""What an ear is told: bands, attack and release, gate, gain. The shape of the table ``[audio]``.

Knows no device and no sample. A bad value is an InstrumentError that names the key.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from instrument import InstrumentError

BANDS = ("low", "mid", "high")


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A part of the spectrum, from `low` to `high` Hz, and how its envelope moves.

    `attack` and `release` are time constants in s: after one of them 63 % of the way is done.
    """

    low: float
    high: float
    attack: float = 0.005
    release: float = 0.15

    def __post_init__(self) -> None:
        _within("low", self.low, 10.0, 20_000.0, "Hz")
        _within("high", self.high, 20.0, 24_000.0, "Hz")
        if self.high < 1.2 * self.low:
            raise InstrumentError(
                f"audio: high = {self.high} Hz must be at least 1.2 times low = {self.low} Hz"
            )
        _within("attack", self.attack, 0.0, 10.0, "s")
        _within("release", self.release, 0.0, 60.0, "s")


def _low() -> Band:
    return Band(low=30.0, high=150.0, release=0.2)


def _mid() -> Band:
    return Band(low=150.0, high=2_000.0)


def _high() -> Band:
    return Band(low=2_000.0, high=16_000.0, release=0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioSettings:
    """How an ear listens. Decibels are dBFS: 0 is the loudest a sample can be.

    `channels` are counted from 1 and averaged; what the device lacks is left out. `gain` in dB is
    put on what comes in. With `automatic` the envelopes are shares of how loud it has been lately:
    that memory fades with `adaptation` s and never falls below `floor` dB. Below `gate` dB it is
    silent: envelopes fall to 0 and nothing is learned from the noise. `sensitivity` of onsets: 2
    finds weaker ones, 0.5 only strong ones. `bpm_low` and `bpm_high` bound the tempo that is looked
    for. `latency` in s is how much earlier the sounds were than they arrive (a long digital cable).
    """

    low: Band = field(default_factory=_low)
    mid: Band = field(default_factory=_mid)
    high: Band = field(default_factory=_high)
    channels: tuple[int, ...] = (1, 2)
    attack: float = 0.01
    release: float = 0.2
    gain: float = 0.0
    automatic: bool = True
    adaptation: float = 20.0
    floor: float = -50.0
    gate: float = -60.0
    sensitivity: float = 1.0
    bpm_low: float = 40.0
    bpm_high: float = 240.0
    latency: float = 0.0

    def __post_init__(self) -> None:
        _within("attack", self.attack, 0.0, 10.0, "s")
        _within("release", self.release, 0.0, 60.0, "s")
        _within("gain", self.gain, -60.0, 60.0, "dB")
        _within("adaptation", self.adaptation, 1.0, 600.0, "s")
        _within("floor", self.floor, -90.0, 0.0, "dB")
        _within("gate", self.gate, -100.0, 0.0, "dB")
        _within("sensitivity", self.sensitivity, 0.1, 10.0, "")
        _within("bpm_low", self.bpm_low, 40.0, 240.0, "bpm")
        _within("bpm_high", self.bpm_high, 40.0, 240.0, "bpm")
        _within("latency", self.latency, 0.0, 2.0, "s")
        if self.bpm_high < 2.0 * self.bpm_low:
            # less than an octave, and a tempo may have no name in it
            raise InstrumentError("audio: bpm_high must be at least twice bpm_low")
        if not self.channels or any(not 1 <= channel <= 64 for channel in self.channels):
            raise InstrumentError(
                f"audio: channels = {list(self.channels)}: allowed are 1 to 64, at least one"
            )

    def bands(self) -> tuple[Band, Band, Band]:
        """In the order of `BANDS`."""
        return self.low, self.mid, self.high


def _within(key: str, value: float, low: float, high: float, unit: str) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        allowed = f"{low:g} to {high:g} {unit}".rstrip()
        raise InstrumentError(f"audio: {key} = {value}: allowed is {allowed}")
