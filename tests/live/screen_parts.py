"""A screen with refreshes and a model that takes its time, on a clock that a test moves."""

import math
import random
from dataclasses import dataclass, field

import numpy as np
from stage_parts import FakePresenter, FakeSurface, SlowClock

from instrument.frame import Frame


@dataclass
class Refreshing(FakeSurface):
    """Its swap works for a moment, then returns at the next refresh.

    Not `locked` it takes as long as its work takes, whatever it says of refreshes.
    """

    waits_for_refresh: bool = True
    refresh: float = 60.0
    first: float = 0.0
    work: float = 0.0005
    locked: bool = True
    returned: list[float] = field(default_factory=list)

    def swap(self) -> float:
        clock = self.clock
        begun = clock.now()
        clock.spend(self.work)
        if self.locked:
            gone = (clock.now() - self.first) * self.refresh
            clock.spend(max(0.0, self.first + math.ceil(gone - 1e-9) / self.refresh - clock.now()))
        self.swaps += 1
        self.returned.append(clock.now())
        return clock.now() - begun


class Lasting:
    """A decoder that takes `seconds` a picture, give or take `jitter`; newest z wins."""

    state = message = "ready"
    pid, restarts, ended = 1, 0, False

    def __init__(self, clock: SlowClock, seconds: float, jitter: float = 0.0) -> None:
        self.clock, self.seconds, self.jitter = clock, seconds, jitter
        self.posted: list[tuple[int, np.ndarray, float]] = []
        self.decode_seconds = seconds
        self._chance = random.Random(1)
        self._wanted: int | None = None
        self._busy: tuple[int, float] | None = None  # row, and when it is done
        self._newest = -1

    def post(self, index, z, parameters) -> None:
        self._go_on(self.clock.now())
        self.posted.append((index, np.array(z), self.clock.now()))
        self._wanted = index
        self._ask(self.clock.now())

    def newest(self, after, timeout):
        self._go_on(self.clock.now())
        over = self.clock.now() + timeout
        while self._newest <= after and self._busy is not None and self._busy[1] <= over:
            self.clock.spend(max(0.0, self._busy[1] - self.clock.now()))
            self._go_on(self.clock.now())
        if self._newest <= after:
            self.clock.spend(max(0.0, over - self.clock.now()))
            return None
        mark = self._newest % 256
        return Frame(self._newest, np.full((4, 4, 4), mark, np.uint8), self.seconds)

    def _ask(self, now) -> None:
        if self._busy is None and self._wanted is not None:
            self._busy = self._wanted, now + self.seconds + self._chance.random() * self.jitter
            self._wanted = None

    def _go_on(self, now) -> None:
        while self._busy is not None and self._busy[1] <= now:
            self._newest, then = self._busy
            self._busy = None
            self._ask(then)


class Drawing(FakePresenter):
    """A presenter that takes a moment, and remembers which row's picture was drawn."""

    def __init__(self, clock: SlowClock, seconds: float = 0.0003) -> None:
        super().__init__()
        self.clock, self.seconds = clock, seconds
        self.drawn: list[int] = []

    def draw(self, *drawing, **more) -> None:
        super().draw(*drawing, **more)
        self.clock.spend(self.seconds)
        self.drawn.append(-1 if self.layers[0] is None else int(self.layers[0][0, 0, 0]))
