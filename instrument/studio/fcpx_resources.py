"""What an FCPXML lists before its edit: times, formats, assets, compound clips, multicams."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal
from xml.etree.ElementTree import Element

from instrument import InstrumentError
from instrument.studio.keyed import FARTHEST, fraction_of
from instrument.studio.places import kind_of, places_of, rate_of, stem_of
from instrument.studio.timeline import Media
from instrument.timebase import FrameRate

_TIME = re.compile(r"(-?\d{1,19}(?:\.\d{1,9})?)(?:/(\d{1,10}))?s")
# Formats that say their rate by their name alone.
_NAMED = re.compile(r"FFVideoFormat.*?[pi](\d{2,6})$")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file, the second its first frame is called, and its rate as far as it is told."""

    media: Media
    start: Fraction
    rate: FrameRate | None
    kind: Literal["film", "still", "sound"] = "film"


@dataclass(frozen=True, slots=True)
class Resources:
    """The elements under ``<resources>`` by their ids."""

    elements: dict[str, Element]

    def find(self, name: str, tag: str) -> Element:
        """The `tag` of that id. Raises InstrumentError."""
        element = self.elements.get(name)
        if element is None or element.tag != tag:
            raise InstrumentError(f"{tag} {name[:60]!r}: is defined nowhere")
        return element

    def is_effect(self, name: str) -> bool:
        """Whether a resource is a generator, and no footage."""
        element = self.elements.get(name)
        return element is not None and element.tag == "effect"

    def rate(self, name: str | None) -> FrameRate | None:
        """The rate of a format; None where it says none."""
        if not name:
            return None
        element = self.find(name, "format")
        lasts = element.get("frameDuration")
        if lasts is not None:
            seconds = time_of(lasts, "frameDuration")
            if seconds <= 0:
                raise InstrumentError(f"format {name[:60]!r}: frameDuration {lasts[:40]}")
            return rate_of(1 / seconds)
        match = _NAMED.match(element.get("name", ""))
        if match is None:
            return None
        digits = match[1]
        return rate_of(Fraction(digits) if len(digits) < 4 else Fraction(digits) / 100)

    def asset(self, name: str) -> Asset:
        """The asset of that id. Raises InstrumentError."""
        element = self.find(name, "asset")
        reps = sorted(element.findall("media-rep"), key=lambda r: r.get("kind") != "original-media")
        urls = [element.get("src"), *(rep.get("src") for rep in reps)]
        named = element.get("name", "")
        rate = self.rate(element.get("format"))
        lasts = time_in(element, "duration", Fraction(0))
        frames = round(lasts * rate.num / rate.den) if rate is not None and lasts > 0 else None
        media = Media(stem_of(*urls, named) or name, places_of(*urls, named), rate, frames)
        kind = kind_of(media.name)
        if element.get("hasAudio") == "1" and element.get("hasVideo") != "1":
            kind = "sound"
        return Asset(media, time_in(element, "start", Fraction(0)), rate, kind)


def resources_of(root: Element) -> Resources:
    """All resources, wherever they stand."""
    found = dict[str, Element]()
    for place in root.iter("resources"):
        for element in place:
            if name := element.get("id"):
                found.setdefault(name, element)
    return Resources(found)


def time_of(text: str, what: str) -> Fraction:
    """``1001/30000s``, ``5s`` or ``3.5s`` in exact seconds. Raises InstrumentError."""
    match = _TIME.fullmatch(text.strip())
    if match is None or (match[2] and int(match[2]) == 0):
        raise InstrumentError(f"{what} {text[:40]!r}: write it as 1001/30000s or 5s")
    value = Fraction(match[1]) / int(match[2] or 1)
    if abs(value) > FARTHEST:
        raise InstrumentError(f"{what} {text[:40]!r}: too far away")
    return value


def time_in(element: Element, key: str, default: Fraction) -> Fraction:
    """The time in an attribute. Raises InstrumentError naming it."""
    text = element.get(key)
    return default if text is None else time_of(text, f"<{element.tag}> {key}")


def number_in(element: Element, key: str, default: float) -> float:
    """The number in an attribute. Raises InstrumentError naming it."""
    text = element.get(key)
    if text is None:
        return default
    try:
        return float(fraction_of(text.strip()))
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise InstrumentError(f"<{element.tag}> {key} {text[:40]!r}: must be a number") from error
