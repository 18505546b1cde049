"""From FCPXML's storylines to tracks. Knows its elements, and no file."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from fractions import Fraction
from xml.etree.ElementTree import Element

from instrument import InstrumentError
from instrument.studio.fcpx_resources import Resources, time_in
from instrument.studio.fcpx_source import CLIPS, Source
from instrument.studio.joins import Join, laid
from instrument.studio.timeline import (
    LONGEST,
    Clip,
    Marker,
    Remark,
    Timeline,
    Track,
    Verdict,
    end_of,
)
from instrument.timebase import FrameRange, FrameRate

DEEPEST = 8  # compound clips inside one another
DEEPEST_LANES = 16
_DISSOLVES = ("cross dissolve", "dissolve", "")
_NONE = Fraction(0)


@dataclass(slots=True)
class Story:
    """The sequences of a file, each read once."""

    resources: Resources
    made: dict[int, tuple[Element, Timeline]] = field(default_factory=dict)

    def sequence(
        self, element: Element, name: str, above: tuple[int, ...], rate: FrameRate | None
    ) -> Timeline:
        """A sequence of a project or a compound clip."""
        own = self.resources.rate(element.get("format"))
        if own is not None and rate is not None and own != rate and not above:
            raise InstrumentError(f"is at {own} /s by its own word; leave --rate out")
        own = own or rate
        if own is None:
            raise InstrumentError(f"sequence {name[:60]!r}: its format says no rate; say --rate")
        spine = element.find("spine")
        if spine is None:
            raise InstrumentError(f"sequence {name[:60]!r}: has no spine")
        begins = time_in(element, "tcStart", _NONE)
        first = time_in(spine[0], "offset", begins) if len(spine) else begins
        # Some writers count offsets from 0 whatever the timecode begins with.
        base = begins if first >= begins else _NONE
        made = self.inside(element, list(spine), name, above, own, base)
        lasts = round(time_in(element, "duration", _NONE) * own.num / own.den)
        return replace(
            made, start=max(round(begins * own.num / own.den), 0),
            length=max(made.length, min(max(lasts, 0), LONGEST)),
        )  # fmt: skip

    def inside(
        self, element: Element, items: list[Element], name: str, above: tuple[int, ...],
        rate: FrameRate, begins: Fraction,
    ) -> Timeline:  # fmt: skip
        """`items` of `element` as a timeline whose frame 0 is the local second `begins`."""
        if id(element) in above:
            raise InstrumentError(f"{name[:60]!r}: lies inside itself")
        if len(above) >= DEEPEST:
            raise InstrumentError(f"compound clips nest deeper than {DEEPEST}")
        if id(element) not in self.made:
            reading = Lanes(self, (*above, id(element)), rate)
            reading.storyline(items, begins, _NONE, 0, 0)
            # The element too, so that its id stays its own.
            self.made[id(element)] = element, reading.timeline(name)
        return self.made[id(element)][1]


@dataclass(slots=True)
class Lanes:
    """One timeline as it is read; `lanes` by their numbers, 0 the primary storyline."""

    story: Story
    above: tuple[int, ...]
    rate: FrameRate
    lanes: dict[int, list[Clip]] = field(default_factory=lambda: defaultdict(list))
    remarks: list[Remark] = field(default_factory=list)
    markers: list[Marker] = field(default_factory=list)
    stop: int = 0  # where the last thing ends, gaps and sound too

    def timeline(self, name: str) -> Timeline:
        """All lanes, the lowest first."""
        self.lanes.setdefault(0, [])
        tracks = tuple(
            Track(f"lane {n}" if n else "primary", tuple(self.lanes[n])) for n in sorted(self.lanes)
        )
        markers = tuple(sorted(self.markers, key=lambda m: (m.frame, m.name)))
        length = max(end_of(tracks), self.stop)
        return Timeline(name, self.rate, tracks, length, 0, markers, tuple(self.remarks))

    def frame(self, moment: Fraction) -> int:
        """The frame nearest to `moment` seconds."""
        frame = int((moment * self.rate.num / self.rate.den + Fraction(1, 2)) // 1)
        if abs(frame) > LONGEST:
            raise InstrumentError(f"a cut at frame {frame}, allowed are {LONGEST}")
        return frame

    def tell(self, verdict: Verdict, what: str, record: FrameRange) -> None:
        """Add a remark."""
        self.remarks.append(Remark(verdict, what, record))

    def storyline(
        self, items: list[Element], base: Fraction, at: Fraction, lane: int, depth: int
    ) -> None:
        """What lies end to end: the local second `base` of it lies at second `at`."""
        if depth > DEEPEST_LANES:
            raise InstrumentError(f"connected clips nest deeper than {DEEPEST_LANES}")
        shots, joins, last = list[Clip](), list[Join](), None
        moment, pending = base, list[Join]()
        for item in items:
            if item.tag == "transition":
                pending.append(self.transition(item, at - base, last, moment))
                continue
            if item.tag not in CLIPS or item.get("lane", "0") not in ("0", ""):
                if item.tag in (*CLIPS, "spine"):
                    self.connected(item, base, at, lane, depth)
                continue
            clip = self.clip(item, at - base, moment, lane, depth)
            moment = time_in(item, "offset", moment) + time_in(item, "duration", _NONE)
            last = None if clip is None else len(shots)
            joins += [replace(join, incoming=last) for join in pending]
            pending = []
            shots += [] if clip is None else [clip]
        joins += pending
        self.stop = max(self.stop, self.frame(at + moment - base))
        stop = max((clip.record.stop for clip in shots), default=0)
        if not shots:
            return  # a lane of sound
        self.lanes[lane] += laid(shots, joins, max([stop, *(join.stop for join in joins)]))

    def transition(
        self, item: Element, shift: Fraction, outgoing: int | None, moment: Fraction
    ) -> Join:
        """A transition after the clip `outgoing`; what comes in is not known yet."""
        start = time_in(item, "offset", moment) + shift
        lasts = time_in(item, "duration", _NONE)
        if lasts < 0:
            raise InstrumentError("a transition that lasts less than nothing")
        first, stop = self.frame(start), self.frame(start + lasts)
        name = item.get("name", "")
        if name.lower() not in _DISSOLVES:
            record = FrameRange(max(first, 0), max(first, stop, 0))
            self.tell("approximated", f"transition {name[:60]} read as a dissolve", record)
        return Join(outgoing, None, first, stop)

    def clip(
        self, item: Element, shift: Fraction, moment: Fraction, lane: int, depth: int
    ) -> Clip | None:
        """A clip, with all that is connected to it; None where it shows nothing."""
        offset = time_in(item, "offset", moment)
        if item.tag == "audition":
            inner = next((child for child in item if child.tag in CLIPS), None)
            if inner is None:
                return None
            offset, item = time_in(inner, "offset", offset), inner
        lasts = time_in(item, "duration", _NONE)
        if lasts < 0:
            raise InstrumentError(f"<{item.tag}> duration {item.get('duration', '')[:40]}: below 0")
        begin, end = self.frame(offset + shift), self.frame(offset + shift + lasts)
        if begin < 0:
            raise InstrumentError(f"<{item.tag}> offset {item.get('offset', '')[:40]}: before all")
        record = FrameRange(begin, end)
        source = Source(self, item, record)
        made = source.clip() if item.get("enabled", "1") != "0" else None
        for child in item:
            if child.tag in (*CLIPS, "spine") and child.get("lane", "0") not in ("0", ""):
                self.connected(child, source.start, offset + shift, lane, depth)
            elif child.tag in ("marker", "chapter-marker"):
                self.mark(child, source.start, record)
        return made

    def connected(self, item: Element, base: Fraction, at: Fraction, lane: int, depth: int) -> None:
        """A clip or storyline on a lane of its own, at an offset of the time of what it is on."""
        text = item.get("lane", "0").strip()
        if not text.lstrip("-").isdigit() or abs(int(text[:9])) > 999:
            raise InstrumentError(f"<{item.tag}> lane {text[:40]!r}: must be a whole number")
        where = lane + int(text)
        if item.tag == "spine":
            offset = time_in(item, "offset", base)
            self.storyline(list(item), _NONE, at + offset - base, where, depth + 1)
        else:
            alone = Element(item.tag, {k: v for k, v in item.attrib.items() if k != "lane"})
            alone.extend(list(item))
            self.storyline([alone], base, at, where, depth + 1)

    def mark(self, marker: Element, start: Fraction, record: FrameRange) -> None:
        """Note a marker of a clip that begins with its local second `start`."""
        frame = record.start + self.frame(time_in(marker, "start", start) - start)
        if record.start <= frame < max(record.stop, record.start + 1):
            self.markers.append(Marker(frame, marker.get("value", ""), marker.get("note", "")))
