"""What goes with a film beside its pictures: sound, a timecode, chapters. Values and their checks.

Times are counted in frames of the film. This module knows no container; `encode` and `sound` do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from instrument import InstrumentError
from instrument.timebase import FrameRate, timecode

_TIMECODE = re.compile(r"(\d\d):([0-5]\d):([0-5]\d)[:;](\d\d)")
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Sound:
    """A file with sound in it, that begins `offset` seconds into the film.

    With an offset below 0 its first seconds are not heard. Whatever it lasts, the film's own
    length decides: silence after it, or a cut.
    """

    path: Path
    offset: float = 0.0

    def __post_init__(self) -> None:
        if not abs(self.offset) < 1e6:
            raise InstrumentError(f"audio offset {self.offset}: must be seconds below 1e6")


@dataclass(frozen=True, slots=True)
class Chapter:
    """Frames ``[start, stop)`` of the film under one name."""

    start: int
    stop: int
    name: str


@dataclass(frozen=True, slots=True)
class Extras:
    """All of it; `start` is the timecode of frame 0, ``HH:MM:SS:FF``."""

    sound: Sound | None = None
    start: str | None = None
    chapters: tuple[Chapter, ...] = ()

    @property
    def none(self) -> bool:
        """Whether there is nothing beside the pictures."""
        return self == NOTHING


NOTHING = Extras()


def chapters_at(marks: Iterable[tuple[float, str]], frames: int, rate: FrameRate) -> list[Chapter]:
    """Chapters that cover all `frames` and begin at `marks`, (seconds, name) in order of time.

    A mark belongs to the frame that shows it first. Of several within one frame the last counts,
    as it does for the picture; marks outside the film are left out, but for the last before it.
    """
    starts: dict[int, str] = {}
    before = "Beginning"
    for seconds, name in marks:
        frame = -int(-Fraction(seconds) * rate.num // rate.den)
        printable = "".join(c for c in name if c.isprintable())[:_LONGEST_NAME].strip()
        if frame <= 0:
            before = printable or before
        elif frame < frames:
            starts[frame] = printable or f"Chapter {len(starts) + 2}"
    if not frames or not (starts or before != "Beginning"):
        return []
    begins = [(0, before), *sorted(starts.items())]
    stops = [start for start, _ in begins[1:]] + [frames]
    return [Chapter(a, b, name) for (a, name), b in zip(begins, stops, strict=True)]


def counts(rate: FrameRate) -> bool:
    """Whether a timecode, which has two digits for frames, can count at `rate`."""
    return rate.num <= 99 * rate.den


def check_start(text: str, rate: FrameRate) -> str:
    """A timecode as a container takes it. Raises InstrumentError with what is allowed."""
    match = _TIMECODE.fullmatch(text.strip())
    nominal = -(-rate.num // rate.den)
    if not match or int(match[1]) > 23 or int(match[4]) >= nominal:
        raise InstrumentError(
            f"timecode {text[:40]!r}: write it as HH:MM:SS:FF, up to 23:59:59:{nominal - 1:02d}"
        )
    if ";" in text and (rate.den != 1001 or nominal not in (30, 60)):
        raise InstrumentError(f"timecode {text!r}: frames are dropped at 29.97 and 59.94 /s only")
    if not counts(rate):
        raise InstrumentError(f"timecode {text!r}: counts up to 99 frames a second, not {rate}")
    return text.strip()


def later(start: str, frames: int, rate: FrameRate) -> str:
    """The timecode `frames` after `start`, for a film that begins later; none are dropped."""
    match = _TIMECODE.fullmatch(start)
    assert match is not None
    hours, minutes, seconds, count = (int(match[i]) for i in range(1, 5))
    nominal = -(-rate.num // rate.den)
    total = ((hours * 60 + minutes) * 60 + seconds) * nominal + count + frames
    return timecode(total % (24 * 3600 * nominal), rate)
