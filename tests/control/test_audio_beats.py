"""Tempo and phase by ear: metronomes, drums, changes, silence."""

import numpy as np
import pytest
from audio_tracks import RATE, Track, clicks, drums, mixed

from instrument.control.audio_settings import AudioSettings
from instrument.control.beats import Beat, BeatTracker
from instrument.control.features import Analysis


def looks(samples, settings=None) -> list[tuple[float, Beat]]:
    """(time of the newest sample, what is believed then)."""
    analysis = Analysis(RATE, settings)
    found = []
    for at in range(0, len(samples), 256):
        analysis.feed(samples[at : at + 256])
        if analysis.beat_was_looked_at() and analysis.beat is not None:
            found.append((analysis.seconds, analysis.beat))
    return found


def phase_errors(track: Track, bpm: float, after: float) -> np.ndarray:
    period = 60.0 / bpm
    off = [b.time - track.beats[0] for at, b in looks(track.samples) if at > after]
    return (np.array(off) + period / 2) % period - period / 2


@pytest.mark.parametrize("bpm", [40, 45, 87.5, 150, 240])
def test_a_metronome(bpm: float) -> None:
    track = clicks(bpm, 10.0)
    settled = [beat for at, beat in looks(track.samples) if at > 7.0]
    assert max(abs(beat.bpm - bpm) for beat in settled) <= 0.1
    assert min(beat.confidence for beat in settled) > 0.8


def test_its_phase() -> None:
    errors = phase_errors(clicks(120.0, 12.0), 120.0, 4.0)
    assert len(errors) > 70 and np.percentile(np.abs(errors), 99) < 0.005


@pytest.mark.parametrize("bpm", [80.0, 97.0, 150.0])
def test_drums_with_jitter_noise_and_syncopation(bpm: float) -> None:
    track = drums(bpm, int(bpm / 18))  # some 13 s
    found = looks(track.samples)
    settled = [beat for at, beat in found if at > 8.0]
    assert max(abs(beat.bpm / bpm - 1.0) for beat in settled) < 0.01
    off = np.array([beat.time - track.beats[0] for beat in settled])
    assert np.percentile(np.abs((off + 30.0 / bpm) % (60.0 / bpm) - 30.0 / bpm), 99) < 0.02
    for at, beat in found:
        assert at < beat.time <= at + 60.0 / beat.bpm + 1e-9
        assert 0.0 <= beat.confidence <= 1.0


def test_a_change_of_tempo_is_followed() -> None:
    first, second = clicks(100.0, 8.0), clicks(132.0, 12.0)
    found = looks(np.concatenate([first.samples, second.samples]))
    assert found[-1][1].bpm == pytest.approx(132.0, abs=0.2)
    back = next(at for at, beat in found if at > 8.0 and abs(beat.bpm - 132.0) < 1.0)
    assert back - 8.0 < 10.0


def test_a_held_tempo_does_not_flicker_between_octaves() -> None:
    # Most kicks fall between the beats: the pulse doubles and halves, the tempo does not.
    track = drums(100.0, 8, syncopation=0.6, seed=11)
    bpm = np.array([beat.bpm for at, beat in looks(track.samples) if at > 6.0])
    octave = np.round(np.log2(bpm / 100.0))
    assert (np.abs(np.diff(octave)) > 0).sum() <= 1


def test_it_is_not_sure_of_noise_and_coasts_in_silence() -> None:
    noise = looks(mixed([], 9.0, -25.0, 3))
    assert max((beat.confidence for at, beat in noise if at > 5), default=0.0) < 0.3
    track = clicks(120.0, 7.0, noise=-90.0)
    found = looks(np.concatenate([track.samples, np.zeros(8 * RATE)]))
    last = found[-1][1]
    assert last.bpm == pytest.approx(120.0, abs=0.5) and last.confidence < 0.05
    # ... and where the next click would be is still known 8 s later
    assert abs((last.time - track.beats[0] + 0.25) % 0.5 - 0.25) < 0.01


def test_bounds_are_kept() -> None:
    settings = AudioSettings(bpm_low=60.0, bpm_high=120.0)
    found = looks(clicks(160.0, 7.0).samples, settings)
    assert found[-1][1].bpm == pytest.approx(80.0, abs=0.5)


def test_nothing_in_no_tempo_out() -> None:
    tracker = BeatTracker(187.5)
    for _ in range(3000):
        tracker.step(0.0)
    assert tracker.beat() is None
    tracker = BeatTracker(187.5)
    for _ in range(3000):
        tracker.step(0.7)
    assert tracker.beat() is None  # without a change there is no rhythm


def test_the_same_frames_give_the_same_beats() -> None:
    chance = np.random.default_rng(4)
    frames = chance.random(4000) * (np.arange(4000) % 90 < 4)
    trackers = BeatTracker(187.5), BeatTracker(187.5)
    for strength in frames:
        for tracker in trackers:
            tracker.step(float(strength))
        assert trackers[0].beat() == trackers[1].beat()
