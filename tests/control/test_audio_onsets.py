"""Where sounds begin: claps, drums, noise, slides."""

import numpy as np
import pytest
from audio_tracks import RATE, Track, clap, claps, clicks, drums, matched, mixed

from instrument.control.audio_settings import AudioSettings
from instrument.control.features import Analysis
from instrument.control.onsets import OnsetPicker, beginning, spectral_bands, window

BLOCK = 256


def heard(samples, settings=None, name="onset") -> list[tuple[float, float, float]]:
    """(time, strength, when the block with which it was known had come)."""
    analysis = Analysis(RATE, settings)
    found = []
    for at in range(0, len(samples), BLOCK):
        for event in analysis.feed(samples[at : at + BLOCK]):
            if event.address == f"/audio/in/{name}" and event.value > 0:
                found.append((event.time, event.value, (at + BLOCK) / RATE))
    return found


def shares(track: Track, settings=None) -> tuple[float, float]:
    times = np.array([time for time, *_ in heard(track.samples, settings)])
    pairs = matched(times, track.onsets)
    return len(pairs) / len(track.onsets), 1.0 - len(pairs) / max(len(times), 1)


@pytest.mark.parametrize(("noise", "seed"), [(-50.0, 3), (-30.0, 4)])
def test_claps_are_found_and_little_else(noise: float, seed: int) -> None:
    found, false = shares(claps(24, noise, seed))
    assert found >= 0.95 and false <= 0.05


def test_drums_are_found_down_to_the_hat() -> None:
    found, false = shares(drums(120.0, 6))
    assert found >= 0.95 and false <= 0.05


def test_they_are_found_however_soft_the_room() -> None:
    track = drums(110.0, 4, seed=9)
    found, false = shares(Track(track.samples * 0.03, track.onsets, track.beats))
    assert found >= 0.95 and false <= 0.05


def test_within_25_ms_of_the_block_that_held_it() -> None:
    track = claps(25)
    known = {time: when for time, _, when in heard(track.samples)}
    pairs = matched(np.array(list(known)), track.onsets)
    late = [known[f] - (t // (BLOCK / RATE) + 1) * BLOCK / RATE for f, t in pairs]
    assert max(late) <= 0.025


def test_their_time_is_the_sound_s_own_to_a_few_ms() -> None:
    track = clicks(133.0, 5.0)
    times = np.array([time for time, *_ in heard(track.samples)])
    off = [found - true for found, true in matched(times, track.onsets)]
    assert len(off) == len(track.onsets) and np.abs(off).max() < 0.002


def test_steady_noise_and_a_steady_tone_never_begin() -> None:
    noise = mixed([], 5.0, -25.0, 7)
    assert [t for t, *_ in heard(noise) if t > 1.0] == []
    tone = 0.4 * np.sin(2 * np.pi * 440.0 * np.arange(3 * RATE) / RATE)
    assert [t for t, *_ in heard(tone) if t > 1.0] == []


def test_a_glide_is_not_a_row_of_notes() -> None:
    t = np.arange(4 * RATE) / RATE
    chirp = 0.4 * np.sin(2 * np.pi * 200.0 * 4.0 / np.log(20) * (20 ** (t / 4.0) - 1.0))
    assert len([t for t, *_ in heard(chirp) if t > 0.2]) <= 4


def test_bands_hear_their_own() -> None:
    track = drums(120.0, 4, music=False, syncopation=0.0)
    low = np.array([t for t, *_ in heard(track.samples, name="onset.low")])
    kicks = track.beats[2::2]  # before the first there is nothing to compare it with
    assert len(matched(low, kicks)) == len(kicks)
    # Kick and snare fall on beats; between them are only hats, and those have nothing down there.
    assert np.abs((low[low > 0.25] - 0.3 + 0.25) % 0.5 - 0.25).max() < 0.06
    assert len(heard(track.samples, name="onset.high")) >= 0.9 * len(track.onsets)


def test_strength_is_how_strong() -> None:
    chance = np.random.default_rng(1)
    sound = clap(chance)
    levels = [1.0, 0.3] * 5
    track = mixed([(0.5 + 0.5 * i, sound * level) for i, level in enumerate(levels)], 6, -80.0, 1)
    strengths = np.array([strength for time, strength, _ in heard(track) if time > 0.4])
    assert len(strengths) == 10 and ((strengths > 0) & (strengths <= 1)).all()
    assert strengths[2::2].min() > 1.5 * strengths[3::2].max()


def test_sensitivity() -> None:
    track = drums(120.0, 3)
    counts = [
        len(heard(track.samples, AudioSettings(sensitivity=share))) for share in (0.25, 1.0, 4.0)
    ]
    assert counts[0] < counts[1] <= counts[2]


def test_a_refractory_time_is_kept() -> None:
    picker = OnsetPicker(np.array([0.1]), 0.005, 1.0)
    flux = np.tile([0.0, 1.0], 200)
    found = [n for n, value in enumerate(flux) if picker.step(np.array([value]))]
    assert found and np.diff(found).min() >= 12


@pytest.mark.parametrize("at", [700, 1000, 1500])
def test_the_beginning_within_a_stretch(at: int) -> None:
    samples = np.random.default_rng(at).normal(size=2048) * 0.001
    samples[at:] += np.exp(-np.arange(2048 - at) / 300.0) * np.sin(np.arange(2048 - at))
    assert abs(beginning(samples, RATE) - at) <= RATE // 1000


def test_silence_begins_nowhere() -> None:
    assert beginning(np.zeros(2048), RATE) == 2048
    assert beginning(np.ones(10), RATE) == 10


def test_the_window_leans_towards_the_present() -> None:
    shape = window(256)
    assert len(shape) == 1024 and shape.min() > 0.0 and shape.max() <= 1.0
    assert np.argmax(shape) == pytest.approx(7 / 8 * 1024, abs=1)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 192_000])
def test_spectral_bands_cover_what_there_is(rate: int) -> None:
    bands, centres = spectral_bands(rate, int(2 ** round(np.log2(rate / 187.5))))
    assert np.allclose(bands.sum(axis=1), 1.0) and (np.diff(centres) > 0).all()
    assert centres[-1] < rate / 2
