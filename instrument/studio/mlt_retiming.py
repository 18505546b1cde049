"""Which frame of its footage MLT shows: the editor's own arithmetic, in the editor's own doubles.

`Warp` is a clip as it is or at a constant speed, forwards or backwards, perhaps frozen; `Remap` a
clip with keyframes of time; `Buffered` the slow motion of Kdenlive before 2017. All of them were
held against renders of MLT 7.12. This module knows no XML.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from instrument.latent.space import F64
from instrument.studio.mlt_time import Curve, fps_of
from instrument.studio.retiming import I64, NO_FRAME, Footage
from instrument.timebase import FrameRate


@dataclass(frozen=True, slots=True)
class Freeze:
    """One frame of the clip shown `before` it, `after` it, or (neither said) throughout.

    MLT asks whether a frame lies before or after by its distance from the filter's `start`.
    """

    frame: int
    before: bool = False
    after: bool = False
    start: int = 0

    def of(self, positions: I64) -> I64:
        """What is shown instead of `positions`."""
        asked = positions - self.start
        if not self.before and not self.after:
            return np.full_like(positions, self.frame)
        frozen = (self.before & (self.frame > asked)) | (self.after & (self.frame < asked))
        return np.where(frozen, self.frame, positions)


@dataclass(frozen=True, slots=True)
class Warp:
    """A clip from its frame `start` on, counted at `fps`: the project's, over the speed if any.

    `length` is how many such frames there are, which a clip that runs `backwards` counts from;
    where the edit does not say, it is worked out from the footage. `rate` is what the edit says
    of the footage's own.
    """

    start: int
    fps: float
    backwards: bool = False
    length: int | None = None
    rate: FrameRate | None = None
    freeze: Freeze | None = None

    def frames(self, offsets: I64, footage: Footage) -> I64:
        """See `Retiming.frames`."""
        shown = (self._exact(offsets, footage) + 0.5).astype(np.int64)  # truncates, as MLT does
        # There is nothing before what lies past the end of a clip that comes from there.
        past = self.backwards & (shown >= footage.frames)
        return np.where(past | (shown < 0), NO_FRAME, shown)

    def positions(self, offsets: I64, footage: Footage) -> F64:
        """See `Retiming.positions`."""
        blank = self.frames(offsets, footage) == NO_FRAME
        return np.where(blank, np.nan, self._exact(offsets, footage))

    def _exact(self, offsets: I64, footage: Footage) -> F64:
        source_fps = fps_of(self.rate or footage.rate)
        counted = self.start + offsets
        if self.freeze is not None:
            counted = self.freeze.of(counted)
        if self.backwards:
            length = self.length
            if length is None:
                length = int(footage.frames / source_fps * self.fps + 0.5)
            counted = length - 1 - counted
        return counted / self.fps * source_fps


@dataclass(frozen=True, slots=True, eq=False)
class Remap:
    """Keyframes of source time in seconds over the frames of a clip that begins at its `start`.

    The keyframes count from `link_start`, and so do the seconds they give.
    """

    start: int
    fps: float
    seconds: Curve
    link_start: int = 0
    rate: FrameRate | None = None

    def frames(self, offsets: I64, footage: Footage) -> I64:
        """See `Retiming.frames`."""
        return np.maximum(np.floor(self.positions(offsets, footage)).astype(np.int64), 0)

    def positions(self, offsets: I64, footage: Footage) -> F64:
        """See `Retiming.positions`."""
        asked = self.start + offsets - self.link_start
        seconds = self.seconds.at(asked) + self.link_start / self.fps
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
        source_fps = fps_of(self.rate or footage.rate)
        whole = np.floor(self._counted(offsets, footage, source_fps))
        whole -= np.mod(whole, max(self.strobe, 1))
        return np.maximum((whole / self.fps * source_fps + 0.5).astype(np.int64), 0)

    def positions(self, offsets: I64, footage: Footage) -> F64:
        """See `Retiming.positions`."""
        source_fps = fps_of(self.rate or footage.rate)
        counted = self._counted(offsets, footage, source_fps)
        if self.strobe > 1:
            counted = np.floor(counted) - np.mod(np.floor(counted), self.strobe)
        return np.maximum(counted / self.fps * source_fps, 0.0)

    def _counted(self, offsets: I64, footage: Footage, source_fps: float) -> F64:
        counted: F64 = self.speed * (self.start + offsets).astype(np.float64)
        if not self.backwards:
            return counted
        length = self.length
        if length is None:
            length = int(int(footage.frames / source_fps * self.fps + 0.5) / self.speed)
        return length - counted
