"""Works that take turns: A B, then B A, so that whatever the machine does, it does to both."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from instrument.timebase import WallClock

Work = Callable[[], float]


def in_turn(works: Mapping[str, Work], rounds: int) -> dict[str, list[float]]:
    """What each work says of itself in `rounds` rounds: forwards in one, backwards in the next."""
    said: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds):
        for name in list(works)[:: -1 if number % 2 else 1]:
            said[name].append(works[name]())
    return said


def wall(work: Callable[[], object]) -> Work:
    """`work`, which says how many seconds it took."""

    def timed() -> float:
        clock = WallClock()
        begun = clock.now()
        work()
        return clock.now() - begun

    return timed


def processor(work: Callable[[], object]) -> Work:
    """`work`, which says how many seconds of a processor this process used meanwhile.

    All its threads count. Neighbours hardly change it.
    """

    def timed() -> float:
        begun = time.process_time()
        work()
        return time.process_time() - begun

    return timed
