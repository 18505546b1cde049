"""Garbage is collected where there is room, and nowhere else."""

import gc
import sys

import pytest
from stage_parts import SlowClock

from instrument.live.calm import Housekeeping, undisturbed


class Collecting:
    """Takes `seconds` each time, and counts."""

    def __init__(self, clock, seconds) -> None:
        self.clock, self.seconds, self.times = clock, seconds, 0

    def __call__(self) -> None:
        self.times += 1
        self.clock.spend(self.seconds)


def kept(room: float, ticks: int, seconds: float = 0.003) -> Collecting:
    clock = SlowClock()
    collecting = Collecting(clock, seconds)
    calm = Housekeeping(clock, collecting)
    for _ in range(ticks):
        calm.tick(clock.now() + room)
    assert calm.collections == collecting.times
    return collecting


def test_with_room_it_collects_every_ten_seconds() -> None:
    assert kept(0.012, 1800).times == 3


def test_without_room_it_waits_and_not_for_ever() -> None:
    assert kept(0.003, 35999).times == 0
    assert kept(0.003, 36000).times == 1


def test_after_a_long_collection_it_wants_more_room() -> None:
    assert kept(0.012, 1800, seconds=0.02).times == 1


@pytest.mark.parametrize("fails", [False, True])
def test_meanwhile_nothing_is_collected_and_afterwards_all_is_as_it_was(fails) -> None:
    interval = sys.getswitchinterval()
    try:
        with undisturbed():
            assert not gc.isenabled() and gc.get_freeze_count() > 1000
            assert sys.getswitchinterval() == pytest.approx(0.001)
            if fails:
                raise KeyError("a show that failed")
    except KeyError:
        assert fails
    assert gc.isenabled() and gc.get_freeze_count() == 0 and sys.getswitchinterval() == interval
