"""The way back: takes and z-sequences as an editor's timeline, ``.otio`` and CMX3600 ``.edl``.

Each is one clip of its proxy, whole, with its marks at exact frames. Reading such a file again
gives every row of it, in order. Opens nothing but what it writes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from opentimelineio import opentime, schema

from instrument import InstrumentError
from instrument.latent.arrays import write_atomically
from instrument.studio.edl_lines import timecode_of
from instrument.studio.places import is_ntsc, nominal
from instrument.studio.timeline import LONGEST, Marker
from instrument.timebase import FrameRate

_COLOURS = (("/waypoint/", "GREEN"), ("/preset/", "BLUE"), ("/model/", "MAGENTA"),
            ("/performance/", "RED"))  # fmt: skip
_COLOUR = "YELLOW"  # cues, and what is none of the above
_MOST_EVENTS = 999  # an EDL counts them with three digits
_REEL = 8  # characters


@dataclass(frozen=True, slots=True)
class Reel:
    """A take or z-sequence: its proxy, whose frame i is row i, and the marks on it.

    A marker's note is the address that was called.
    """

    name: str
    proxy: Path
    frames: int
    rate: FrameRate
    markers: tuple[Marker, ...] = ()


def write_otio(path: Path, reels: Sequence[Reel], *, stacked: bool = False) -> None:
    """Write an OpenTimelineIO file, one clip after another, or `stacked` each on its own track.

    Raises InstrumentError naming `path`.
    """
    rate = _common_rate(path, reels)
    timeline = schema.Timeline(path.stem)
    timeline.global_start_time = _time(0, rate)
    rows = [[reel] for reel in reels] if stacked else [list(reels)]
    for number, row in enumerate(rows, start=1):
        track = schema.Track(f"V{number}", kind=schema.TrackKind.Video)
        track.extend([_clip(reel, path.parent) for reel in row])
        timeline.tracks.append(track)
    text: str = timeline.to_json_string(indent=1)
    with write_atomically(path) as file:
        file.write(text.encode() + b"\n")


def write_edl(path: Path, reels: Sequence[Reel], *, drop: bool = False) -> None:
    """Write a CMX3600 EDL whose record begins at 01:00:00:00; `drop` counts with drop frames.

    Raises InstrumentError naming `path`.
    """
    rate = _common_rate(path, reels)
    base = nominal(rate)
    if base > 99:
        raise InstrumentError(f"{path}: an EDL has timecode up to 99 /s, not {rate}; write .otio")
    if drop and not is_ntsc(rate):
        raise InstrumentError(f"{path}: frames are dropped at 30000/1001 and 60000/1001 /s alone")
    if len(reels) > _MOST_EVENTS:
        raise InstrumentError(f"{path}: an EDL holds {_MOST_EVENTS} events, not {len(reels)}")
    start = 3600 * base - (108 * base // 30 if drop else 0)
    if start + sum(reel.frames for reel in reels) > 24 * start:
        raise InstrumentError(f"{path}: an EDL ends at 24 hours; write .otio")
    lines = _edl_lines(path, reels, rate, start, drop)
    with write_atomically(path) as file:
        file.write("".join(f"{line}\n" for line in lines).encode())


def _common_rate(path: Path, reels: Sequence[Reel]) -> FrameRate:
    if not reels:
        raise InstrumentError(f"{path}: nothing to write, name a take or a z-sequence")
    rate = reels[0].rate
    for reel in reels:
        if reel.rate != rate:
            raise InstrumentError(
                f"{path}: {reels[0].name} is at {rate} /s and {reel.name} at {reel.rate} /s; "
                "a take is sampled anew with: instrument takes export --rate"
            )
        if not 0 < reel.frames <= LONGEST:
            raise InstrumentError(f"{path}: {reel.name} has {reel.frames} frames")
    return rate


def _clip(reel: Reel, folder: Path) -> schema.Clip:
    whole = opentime.TimeRange(_time(0, reel.rate), _time(reel.frames, reel.rate))
    media = schema.ExternalReference(quote(_seen_from(folder, reel.proxy)), whole)
    media.name = reel.proxy.name
    clip = schema.Clip(reel.name, media, whole)
    for marker in reel.markers:
        mark = schema.Marker(
            marker.name,
            opentime.TimeRange(_time(marker.frame, reel.rate), _time(1, reel.rate)),
            getattr(schema.MarkerColor, _colour(marker)),
        )
        mark.comment = marker.note
        clip.markers.append(mark)
    return clip


def _edl_lines(
    path: Path, reels: Sequence[Reel], rate: FrameRate, start: int, drop: bool
) -> Iterator[str]:
    yield f"TITLE: {_line(path.stem)}"
    yield f"FCM: {'DROP' if drop else 'NON-DROP'} FRAME"
    for number, (reel, tape) in enumerate(zip(reels, _tapes(reels), strict=True), start=1):
        codes = (0, reel.frames, start, start + reel.frames)
        spelt = " ".join(timecode_of(code, rate, drop) for code in codes)
        yield ""
        yield f"{number:03d}  {tape:<{_REEL}} V     C        {spelt}"
        yield f"* FROM CLIP NAME: {_line(reel.proxy.name)}"
        yield f"* SOURCE FILE: {_line(_seen_from(path.parent, reel.proxy))}"
        if number == 1:  # an EDL has no other place for it
            yield f"* FRAME RATE: {rate}"
        for marker in reel.markers:
            code = timecode_of(start + marker.frame, rate, drop)
            yield f"* LOC: {code} {_colour(marker):<7} {_line(marker.name)}".rstrip()
        start += reel.frames


def _tapes(reels: Sequence[Reel]) -> list[str]:
    """Names of reels as old machines take them, each footage its own."""
    tapes = dict[Path, str]()
    for reel in reels:
        plain = re.sub(r"[^A-Z0-9]", "", reel.name.upper())[:_REEL] or "REEL"
        plain = plain if plain not in ("AX", "BL", "BLACK") else f"{plain}1"
        name, number = plain, 1
        while reel.proxy not in tapes and name in tapes.values():
            number += 1
            name = f"{plain[: _REEL - len(str(number))]}{number}"
        tapes.setdefault(reel.proxy, name)
    return [tapes[reel.proxy] for reel in reels]


def _colour(marker: Marker) -> str:
    found = (colour for begins, colour in _COLOURS if marker.note.startswith(begins))
    return next(found, _COLOUR)


def _line(text: str) -> str:
    """`text` as one line: an EDL has no way to quote."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _time(frame: int, rate: FrameRate) -> opentime.RationalTime:
    return opentime.RationalTime(frame, rate.num / rate.den)


def _seen_from(folder: Path, path: Path) -> str:
    """`path` as one writes it in `folder`, so that a show can be carried elsewhere whole."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive of Windows
        return path.as_posix()
