"""How many workers there are is measured: with a clock that goes as the workers would."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument.studio.crew_size import CrewSize
from instrument.timebase import StepClock

LOADING = 2.0  # s


class Film:
    """Frames go by as fast as `speed` says: workers at work → frames a second."""

    def __init__(self, most: int, frames: int, speed: dict[int, float], batch: int = 1) -> None:
        self.clock = StepClock()
        self.size = CrewSize(most, frames, batch, self.clock)
        self.frames, self.speed, self.batch = frames, speed, batch
        self.at_work: list[int] = []  # when each frame was made
        self.most_loaded = self.size.loaded
        self._loaded: dict[int, float] = {}  # worker → when it is open

    def run(self) -> None:
        self._open()
        self.clock.wait_until(LOADING)
        while len(self.at_work) < self.frames:
            self._open()
            ready = sum(opened <= self.clock.now() for opened in self._loaded.values())
            self.size.ready(ready, LOADING)
            at_work = min(self.size.at_work, max(ready, 1))
            self.clock.wait_until(self.clock.now() + self.batch / self.speed[at_work])
            self.at_work += [at_work] * self.batch
            self.size.delivered(self.batch)

    def _open(self) -> None:
        self.most_loaded = max(self.most_loaded, self.size.loaded)
        for worker in range(self.size.loaded):
            self._loaded.setdefault(worker, self.clock.now() + LOADING)
        for worker in [w for w in self._loaded if w >= self.size.loaded]:
            del self._loaded[worker]


EVEN = {n: 60.0 * n for n in range(1, 17)}  # twice as many, twice as fast
LATE = {n: 60.0 * min(n, 4) for n in range(1, 17)}  # more than four are of no use
WORSE = {1: 60.0, 2: 40.0, **{n: 10.0 for n in range(3, 17)}}
HARDLY = {n: 60.0 * (1 + 0.02 * (n > 1)) for n in range(1, 17)}


@pytest.mark.parametrize(
    ("most", "speed", "wanted"),
    [
        (1, EVEN, 1), (2, EVEN, 2), (8, EVEN, 8), (6, EVEN, 6), (16, EVEN, 16),
        (8, LATE, 4), (16, LATE, 4), (2, WORSE, 1), (16, WORSE, 1), (8, HARDLY, 1),
    ],
)  # fmt: skip
def test_a_long_film_gets_the_number_that_is_fastest(
    most: int, speed: dict[int, float], wanted: int
) -> None:
    film = Film(most, 100_000, speed)
    film.run()
    assert film.size.decided
    assert film.size.at_work == film.size.loaded == wanted
    assert film.at_work.count(wanted) > 0.95 * film.frames  # what measuring costs
    assert film.most_loaded <= min(2 * wanted, most)


@pytest.mark.parametrize("frames", [1, 10, 63])
def test_a_film_that_is_mostly_start_up_starts_one(frames: int) -> None:
    film = Film(16, frames, EVEN)
    film.run()
    assert film.most_loaded == 1


@pytest.mark.parametrize("frames", [64, 100, 300])
def test_a_short_film_gets_two_at_once_and_measures_nothing(frames: int) -> None:
    film = Film(16, frames, EVEN)
    film.run()
    assert film.most_loaded == 2
    assert film.at_work.count(1) <= 3
    assert film.size.decided


def test_few_frames_that_take_long_are_worth_more_workers() -> None:
    film = Film(4, 40, {n: 0.05 * n for n in range(1, 5)})  # 20 s a frame
    film.run()
    assert film.at_work[-1] == 4


def test_more_are_not_opened_for_what_is_nearly_done() -> None:
    film = Film(16, 800, EVEN)  # 13 s for one, 6.7 s for two
    film.run()
    assert film.size.at_work == film.most_loaded == 2


def test_nothing_is_measured_while_a_model_is_opened() -> None:
    size = CrewSize(2, 100_000, 1, clock := StepClock())
    for _ in range(500):
        size.ready(1, LOADING)
        clock.wait_until(clock.now() + 0.1)
        size.delivered(1)
    assert not size.decided
    assert (size.at_work, size.loaded) == (1, 2)


def test_so_many_means_so_many() -> None:
    size = CrewSize(5, 3, 1, StepClock(), fixed=True)
    assert (size.at_work, size.loaded, size.decided) == (5, 5, True)


def test_what_cannot_be_opened_is_not_waited_for() -> None:
    size = CrewSize(8, 100_000, 1, clock := StepClock())
    size.limit(1)
    for _ in range(100):
        size.ready(1, LOADING)
        clock.wait_until(clock.now() + 0.1)
        size.delivered(1)
    assert (size.at_work, size.loaded, size.decided) == (1, 1, True)


@settings(deadline=None)
@given(
    st.integers(1, 16),
    st.integers(1, 3000),
    st.integers(1, 8),
    st.lists(st.floats(0.1, 200.0), min_size=16, max_size=16),
)
def test_whatever_the_speeds_somebody_works_and_nobody_is_one_too_many(
    most: int, batches: int, batch: int, speeds: list[float]
) -> None:
    film = Film(most, batches * batch, dict(enumerate(speeds, 1)), batch)
    film.run()
    assert 1 <= min(film.at_work)
    assert max(film.at_work) <= film.most_loaded <= most
    assert film.size.at_work <= film.size.loaded
