"""What the virtual controller shows: where its controls stand, and its motors, lamps and labels.

The instrument is asked by source address, as it is for the lamps of hardware; the controller's own
address counts before the generic one. Knows no mouse and no pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from instrument.display.virtual_layout import (
    BEND,
    CONTROLS,
    COUNT,
    ENCODERS,
    FADERS,
    STEPPED,
)
from instrument.latent.space import F64

T = TypeVar("T")

DEVICE, GENERIC = "/midi/virtual/", "/midi/generic/"
RATE = 30.0  # Hz, as lamps of hardware are looked after
HAND_RESTS = 1.0  # s after a hand's last move in which no motor moves what it set
_SAME = 1e-3


@dataclass(frozen=True, slots=True)
class Feedback:
    """What is asked, `RATE` times a second, for what the controller shows.

    `wanted` positions 0..1 and `labels` by source address; the sources `waiting` for a hand to
    meet the value (pickup), whose faders no motor moves; and what is `armed` for learning, or "".
    """

    wanted: Callable[[], Mapping[str, float]] = dict
    labels: Callable[[], Mapping[str, str]] = dict
    waiting: Callable[[], frozenset[str]] = frozenset
    armed: Callable[[], str] = str


class Standing:
    """Where every control stands, one entry each in the order of `CONTROLS`.

    `hand` is its own position, 0..1; `wanted` the one the instrument has, nan where nothing
    listens. Both arrays are replaced and never written to, so what was drawn can be kept.
    """

    def __init__(self) -> None:
        self.hand: F64 = np.zeros(COUNT)
        self.hand[BEND] = 0.5
        self.wanted: F64 = np.full(COUNT, math.nan)
        self.labels: tuple[str, ...] = ("",) * COUNT
        self.armed = ""
        self._waiting = np.zeros(COUNT, bool)
        self._met = np.zeros(COUNT, bool)  # what a motor has moved at least once
        self._touched = np.full(COUNT, -math.inf)
        self._fresh: set[int] = set()  # touched since the last look
        self._looked = -math.inf

    def put(self, control: int, value: float) -> bool:
        """A hand puts `control` to `value`; whether it was elsewhere."""
        self._fresh.add(control)
        if value == self.hand[control]:
            return False
        self.hand = self.hand.copy()
        self.hand[control] = value
        return True

    def touch(self, control: int) -> bool:
        """A hand comes to `control`; whether it has rested, standing where the value is."""
        rested = self._touched[control] + HAND_RESTS <= self._looked
        at_value = abs(self.hand[control] - self.wanted[control]) < _SAME
        first = control not in self._fresh
        self._fresh.add(control)
        return bool(rested and at_value and first)

    def is_due(self, now: float) -> bool:
        """Whether it is time to look at feedback anew at `now` seconds."""
        if self._fresh:
            self._touched[list(self._fresh)] = now
            self._fresh.clear()
        return not 0.0 <= now - self._looked < 1.0 / RATE

    def look(self, feedback: Feedback, now: float, held: NDArray[np.bool_]) -> bool:
        """Take over `feedback`, but for what is `held`; whether anything is to be seen of it."""
        self._looked = now
        before = (self.labels, self.armed, self.wanted, self.hand)
        wanted, labels, waiting = feedback.wanted(), feedback.labels(), feedback.waiting()
        self.wanted = np.array([_found(wanted, n, math.nan) for n in range(COUNT)]).clip(0.0, 1.0)
        self.labels = tuple(_found(labels, n, "") for n in range(COUNT))
        self._waiting[:] = [not waiting.isdisjoint(_SOURCES[n]) for n in range(COUNT)]
        self.armed = feedback.armed()
        self._move_motors(now, held)
        after = (self.labels, self.armed, self.wanted, self.hand)
        return before[:2] != after[:2] or not all(map(_equal, before[2:], after[2:]))

    def _move_motors(self, now: float, held: NDArray[np.bool_]) -> None:
        """Faders and encoders go where the value is, but under a hand; a fader in pickup does so
        once, to begin with, and has to be fetched from then on."""
        moved = np.zeros(COUNT, bool)
        moved[[*FADERS, *ENCODERS]] = True
        stands = self._waiting & self._met
        stands[list(ENCODERS)] = False  # an endless encoder stands nowhere
        moved &= ~held & ~stands & np.isfinite(self.wanted)
        moved &= self._touched + HAND_RESTS <= now
        self.hand = np.where(moved, self.wanted, self.hand)
        self._met |= moved


def _named(control: int) -> tuple[str, ...]:
    names = (CONTROLS[control], STEPPED[control]) if control in STEPPED else (CONTROLS[control],)
    return tuple(device + name for name in names for device in (DEVICE, GENERIC))


# Where what each control shows may come from, the nearest first.
_SOURCES = tuple(map(_named, range(COUNT)))


def _found(given: Mapping[str, T], control: int, otherwise: T) -> T:
    return next((given[source] for source in _SOURCES[control] if source in given), otherwise)


def _equal(one: F64, other: F64) -> bool:
    return np.array_equal(one, other, equal_nan=True)
