"""Final Cut Pro 7 XML, which Premiere and Resolve write too → timelines.

Frames are whole; ``start`` and ``end`` count on the sequence, ``in`` and ``out`` on the clip after
its speed was changed. A start or end of -1 is the transition's edge, and in and out include it.
Sound is not read.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from instrument import InstrumentError
from instrument.studio.fcp7_files import (
    Definitions,
    defined,
    definitions,
    media_of,
    rate_in,
    start_of,
    whole,
)
from instrument.studio.fcp7_filters import Filters, filters_of
from instrument.studio.joins import Join, laid, picked
from instrument.studio.keyed import Keyed, straight
from instrument.studio.places import kind_of, naming
from instrument.studio.retiming import Retiming
from instrument.studio.timeline import Clip, Marker, Media, Remark, Timeline, Track, Verdict, end_of
from instrument.studio.xml_door import read_xml
from instrument.timebase import FrameRange, FrameRate

DEEPEST = 8  # sequences inside one another
_BLACK = ("slug", "black", "blackvideo", "black video")
_DISSOLVES = ("cross dissolve", "dissolve", "film dissolve", "")


def read(
    path: Path,
    *,
    track: str | None = None,
    sequence: str | None = None,
    rate: FrameRate | None = None,
) -> Timeline:
    """The first sequence of `path`, or the one called `sequence`. Raises InstrumentError."""
    with naming(path):
        root = read_xml(path, "xmeml")
        found = _choose(root, sequence)
        made = _Reading(definitions(root)).sequence(found, (), rate)
        return replace(made, tracks=picked(made.tracks, track, path))


def _choose(root: Element, wanted: str | None) -> Element:
    inside = {id(one) for item in root.iter("clipitem") for one in item.iter("sequence")}
    found = [one for one in root.iter("sequence") if len(one) and id(one) not in inside]
    if not found:
        raise InstrumentError("holds no sequence")
    if wanted is None:
        return found[0]
    for one in found:
        if (one.findtext("name") or "").strip() == wanted:
            return one
    names = ", ".join(repr((one.findtext("name") or "").strip()[:40]) for one in found[:10])
    raise InstrumentError(f"no sequence {wanted[:60]!r}, there are {names}")


@dataclass(slots=True)
class _Item:
    """A clip of a track: where it lies, -1 for a transition's edge, and its in and out."""

    element: Element
    start: int
    end: int
    first: int
    last: int


@dataclass(slots=True)
class _Reading:
    known: Definitions
    made: dict[int, Timeline] = field(default_factory=dict)

    def sequence(
        self, element: Element, above: tuple[int, ...], rate: FrameRate | None = None
    ) -> Timeline:
        """A sequence, and those inside it, each read once."""
        element = defined(element, self.known.sequences, "sequence")
        if id(element) in above:
            raise InstrumentError(f"sequence {element.findtext('name')!r}: lies inside itself")
        if len(above) >= DEEPEST:
            raise InstrumentError(f"sequences nest deeper than {DEEPEST}")
        if id(element) not in self.made:
            own = rate_in(element)
            if own is None and rate is None:
                raise InstrumentError("a sequence without a rate; say --rate")
            if own is not None and rate is not None and own != rate:
                raise InstrumentError(f"is at {own} /s by its own word; leave --rate out")
            reading = _Tracks(self, (*above, id(element)), own or rate or FrameRate(30))
            self.made[id(element)] = reading.timeline(element)
        return self.made[id(element)]


@dataclass(slots=True)
class _Tracks:
    """One sequence as it is read."""

    whole: _Reading
    above: tuple[int, ...]
    rate: FrameRate
    remarks: list[Remark] = field(default_factory=list)
    markers: list[Marker] = field(default_factory=list)

    def tell(self, verdict: Verdict, what: str, start: int, stop: int) -> None:
        self.remarks.append(Remark(verdict, what, FrameRange(max(start, 0), max(start, stop, 0))))

    def timeline(self, element: Element) -> Timeline:
        tracks = []
        for number, track in enumerate(element.findall("media/video/track"), start=1):
            hidden = (track.findtext("enabled") or "").strip().upper() == "FALSE"
            name = track.get("MZ.TrackName") or track.get("TL.SQTrackName") or f"V{number}"
            tracks.append(Track(name, self.track(track), hidden))
        length = max(end_of(tuple(tracks)), whole(element, "duration", 0), 0)
        for marker in element.findall("marker"):
            self.mark(marker, whole(marker, "in", 0))
        name = (element.findtext("name") or "sequence").strip()
        markers = tuple(sorted(self.markers, key=lambda m: (m.frame, m.name)))
        return Timeline(
            name, self.rate, tuple(tracks), length, start_of(element, self.rate), markers,
            tuple(self.remarks),
        )  # fmt: skip

    def mark(self, marker: Element, frame: int) -> None:
        if frame >= 0:
            note = (marker.findtext("comment") or "").strip()
            self.markers.append(Marker(frame, (marker.findtext("name") or "").strip(), note))

    def track(self, track: Element) -> tuple[Clip, ...]:
        children = [c for c in track if c.tag in ("clipitem", "generatoritem", "transitionitem")]
        spans = {id(c): _span(c) for c in children if c.tag == "transitionitem"}
        clips, joins, numbers = list[Clip](), list[Join](), dict[int, int | None]()
        items = dict[int, _Item]()
        for place, child in enumerate(children):
            if child.tag != "transitionitem":
                items[place] = self.item(children, place, spans)
                clip = self.clip(items[place])
                numbers[place] = None if clip is None else len(clips)
                clips += [] if clip is None else [clip]
        for place, child in enumerate(children):
            if child.tag == "transitionitem":
                joins.append(self.join(child, place, spans[id(child)], items, numbers))
        stop = max((clip.record.stop for clip in clips), default=0)
        stop = max(stop, *(join.stop for join in joins)) if joins else stop
        return laid(clips, joins, stop)

    def item(self, children: list[Element], place: int, spans: dict[int, tuple[int, int]]) -> _Item:
        """The clip at `place`, its -1 replaced by the edges of the transitions beside it."""
        element = children[place]
        name = (element.findtext("name") or "without a name").strip()[:60]
        start, end = whole(element, "start", -1), whole(element, "end", -1)
        first, last = whole(element, "in", 0), whole(element, "out", 0)
        if first < 0:
            first, last = 0, max(last, end - start)
        if last < first:
            raise InstrumentError(f"clip {name!r}: in {first} lies after out {last}")
        before = children[place - 1] if place else None
        after = children[place + 1] if place + 1 < len(children) else None
        if start == -1:
            start = spans[id(before)][0] if before is not None and id(before) in spans else -1
        if end == -1:
            end = spans[id(after)][1] if after is not None and id(after) in spans else -1
        if start == -1:
            start = max(end - (last - first), 0) if end != -1 else 0
        if end == -1:
            end = start + last - first
        if start < 0 or end < start:
            raise InstrumentError(f"clip {name!r}: start {start}, end {end}")
        return _Item(element, start, end, first, last)

    def clip(self, item: _Item) -> Clip | None:
        """What a clip shows; None where it is off, or nothing a z-sequence can stand for."""
        element = item.element
        if (element.findtext("enabled") or "").strip().upper() == "FALSE":
            return None
        name = (element.findtext("name") or "").strip()
        filters = filters_of(element)
        for verdict, what in filters.told:
            self.tell(verdict, what, item.start, item.end)
        media: Media | Timeline | None = media_of(element, self.whole.known)
        if (nested := element.find("sequence")) is not None:
            media = self.whole.sequence(nested, self.above)
        elif media is None and not _is_black(element):
            self.tell("refused", f"{name[:60] or element.tag}: left out", item.start, item.end)
            return None
        elif isinstance(media, Media) and (kind := kind_of(media.name, *media.places)) != "film":
            if kind == "still":
                self.tell("refused", f"still {media.name[:60]}: left out", item.start, item.end)
            return None
        grid = self.grid(item)
        for marker in element.findall("marker"):
            along = (whole(marker, "in", 0) - item.first) * _per(self.rate, grid)
            if 0 <= along < item.end - item.start:
                self.mark(marker, item.start + round(along))
        at = item.first + np.arange(item.end - item.start, dtype=np.float64) * float(
            _per(grid, self.rate)
        )
        return Clip(
            media, FrameRange(item.start, item.end), self.retiming(item, filters, grid), name,
            filters.veil(at),
        )  # fmt: skip

    def grid(self, item: _Item) -> FrameRate:
        """What ``in`` and ``out`` count at: the clip's rate, or, as they last as long as start
        and end do, the sequence's."""
        own = rate_in(item.element) or self.rate
        return self.rate if item.last - item.first == item.end - item.start else own

    def retiming(self, item: _Item, filters: Filters, grid: FrameRate) -> Retiming:
        length = item.end - item.start
        second = Fraction(grid.den, grid.num)
        first = Fraction(item.first)
        if (offset := item.element.find("subclipinfo")) is not None:
            first += whole(offset, "startoffset", 0)
        speed = filters.speed
        if filters.graph:
            keys = [((w - first) * second, v * second) for w, v in filters.graph]
            return Keyed(tuple(keys), self.rate)
        lasts = item.last - item.first
        in_footage = (
            lasts != length and abs(lasts - length * abs(speed) * _per(grid, self.rate)) <= 1
        )
        if speed < 0:
            media = item.element.find("file")
            total = self.frames_of(media) if media is not None else 0
            if in_footage or not total:
                start = Fraction(item.last - 1)
            else:
                start = total * _frames_per(media, grid, self.whole.known) - 1 - first * -speed
        elif in_footage or speed == 0 or not filters.said_speed:
            start = first
        else:
            start = first * speed
        return straight(start * second, speed, self.rate, length)

    def frames_of(self, media: Element) -> int:
        return whole(defined(media, self.whole.known.files, "file"), "duration", 0)

    def join(
        self, child: Element, place: int, span: tuple[int, int], items: dict[int, _Item],
        numbers: dict[int, int | None],
    ) -> Join:  # fmt: skip
        """A transition between the clips beside it, as far as they touch it."""
        start, stop = span
        name = (child.findtext("effect/name") or child.findtext("name") or "").strip()
        if name.lower() not in _DISSOLVES:
            self.tell("approximated", f"transition {name[:60]} read as a dissolve", start, stop)
        before, after = items.get(place - 1), items.get(place + 1)
        outgoing = numbers[place - 1] if before and start <= before.end <= stop else None
        incoming = numbers[place + 1] if after and start <= after.start <= stop else None
        return Join(outgoing, incoming, start, stop)


def _span(transition: Element) -> tuple[int, int]:
    start, stop = whole(transition, "start", -1), whole(transition, "end", -1)
    if start < 0 or stop < start:
        raise InstrumentError(f"transition: start {start}, end {stop}")
    return start, stop


def _is_black(element: Element) -> bool:
    names = (element.findtext("name"), element.findtext("effect/name"))
    return any((name or "").strip().lower() in _BLACK for name in names)


def _frames_per(media: Element | None, grid: FrameRate, known: Definitions) -> Fraction:
    """How many frames of `grid` one of a file's lasts."""
    file = defined(media, known.files, "file") if media is not None else None
    own = rate_in(file) or grid
    return _per(grid, own)


def _per(a: FrameRate, b: FrameRate) -> Fraction:
    """Frames of `a` in one of `b`."""
    return Fraction(a.num * b.den, a.den * b.num)
