"""Gate, followers and automatic gain: closed forms of time."""

import numpy as np
import pytest

from instrument.control.envelopes import AutomaticGain, Followers, Gate, amplitude, decibels


def test_decibels_and_back() -> None:
    for level in (-90.0, -6.0, 0.0, 12.0):
        assert decibels(amplitude(level)) == pytest.approx(level)
    assert decibels(0.0) == -120.0


@pytest.mark.parametrize("steps", [1, 7, 100])
def test_a_follower_is_a_function_of_time(steps: int) -> None:
    followers = Followers([0.1, 0.05], [1.0, 0.5])
    for _ in range(steps):
        followers.step(np.array([1.0, 0.0]), 0.2 / steps)
    assert followers.values == pytest.approx([1 - np.exp(-2.0), 0.0])
    for _ in range(steps):
        followers.step(np.zeros(2), 0.5 / steps)
    assert followers.values[0] == pytest.approx((1 - np.exp(-2.0)) * np.exp(-0.5))


def test_attack_0_is_at_once() -> None:
    followers = Followers([0.0], [0.0])
    assert followers.step(np.array([0.7]), 0.005)[0] == pytest.approx(0.7)
    assert followers.step(np.array([0.0]), 0.005)[0] == 0.0


def test_a_gate_opens_at_once_and_closes_after_a_while() -> None:
    gate = Gate(0.001)
    assert not gate.step(0.0009, 1.0)
    assert gate.step(0.0011, 0.005)
    assert gate.step(0.0006, 10.0)  # within its hysteresis: open
    assert gate.step(0.0001, 0.15)
    assert not gate.step(0.0001, 0.1)
    assert not gate.step(0.0009, 1.0)


def test_a_note_within_the_hold_keeps_the_gate_open() -> None:
    gate = Gate(0.001)
    for _ in range(20):
        gate.step(0.1, 0.01)
        assert gate.step(0.0, 0.15)


@pytest.mark.parametrize("level", [0.01, 0.1, 1.0])
def test_whatever_the_level_it_comes_to_1(level: float) -> None:
    gain = AutomaticGain(1, 20.0, amplitude(-50.0))
    for _ in range(400):
        share = gain.step(np.array([level]), 0.005, True)
    assert share[0] == pytest.approx(1.0, abs=0.01)
    assert gain.step(np.array([level / 2]), 0.005, True)[0] == pytest.approx(0.5, abs=0.01)


def test_it_fades_with_its_time_constant_and_not_below_the_floor() -> None:
    gain = AutomaticGain(1, 10.0, 0.01)
    for _ in range(1000):
        gain.step(np.array([1.0]), 0.005, True)
    for _ in range(2000):
        gain.step(np.array([0.0]), 0.005, True)
    assert gain.loudest[0] == pytest.approx(np.exp(-1.0), rel=0.01)
    gain.step(np.array([0.0]), 1e6, True)
    assert gain.loudest[0] == 0.01


def test_silence_does_not_pump() -> None:
    gain = AutomaticGain(1, 1.0, 0.01)
    for _ in range(400):
        gain.step(np.array([0.5]), 0.005, True)
    before = gain.loudest.copy()
    for _ in range(10_000):
        gain.step(np.array([1e-5]), 0.005, False)
    assert np.array_equal(gain.loudest, before)
