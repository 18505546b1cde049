"""What numbers say of steps."""

import numpy as np
import pytest

from instrument.studio.evenness import Evenness
from instrument.timebase import FrameRate

RATE = FrameRate(30)


def test_even_steps() -> None:
    found = Evenness.of(np.full(60, 0.1), RATE)
    assert (found.cv, found.widest, found.spread) == pytest.approx((0.0, 1.0, 1.0))
    assert found.speed == pytest.approx(3.0)
    assert found.longest_stall == 0.0


def test_known_steps() -> None:
    steps = np.array([1.0, 3.0] * 50)
    found = Evenness.of(steps, RATE)
    assert found.cv == pytest.approx(0.5)
    assert found.spread == pytest.approx(3.0)
    assert found.widest == pytest.approx(1.5)


def test_the_longest_stall_is_in_seconds_and_unbroken() -> None:
    steps = np.full(120, 1.0)
    steps[10:25] = 0.01
    steps[40:70] = 0.01
    steps[55] = 1.0
    assert Evenness.of(steps, RATE).longest_stall == pytest.approx(15 / 30)
    steps[90:] = 0.0
    assert Evenness.of(steps, RATE).longest_stall == pytest.approx(1.0)


def test_cuts_do_not_count() -> None:
    steps = np.full(9, 0.2)
    steps[4] = np.nan
    found = Evenness.of(steps, RATE)
    assert (found.steps, found.cv) == (8, pytest.approx(0.0))


@pytest.mark.parametrize("steps", [np.zeros(5), np.zeros(0), np.full(3, np.nan)])
def test_stillness_is_said(steps) -> None:
    found = Evenness.of(steps, RATE)
    assert found.cv is None
    assert str(found) == "nothing moves"
    assert found.to_json()["cv"] is None


def test_a_stalled_half_has_no_ratio() -> None:
    found = Evenness.of(np.array([0.0] * 6 + [1.0] * 4), RATE)
    assert found.widest is None
    assert found.spread is None
    assert "max/median -" in str(found)
