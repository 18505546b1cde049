"""Filters by the block, against the recursion sample by sample and against BS.1770."""

import math

import numpy as np
import pytest

from instrument.control import filters
from instrument.control.features import Analysis

RATE = 48_000.0


def one_by_one(chain, samples):
    for one in chain:
        s1 = s2 = 0.0
        out = []
        for x in samples:
            y = one.b0 * x + s1
            s1, s2 = one.b1 * x - one.a1 * y + s2, one.b2 * x - one.a2 * y
            out.append(y)
        samples = np.array(out)
    return samples


CHAINS = [
    [filters.high_pass(20.0, math.sqrt(0.5), RATE)],
    filters.k_weighting(RATE),
    filters.band_pass(30.0, 150.0, RATE),
    filters.band_pass(2_000.0, 16_000.0, RATE),
    [],
]


def test_a_block_is_its_samples_one_by_one() -> None:
    samples = np.random.default_rng(1).normal(size=1024)
    bank = filters.FilterBank(CHAINS, 64)
    out = np.concatenate([bank(block) for block in samples.reshape(-1, 64)], axis=1)
    for chain, heard in zip(CHAINS, out, strict=True):
        assert np.abs(heard - one_by_one(chain, samples)).max() < 1e-10


@pytest.mark.parametrize("block", [16, 128, 512])
def test_the_size_of_a_block_changes_nothing(block: int) -> None:
    samples = np.random.default_rng(2).normal(size=1024)
    first, second = filters.FilterBank(CHAINS, 256), filters.FilterBank(CHAINS, block)
    a = np.concatenate([first(part) for part in samples.reshape(-1, 256)], axis=1)
    b = np.concatenate([second(part) for part in samples.reshape(-1, block)], axis=1)
    assert np.abs(a - b).max() < 1e-10


def test_rest_forgets() -> None:
    bank = filters.FilterBank(CHAINS, 64)
    fresh = bank(np.ones(64))
    bank(np.full(64, -3.0))
    bank.rest()
    assert np.array_equal(bank(np.ones(64)), fresh)


def test_k_weighting_is_the_table_of_the_recommendation() -> None:
    shelf, rumble = filters.k_weighting(RATE)
    assert (shelf.b0, shelf.b1, shelf.b2) == pytest.approx(
        (1.53512485958697, -2.69169618940638, 1.19839281085285), abs=1e-12
    )
    assert (shelf.a1, shelf.a2) == pytest.approx((-1.69065929318241, 0.73248077421585), abs=1e-12)
    assert (rumble.b0, rumble.b1, rumble.b2) == (1.0, -2.0, 1.0)
    assert (rumble.a1, rumble.a2) == pytest.approx((-1.99004745483398, 0.99007225036621), abs=1e-12)


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_997_hz_at_full_scale_is_minus_3_01_lufs(rate: int) -> None:
    # BS.1770-4: "if a 0 dB FS, 997 Hz sine wave is applied ..., the indicated loudness is -3.01".
    t = np.arange(int(3.5 * rate)) / rate
    analysis = Analysis(rate)
    analysis.feed(np.sin(2 * np.pi * 997.0 * t))
    meter = analysis.meter()
    assert meter.short_term == pytest.approx(-3.01, abs=0.02)
    assert meter.momentary == pytest.approx(-3.01, abs=0.02)
    assert meter.rms == pytest.approx(-3.01, abs=0.05)
    assert meter.peak == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize(("frequency", "least", "most"), [
    (67.0, -0.2, 0.1), (15.0, -60.0, -20.0), (300.0, -60.0, -20.0), (150.0, -3.3, -2.7),
])  # fmt: skip
def test_a_band_passes_what_it_says(frequency: float, least: float, most: float) -> None:
    bank = filters.FilterBank([filters.band_pass(30.0, 150.0, RATE)], 480)
    wave = np.sin(2 * np.pi * frequency * np.arange(48_000) / RATE)
    out = np.concatenate([bank(part)[0] for part in wave.reshape(-1, 480)])[24_000:]
    level = 20 * math.log10(out.std() / wave.std())
    assert least <= level <= most


def test_a_band_beyond_the_rate_is_empty() -> None:
    assert filters.band_pass(4_000.0, 16_000.0, 8_000.0) == []
