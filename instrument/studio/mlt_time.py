"""How MLT writes times, numbers and keyframes, and what it makes of them.

A time is a frame count, a clock (``00:00:06.667``) or a timecode (``00:00:06:20``); keyframes are
``time=value;time=value``. Arithmetic is done in float64 in MLT's own order, because where a frame
falls on a half its last bit decides. This module knows no elements and no files.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instrument.latent.space import F64
from instrument.timebase import FrameRate

MOST_KEYS = 100_000  # keyframes of one property: one a frame for an hour

_COUNT = re.compile(r"[-+]?[0-9]{1,15}(\.[0-9]*)?")
_CLOCK = re.compile(r"(-?)(?:([0-9]{1,6}):)?([0-9]{1,6}):([0-9]{1,9}(?:\.[0-9]{0,12})?)")
_CODE = re.compile(r"(-?)(?:([0-9]{1,6}):)?(?:([0-9]{1,6}):)?([0-9]{1,9})[:;]([0-9]{1,9})")
_NUMBER = re.compile(
    r"([-+]?(?:[0-9]{1,300}\.?[0-9]{0,300}|\.[0-9]{1,300})(?:[eE][-+]?[0-9]{1,3})?)"
)

Item = tuple[int, str, str]  # frame, kind, value


def fps_of(rate: FrameRate) -> float:
    """Frames a second as MLT reckons with them."""
    return rate.num / rate.den


def frame_of(text: str, rate: FrameRate) -> int:
    """The frame that a time means at `rate`. Raises ValueError."""
    text = text.strip().replace(",", ".")
    if _COUNT.fullmatch(text):
        return int(text.partition(".")[0] or 0)
    fps = fps_of(rate)
    # a clock has a point, or it would be a timecode; what has neither colon is a count
    if "." in text and (clock := _CLOCK.fullmatch(text)):
        sign, hours, minutes, seconds = clock.groups()
        frames = _whole(fps, hours, minutes) + round(fps * float(seconds))
        return -frames if sign else frames
    if code := _CODE.fullmatch(text):
        sign, hours, minutes, seconds, rest = code.groups()
        if minutes is None:
            hours, minutes = None, hours
        frames = _whole(fps, hours, minutes) + math.ceil(fps * int(seconds)) + int(rest)
        return -frames if sign else frames
    raise ValueError(f"{text[:40]!r} is no time, allowed are 12, 00:00:00.480 or 00:00:00:12")


def _whole(fps: float, hours: str | None, minutes: str | None) -> int:
    """The frames of whole hours and minutes, cut one by one as MLT does: at 29.97 it matters."""
    return math.floor(fps * int(hours or 0) * 3600) + math.floor(fps * int(minutes or 0) * 60)


def number_of(text: str) -> float:
    """The number that `text` begins with; ``50%`` is 0.5. Raises ValueError."""
    match = _NUMBER.match(text.strip().replace(",", "."))
    value = float(match[1]) if match else math.nan
    if match is None or not math.isfinite(value):
        raise ValueError(f"{text[:40]!r} is no number")
    return value / 100 if text.strip()[match.end() :].startswith("%") else value


def items_of(text: str, rate: FrameRate, length: int) -> list[Item]:
    """The keyframes in `text` by frame. A bare value is one at 0; below 0 counts from the end.

    Raises ValueError.
    """
    found: dict[int, Item] = {}
    pieces = [piece for piece in text.split(";") if piece.strip()]
    if len(pieces) > MOST_KEYS:
        raise ValueError(f"{len(pieces)} keyframes, allowed are {MOST_KEYS}")
    for piece in pieces:
        time, equals, value = piece.partition("=")
        if not equals:
            found[0] = (0, "|", piece.strip())
            continue
        time = time.strip()
        kind = "" if time[-1:].isdigit() or time[-1:] in ".," else time[-1:]
        frame = frame_of(time.removesuffix(kind), rate)
        frame += length if frame < 0 else 0
        found[frame] = (frame, kind, value.strip().strip('"'))
    if not found:
        raise ValueError("no value")
    return [found[frame] for frame in sorted(found)]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Keyframes: `values` ``F64[k]`` at `frames` ``I64[k]``, still before and after all of them.

    A segment runs straight unless its first keyframe is `held` or `smooth`. `exact` is False
    where the editor eases in a way that is drawn straight here.
    """

    frames: NDArray[np.int64]
    values: F64
    held: NDArray[np.bool_]
    smooth: NDArray[np.bool_]
    exact: bool = True

    @classmethod
    def straight(cls, frames: NDArray[np.int64], values: F64) -> Curve:
        """A curve that runs straight between keyframes."""
        never = np.zeros(len(frames), np.bool_)
        return cls(frames, values, never, never)

    @classmethod
    def parse(
        cls, text: str, rate: FrameRate, length: int, value: Callable[[str], float] = number_of
    ) -> Curve:
        """Read a property that may be animated. Raises ValueError."""
        items = items_of(text, rate, length)
        kinds = [kind for _, kind, _ in items[:-1]]  # nothing follows the last: it cannot ease
        return cls(
            np.array([frame for frame, _, _ in items], np.int64),
            np.array([value(written) for _, _, written in items]),
            np.array([kind in ("|", "!") for _, kind, _ in items]),
            np.array([kind == "~" for _, kind, _ in items]),
            all(kind in ("", "|", "!", "~") for kind in kinds),
        )

    def at(self, positions: NDArray[np.int64]) -> F64:
        """The values ``F64[n]`` at frames ``I64[n]``."""
        last = len(self.frames) - 1
        left = np.clip(np.searchsorted(self.frames, positions, side="right") - 1, 0, last)
        right = np.minimum(left + 1, last)
        span = np.maximum(self.frames[right] - self.frames[left], 1)
        share = np.clip((positions - self.frames[left]) / span, 0.0, 1.0)
        begin, end = self.values[left], self.values[right]
        drawn = begin + (end - begin) * share
        if self.smooth.any():
            eased = _spline(
                self.values[np.maximum(left - 1, 0)],
                begin,
                end,
                self.values[np.minimum(right + 1, last)],
                share,
            )
            drawn = np.where(self.smooth[left], eased, drawn)
        return np.where(self.held[left], begin, drawn)

    @property
    def constant(self) -> float | None:
        """The one value it always has, None if it moves."""
        first = float(self.values[0])
        return first if bool(np.all(self.values == first)) else None


def _spline(before: F64, begin: F64, end: F64, after: F64, t: F64) -> F64:
    """The Catmull-Rom spline from `begin` to `end` at shares `t`, all ``F64[n]``."""
    square = 2 * before - 5 * begin + 4 * end - after
    cube = 3 * (begin - end) + after - before
    return begin + 0.5 * t * (end - before + t * (square + t * cube))
