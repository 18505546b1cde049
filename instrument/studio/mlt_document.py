"""An MLT document as a table of services: elements by id, with their properties and their times.

Kdenlive's projects are MLT documents with properties of its own (`kdenlive`). This module knows
how such a file is written and says whose fault an error is; it does not know what a service does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element

from instrument import InstrumentError
from instrument.studio.mlt_time import fps_of, frame_of
from instrument.studio.timeline import LONGEST
from instrument.studio.xml_door import read_xml
from instrument.timebase import FrameRate

PRODUCERS = ("producer", "chain")
SERVICES = (*PRODUCERS, "playlist", "tractor", "multitrack")
_PAL = FrameRate(25)  # what MLT takes for a document that names no profile


def properties_of(element: Element) -> dict[str, str]:
    """The <property> children of an element by name."""
    return {child.get("name", ""): child.text or "" for child in element if child.tag == "property"}


@dataclass(slots=True)
class Document:
    """The services of one file. `rate` is that of every timeline in it."""

    path: Path
    root: Element
    rate: FrameRate
    services: dict[str, Element]
    _properties: dict[int, dict[str, str]] = field(default_factory=dict)

    @property
    def major(self) -> int:
        """The first number of the version of MLT that wrote the document; 7 if it is silent."""
        first = self.root.get("version", "7").partition(".")[0]
        return int(first) if first.isdecimal() and len(first) < 4 else 7

    @property
    def fps(self) -> float:
        """Frames a second as MLT reckons with them."""
        return fps_of(self.rate)

    def fail(self, element: Element, what: str) -> NoReturn:
        """Raise InstrumentError that names the file and the element."""
        name = element.get("id") or element.get("producer") or element.get("name")
        said = f"<{element.tag}>" if name is None else f"<{element.tag}> {name[:60]!r}"
        raise InstrumentError(f"{self.path}: {said}: {what}")

    def properties(self, element: Element) -> dict[str, str]:
        """The properties of an element, read once."""
        found = self._properties.get(id(element))
        if found is None:
            found = self._properties[id(element)] = properties_of(element)
        return found

    def service(self, element: Element) -> Element:
        """What an <entry> or a <track> shows: written inside it, or named by ``producer=``."""
        for child in element:
            if child.tag in SERVICES:
                return child
        name = element.get("producer", "")
        if name not in self.services:
            self.fail(element, f"there is no producer {name[:60]!r} in this file")
        return self.services[name]

    def frame(self, element: Element, key: str, default: int | None = None) -> int | None:
        """The time in attribute `key` as a frame from 0 on; `default` if it is absent."""
        text = element.get(key)
        if text is None:
            return default
        try:
            frame = int(text) if text.isdecimal() else frame_of(text, self.rate)
        except ValueError as error:
            self.fail(element, f"{key}: {error}")
        if frame < 0:
            self.fail(element, f"{key} is {text[:40]}, allowed is 0 and more")
        return frame

    def span(self, element: Element) -> tuple[int | None, int | None]:
        """The attributes ``in`` and ``out``: the first frame and the last, None where not said."""
        first, last = self.frame(element, "in"), self.frame(element, "out")
        if first is not None and last is not None and last < first:
            self.fail(element, f"in {first} lies after out {last}")
        return first, last

    def length(self, element: Element) -> int | None:
        """How many frames a producer says it has."""
        text = self.properties(element).get("length", "").strip()
        if not text:
            return None
        try:
            frames = frame_of(text, self.rate)
        except ValueError as error:
            self.fail(element, f"length: {error}")
        if frames < 0:
            self.fail(element, f"length is {text[:40]}, allowed is 0 and more")
        return frames or None

    def check_length(self, element: Element, frames: int) -> None:
        """Raise InstrumentError if a timeline would be longer than any may be."""
        if frames > LONGEST:
            self.fail(element, f"reaches frame {frames}, allowed are {LONGEST}")

    def producers(self) -> Iterator[Element]:
        """Every producer and chain that has an id, in the order of the file."""
        return (element for element in self.services.values() if element.tag in PRODUCERS)


def read_document(path: Path) -> Document:
    """The document at `path`. Raises InstrumentError naming it."""
    root = read_xml(path, "mlt", "westley")
    services = {}
    for element in root.iter():
        name = element.get("id")
        if name is not None and element.tag in SERVICES:
            services[name] = element
    document = Document(path, root, _PAL, services)
    for profile in root.iter("profile"):
        document.rate = _rate(document, profile)
    return document


def _rate(document: Document, profile: Element) -> FrameRate:
    written = profile.get("frame_rate_num", "25"), profile.get("frame_rate_den", "1")
    if not all(text.isdecimal() and 0 < len(text) < 10 and int(text) for text in written):
        document.fail(profile, "frame_rate_num and frame_rate_den must be whole numbers above 0")
    return FrameRate(int(written[0]), int(written[1]))
