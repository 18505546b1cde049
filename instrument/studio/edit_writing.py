"""The way back: takes and z-sequences as an editor's timeline; here CMX3600 ``.edl``.

Each is one clip of its proxy, whole, with its marks at exact frames. Reading such a file again
gives every row of it, in order. Opens nothing but what it writes; `otio_writing` writes ``.otio``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import category

from instrument import InstrumentError
from instrument.latent.arrays import write_atomically
from instrument.studio.edl_lines import timecode_of
from instrument.studio.places import is_ntsc, nominal
from instrument.studio.timeline import LONGEST, Marker
from instrument.timebase import FrameRate

OURS = "latent-instrument"  # where what is only ours stands in another format's metadata
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


def write_edl(path: Path, reels: Sequence[Reel], *, drop: bool = False) -> None:
    """Write a CMX3600 EDL whose record begins at 01:00:00:00; `drop` counts with drop frames.

    Raises InstrumentError naming `path`.
    """
    rate = common_rate(path, reels)
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


def common_rate(path: Path, reels: Sequence[Reel]) -> FrameRate:
    """The rate of all `reels`. Raises InstrumentError naming `path` where they have none."""
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


def _edl_lines(
    path: Path, reels: Sequence[Reel], rate: FrameRate, start: int, drop: bool
) -> Iterator[str]:
    yield f"TITLE: {line_of(path.stem)}"
    yield f"FCM: {'DROP' if drop else 'NON-DROP'} FRAME"
    for number, (reel, tape) in enumerate(zip(reels, _tapes(reels), strict=True), start=1):
        codes = (0, reel.frames, start, start + reel.frames)
        spelt = " ".join(timecode_of(code, rate, drop) for code in codes)
        yield ""
        yield f"{number:03d}  {tape:<{_REEL}} V     C        {spelt}"
        yield f"* FROM CLIP NAME: {line_of(reel.proxy.name)}"
        yield f"* SOURCE FILE: {line_of(seen_from(path.parent, reel.proxy))}"
        if number == 1:  # an EDL has no other place for it
            yield f"* FRAME RATE: {rate}"
        for marker in reel.markers:
            code = timecode_of(start + marker.frame, rate, drop)
            yield f"* LOC: {code} {colour_of(marker):<7} {line_of(marker.name)}".rstrip()
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


def colour_of(marker: Marker) -> str:
    """What editors paint a marker with."""
    found = (colour for begins, colour in _COLOURS if marker.note.startswith(begins))
    return next(found, _COLOUR)


def line_of(text: str) -> str:
    """`text` as one line that any file can hold: an EDL has no way to quote."""
    odd = ("C", "Zl", "Zp")  # control characters, broken ones, and ends of lines
    return "".join(" " if category(c).startswith(odd) else c for c in text).strip()


def seen_from(folder: Path, path: Path) -> str:
    """`path` as one writes it in `folder`, so that a show can be carried elsewhere whole."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive of Windows
        return path.as_posix()
