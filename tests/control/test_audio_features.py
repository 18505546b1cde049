"""From samples to events: whatever comes in, what comes out is finite, in range and repeatable."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from audio_tracks import RATE, drums, mixed
from hypothesis import given, settings
from hypothesis import strategies as st
from test_wave_file import riff

from instrument.control.audio import features_of_file
from instrument.control.audio_settings import AudioSettings
from instrument.control.features import Analysis, hop_of
from instrument.event import ControlEvent, is_address

ENVELOPES = ("level", "low", "mid", "high", "centroid", "loudness")


def events_of(samples, rate=RATE, block=256, **wishes) -> list[ControlEvent]:
    analysis = Analysis(rate, AudioSettings(**wishes))
    found: list[ControlEvent] = []
    for at in range(0, len(samples), block):
        found += analysis.feed(np.asarray(samples[at : at + block]))
    return found


def of(name: str, events: list[ControlEvent]) -> np.ndarray:
    """``[n, 2]``: times and values."""
    found = [(e.time, e.value) for e in events if e.address == f"/audio/in/{name}"]
    return np.array(found).reshape(-1, 2)


def sine(frequency: float, level: float = -12.0, seconds: float = 2.0, rate: float = RATE):
    t = np.arange(int(seconds * rate)) / rate
    return 10 ** (level / 20) * np.sqrt(2) * np.sin(2 * np.pi * frequency * t)


def all_sane(events: list[ControlEvent]) -> None:
    for event in events:
        assert 0.0 <= event.value <= 1.0 and event.time >= 0.0
        assert is_address(event.address) and event.address.startswith("/audio/in/")
        assert isinstance(event.value, float) and isinstance(event.time, float)


@given(
    st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), min_size=1, max_size=40),
    st.integers(0, 5),
)
@settings(max_examples=25, deadline=None)
def test_whatever_comes_in(values, seed: int) -> None:
    chance = np.random.default_rng(seed)
    samples = chance.choice(np.array(values, dtype=np.float32), 4096)
    analysis = Analysis(RATE)
    all_sane(analysis.feed(samples))
    all_sane(events := analysis.feed(sine(300.0, seconds=0.3)))
    assert any(e.value > 0.0 for e in events)  # it has not gone deaf
    meter = analysis.meter()
    assert np.isfinite([meter.peak, meter.rms, meter.momentary, meter.short_term]).all()
    assert meter.broken == int((~np.isfinite(samples)).sum())


def test_silence_says_nothing() -> None:
    assert events_of(np.zeros(RATE)) == []


@pytest.mark.parametrize("level", [-68.0, -120.0])
def test_noise_below_the_gate_does_not_pump(level: float) -> None:
    loud, noise = sine(200.0), mixed([], 6.0, level, 1)
    events = events_of(np.concatenate([loud, noise]))
    for name in ENVELOPES[:4]:
        values = of(name, events)
        late = values[values[:, 0] > 4.0][:, 1]
        assert not len(late) or late.var() < 1e-4
        assert values[-1, 1] == 0.0  # and it has come to rest
    assert [e for e in events if "onset" in e.address and e.value > 0 and e.time > 2.5] == []


def test_the_meter_sees_what_the_gate_hides() -> None:
    analysis = Analysis(RATE)
    analysis.feed(sine(500.0, -70.0))
    meter = analysis.meter()
    assert not meter.open and meter.rms == pytest.approx(-70.0, abs=0.5)
    assert meter.peak == pytest.approx(-67.0, abs=0.5)


@pytest.mark.parametrize("offset", [0.3, -0.9])
def test_a_constant_is_not_heard(offset: float) -> None:
    plain = events_of(sine(500.0, -20.0, 3.0))
    shifted = events_of(sine(500.0, -20.0, 3.0) + offset)
    level = of("level", shifted)
    # That it begins is a thump, which automatic gain remembers for a while.
    assert level[-1, 1] == pytest.approx(of("level", plain)[-1, 1], abs=0.25)
    silent = of("level", events_of(np.full(3 * RATE, offset)))
    assert silent[-1, 1] == 0.0


def test_clipping_is_counted() -> None:
    analysis = Analysis(RATE)
    all_sane(analysis.feed(np.clip(sine(300.0, 6.0), -1, 1)))
    assert analysis.meter().clipped > 1000
    all_sane(analysis.feed(np.full(1000, 1e30)))


@pytest.mark.parametrize(("frequency", "name"), [(60.0, "low"), (600.0, "mid"), (5_000.0, "high")])
def test_a_tone_is_in_its_band(frequency: float, name: str) -> None:
    # Half a second of every band, for automatic gain to know them; then the tone alone.
    every = sine(60.0) + sine(600.0) + sine(5_000.0)
    events = events_of(np.concatenate([every, sine(frequency)]))
    last = {band: of(band, events)[-1, 1] for band in ("low", "mid", "high")}
    assert last.pop(name) > 0.8 and max(last.values()) < 0.1


def test_centroid_counts_octaves() -> None:
    for frequency in (200.0, 800.0, 3_200.0):
        value = of("centroid", events_of(sine(frequency)))[-1, 1]
        assert value == pytest.approx(np.log2(frequency / 50.0) / 8.0, abs=0.02)


def test_attack_and_release() -> None:
    tone = np.concatenate([sine(500.0, seconds=1.0), np.zeros(RATE)])
    level = of("level", events_of(tone, automatic=False, attack=0.1, release=0.3))
    at = lambda t: np.interp(t, level[:, 0], level[:, 1])  # noqa: E731
    full = 10 ** (-12 / 20)
    assert at(0.1) == pytest.approx(full * (1 - np.exp(-1)), rel=0.05)
    assert at(1.3) == pytest.approx(full * np.exp(-1), rel=0.05)


def test_automatic_gain_lets_the_mix_desk_be() -> None:
    track = drums(120.0, 2)
    loud = of("level", events_of(track.samples))
    soft = of("level", events_of(track.samples * 0.1))
    times = np.arange(1.0, 4.0, 0.02)
    off = np.interp(times, *loud.T) - np.interp(times, *soft.T)
    assert np.abs(off).max() < 0.03


def test_gain_is_decibels() -> None:
    quiet = of("level", events_of(sine(500.0, -32.0), automatic=False, gain=20.0))
    assert quiet[-1, 1] == pytest.approx(10 ** (-12 / 20), rel=0.02)


def test_not_more_than_a_hundred_a_second_and_only_what_has_moved() -> None:
    events = events_of(drums(120.0, 3).samples)
    for name in ENVELOPES:
        found = of(name, events)
        assert np.diff(found[:, 0]).min() >= 0.0099
        moved = np.abs(np.diff(found[:, 1]))
        assert ((moved >= 0.004) | np.isin(found[1:, 1], (0.0, 1.0))).all()
    assert of("level", events_of(sine(500.0, seconds=4.0)))[-1, 0] < 2.0  # steady: nothing to say


def test_onsets_and_beats_are_pressed_and_let_go() -> None:
    events = events_of(drums(120.0, 5).samples)
    for name in ("onset", "onset.low", "onset.mid", "onset.high", "beat"):
        values = of(name, events)
        pressed, let_go = values[values[:, 1] > 0], values[values[:, 1] == 0]
        assert len(pressed) - len(let_go) in (0, 1) and len(pressed) > 3
        assert (let_go[:, 0] >= pressed[: len(let_go), 0]).all()


def test_the_same_sound_makes_the_same_events_however_it_is_cut() -> None:
    samples = drums(120.0, 2).samples
    whole = events_of(samples, block=len(samples))
    assert whole == events_of(samples, block=256) == events_of(samples, block=1000)


def test_hops_of_half_the_time_hear_the_same_music() -> None:
    """At 96 kHz and at 48 kHz: what is heard does not hang on how it is counted."""
    t = np.arange(3 * 96_000) / 96_000
    fine = 0.3 * np.sin(2 * np.pi * 80.0 * t) * (0.6 + 0.4 * np.sin(2 * np.pi * 2.0 * t))
    assert hop_of(96_000) / 96_000 == hop_of(48_000) / 48_000
    for name in ("level", "low", "loudness"):
        a, b = of(name, events_of(fine, 96_000)), of(name, events_of(fine[::2], 48_000))
        times = np.arange(0.5, 3.0, 0.02)
        assert np.abs(np.interp(times, *a.T) - np.interp(times, *b.T)).max() < 0.01
    c = of("level", events_of(sine(80.0, seconds=3.0, rate=44_100), 44_100))  # hops of 5.8 ms
    assert c[-1, 1] == pytest.approx(1.0, abs=0.02)


def test_a_gap_moves_time_and_not_the_envelopes() -> None:
    analysis = Analysis(RATE)
    tone = sine(500.0, seconds=4.0)
    before = analysis.feed(tone[:RATE])
    analysis.skip(RATE)
    assert analysis.seconds == pytest.approx(2.0, abs=0.01)
    after = analysis.feed(tone[2 * RATE :])
    assert [e for e in after if "onset" in e.address] == []
    assert min([e.value for e in after if e.address.endswith("/level")], default=1.0) > 0.9
    assert before and all(e.time > 2.0 for e in after)


def test_beats_survive_two_of_a_hundred_blocks_lost() -> None:
    track, chance = drums(120.0, 7), np.random.default_rng(2)
    analysis, off = Analysis(RATE), []
    for at in range(0, len(track.samples), 256):
        if chance.random() < 0.02:
            analysis.skip(256)
            continue
        analysis.feed(track.samples[at : at + 256])
        if analysis.seconds > 6.0 and analysis.beat_was_looked_at():
            off.append(analysis.beat.time - track.beats[0])
    errors = (np.array(off) + 0.25) % 0.5 - 0.25
    assert len(errors) > 50 and np.percentile(np.abs(errors), 99) < 0.02


def test_the_bench_listens_to_a_recording(tmp_path: Path) -> None:
    track = drums(120.0, 4)
    path = tmp_path / "x.wav"
    path.write_bytes(riff(3, 32, track.samples.astype("<f4").tobytes(), channels=1))
    bench = Path(__file__).resolve().parents[2] / "scripts" / "bench_audio"
    ran = subprocess.run([sys.executable, bench, path], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)[str(path)]
    assert abs(said["bpm_median"] - 120.0) < 1.0 and said["events"]["/audio/in/onset"] > 20


def test_a_file_is_heard_as_it_would_be_live(tmp_path: Path) -> None:
    track = drums(100.0, 2)
    path = tmp_path / "x.wav"
    stereo = np.stack([track.samples, track.samples], axis=1).astype("<f4")
    path.write_bytes(riff(3, 32, stereo.tobytes()))
    events = features_of_file(path)
    assert events == features_of_file(path)
    assert [e.time for e in events] == sorted(e.time for e in events)
    live = events_of(stereo[:, 0])
    assert sorted(events, key=str) == sorted(live, key=str)
    left = AudioSettings(channels=(1,))
    assert features_of_file(path, left) == events
