"""Sounds whose beginnings and beats are known: clicks, claps, drums. Seeded; a float in -1..1.

For the tests and for ``scripts/bench_audio``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

RATE = 48_000


@dataclass(frozen=True)
class Track:
    """``samples [n]`` at `RATE`, when every sound begins, and when every beat is (s)."""

    samples: F64
    onsets: F64
    beats: F64


def mixed(sounds: list[tuple[float, F64]], seconds: float, noise: float, seed: int) -> F64:
    """Sounds laid down at their times in s, on a floor of pink-ish noise of `noise` dBFS."""
    chance = np.random.default_rng(seed)
    out = np.zeros(int(seconds * RATE))
    for at, sound in sounds:
        start = round(at * RATE)
        piece = sound[: max(len(out) - start, 0)]
        out[start : start + len(piece)] += piece
    even = 1 << len(out).bit_length()  # of a length that is quick to transform
    white = np.fft.rfft(chance.normal(size=even))
    white[1:] /= np.sqrt(np.arange(1, len(white)))
    white[0] = 0.0
    pink = np.fft.irfft(white, even)[: len(out)]
    return out + pink / pink.std() * 10.0 ** (noise / 20.0)


def click(frequency: float = 1_000.0) -> F64:
    """What a metronome does: 10 ms of a tone that fades."""
    t = np.arange(int(0.02 * RATE)) / RATE
    return 0.7 * np.sin(2 * np.pi * frequency * t) * np.exp(-t / 0.004)


def clap(chance: np.random.Generator) -> F64:
    """Hands: three short bursts of noise within 25 ms, the last one with a tail."""
    t = np.arange(int(0.25 * RATE)) / RATE
    envelope = np.zeros(len(t))
    for at, fade, loud in ((0.0, 0.004, 0.8), (0.011, 0.004, 0.7), (0.022, 0.035, 1.0)):
        envelope += np.where(t >= at, loud * np.exp(-(t - at) / fade), 0.0)
    return 0.35 * envelope * _coloured(chance.normal(size=len(t)), 500.0, 6_000.0)


def kick() -> F64:
    t = np.arange(int(0.25 * RATE)) / RATE
    phase = 2 * np.pi * (50.0 * t + 100.0 * 0.03 * (1 - np.exp(-t / 0.03)))
    return 0.8 * np.sin(phase) * np.exp(-t / 0.08) * np.minimum(t / 0.002, 1.0)


def snare(chance: np.random.Generator) -> F64:
    t = np.arange(int(0.2 * RATE)) / RATE
    hiss = _coloured(chance.normal(size=len(t)), 800.0, 9_000.0)
    return 0.4 * (hiss * np.exp(-t / 0.05) + 0.6 * np.sin(2 * np.pi * 190 * t) * np.exp(-t / 0.06))


def hat(chance: np.random.Generator) -> F64:
    t = np.arange(int(0.06 * RATE)) / RATE
    return 0.14 * _coloured(chance.normal(size=len(t)), 6_000.0, 16_000.0) * np.exp(-t / 0.02)


def tone(frequency: float, seconds: float) -> F64:
    """A note of a bass or a pad, with a soft beginning."""
    t = np.arange(int(seconds * RATE)) / RATE
    shape = np.minimum(t / 0.02, 1.0) * np.minimum((seconds - t) / 0.03, 1.0)
    wave = sum(np.sin(2 * np.pi * frequency * k * t) / k**1.5 for k in range(1, 6))
    return 0.12 * wave * shape


def clicks(bpm: float, seconds: float, noise: float = -70.0, start: float = 0.1) -> Track:
    """A metronome."""
    times = np.arange(start, seconds, 60.0 / bpm)
    samples = mixed([(t, click()) for t in times], seconds, noise, 1)
    return Track(samples, times, times)


def claps(count: int, noise: float = -40.0, seed: int = 3) -> Track:
    """Hands in a room: irregular, louder and softer by 12 dB."""
    chance = np.random.default_rng(seed)
    times = 0.5 + np.cumsum(chance.uniform(0.18, 0.9, count))
    sounds = [(t, clap(chance) * chance.uniform(0.25, 1.0)) for t in times]
    samples = mixed(sounds, float(times[-1]) + 1.0, noise, seed)
    return Track(samples, times, times[:0])


def drums(
    bpm: float,
    bars: int,
    jitter: float = 0.004,
    noise: float = -45.0,
    syncopation: float = 0.25,
    music: bool = True,
    seed: int = 5,
) -> Track:
    """Four to the bar: kick, snare, hats, and notes beneath; `jitter` in s, standard deviation.

    `syncopation` is how likely a kick or a ghost note falls between the beats, or a beat's own
    kick is left out.
    """
    chance = np.random.default_rng(seed)
    beat = 60.0 / bpm
    sounds: list[tuple[float, F64]] = []
    for half in range(bars * 8):
        at = 0.3 + half * beat / 2
        place = half % 8
        played: list[F64] = [hat(chance) * chance.uniform(0.6, 1.0)]
        left_out = place == 4 and chance.random() < syncopation
        if (place in (0, 4) and not left_out) or (
            place in (3, 5, 7) and chance.random() < syncopation
        ):
            played.append(kick())
        if place in (2, 6):
            played.append(snare(chance))
        sounds += [(max(at + chance.normal() * jitter, 0.0), sound) for sound in played]
        if chance.random() < 0.3 * syncopation:
            sounds.append((at + beat / 4, snare(chance) * 0.35))
        if music and place in (0, 4):
            root = float(chance.choice([55.0, 65.4, 73.4, 82.4]))
            sounds.append((at, tone(root, 0.9 * beat)))
            sounds.append((at, 0.4 * tone(root * 6, 1.8 * beat)))
    seconds = 0.3 + bars * 4 * beat + 0.5
    beats = 0.3 + np.arange(bars * 4) * beat
    onsets = _merged(np.sort([at for at, _ in sounds]), 0.03)
    return Track(mixed(sounds, seconds, noise, seed), onsets, beats)


def _merged(times: F64, within: float) -> F64:
    """What begins almost together is one beginning."""
    kept: list[float] = []
    for t in times:
        if not kept or t - kept[-1] > within:
            kept.append(float(t))
    return np.array(kept)


def _coloured(noise: F64, low: float, high: float) -> F64:
    spectrum = np.fft.rfft(noise)
    frequencies = np.fft.rfftfreq(len(noise), 1.0 / RATE)
    spectrum *= (frequencies > low) & (frequencies < high)
    out = np.fft.irfft(spectrum, len(noise))
    return out / max(out.std(), 1e-12)


def matched(found: F64, true: F64, within: float = 0.05) -> list[tuple[float, float]]:
    """Pairs (found, true), each at most once and nearest first."""
    pairs = sorted(
        (abs(f - t), i, j)
        for i, f in enumerate(found)
        for j, t in enumerate(true)
        if abs(f - t) <= within
    )
    taken_found: set[int] = set()
    taken_true: set[int] = set()
    out = []
    for _, i, j in pairs:
        if i not in taken_found and j not in taken_true:
            taken_found.add(i)
            taken_true.add(j)
            out.append((float(found[i]), float(true[j])))
    return out
