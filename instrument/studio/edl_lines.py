"""The lines of a CMX3600 EDL: events, what is said about them, and timecode.

Knows what is written; what it means on a timeline is `instrument.studio.edl`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from instrument import InstrumentError
from instrument.studio.places import is_ntsc, nominal, read_bounded
from instrument.timebase import FrameRate

LARGEST = 16 << 20  # bytes; an hour cut at every frame has 15 MB
_LONGEST_LINE = 2000
_TIMECODE = r"(\d{1,3}:\d{2}:\d{2}[:;.,]\d{2,3}|\d{1,9})"
_EVENT = re.compile(
    r"(?P<number>\d{1,6})\s+(?P<reel>\S.*?)\s+(?P<channel>\S+)\s+"
    r"(?P<kind>C|D|W\d{3}|K\s?B|K\s?O|K)\s*(?P<duration>(?<=\s)\d{1,6}|)\s*"
    rf"(?:\s\(F\)\s*)?(?<=\s){_TIMECODE}\s+{_TIMECODE}\s+{_TIMECODE}\s+{_TIMECODE}\s*$"
)
_MOTION = re.compile(r"M2\s+(?P<reel>\S.*?)\s+(?P<speed>-?\s?\d*\.?\d+)(?:\s+(?P<at>\S+))?\s*$")
_PARTS = re.compile(r"(\d+):(\d+):(\d+)([:;.,])(\d+)")
_COMMENT = re.compile(r"\*?\s*(?P<key>[A-Z][A-Z ]{1,30}?)\s*(?: IS |:)\s*(?P<text>.*)$")


@dataclass(frozen=True, slots=True)
class Motion:
    """An M2 line: so many frames of `reel` a second."""

    reel: str
    speed: str


@dataclass(slots=True)
class Event:
    """One line of an edit and what stands under it; `codes` are source in, out, record in, out."""

    line: int
    number: str
    reel: str
    channel: str
    kind: str
    duration: int
    codes: tuple[str, str, str, str]
    drops: bool
    notes: dict[str, str] = field(default_factory=dict)
    motions: list[Motion] = field(default_factory=list)
    locators: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Listing:
    """All of an EDL: its `title`, its events in groups of one number, and whether it drops."""

    title: str
    groups: tuple[tuple[Event, ...], ...]
    drops: bool


def read_listing(path: Path) -> Listing:
    """The EDL at `path`. Raises InstrumentError naming file and line."""
    title, groups = "", list[list[Event]]()
    drops = False
    for number, line in enumerate(_text(path).splitlines(), start=1):
        line = line.strip()
        if len(line) > _LONGEST_LINE:
            raise InstrumentError(f"{path}: line {number}: longer than {_LONGEST_LINE} characters")
        if line.startswith("TITLE:"):
            title = line[6:].strip()
        elif line.startswith("FCM"):
            drops = "DROP" in line and "NON" not in line
        elif line[:1].isdigit():
            event = _event(line, number, drops, path)
            if groups and groups[-1][-1].number == event.number:
                groups[-1].append(event)
            else:
                groups.append([event])
        elif groups:
            _note(line, groups[-1])
    if not groups:
        raise InstrumentError(f"{path}: holds no event of an EDL (001  REEL  V  C  four timecodes)")
    events = [event for group in groups for event in group]
    semicolons = any(";" in code for event in events for code in event.codes)
    return Listing(
        title, tuple(map(tuple, groups)), semicolons or any(event.drops for event in events)
    )


def frame_of(code: str, rate: FrameRate, drops: bool) -> int:
    """The frame a timecode names; a plain number is one. Raises InstrumentError."""
    parts = _PARTS.fullmatch(code)
    if parts is None:
        return int(code)
    base = nominal(rate)
    hours, minutes, seconds, frames = (int(parts[n]) for n in (1, 2, 3, 5))
    if minutes > 59 or seconds > 59 or frames >= base:
        raise InstrumentError(f"timecode {code}: there is none such at {rate} /s; say --rate")
    count = ((hours * 60 + minutes) * 60 + seconds) * base + frames
    if (drops or parts[4] in ";,") and is_ntsc(rate):
        whole = hours * 60 + minutes
        count -= (base // 15) * (whole - whole // 10)  # two of thirty a minute, not every tenth
    return count


def timecode_of(frame: int, rate: FrameRate, drops: bool = False) -> str:
    """The reverse of `frame_of`; where numbers are dropped, with a semicolon."""
    base = nominal(rate)
    drops = drops and is_ntsc(rate)
    if drops:
        lost, minute, tenth = base // 15, base * 60 - base // 15, base * 600 - 9 * (base // 15)
        tens, rest = divmod(frame, tenth)
        frame += 9 * lost * tens + lost * max(0, (rest - lost) // minute)
    seconds, frames = divmod(frame, base)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    mark = ";" if drops else ":"
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{mark}{frames:02d}"


def largest_frame(listing: Listing) -> int:
    """The largest number that stands in the frames' place of any timecode."""
    codes = (code for group in listing.groups for event in group for code in event.codes)
    return max((int(code[-2:]) for code in codes if _PARTS.fullmatch(code)), default=0)


def _text(path: Path) -> str:
    data = read_bounded(path, LARGEST)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _event(line: str, number: int, drops: bool, path: Path) -> Event:
    match = _EVENT.match(line)
    if match is None:
        raise InstrumentError(
            f"{path}: line {number}: {line[:60]!r} is no event; allowed is "
            "NUMBER REEL CHANNEL C|D|Wnnn|K [FRAMES] and four timecodes"
        )
    codes = match.groups()[-4:]
    return Event(
        number, match["number"], match["reel"].strip(), match["channel"],
        match["kind"].replace(" ", ""), int(match["duration"] or 0),
        (codes[0], codes[1], codes[2], codes[3]), drops,
    )  # fmt: skip


def _note(line: str, group: list[Event]) -> None:
    """Put a line under an event where it belongs: to all of its number, the first has it."""
    motion = _MOTION.match(line)
    if motion is not None:
        group[0].motions.append(Motion(motion["reel"], motion["speed"].replace(" ", "")))
        return
    comment = _COMMENT.match(line)
    if comment is None:
        if "FREEZE FRAME" in line:
            group[0].notes["FREEZE FRAME"] = "yes"
        return
    key, text = comment["key"], comment["text"].strip()
    if key == "LOC":
        group[0].locators.append(text)
    else:
        group[0].notes.setdefault(key, text)
