"""A timeline → a plan: every clip painted over what is below, nested timelines from within.

This module knows what clips and footage are, and no z: whether a place between two rows is
evaluated it asks the footage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from instrument import InstrumentError
from instrument.latent.space import F64
from instrument.studio.footage import Source, snapped
from instrument.studio.plan import NONE, Piece, Plan
from instrument.studio.retiming import I64, NO_FRAME, Footage
from instrument.studio.timeline import LONGEST, Clip, Media, Timeline
from instrument.timebase import FrameRange

Retime = Literal["auto", "nearest", "path"]
_DEEPEST = 64  # timelines within timelines


@dataclass(frozen=True, slots=True, eq=False)
class Painter:
    """Paints timelines cut from `sources`, which `places` finds for each medium."""

    sources: Sequence[Source]
    places: Mapping[Media, int]
    retime: Retime = "auto"
    _plans: dict[int, Plan] = field(default_factory=dict)
    _ways: dict[int, bool] = field(default_factory=dict)

    def paint(self, timeline: Timeline, depth: int = 0) -> Plan:
        """The plan of `timeline`. Raises InstrumentError where it cannot be laid out."""
        if id(timeline) in self._plans:
            return self._plans[id(timeline)]
        planned = timeline.length + sum(plan.length for plan in self._plans.values())
        if depth > _DEEPEST or planned > LONGEST:
            raise InstrumentError(
                f"{timeline.name}: sequences within sequences, allowed are {_DEEPEST} deep and "
                f"{LONGEST} frames in all"
            )
        plan = Plan(timeline.length)
        for track in timeline.tracks:
            for clip in () if track.hidden else track.clips:
                if len(clip.record):
                    self._lay(plan, clip, track.name, timeline, depth)
        self._plans[id(timeline)] = plan
        return plan

    def _lay(self, plan: Plan, clip: Clip, track: str, timeline: Timeline, depth: int) -> None:
        if isinstance(clip.media, Timeline):
            self._lay_nested(plan, clip, track, self.paint(clip.media, depth + 1))
        elif clip.media is None:
            _lay_black(plan, clip)
        else:
            self._lay_footage(plan, clip, track, timeline)

    def _lay_footage(self, plan: Plan, clip: Clip, track: str, timeline: Timeline) -> None:
        assert isinstance(clip.media, Media)
        number = self.places[clip.media]
        source = self.sources[number]
        footage = source.footage(clip.media.rate, timeline.rate)
        offsets = np.arange(len(clip.record))
        exact = clip.retiming.positions(offsets, footage)
        places, there = self._places(clip, offsets, exact, number, footage)
        inside = np.clip(places, 0, len(source) - 1)
        nearest = np.floor(exact[there] + 0.5)
        held = int(((nearest < 0) | (nearest >= len(source))).sum())
        evaluated = bool((inside != np.rint(inside)).any())
        shown = inside[there] if there.any() else inside
        ends = (float(shown[0]), float(shown[-1]))
        piece = Piece(
            clip.name or clip.media.name, track, number, clip.record,
            _speed(exact, footage, timeline), ends, held, evaluated,
        )  # fmt: skip
        plan.pieces.append(piece)
        which = len(plan.pieces) - 1
        light = 1.0 if clip.gain is None else clip.gain
        if clip.opacity is None and there.all():
            plan.fill(slice(clip.record.start, clip.record.stop), which, inside, light)
            return
        frames = clip.record.start + offsets
        opacity = np.where(there, 1.0 if clip.opacity is None else clip.opacity, 0.0)
        plan.cover(frames, opacity)
        plan.add(frames, which, inside, opacity, opacity * light)
        unseen = there & (opacity <= 0.0)
        plan.unseen[frames[unseen]] = which
        plan.unseen_place[frames[unseen]] = inside[unseen]

    def _places(
        self, clip: Clip, offsets: I64, exact: F64, number: int, footage: Footage
    ) -> tuple[F64, NDArray[np.bool_]]:
        """Where in its footage every frame of `clip` lies, and which of them show anything."""
        chosen = clip.retiming.frames(offsets, footage)
        if self.retime == "nearest":
            return chosen.astype(np.float64), chosen != NO_FRAME
        places = snapped(exact)
        off = np.flatnonzero(places != np.rint(places))
        if self.retime == "auto":
            fractional = off[np.isfinite(places[off])]
            # Whole places too: where an editor's rounding differs, the editor is right.
            if len(fractional) == 0 or not self._is_way(number):
                return chosen.astype(np.float64), chosen != NO_FRAME
            inside = np.clip(places[fractional], 0, footage.frames - 1)
            jumping = fractional[self.sources[number].jumps(inside)]
            places[jumping] = chosen[jumping]
        there = np.isfinite(places)
        return np.where(there, places, 0.0), there

    def _is_way(self, number: int) -> bool:
        if number not in self._ways:
            self._ways[number] = self.sources[number].is_way()
        return self._ways[number]

    def _lay_nested(self, plan: Plan, clip: Clip, track: str, inner: Plan) -> None:
        """What `inner` shows, as one picture that may let through what is below."""
        assert isinstance(clip.media, Timeline)
        offsets = np.arange(len(clip.record))
        footage = Footage(clip.media.rate, max(inner.length, 1))
        chosen = clip.retiming.frames(offsets, footage)
        there = (chosen != NO_FRAME) & (inner.length > 0)
        frames, within = clip.record.start + offsets[there], chosen[there]
        if len(frames) == 0:
            return
        within = np.clip(within, 0, inner.length - 1)
        opacity = np.ones(len(frames)) if clip.opacity is None else clip.opacity[there]
        light = np.ones(len(frames)) if clip.gain is None else clip.gain[there]
        covered = inner.weight[within].sum(axis=1) + inner.black[within]
        plan.cover(frames, opacity * np.minimum(covered, 1.0))
        numbers = _adopted(plan, inner, within, clip, track, frames)
        for layer in range(inner.layers):
            plan.add(
                frames, numbers[:, layer], inner.place[within, layer],
                opacity * inner.weight[within, layer],
                opacity * light * inner.light[within, layer],
            )  # fmt: skip
        plan.black[frames] += opacity * inner.black[within]
        hidden = (opacity <= 0.0) & (numbers[:, 0] != NONE)
        plan.unseen[frames] = np.where(hidden, numbers[:, 0], numbers[:, -1])
        plan.unseen_place[frames] = np.where(
            hidden, inner.place[within, 0], inner.unseen_place[within]
        )


def _lay_black(plan: Plan, clip: Clip) -> None:
    frames = np.arange(clip.record.start, clip.record.stop)
    opacity = np.ones(len(frames)) if clip.opacity is None else clip.opacity
    plan.cover(frames, opacity)
    plan.black[frames] += opacity


def _adopted(
    plan: Plan, inner: Plan, within: I64, clip: Clip, track: str, frames: I64
) -> NDArray[np.int32]:
    """The pieces that `inner` has at `within`, as numbers of `plan`, which takes them in.

    ``[n, k + 1]``: those of its layers, and last the one that is not to be seen.
    """
    used = np.column_stack([inner.piece[within], inner.unseen[within]])
    places = np.column_stack([inner.place[within], inner.unseen_place[within]]).ravel()
    flat, columns = used.ravel(), used.shape[1]
    numbers, first = np.unique(flat, return_index=True)
    last = len(flat) - 1 - np.unique(flat[::-1], return_index=True)[1]
    table = np.full(len(inner.pieces) + 1, NONE, np.int32)  # NONE finds the last
    path = clip.name or getattr(clip.media, "name", "")
    for number, start, end in zip(numbers.tolist(), first.tolist(), last.tolist(), strict=True):
        if number == NONE:
            continue
        piece = inner.pieces[number]
        begins, ends_at = (int(frames[at // columns]) for at in (start, end))
        ends = (float(places[start]), float(places[end]))
        table[number] = len(plan.pieces)
        plan.pieces.append(
            replace(
                piece,
                name=f"{path}/{piece.name}",
                track=track,
                record=FrameRange(begins, ends_at + 1),
                places=ends,
            )
        )
    return np.asarray(table[used])


def _speed(exact: F64, footage: Footage, timeline: Timeline) -> float:
    """Seconds of footage that go by in a second of the edit, on average."""
    there = np.flatnonzero(np.isfinite(exact))
    if len(there) < 2:
        return 1.0
    rows = float(exact[there[-1]] - exact[there[0]]) / float(there[-1] - there[0])
    return rows * footage.rate.period / timeline.rate.period
