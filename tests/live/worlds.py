"""Planted worlds for the pacer: a way through latent space, and what it looks like along it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from instrument.frame import Frame
from instrument.live.pacer import Pacer, Row

ALONG = np.eye(16, dtype=np.float32)[0]


def waves(phase: float, side: int = 32) -> np.ndarray:
    """``U8[side, side, 4]``: waves that have moved on by `phase`, as much seen at any phase."""
    columns = np.arange(side) * (4.0 * math.pi / side)
    level = 127.5 + 100.0 * np.sin(columns + phase)
    picture = np.broadcast_to(level[None, :, None], (side, side, 4)).round().astype(np.uint8)
    picture = picture.copy()
    picture[..., 3] = 255
    return picture


@dataclass
class World:
    """z is at `way(motion seconds)` on a line, and the picture there has turned by `looks(way)`.

    Every `decode`-th row has a picture, which comes `late` rows after it.
    """

    way: Callable[[float], float] = lambda motion: motion
    looks: Callable[[float], float] = lambda way: way
    fps: int = 60
    late: int = 2
    decode: int = 1
    picture: Callable[[float], np.ndarray] = waves
    breath: float = 0.0  # how far z sways on its way
    pacer: Pacer = field(default_factory=Pacer)
    time: float = 0.0
    motion: float = 0.0
    base: float = 1.0
    index: int = -1
    said: list[tuple[float, float]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)  # of the phase, a second
    frames: dict[int, Frame] = field(default_factory=dict)

    def there(self, motion: float) -> float:
        """Where z is after so many seconds of motion."""
        return self.way(motion) + self.breath * math.sin(3.0 * motion)

    def play(
        self,
        seconds: float,
        even: float | Callable[[float], float] = 1.0,
        *,
        steady: bool = True,
        blind: bool = False,
        scene: object = None,
        sway: float = 1.0,
    ) -> World:
        """Go on for `seconds`; what the pacer says is in force from the next row on.

        `blind`: no picture comes. `sway`: what modulation makes of the rate.
        """
        for _ in range(round(seconds * self.fps)):
            self.index += 1
            now, before = self.index / self.fps, self.motion
            self.motion += (now - self.time) * self.base * sway
            change = self.looks(self.there(self.motion)) - self.looks(self.there(before))
            self.steps.append(change * self.fps)
            self.rates.append(self.base)
            self.time = now
            place, z = (np.float32(at(self.motion)) * ALONG for at in (self.way, self.there))
            if self.index % self.decode == 0 and not blind:
                looks = self.looks(self.there(self.motion))
                self.frames[self.index + self.late] = Frame(self.index, self.picture(looks))
            wish = even(now) if callable(even) else even
            row = Row(
                self.index, now, z, np.float64(place), self.base * sway, self.base, wish, scene
            )
            word = self.pacer.follow(row, self.frames.pop(self.index, None), steady)
            if word is not None:
                self.said.append((now, word))
                self.base = word
        return self

    def rate(self, seconds: float) -> float:
        """The mean rate of the last so many seconds."""
        return float(np.mean(self.rates[-round(seconds * self.fps) :]))

    def unevenness(self, skip: float = 0.0) -> float:
        """Coefficient of variation of the change a second, after `skip` seconds."""
        steps = np.abs(self.steps[round(skip * self.fps) :])
        return float(np.std(steps) / np.mean(steps))
