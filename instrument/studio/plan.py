"""What every frame of an edit is made of, before any z is looked at.

A frame shows layers: places in footage, each with its weight (how much of the picture it covers)
and its light (how bright that is). Black, too, covers. What is covered by nothing is a gap.
A `Plan` is painted on, lower clips first; `settled` then says what is seen. No editor, no z.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from instrument.latent.space import F64
from instrument.timebase import FrameRange

I32 = NDArray[np.int32]
Flags = NDArray[np.bool_]
NONE = -1  # the number of no piece

# Less than this of a picture is nobody's: a tenth of what eight bits can show.
_UNSEEN = 4e-4


@dataclass(frozen=True, slots=True)
class Piece:
    """A clip as it lies on the timeline; `source` counts footage, `NONE` for black.

    `places` are the first and the last that it shows, `bounds` how many frames lie outside its
    footage and were held instead.
    """

    name: str
    track: str
    source: int
    record: FrameRange
    speed: float = 1.0
    places: tuple[float, float] = (0.0, 0.0)
    held: int = 0
    evaluated: bool = False


@dataclass(slots=True, eq=False)
class Plan:
    """Layers of `length` frames, being painted: ``[n, k]``, the lowest first, as many as it takes.

    `piece` counts `pieces`; `place` ``F64`` is where in its footage a layer lies. `black`
    ``F64[n]`` is how much of a frame black covers. `unseen` and `unseen_place` ``[n]`` are a clip
    that lies there and is not to be seen at all, as in the first frame of many a fade.
    """

    length: int
    pieces: list[Piece] = field(default_factory=list)
    piece: I32 = field(init=False)
    place: F64 = field(init=False)
    weight: F64 = field(init=False)
    light: F64 = field(init=False)
    black: F64 = field(init=False)
    unseen: I32 = field(init=False)
    unseen_place: F64 = field(init=False)
    _count: I32 = field(init=False)

    def __post_init__(self) -> None:
        self.piece = np.full((self.length, 1), NONE, np.int32)
        self.place, self.weight, self.light = (np.zeros((self.length, 1)) for _ in range(3))
        self.black, self.unseen_place = np.zeros(self.length), np.zeros(self.length)
        self.unseen = np.full(self.length, NONE, np.int32)
        self._count = np.zeros(self.length, np.int32)

    @property
    def layers(self) -> int:
        """k: how many layers the fullest frame has."""
        return int(self.piece.shape[1])

    def fill(self, frames: slice, piece: int, places: F64, light: F64 | float) -> None:
        """Lay `piece` over `frames` so that nothing below is seen."""
        self.piece[frames, 0] = piece
        self.place[frames, 0] = places
        self.weight[frames, 0] = 1.0
        self.light[frames, 0] = light
        if self.layers > 1:
            self.piece[frames, 1:] = NONE
            self.weight[frames, 1:] = self.light[frames, 1:] = 0.0
        self.black[frames] = 0.0
        self._count[frames] = 1

    def cover(self, frames: NDArray[np.intp], share: F64) -> None:
        """Take `share` ``F64[m]`` of what is seen at `frames` away, for what comes above."""
        left = 1.0 - share
        self.weight[frames] *= left[:, None]
        self.light[frames] *= left[:, None]
        self.black[frames] *= left
        hidden = frames[left <= 0.0]
        self.piece[hidden] = NONE
        self._count[hidden] = 0

    def add(
        self, frames: NDArray[np.intp], piece: I32 | int, places: F64, weight: F64, light: F64
    ) -> None:
        """A layer on top at `frames`, for which `cover` has made room."""
        seen = weight > 0.0
        frames, places, weight, light = frames[seen], places[seen], weight[seen], light[seen]
        if len(frames) == 0:
            return
        at = self._count[frames]
        if (fullest := int(at.max()) + 1) > self.layers:
            self._widen(fullest)
        self.piece[frames, at] = piece[seen] if isinstance(piece, np.ndarray) else piece
        self.place[frames, at] = places
        self.weight[frames, at] = weight
        self.light[frames, at] = light
        self._count[frames] += 1

    def light_nothing(self) -> None:
        """Where nothing is seen but an unseen clip lies, that clip is there, dark: no gap."""
        frames = np.flatnonzero(self.gaps & (self.unseen != NONE))
        one, none = np.ones(len(frames)), np.zeros(len(frames))
        self.add(frames, self.unseen[frames], self.unseen_place[frames], one, none)

    @property
    def shows(self) -> Flags:
        """Which frames ``[n]`` have a layer."""
        return np.asarray(self._count > 0)

    @property
    def gaps(self) -> Flags:
        """Which frames ``[n]`` nothing covers, not even black."""
        return np.asarray(~self.shows & (self.black == 0.0))

    def _widen(self, layers: int) -> None:
        more = ((0, 0), (0, layers - self.layers))
        self.piece = np.pad(self.piece, more, constant_values=NONE)
        self.place, self.weight, self.light = (
            np.pad(array, more) for array in (self.place, self.weight, self.light)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What every frame shows: layers ``[n, k]`` whose `share` sums to 1, and its `gain` ``F64[n]``.

    A layer that is not seen has share 0. `source` is the footage of each, `NONE` where there is no
    layer; `piece` the clip it comes from.
    """

    piece: I32
    source: I32
    place: F64
    share: F64
    gain: F64

    def __len__(self) -> int:
        return len(self.gain)

    @property
    def count(self) -> NDArray[np.intp]:
        """How many layers every frame ``[n]`` shows."""
        return np.asarray((self.share > 0.0).sum(axis=1))


def settled(plan: Plan) -> Seen:
    """What is seen of `plan`, of which every frame must have a layer.

    A dark layer counts as far as it shines, so that a mix with black is a matter of gain alone;
    where nothing shines, the layers count as they cover.
    """
    shine, cover = plan.light.sum(axis=1), plan.weight.sum(axis=1)
    lit = shine > _UNSEEN
    share = np.where(lit[:, None], plan.light, plan.weight)
    share /= np.where(lit, shine, cover)[:, None]
    source = _sources(plan)
    if plan.layers > 1:
        share = _without_traces(_joined(source, plan.place, share))
    return Seen(plan.piece, source, plan.place, share, np.where(lit, np.minimum(shine, 1.0), 0.0))


def _sources(plan: Plan) -> I32:
    table = np.array([*(piece.source for piece in plan.pieces), NONE], np.int32)
    return np.asarray(table[plan.piece])  # NONE finds the last


def _joined(source: I32, place: F64, share: F64) -> F64:
    """`share`, where layers that show the same row count as one."""
    for lower in range(share.shape[1]):
        for upper in range(lower + 1, share.shape[1]):
            same = (
                (source[:, lower] == source[:, upper])
                & (place[:, lower] == place[:, upper])
                & (share[:, upper] > 0.0)
            )
            if same.any():
                share[same, lower] += share[same, upper]
                share[same, upper] = 0.0
    return share


def _without_traces(share: F64) -> F64:
    """`share` without what nobody could see, and of a frame with one layer exactly 1."""
    share[share < _UNSEEN] = 0.0
    share /= share.sum(axis=1, keepdims=True)
    return share
