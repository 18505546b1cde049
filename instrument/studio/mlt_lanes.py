"""Playlists → clips: what lies where on one lane, with the fades and freezes of each clip.

A lane is what one <track> of MLT holds: a row of clips that never overlap. A tractor in such a
row is a nested timeline. This module does not know how lanes lie over one another (`mlt_tractor`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import accumulate
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from instrument.latent.space import F64
from instrument.studio.mlt_document import PRODUCERS, Document
from instrument.studio.mlt_effects import Effects, effects_of, product
from instrument.studio.mlt_footage import Shelf, Source
from instrument.studio.mlt_retiming import Freeze, Remap
from instrument.studio.retiming import Constant
from instrument.studio.timeline import Clip, Remark, Timeline, Verdict
from instrument.timebase import FrameRange

DEEPEST = 32  # timelines inside one another
MOST_CLIPS = 2_000_000  # of one edit, those of nested timelines included


@dataclass(slots=True)
class Lane:
    """Clips in the order of time, and how many frames the lane has, empty ones at its end too.

    `reach` is, for each clip, how far it and those before it go: worked out when it is needed.
    `faded` are the frames of clips that are transparent of their own accord.
    """

    clips: list[Clip] = field(default_factory=list)
    length: int = 0
    reach: list[int] = field(default_factory=list)
    faded: list[FrameRange] = field(default_factory=list)


@dataclass(slots=True)
class Reader:
    """Reads lanes of `document`; `read_nested` makes a timeline of a tractor inside a lane."""

    document: Document
    shelf: Shelf
    read_nested: Callable[[Reader, Element], Timeline]
    remarks: list[Remark] = field(default_factory=list)
    count: int = 0
    timelines: dict[int, Timeline] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    open: list[int] = field(default_factory=list)

    def lane(self, service: Element) -> Lane:
        """What a <track> shows that is no tractor."""
        lane = Lane()
        if service.tag != "playlist":
            self._append(lane, service, service)
            return lane
        with_children = (child for child in service if child.tag in ("entry", "blank"))
        for child in with_children:
            if child.tag == "blank":
                lane.length += self.document.frame(child, "length", 0) or 0
                self.document.check_length(child, lane.length)
            else:
                self._append(lane, child, self.document.service(child))
        self.shade(lane, effects_of(self.document, service, 0, lane.length), service)
        return lane

    def _append(self, lane: Lane, entry: Element, service: Element) -> None:
        """Add what `entry` cuts from `service`, as often as it says."""
        footage = service.tag in PRODUCERS
        times = 1 if entry.get("repeat") is None else self.document.frame(entry, "repeat", 1) or 1
        self.count += times * (1 if footage else self._size(service))
        if self.count > MOST_CLIPS:
            self.document.fail(entry, f"more than {MOST_CLIPS} clips, nested ones included")
        add = self._footage if footage else self._nested
        for _ in range(times):
            lane.length += add(lane, entry, service)

    def _record(self, lane: Lane, entry: Element, frames: int) -> FrameRange:
        """The next `frames` frames of a lane."""
        self.document.check_length(entry, lane.length + frames)
        return FrameRange(lane.length, lane.length + frames)

    def _footage(self, lane: Lane, entry: Element, service: Element) -> int:
        """Add a clip of footage; how many frames it lasts."""
        source = self.shelf.source(service)
        start, frames = self._cut(entry, source.start, source.stop, source.length)
        record = self._record(lane, entry, frames)
        if source.silent and frames:
            for verdict, what in source.notes:
                self.remark(verdict, what, record)
        if source.silent or not frames:
            return frames
        if source.plain and not len(entry):  # most of all clips
            run = source.retimed(start)
            lane.clips.append(Clip(source.media, record, run, source.name))
            return frames
        effects = self._effects(entry, service, source, start, frames)
        freeze: Freeze | None = effects.freeze
        if freeze is not None and isinstance(source.retiming, Remap):
            self.remark("refused", f"a freeze of {source.name!r}, remapped in time", record)
            freeze = None
        clip = Clip(source.media, record, source.retimed(start, freeze), source.name)
        lane.clips.append(_shaded(clip, effects, start))
        faded = np.flatnonzero(_opacity(lane.clips[-1]) < 1.0)
        if len(faded):
            first, last = record.start + int(faded[0]), record.start + int(faded[-1])
            lane.faded.append(FrameRange(first, last + 1))
        for verdict, what in (*source.notes, *effects.notes):
            self.remark(verdict, what, record)
        return frames

    def _nested(self, lane: Lane, entry: Element, service: Element) -> int:
        """Add what a nested timeline shows; how many frames it lasts."""
        timeline = self.timeline(service)
        start, frames = self._cut(entry, 0, timeline.length, timeline.length)
        record = self._record(lane, entry, frames)
        # its own filters are its own affair
        effects = effects_of(self.document, entry, start, frames)
        for clip in windows(timeline, start, record):
            at = start + clip.record.start - record.start
            lane.clips.append(_shaded(clip, effects, at))
        if effects.freeze is not None:
            self.remark("refused", f"a freeze of {timeline.name!r}: it runs on", record)
        for verdict, what in effects.notes:
            self.remark(verdict, what, record)
        return frames

    def _effects(
        self, entry: Element, service: Element, source: Source, start: int, frames: int
    ) -> Effects:
        # a freeze of what plays at a speed counts from that file's own first frame
        first = 0 if source.service == "timewarp" else start
        frames = source.length or source.stop or frames
        own = effects_of(self.document, entry, first, frames)
        if service is not entry:
            own = effects_of(self.document, service, first, frames).and_also(own)
        if source.service == "hold" and (own.gain or own.opacity or own.freeze):
            # the picture it holds goes through filters once, and stays as it comes out
            said = "effects on a held frame: drawn as they are written"
            own = replace(own, freeze=None, notes=(*own.notes, ("approximated", said)))
        return own

    def _cut(
        self,
        entry: Element,
        first: int,
        stop: int | None,
        length: int | None,
    ) -> tuple[int, int]:
        """The first frame and the number of frames that `entry` takes, counted from `first`."""
        start, last = self.document.span(entry)
        if entry.tag in PRODUCERS:  # a whole producer: these times are its own
            start = last = None
        start = start or 0
        if last is None:
            if stop is None and length is None:
                self.document.fail(entry, "has no out, and its producer neither out nor length")
            last = (stop if stop is not None else length or 0) - 1 - first
        if length is not None and (start >= length or last >= length):
            # the editor never cuts further than a producer says it is long
            start, last = min(start, max(length - 1, 0)), length - 1
        return start, max(last - start + 1, 0)

    def _size(self, tractor: Element) -> int:
        """How many clips a nested timeline has, all in all."""
        self.timeline(tractor)
        return self.sizes[id(tractor)]

    def timeline(self, tractor: Element) -> Timeline:
        """The nested timeline that `tractor` is; each is read once."""
        key = id(tractor)
        if key in self.open:
            self.document.fail(tractor, "contains itself")
        if len(self.open) > DEEPEST:
            self.document.fail(tractor, f"timelines nested deeper than {DEEPEST}")
        if key not in self.timelines:
            outer, self.count = self.count, 0
            said, self.remarks = self.remarks, []
            self.open.append(key)
            self.timelines[key] = self.read_nested(self, tractor)
            self.open.pop()
            self.sizes[key], self.count = max(self.count, 1), outer
            self.remarks = said
        return self.timelines[key]

    def shade(self, lane: Lane, effects: Effects, element: Element) -> None:
        """Apply the filters of a whole lane to its clips."""
        name = element.get("id", "")
        for verdict, what in effects.notes:
            self.remark(verdict, f"{what} (on all of {name!r})", FrameRange(0, lane.length))
        if effects.freeze is not None:
            self.remark("refused", f"a freeze of all of {name!r}: it runs on", None)
        if effects.gain:
            gains = replace(effects, opacity=())
            lane.clips = [_shaded(clip, gains, clip.record.start) for clip in lane.clips]
        weights = product(effects.opacity, np.arange(lane.length, dtype=np.int64))
        if weights is not None:
            weigh(lane, 0, weights)

    def remark(self, verdict: Verdict, what: str, record: FrameRange | None) -> None:
        """Note what became of something."""
        self.remarks.append(Remark(verdict, what, record))


def windows(timeline: Timeline, start: int, record: FrameRange) -> Iterator[Clip]:
    """A nested timeline from its frame `start` on, shown over `record` where it shows anything.

    Where it is empty it lets through what is below, as an empty track does.
    """
    shown = sorted(
        (clip.record.start, clip.record.stop)
        for track in timeline.tracks
        if not track.hidden
        for clip in track.clips
    )
    spans: list[tuple[int, int]] = []
    for left, right in shown:
        if spans and left <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], right))
        else:
            spans.append((left, right))
    for begin, end in spans:
        left, right = max(begin, start), min(end, start + len(record))
        if left < right:
            run = Constant(Fraction(left), timeline.rate, rate=timeline.rate)
            span = FrameRange(record.start + left - start, record.start + right - start)
            yield Clip(timeline, span, run, timeline.name)


def _shaded(clip: Clip, effects: Effects, start: int) -> Clip:
    """`clip` under `effects`, whose times call its first frame `start`."""
    if not effects.gain and not effects.opacity:
        return clip
    positions = start + np.arange(len(clip.record), dtype=np.int64)
    gain, opacity = product(effects.gain, positions), product(effects.opacity, positions)
    if gain is not None:
        clip = replace(clip, gain=gain if clip.gain is None else clip.gain * gain)
    if opacity is not None:
        clip = replace(clip, opacity=opacity if clip.opacity is None else clip.opacity * opacity)
    return clip


def weigh(lane: Lane, start: int, weights: F64) -> None:
    """Let a lane through by `weights`, from its frame `start` on: all of its clips as one picture.

    Where one clip lies over another, either keeps its share of what the lane shows.
    """
    stop = start + len(weights)
    left_over = np.ones(len(weights))  # of the old picture, for what lies below
    used = np.zeros(len(weights))  # of the new one
    for index in reversed(list(overlapping(lane, start, stop))):
        clip = lane.clips[index]
        left, right = max(clip.record.start, start), min(clip.record.stop, stop)
        here = slice(left - start, right - start)
        if bool(np.all(weights[here] == 1.0)):
            continue
        own = slice(left - clip.record.start, right - clip.record.start)
        opacity = _opacity(clip)
        old = opacity[own].copy()
        share = weights[here] * old * left_over[here]
        rest = 1.0 - used[here]
        new = np.divide(share, rest, out=old.copy(), where=rest > 1e-12)
        opacity[own] = np.where(weights[here] == 1.0, old, np.clip(new, 0.0, 1.0))
        used[here] += share
        left_over[here] *= 1.0 - old
        lane.clips[index] = replace(clip, opacity=opacity)


def _opacity(clip: Clip) -> F64:
    """Its opacity ``F64[len(record)]``, a copy."""
    return np.ones(len(clip.record)) if clip.opacity is None else clip.opacity.copy()


def occupied(lane: Lane, length: int) -> NDArray[np.bool_]:
    """Where a lane shows something, ``bool[length]``."""
    edges = np.zeros(length + 1, np.int32)
    for clip in lane.clips:
        edges[clip.record.start] += 1
        edges[clip.record.stop] -= 1
    return np.cumsum(edges[:-1]) > 0


def overlapping(lane: Lane, start: int, stop: int) -> Iterator[int]:
    """The indexes of the clips that touch the frames from `start` to before `stop`."""
    if len(lane.reach) != len(lane.clips):
        lane.reach = list(accumulate((clip.record.stop for clip in lane.clips), max))
    for index in range(bisect_right(lane.reach, start), len(lane.clips)):
        record = lane.clips[index].record
        if record.start >= stop:
            return
        if record.stop > start:
            yield index
