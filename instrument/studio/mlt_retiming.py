"""Which frame of its footage MLT shows: the editor's own arithmetic, in the editor's own doubles.

`Warp` is a clip as it is or at a constant speed, forwards or backwards, perhaps frozen; `Remap` a
clip with keyframes of time; `Buffered` the slow motion of Kdenlive before 2017. All of them were
held against renders of MLT 7.12. This module knows no XML.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instrument.latent.space import F64
from instrument.studio.mlt_time import Curve, fps_of
from instrument.studio.retiming import I64, NO_FRAME, Footage
from instrument.timebase import FrameRate


def frames_in(frames: int, source_fps: float, fps: float) -> int:
    """How many frames at `fps` MLT finds in a file of `frames` frames.

    The file says its duration in milliseconds, rounded up; MLT rounds to the even of two.
    """
    milliseconds = math.ceil(frames / source_fps * 1000 - 1e-6)
    return round(milliseconds / 1000 * fps)


@dataclass(frozen=True, slots=True)
class Freeze:
    """One frame of the clip shown `before` it, `after` it, or (neither said) throughout.

    It reaches from frame `first` to `last` (None: on and on), and MLT asks whether a frame lies
    before or after by its distance from `first`.
    """

    frame: int
    before: bool = False
    after: bool = False
    first: int = 0
    last: int | None = None

    def at(self, positions: I64) -> NDArray[np.bool_]:
        """Which of the clip's frames `positions` it replaces."""
        asked = positions - self.first
        frozen = (self.before & (self.frame > asked)) | (self.after & (self.frame < asked))
        if not self.before and not self.after:
            frozen = np.ones(len(positions), np.bool_)
        frozen &= asked >= 0
        if self.last is not None:
            frozen &= positions <= self.last
        return frozen


@dataclass(frozen=True, slots=True)
class Warp:
    """A clip from its frame `start` on, counted at `fps`: the project's, over the speed if any.

    `length` is how many such frames there are, which a clip that runs `backwards` counts from;
    where the edit does not say, it is worked out from the footage. `rate` is what the edit says
    of the footage's own. A producer that itself begins later than its file shifts everything by
    `base`, and holds frame `last` of that count.
    """

    start: int
    fps: float
    backwards: bool = False
    length: int | None = None
    rate: FrameRate | None = None
    freeze: Freeze | None = None
    base: int = 0
    last: int | None = None

    def frames(self, offsets: I64, footage: Footage) -> I64:
        """See `Retiming.frames`."""
        shown = (self._exact(offsets, footage) + 0.5).astype(np.int64)
        # There is nothing before what lies past the end of a clip that comes from there.
        past = self.backwards & (shown >= footage.frames)
        return np.where(past, NO_FRAME, shown)

    def positions(self, offsets: I64, footage: Footage) -> F64:
        """See `Retiming.positions`."""
        blank = self.frames(offsets, footage) == NO_FRAME
        return np.where(blank, np.nan, self._exact(offsets, footage))

    def _exact(self, offsets: I64, footage: Footage) -> F64:
        source_fps = fps_of(self.rate or footage.rate)
        asked = self.start + offsets
        counted = asked + self.base
        if self.last is not None:
            counted = np.minimum(counted, self.last)
        if self.backwards:
            length = self.length
            if length is None:
                length = frames_in(footage.frames, source_fps, self.fps)
            counted = np.minimum(length - 1 - asked + self.base, length - 1)
        if self.freeze is not None:  # it counts forwards even in a clip that runs backwards
            counted = np.where(self.freeze.at(asked), self.freeze.frame, counted)
        exact: F64 = np.maximum(counted, 0) / self.fps * source_fps
        return exact


@dataclass(frozen=True, slots=True, eq=False)
class Remap:
    """Keyframes of source time in seconds over the frames of a clip that begins at its `start`.

    The keyframes count from `link_start`, and so do the seconds they give; with no keyframes it
    runs at its own pace. `base` and `last` are those of a `Warp`.
    """

    start: int
    fps: float
    seconds: Curve | None
    link_start: int = 0
    rate: FrameRate | None = None
    base: int = 0
    last: int | None = None

    def frames(self, offsets: I64, footage: Footage) -> I64:
        """See `Retiming.frames`."""
        return np.maximum(np.floor(self.positions(offsets, footage)).astype(np.int64), 0)

    def positions(self, offsets: I64, footage: Footage) -> F64:
        """See `Retiming.positions`."""
        asked = self.base + self.start + offsets
        if self.last is not None:
            asked = np.minimum(asked, self.last)
        if self.seconds is None:
            seconds = asked / self.fps
        else:
            seconds = self.seconds.at(asked - self.link_start) + self.link_start / self.fps
        return seconds * fps_of(self.rate or footage.rate)


@dataclass(frozen=True, slots=True)
class Buffered:
    """Every frame at `speed` times its number; of each `strobe` frames only the first is shown.

    Backwards it counts from `length`. See `Warp` for the rest.
    """

    start: int
    fps: float
    speed: float
    backwards: bool = False
    length: int | None = None
    strobe: int = 1
    rate: FrameRate | None = None

    def frames(self, offsets: I64, footage: Footage) -> I64:
        """See `Retiming.frames`."""
        counted, source_fps = self._counted(offsets, footage)
        whole = np.floor(counted)
        whole -= np.mod(whole, max(self.strobe, 1))
        return np.maximum((whole / self.fps * source_fps + 0.5).astype(np.int64), 0)

    def positions(self, offsets: I64, footage: Footage) -> F64:
        """See `Retiming.positions`."""
        counted, source_fps = self._counted(offsets, footage)
        if self.strobe > 1:
            counted = np.floor(counted) - np.mod(np.floor(counted), self.strobe)
        return np.maximum(counted / self.fps * source_fps, 0.0)

    def _counted(self, offsets: I64, footage: Footage) -> tuple[F64, float]:
        """Frames in the project's count ``F64[n]``, and how many of the footage one second has."""
        source_fps = fps_of(self.rate or footage.rate)
        length = self.length
        if length is None:
            length = int(frames_in(footage.frames, source_fps, self.fps) / self.speed)
        pace = self.speed
        if source_fps > self.fps and pace != 1.0:  # what has frames to spare is opened faster
            pace, source_fps = 1.0, source_fps * pace
        counted = pace * (self.start + offsets).astype(np.float64)
        return (length - counted if self.backwards else counted), source_fps
