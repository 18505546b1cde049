"""What is heard, made steady: small doubts are smoothed, large ones must last."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument.control.heard_beat import HeardBeat
from instrument.control.pulse import Pulse

LAW = settings(deadline=None, derandomize=True, max_examples=60)


def hear(ear: HeardBeat, begin: float, seconds: float, bpm: float, beat: float = 0.0, sure=0.9):
    """Ten words a second about a beat at `beat`; the pulses that come of them."""
    pulses = []
    for now in np.arange(begin, begin + seconds, 0.1):
        nearest = beat + round((now - beat) * bpm / 60.0) * 60.0 / bpm
        pulses.append(ear.hear(bpm, nearest, sure, float(now)))
    return pulses


def off(pulse: Pulse | None, bpm: float, beat: float = 0.0) -> float:
    """Seconds between the pulse's beats and those through `beat`."""
    assert pulse is not None
    place = math.remainder((pulse.time - beat) * bpm / 60.0 - pulse.beats, 1.0)
    return abs(place) * 60.0 / bpm


def test_a_sure_beat_is_followed_at_once() -> None:
    (first, *_) = hear(HeardBeat(), 5.0, 1.0, 128.0, beat=0.21)
    assert first is not None
    assert first.bpm == pytest.approx(128.0)
    assert not first.bars
    assert off(first, 128.0, 0.21) < 1e-9


def test_doubt_is_not_heard_and_what_is_followed_may_be_doubted_more() -> None:
    ear = HeardBeat()
    assert hear(ear, 0.0, 2.0, 120.0, sure=0.4) == [None] * 20
    assert None not in hear(ear, 2.0, 1.0, 120.0, sure=0.6)
    assert None not in hear(ear, 3.0, 1.0, 120.0, sure=0.3)
    assert set(hear(ear, 4.0, 1.0, 120.0, sure=0.2)) == {None}


def test_what_wavers_is_held_steady() -> None:
    ear, random = HeardBeat(), np.random.default_rng(1)
    bpms, offs = [], []
    for now in np.arange(0.0, 20.0, 0.1):
        beat = round(now * 2.0) / 2.0 + random.normal(0.0, 0.01)
        pulse = ear.hear(120.0 + random.normal(0.0, 1.0), beat, 0.9, float(now))
        bpms.append(pulse.bpm)
        offs.append(off(pulse, 120.0))
    assert np.std(bpms[50:]) < 0.35
    assert max(offs[50:]) < 0.012


@pytest.mark.parametrize("octave", [0.5, 2.0])
def test_half_and_double_are_the_same_music(octave: float) -> None:
    ear = HeardBeat()
    hear(ear, 0.0, 3.0, 120.0)
    pulses = hear(ear, 3.0, 20.0, 120.0 * octave)
    assert all(pulse.bpm == pytest.approx(120.0) for pulse in pulses)
    assert max(off(pulse, 120.0) for pulse in pulses) < 1e-9


def test_another_tempo_must_last() -> None:
    ear = HeardBeat()
    hear(ear, 0.0, 3.0, 120.0)
    slip = hear(ear, 3.0, 1.5, 131.0)
    assert all(pulse.bpm == pytest.approx(120.0) for pulse in slip)
    hear(ear, 4.5, 1.0, 120.0)
    again = hear(ear, 5.5, 4.0, 131.0)
    assert again[10].bpm == pytest.approx(120.0)
    assert again[-1].bpm == pytest.approx(131.0)
    assert off(again[-1], 131.0) < 1e-6


def test_a_beat_elsewhere_must_last_too() -> None:
    ear = HeardBeat()
    hear(ear, 0.0, 3.0, 120.0)
    assert off(hear(ear, 3.0, 1.5, 120.0, beat=0.25)[-1], 120.0) < 1e-9
    assert off(hear(ear, 4.5, 4.0, 120.0, beat=0.25)[-1], 120.0, 0.25) < 1e-9


def test_after_a_silence_it_hears_anew() -> None:
    ear = HeardBeat()
    hear(ear, 0.0, 3.0, 120.0)
    assert hear(ear, 20.0, 0.2, 90.0)[0].bpm == pytest.approx(90.0)


numbers = st.floats(allow_nan=True, allow_infinity=True)


@LAW
@given(st.lists(st.tuples(st.one_of(st.floats(30, 300), numbers), st.one_of(st.floats(0, 99),
       numbers), st.one_of(st.floats(0, 1), numbers), st.floats(0, 9)), max_size=40))  # fmt: skip
def test_nothing_that_is_heard_breaks_it(words) -> None:
    ear, now = HeardBeat(), 0.0
    for bpm, beat, sure, passed in words:
        now += passed
        pulse = ear.hear(bpm, beat, sure, now)
        if pulse is not None:
            assert pulse.bpm > 0.0
            assert math.isfinite(pulse.beats)


@pytest.mark.parametrize(
    ("bpm", "beat"), [(2e-308, 0.0), (1e308, 0.0), (0.5, 0.0), (120.0, 1e300), (120.0, -90.0)]
)
def test_what_is_no_music_is_not_heard(bpm: float, beat: float) -> None:
    assert HeardBeat().hear(bpm, beat, 1.0, 0.0) is None
