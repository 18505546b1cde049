"""Times by counting: late, bunched and lost blocks."""

import numpy as np
import pytest

from instrument.control.sample_clock import SampleClock

RATE, BLOCK = 48_000.0, 256


def stream(seconds: float, lateness, drift: float = 0.0, start: float = 100.0):
    """(count, arrived, true time of the count)."""
    for n in range(1, int(seconds * RATE / BLOCK)):
        true = start + n * BLOCK / RATE * (1.0 + drift)
        yield n * BLOCK, true + lateness(n), true


def errors(clock: SampleClock, blocks, after: float = 0.0) -> np.ndarray:
    found = []
    for count, arrived, true in blocks:
        clock.arrived(count, arrived)
        if true - 100.0 >= after:
            found.append(clock.time_of(count + clock.lost) - true)
    return np.array(found)


def test_late_blocks_change_nothing() -> None:
    chance = np.random.default_rng(1)
    found = errors(SampleClock(RATE), stream(30.0, lambda n: chance.exponential(0.003)), 0.5)
    assert np.abs(found).max() < 0.001


def test_blocks_in_bunches_are_spread() -> None:
    # Every fourth callback brings four blocks at once, as PulseAudio likes to.
    found = errors(SampleClock(RATE), stream(10.0, lambda n: (-n) % 4 * BLOCK / RATE), 0.1)
    assert np.abs(found).max() < 1e-6


@pytest.mark.parametrize("drift", [100e-6, -100e-6])
def test_a_card_that_is_not_quite_at_its_rate_is_followed(drift: float) -> None:
    chance = np.random.default_rng(2)
    blocks = stream(120.0, lambda n: chance.exponential(0.002), drift)
    clock = SampleClock(RATE)
    assert np.abs(errors(clock, blocks, 1.0)).max() < 0.002
    assert clock.lost == 0


def test_a_stall_is_no_loss() -> None:
    clock = SampleClock(RATE)
    stalled = range(1000, 1060)  # 0.32 s in which nothing is delivered
    late = lambda n: (1060 - n) * BLOCK / RATE if n in stalled else 0.0  # noqa: E731
    found = errors(clock, stream(20.0, late), 0.1)
    assert clock.lost == 0 and np.abs(found).max() < 1e-6


def test_lost_samples_are_found_within_a_second() -> None:
    clock = SampleClock(RATE)
    gap, found = 4_800, []
    for n in range(1, 4000):
        count = n * BLOCK
        true = 100.0 + (count + (gap if n > 1000 else 0)) / RATE
        clock.arrived(count, true)
        if not 1000 < n < 1200:
            found.append(clock.time_of(count + clock.lost) - true)
    assert abs(clock.lost - gap) <= 2
    assert np.abs(found).max() < 1e-4


def test_with_two_of_a_hundred_blocks_lost_p99_is_within_20_ms() -> None:
    chance = np.random.default_rng(3)
    clock, came, found = SampleClock(RATE), 0, []
    for n in range(1, 12_000):
        if chance.random() < 0.02:
            continue
        came += BLOCK
        true = 100.0 + n * BLOCK / RATE
        clock.arrived(came, true + chance.exponential(0.001))
        if n > 200:
            found.append(clock.time_of(came + clock.lost) - true)
    assert np.percentile(np.abs(found), 99) < 0.02
    assert np.abs(found).max() < 0.05  # ten in a quarter of a second


def test_before_the_first_block_it_counts_from_0() -> None:
    assert SampleClock(RATE).time_of(48_000) == 1.0
