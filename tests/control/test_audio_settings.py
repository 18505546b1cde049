"""What a preset may say of the ear, and the line it gets when it says something else."""

import math

import msgspec
import pytest

from instrument import InstrumentError
from instrument.control.audio_settings import AudioSettings, Band
from instrument.control.features import Analysis


def test_it_is_what_a_table_of_toml_gives() -> None:
    text = "gate = -50\nchannels = [3]\n[low]\nlow = 20\nhigh = 100\nrelease = 0.5\n"
    settings = msgspec.toml.decode(text, type=AudioSettings)
    assert settings == AudioSettings(
        gate=-50.0, channels=(3,), low=Band(low=20.0, high=100.0, release=0.5)
    )
    with pytest.raises(msgspec.ValidationError, match="gain"):
        msgspec.toml.decode('gain = "loud"', type=AudioSettings)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"gate": 3.0}, "gate = 3.0: allowed is -100 to 0 dB"),
        ({"gain": math.nan}, "gain = nan"),
        ({"adaptation": 0.0}, "adaptation = 0.0: allowed is 1 to 600 s"),
        ({"channels": ()}, "channels"),
        ({"channels": (0,)}, "1 to 64"),
        ({"bpm_low": 100.0, "bpm_high": 150.0}, "at least twice"),
        ({"sensitivity": 0.0}, "sensitivity"),
        ({"latency": -1.0}, "latency"),
        ({"release": math.inf}, "release"),
    ],
)
def test_a_bad_value_is_named(wrong, named: str) -> None:
    with pytest.raises(InstrumentError) as caught:
        AudioSettings(**wrong)
    assert named in str(caught.value) and str(caught.value).startswith("audio: ")


@pytest.mark.parametrize(
    "wrong",
    [{"low": 0.0, "high": 100.0}, {"low": 100.0, "high": 110.0}, {"low": 50.0, "high": 99e9}],
)
def test_a_band_must_be_one(wrong) -> None:
    with pytest.raises(InstrumentError, match="audio: "):
        Band(**wrong)


@pytest.mark.parametrize("rate", [8_000.0, 44_100.0, 192_000.0])
def test_the_extremes_can_be_listened_with(rate: float) -> None:
    edge = Band(low=10.0, high=24_000.0, attack=0.0, release=60.0)
    settings = AudioSettings(
        low=Band(low=10.0, high=20.0), mid=Band(low=20_000.0, high=24_000.0), high=edge
    )
    events = Analysis(rate, settings).feed(0.3 * _tone(rate))
    assert events and all(0.0 <= event.value <= 1.0 for event in events)


def _tone(rate: float):
    import numpy as np

    return np.sin(2 * np.pi * 440.0 * np.arange(int(rate)) / rate)
