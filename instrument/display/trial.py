"""Which of several ways to bring a picture into a texture is the fastest, by taking turns.

Knows no OpenGL and no clock. A trial begins anew for each size of picture and each machine.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from typing import Literal

Way = Literal["plain", "buffers", "card"]
ON_HOST: tuple[Way, ...] = ("plain", "buffers")
TRIES = 9  # pictures each way
FEW = 3  # after them a way may be given up that takes HOPELESS times as long as another
HOPELESS = 2.0
FASTER = 0.9  # of the time: less is no reason to leave the plain way


class Trial:
    """Of the ways there are. `known`: what was found before, if anything.

    `also` are seconds that a way costs elsewhere: from the network to where it begins.
    """

    def __init__(self, ways: Iterable[Way], also: Mapping[Way, float], known: str | None) -> None:
        self._taken: dict[Way, list[float]] = {way: [] for way in ways}
        self._also = also
        self._known = next((way for way in self._taken if way == known), None)

    def __contains__(self, way: Way) -> bool:
        """Whether there is that way."""
        return way in self._taken

    @property
    def best(self) -> Way | None:
        """The fastest of all; None while that is not known."""
        if self._known is None:
            self._known = self._fastest(tuple(self._taken))
        return self._known

    @property
    def seconds(self) -> dict[Way, float]:
        """What a picture usually takes, all in all, each way that was tried."""
        return {
            way: statistics.median(taken) + self._also.get(way, 0.0)
            for way, taken in self._taken.items()
            if taken
        }

    def wants(self, way: Way) -> bool:
        """Whether the next picture had better go that way: by what is known, else in turn."""
        return way == (self.best or self._next(tuple(self._taken)))

    def host_way(self) -> tuple[Way, bool]:
        """How a picture goes that lies on the host, and whether to time that."""
        found = self.best if self.best in ON_HOST else self._fastest(ON_HOST)
        return (self._next(ON_HOST), True) if found is None else (found, False)

    def took(self, way: Way, seconds: float) -> None:
        """A picture went that way, and was there after `seconds`."""
        self._taken[way].append(seconds)

    def _next(self, ways: tuple[Way, ...]) -> Way:
        left = [way for way in ways if not self._is_tried(way)]
        return min(left or ways, key=lambda way: len(self._taken[way]))

    def _is_tried(self, way: Way) -> bool:
        count = len(self._taken[way])
        if not FEW <= count < TRIES:
            return count >= TRIES
        # In software a buffer takes thirty times as long: pictures need not be late for that.
        rivals = [s for w, s in self.seconds.items() if len(self._taken[w]) >= FEW]
        return min(self._taken[way]) + self._also.get(way, 0.0) > HOPELESS * min(rivals)

    def _fastest(self, ways: tuple[Way, ...]) -> Way | None:
        if not all(self._is_tried(way) for way in ways):
            return None
        seconds = {way: self.seconds[way] for way in ways}
        fastest = min(seconds, key=seconds.__getitem__)
        return fastest if seconds[fastest] < FASTER * seconds["plain"] else "plain"
