"""CMX3600 EDLs → timelines.

The rules: time counts from the first record-in; an event shows its source from source-in on at
the speed of its M2, a reversed one from its source-in backwards; a dissolve begins at record-in,
and what goes out runs on past its end. Sound is not read.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from instrument import InstrumentError
from instrument.studio.edl_lines import (
    Event,
    Listing,
    Motion,
    frame_of,
    largest_frame,
    read_listing,
)
from instrument.studio.joins import Join, laid, picked
from instrument.studio.keyed import fraction_of, straight
from instrument.studio.places import is_ntsc, naming, nominal, places_of
from instrument.studio.timeline import (
    LONGEST,
    Clip,
    Marker,
    Media,
    Remark,
    Timeline,
    Track,
    Verdict,
    end_of,
)
from instrument.timebase import FrameRange, FrameRate

_GUESSES = tuple(map(FrameRate, (30, 25, 24, 50, 60, 48)))
_DROPPING = (FrameRate(30000, 1001), FrameRate(60000, 1001))
_BLACK = ("BL", "BLACK", "SMPTEBAR")
_SOUND = re.compile(r"(A\d*|AA|NONE)", re.IGNORECASE)
_NAMES = ("SOURCE FILE", "FROM FILE", "FROM CLIP", "SOURCE FILE PATH", "MEDIA FILE")
_LOCATOR = re.compile(r"(?P<code>[\d:;.,]+)\s+(?P<colour>[A-Za-z]+)?\s*(?P<name>.*)$")


def read(
    path: Path,
    *,
    track: str | None = None,
    sequence: str | None = None,
    rate: FrameRate | None = None,
) -> Timeline:
    """The EDL at `path`, at `rate` frames a second; guessed where it is None.

    Raises InstrumentError naming file and line.
    """
    if sequence is not None:
        raise InstrumentError(f"{path}: an EDL holds one sequence, leave --sequence out")
    with naming(path):
        listing = read_listing(path)
        remarks = list[Remark]()
        rate = rate or _said(listing)
        if rate is None:
            rate = _guess(listing)
            remarks.append(Remark("approximated", f"read at {rate} /s, a guess: say --rate"))
        reading = _Reading(rate, remarks)
        for group in listing.groups:
            reading.take(group)
        return reading.timeline(listing.title or path.stem, track, path)


def _said(listing: Listing) -> FrameRate | None:
    """The rate in a ``* FRAME RATE:`` line; None where there is none that can be read."""
    text = listing.groups[0][0].notes.get("FRAME RATE", "")
    try:
        return FrameRate.parse(text) if text else None
    except InstrumentError:
        return None


def _guess(listing: Listing) -> FrameRate:
    """The usual rate at which most events last as long in the source as in the record."""
    largest = largest_frame(listing)
    if listing.drops:
        return _DROPPING[0] if largest < 30 else _DROPPING[1]
    cuts = [g[0] for g in listing.groups if len(g) == 1 and not g[0].motions][:2000]
    able = [rate for rate in _GUESSES if nominal(rate) > largest]
    if not able:
        raise InstrumentError("no usual rate has its timecodes; say --rate")

    def uneven(rate: FrameRate) -> int:
        spans = ([frame_of(code, rate, False) for code in event.codes] for event in cuts)
        return sum(b - a != d - c for a, b, c, d in spans)

    return min(able, key=uneven)  # the first of equals


@dataclass(slots=True)
class _Shot:
    """An event with its frames counted, before time counts from 0."""

    event: Event
    media: Media | None
    start: int
    stop: int
    source: int
    speed: Fraction
    mix: int  # frames; 0 for a cut
    said_speed: bool


@dataclass(slots=True)
class _Reading:
    """The tracks of an EDL as they are found."""

    rate: FrameRate
    remarks: list[Remark]
    shots: dict[str, list[_Shot]] = field(default_factory=lambda: defaultdict(list))
    locators: list[tuple[int, str, str]] = field(default_factory=list)
    later: list[tuple[Verdict, str, int, int]] = field(default_factory=list)

    def take(self, group: tuple[Event, ...]) -> None:
        """The events of one number, and what stands under them."""
        head = group[0]
        for text in head.locators:
            match = _LOCATOR.match(text)
            if match is not None and ":" in match["code"]:
                frame = frame_of(match["code"], self.rate, head.drops)
                self.locators.append((frame, match["name"].strip(), match["colour"] or ""))
        for number, event in enumerate(group):
            if _SOUND.fullmatch(event.channel):
                continue
            with_line = f"line {event.line}"
            try:
                self._add(group, number)
            except InstrumentError as error:
                raise InstrumentError(f"{with_line}: {error}") from error

    def _add(self, group: tuple[Event, ...], number: int) -> None:
        event = group[number]
        begin, end, start, stop = (frame_of(c, self.rate, event.drops) for c in event.codes)
        if stop < start:
            raise InstrumentError(f"record out {event.codes[3]} lies before {event.codes[2]}")
        if stop - start > LONGEST:
            raise InstrumentError(f"lasts {stop - start} frames, allowed are {LONGEST}")
        if event.kind in ("K", "KO"):
            self.later.append(("refused", "a key over the picture is left out", start, stop))
            return
        if event.kind.startswith("W"):
            self.later.append(
                ("approximated", f"wipe {event.kind} read as a dissolve", start,
                 start + event.duration)
            )  # fmt: skip
        mix = event.duration if event.kind[0] in "DW" else 0
        speed, said = self._speed(group, number, end - begin, stop - start)
        shot = _Shot(event, _media(group, number), start, stop, begin, speed, mix, said)
        track = "V" if event.channel in ("V", "V1", "B", "AA/V", "A2/V") else event.channel
        self.shots[re.sub(r".*/(?=V)", "", track)].append(shot)

    def _speed(
        self, group: tuple[Event, ...], number: int, source: int, record: int
    ) -> tuple[Fraction, bool]:
        """How fast an event plays, and whether the EDL says so."""
        motion = _motion(group, number)
        if motion is not None:
            try:
                return _scaled(fraction_of(motion.speed), self.rate), True
            except ValueError as error:
                raise InstrumentError(f"M2 speed {error}") from error
        if "FREEZE FRAME" in group[0].notes and number == len(group) - 1:
            return Fraction(0), True
        if source == record or not record:
            return Fraction(1), False
        _, _, start, stop = (frame_of(c, self.rate, group[number].drops) for c in group[0].codes)
        what = f"{source} frames of the source on {record} of the record and no M2: fitted"
        self.later.append(("approximated", what, start, max(stop, start + record)))
        return Fraction(source, record), False

    def timeline(self, name: str, wanted: str | None, path: Path) -> Timeline:
        """All of it, counted from the first record-in."""
        everything = [shot for shots in self.shots.values() for shot in shots]
        if not everything:
            raise InstrumentError("holds no event with a picture")
        zero = min(shot.start for shot in everything)
        length = max(shot.stop for shot in everything) - zero
        if length > LONGEST:
            raise InstrumentError(f"lasts {length} frames, allowed are {LONGEST}")
        order = sorted(self.shots, key=lambda track: (track != "V", len(track), track))
        tracks = tuple(Track(n, self._laid(self.shots[n], zero, length)) for n in order)
        remarks = [
            Remark(
                verdict, what, FrameRange(max(start - zero, 0), max(stop - zero, start - zero, 0))
            )
            for verdict, what, start, stop in self.later
        ]
        markers = sorted((f - zero, n, note) for f, n, note in self.locators if f >= zero)
        chosen = picked(tracks, wanted, path)
        return Timeline(
            name, self.rate, chosen, length if wanted is None else end_of(chosen), zero,
            tuple(Marker(*found) for found in markers), (*self.remarks, *remarks),
        )  # fmt: skip

    def _laid(self, shots: list[_Shot], zero: int, length: int) -> tuple[Clip, ...]:
        """The clips of a track; whatever ends where a dissolve begins goes out in it."""
        clips, joins = list[Clip](), list[Join]()
        shots = sorted(shots, key=lambda shot: shot.start)
        previous: _Shot | None = None
        for shot in shots:
            start, stop = shot.start - zero, shot.stop - zero
            alone = shot.start == shot.stop and not shot.mix
            going = previous is not None and previous.stop == shot.start
            if alone and going and previous and previous.event.reel == shot.event.reel:
                continue  # the outgoing half of a dissolve: the clip before runs on
            before = len(clips) - 1 if going or (clips and clips[-1].record.stop == start) else None
            clips.append(_clip(shot, start, stop, self.rate))
            if shot.mix:
                if shot.mix > max(shot.stop - shot.start, 1):
                    raise InstrumentError(
                        f"line {shot.event.line}: a transition of {shot.mix} frames on an event "
                        f"of {shot.stop - shot.start}"
                    )
                joins.append(Join(before, len(clips) - 1, start, start + shot.mix))
            previous = shot
        return tuple(clip for clip in laid(clips, joins, length) if len(clip.record))


def _clip(shot: _Shot, start: int, stop: int, rate: FrameRate) -> Clip:
    seconds = Fraction(shot.source * rate.den, rate.num)
    retiming = straight(seconds, shot.speed, rate, stop - start)
    name = shot.media.name if shot.media else "black"
    return Clip(shot.media, FrameRange(start, stop), retiming, name)


def _media(group: tuple[Event, ...], number: int) -> Media | None:
    """What an event is cut from, by all its names; None for black."""
    reel, notes = group[number].reel, group[0].notes
    if reel.upper() in _BLACK:
        return None
    incoming = number > 0 or (len(group) == 1 and group[0].kind != "C")
    said = ("TO CLIP NAME", "TO CLIP") if incoming else ("FROM CLIP NAME", "CLIP NAME")
    names = [notes[key] for key in said if key in notes]
    if not names and len(group) == 1:
        names = [notes[key] for key in ("FROM CLIP NAME", "CLIP NAME") if key in notes]
    files = [notes[key] for key in _NAMES if key in notes]
    if len(group) > 1:  # a file is named once, and not for whom
        files = [f for f in files if not names or Path(f).stem == Path(names[0]).stem]
    reels = [] if reel in ("AX", "UNKNOWN") and (names or files) else [reel]
    places = places_of(*files, *names, *reels)
    return Media((names or files or [reel])[0], places)


def _motion(group: tuple[Event, ...], number: int) -> Motion | None:
    """The M2 of an event: the one of its reel, or of several of one reel the one in its place."""
    motions = group[0].motions
    reel = group[number].reel
    mine = [motion for motion in motions if motion.reel == reel]
    if len(group) == 1:
        found = mine or motions
        return found[-1] if found else None
    same = all(event.reel == reel for event in group)
    if not same or len(mine) == 1:
        return mine[-1] if mine and (not same or number == len(group) - 1) else None
    return mine[number] if number < len(mine) else None


def _scaled(speed: Fraction, rate: FrameRate) -> Fraction:
    """A speed in frames a second, of a rate that people round."""
    exact = Fraction(rate.num, rate.den)
    whole = speed / nominal(rate)
    if is_ntsc(rate) or rate.den == 1001:
        real = speed / exact
        near = Fraction(round(real * 100), 100)
        if abs(real - near) < abs(whole - Fraction(round(whole * 100), 100)):
            return near
    return whole
