"""Producers → footage: what file an MLT producer opens, and at what speed it plays it.

Colours, titles and pictures have no latent vectors: black is black, the others are refused and
left out, so that a title does not hide the film below it. This module knows producers; it does not
know where on a timeline they lie.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

import numpy as np

from instrument.studio.mlt_document import Document
from instrument.studio.mlt_media import FILES, Library, asks_speed
from instrument.studio.mlt_retiming import Buffered, Freeze, Remap, Warp
from instrument.studio.mlt_time import Curve, number_of
from instrument.studio.retiming import Frozen, Retiming
from instrument.studio.timeline import LONGEST, Media, Verdict
from instrument.timebase import FrameRate

_COLOURS = ("colour", "color")
_BLACK = ("", "black", "0", "0x000000ff", "#000000", "#ff000000", "0xff")
_CLEAR = ("transparent", "0x00000000", "#00000000")
_SLOWEST, _FASTEST = 1e-4, 1e4

_UNSAID = 15_000  # frames that a link takes itself to have
_HELD = 26  # frames of a held one that does not say how long

Note = tuple[Verdict, str]


@dataclass(frozen=True, slots=True)
class Source:
    """A producer, read: `media` None is black. `silent` footage has no picture at all.

    `start` and `length` are its own, where it says them; `notes` what became of it.
    It is `plain` if nothing has to be said of it, and no filter lies on it.
    """

    name: str
    media: Media | None
    silent: bool = False
    start: int = 0
    stop: int | None = None
    length: int | None = None
    notes: tuple[Note, ...] = ()
    service: str = ""
    plain: bool = True
    retiming: Warp | Buffered | Remap | None = None

    def retimed(self, start: int, freeze: Freeze | None = None) -> Retiming:
        """How a clip runs that begins at frame `start` of this producer."""
        if self.retiming is None:
            return Frozen(0)
        if isinstance(self.retiming, Buffered):
            return replace(self.retiming, start=self.start + start)
        last = None if self.stop is None or self.service == "hold" else self.stop - 1
        run = self.retiming
        if isinstance(run, Remap):
            return replace(run, start=start, base=self.start, last=last)
        held = freeze or run.freeze
        return Warp(start, run.fps, run.backwards, run.length, run.rate, held, self.start, last)


class Shelf:
    """All producers of one document, each read once."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._sources: dict[int, Source] = {}
        self._library = Library(document)

    def source(self, producer: Element) -> Source:
        """What `producer` is. Raises InstrumentError for what cannot be read."""
        known = self._sources.get(id(producer))
        if known is None:
            known = self._read(producer)
            filters = any(child.tag == "filter" for child in producer)
            known = replace(known, plain=not known.notes and not filters)
            self._sources[id(producer)] = known
        return known

    def _read(self, producer: Element) -> Source:
        document = self._document
        written = document.properties(producer)
        service = written.get("mlt_service", "")
        first, last = document.span(producer)
        length = document.length(producer)
        name = written.get("kdenlive:clipname") or producer.get("id") or ""
        stop = None if last is None else last + 1
        if service == "hold" and stop is None and length is None:
            stop = _HELD
        source = Source(name, None, False, first or 0, stop, length, (), service)
        resource = written.get("resource", "")
        if service in _COLOURS or (service == "" and resource in ("black", "colour:black")):
            return self._colour(source, resource)
        if service not in FILES:
            said = f"{service} {name!r} has no latent vectors: left out"
            return replace(source, silent=True, notes=(("refused", said),))
        if written.get("set.test_image") == "1" or written.get("video_index") == "-1":
            return replace(source, silent=True)
        media = self._library.media(written)
        if media is None:
            document.fail(producer, "names no resource")
        return self._timed(producer, replace(source, media=media))

    def _colour(self, source: Source, resource: str) -> Source:
        colour = resource.removeprefix("colour:").removeprefix("color:").lower()
        if colour in _BLACK:
            return source
        if colour in _CLEAR:
            return replace(source, silent=True)
        said = f"colour {resource[:40]!r} has no latent vectors: left out"
        return replace(source, silent=True, notes=(("refused", said),))

    def _timed(self, producer: Element, source: Source) -> Source:
        """`source` with the way its producer runs."""
        document = self._document
        written = document.properties(producer)
        service, media = written.get("mlt_service", ""), source.media
        assert media is not None
        rate, fps = media.rate, document.fps
        speed = _speed(document, producer)
        if service == "framebuffer" or (service != "timewarp" and speed is not None):
            strobe = int(self._number(producer, "strobe", 0.0))
            pace = Buffered(
                0, fps, abs(speed or 1.0), (speed or 1.0) < 0, source.length, strobe, rate
            )
            return replace(source, retiming=pace, notes=_freeze_note(written))
        if service == "hold":
            frame = int(self._number(producer, "frame", 0.0))
            return replace(source, retiming=Warp(0, fps, rate=rate, freeze=Freeze(frame)))
        links = [link for link in producer if link.tag == "link"]
        notes = [self._unread_link(link) for link in links]
        remaps = [
            link for link in links if document.properties(link).get("mlt_service") == "timeremap"
        ]
        told = tuple(note for note in notes if note is not None)
        if len(remaps) > 1:
            told += (("refused", "one time remap upon another: the last one is taken"),)
        if remaps:
            return self._remapped(remaps[-1], replace(source, notes=told), rate)
        if speed is not None:
            fps = _warped_fps(document.rate, abs(speed))
        stop = source.stop  # a clip backwards starts from its out, which its length only bounds
        if stop is not None and source.length is not None:
            stop = min(stop, source.length)
        warp = Warp(0, fps, speed is not None and speed < 0, stop, rate)
        return replace(source, retiming=warp, notes=told)

    def _unread_link(self, link: Element) -> Note | None:
        service = self._document.properties(link).get("mlt_service", "")
        return None if service == "timeremap" else ("refused", f"link {service!r}: left out")

    def _remapped(self, link: Element, source: Source, rate: FrameRate | None) -> Source:
        """Time remapping: ``map`` up to MLT 7.12, ``time_map`` and ``speed_map`` from there on."""
        document = self._document
        written = document.properties(link)
        notes = list(source.notes)
        start = document.frame(link, "in", 0) or 0
        key = next((key for key in ("speed_map", "time_map", "map") if written.get(key)), None)
        if written.get("image_mode", "nearest") == "blend":
            notes.append(("approximated", "time remap blends frames: the nearest is taken"))
        if key is None:
            return replace(
                source, retiming=Remap(0, document.fps, None, 0, rate), notes=tuple(notes)
            )
        length = _UNSAID
        try:
            curve = Curve.parse(written[key], document.rate, length)
        except ValueError as error:
            document.fail(link, f"{key}: {error}")
        if not curve.exact:
            notes.append(("approximated", "time remap eases between keyframes: drawn straight"))
        if key == "speed_map":
            curve = _integrated(
                curve,
                document.fps,
                max(source.length or 0, source.stop or 0, int(curve.frames[-1])) + 1,
            )
        if key != "map":
            notes.append(("approximated", f"time remap by {key}: not held against a render"))
        retiming = Remap(0, document.fps, curve, start, rate)
        return replace(source, retiming=retiming, notes=tuple(notes))

    def _number(self, element: Element, key: str, default: float) -> float:
        text = self._document.properties(element).get(key, "")
        if not text.strip():
            return default
        try:
            value = number_of(text)
        except ValueError as error:
            self._document.fail(element, f"{key}: {error}")
        if abs(value) > LONGEST:
            self._document.fail(element, f"{key} is {text[:40]}, allowed is up to {LONGEST}")
        return value


def _speed(document: Document, producer: Element) -> float | None:
    """How fast a producer plays, below 0 backwards; None as it is.

    ``2:file`` of a timewarp, ``file?2`` of a framebuffer, or the id ``slowmotion:ID:2``.
    """
    written = document.properties(producer)
    service, resource = written.get("mlt_service", ""), written.get("resource", "")
    name = producer.get("id", "")
    said = None
    if service == "timewarp":
        head, colon, _ = resource.partition(":")
        said = head if colon else written.get("warp_speed", "1")
    elif asks_speed(resource):
        said = resource.rpartition("?")[2]
    elif name.startswith("slowmotion:") and service != "framebuffer":
        said = name.split(":")[2] if name.count(":") > 1 else None
    if said is None:
        return None
    try:
        speed = number_of(said)
    except ValueError as error:
        document.fail(producer, f"speed: {error}")
    if speed == 0 and service == "timewarp":
        return 1.0  # what MLT makes of it
    if not _SLOWEST <= abs(speed) <= _FASTEST:
        document.fail(producer, f"speed {said[:40]}, allowed are {_SLOWEST:g} to {_FASTEST:g}")
    return speed


def _warped_fps(rate: FrameRate, speed: float) -> float:
    """The rate at which a timewarp opens its file so that its frames go by at `speed`.

    The numerator is cut to a whole number, in thousandths where the rate itself is small.
    """
    scale = 1000 if rate.num < 1000 else 1
    return int(rate.num * scale / speed) / (rate.den * scale)


def _freeze_note(written: dict[str, str]) -> tuple[Note, ...]:
    if written.get("freeze", "0") in ("", "0"):
        return ()
    return (("refused", "a frozen slow motion: it runs on"),)


def _integrated(speeds: Curve, fps: float, length: int) -> Curve:
    """Source seconds over `length` frames that go by at `speeds`, added up frame by frame."""
    frames = np.arange(min(length, LONGEST), dtype=np.int64)
    seconds = np.concatenate(([0.0], np.cumsum(speeds.at(frames) / fps)[:-1]))
    return replace(Curve.straight(frames, seconds), exact=speeds.exact)
