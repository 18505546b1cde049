"""What a Final Cut Pro 7 XML says once and refers to later: files, sequences, rates, timecode."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from instrument import InstrumentError
from instrument.studio.edl_lines import frame_of
from instrument.studio.fcp7_filters import number_of
from instrument.studio.places import places_of, stem_of
from instrument.studio.timeline import LONGEST, Media
from instrument.timebase import FrameRate

_FASTEST = 100_000


@dataclass(frozen=True, slots=True)
class Definitions:
    """The full elements by their ids: the first of an id that says more than its id."""

    files: dict[str, Element]
    sequences: dict[str, Element]
    clips: dict[str, Element]


def definitions(root: Element) -> Definitions:
    """Everything with an id under `root`."""
    files, sequences, clips = (dict[str, Element]() for _ in range(3))
    for tag, found in (("file", files), ("sequence", sequences), ("clip", clips)):
        for element in root.iter(tag):
            if (name := element.get("id")) and len(element):
                found.setdefault(name, element)
    return Definitions(files, sequences, clips)


def defined(element: Element, among: dict[str, Element], what: str) -> Element:
    """`element` itself, or where it only names one, that. Raises InstrumentError."""
    if len(element):
        return element
    name = element.get("id", "")
    if name not in among:
        raise InstrumentError(f"{what} {name[:60]!r}: is defined nowhere")
    return among[name]


def rate_in(element: Element | None) -> FrameRate | None:
    """The ``<rate>`` of `element`, None where it has none. Raises InstrumentError."""
    found = element.find("rate") if element is not None else None
    if found is None or found.find("timebase") is None:
        return None
    base = whole(found, "timebase", 0)
    if not 0 < base <= _FASTEST:
        raise InstrumentError(f"timebase {base}: must be above 0")
    ntsc = (found.findtext("ntsc") or "").strip().upper() == "TRUE"
    return FrameRate(base * 1000, 1001) if ntsc else FrameRate(base)


def whole(element: Element, tag: str, default: int) -> int:
    """The whole number in the child `tag`; the nearest where it is none. Raises InstrumentError."""
    child = element.find(tag)
    if child is None or not (child.text or "").strip():
        return default
    number = round(number_of(child, tag))
    if abs(number) > LONGEST:
        raise InstrumentError(f"{tag} {number}: allowed are -1 to {LONGEST}")
    return number


def media_of(item: Element, known: Definitions) -> Media | None:
    """The footage of a clip; None where it names none."""
    element = item.find("file")
    if element is None:  # a master clip in a bin has it
        master = known.clips.get((item.findtext("masterclipid") or "").strip())
        element = next(master.iter("file"), None) if master is not None else None
    if element is None:
        return None
    file = defined(element, known.files, "file")
    urls = [e.text for e in file.iter("pathurl")]
    named, item_name = file.findtext("name"), item.findtext("name")
    places = places_of(*urls, named, item_name)
    count = whole(file, "duration", 0)
    name = (named or stem_of(*urls) or item_name or "without a name").strip()
    return Media(name, places, rate_in(file), count if count > 0 else None)


def start_of(sequence: Element, rate: FrameRate) -> int:
    """The frame that timecode gives to the first one."""
    code = sequence.find("timecode")
    if code is None:
        return 0
    own = rate_in(code) or rate
    text = (code.findtext("string") or "").strip()
    if code.find("frame") is not None:
        frame = whole(code, "frame", 0)
    elif text:
        frame = frame_of(text, own, (code.findtext("displayformat") or "") == "DF")
    else:
        frame = 0
    return max(round(frame * rate.num * own.den / (rate.den * own.num)), 0)
