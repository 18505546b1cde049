"""What Kdenlive adds to an MLT document: sequences, names of tracks, guides, a black backdrop.

From 2015 to now: one playlist a track (15-17), two since 19.04, mixes within a track since 20.12,
several sequences since 23.04. This module knows Kdenlive's own properties; it reads no clips.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from instrument.studio.mlt_document import PRODUCERS, Document
from instrument.studio.mlt_time import frame_of, number_of
from instrument.studio.timeline import LONGEST, Marker

_BACKDROPS = ("black_track", "background")
_BLACK = ("black", "0", "0x000000ff", "#000000", "#ff000000")
_MOST_MARKERS = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """A timeline that a document holds: what it is called, what names it, and its element."""

    name: str
    uuid: str
    element: Element


def is_kdenlive(document: Document) -> bool:
    """Whether Kdenlive wrote this document."""
    return any(
        key.startswith("kdenlive:docproperties.")
        for playlist in document.root.iter("playlist")
        for key in document.properties(playlist)
    )


def sequences(document: Document) -> list[Sequence]:
    """The sequences of a project since 23.04, in the order of the file."""
    found = []
    for tractor in document.root.iter("tractor"):
        written = document.properties(tractor)
        uuid = written.get("kdenlive:uuid")
        if uuid is not None:
            name = written.get("kdenlive:clipname") or tractor.get("id") or uuid
            found.append(Sequence(name, uuid, tractor))
    return found


def active(document: Document, found: list[Sequence]) -> Element | None:
    """The sequence that was open when the project was saved; None if nothing says which."""
    by_name = {sequence.uuid: sequence.element for sequence in found}
    written = bin_properties(document)
    for key in ("activetimeline", "uuid"):
        named = by_name.get(written.get(f"kdenlive:docproperties.{key}", ""))
        if named is not None:
            return named
    for tractor in document.root.iter("tractor"):
        if document.properties(tractor).get("kdenlive:projectTractor") == "1":
            for track in tractor.iter("track"):
                return document.service(track)
    return found[-1].element if found else None


def bin_properties(document: Document) -> dict[str, str]:
    """The properties of the document itself, which stand in its bin."""
    for playlist in document.root.iter("playlist"):
        if playlist.get("id") in ("main_bin", "main bin"):
            return document.properties(playlist)
    return {}


def is_backdrop(document: Document, service: Element, *, ours: bool) -> bool:
    """Whether a lowest track is the black under every project, and no part of the edit.

    `ours`: in a project of Kdenlive any black will do, elsewhere it must bear the name.
    """
    written = document.properties(service)
    names = (service.get("id", ""), written.get("kdenlive:playlistid", ""))
    named = any(name in _BACKDROPS for name in names)
    if service.tag == "playlist":
        return named
    colour = written.get("mlt_service") in ("color", "colour") and service.tag in PRODUCERS
    return colour and written.get("resource") in _BLACK and (ours or named)


def is_audio(document: Document, service: Element) -> bool:
    """Whether a track is one of sound."""
    return document.properties(service).get("kdenlive:audio_track", "0") not in ("", "0")


def markers(document: Document, tractor: Element) -> tuple[Marker, ...]:
    """The guides of a timeline, in the order of time: those of its own, else the document's."""
    written = document.properties(tractor)
    documents = bin_properties(document)
    text = written.get("kdenlive:sequenceproperties.guides", "")
    if not text.strip():
        text = documents.get("kdenlive:docproperties.guides", "")
    found = [*_guides(document, tractor, text), *_old_guides(document, documents)]
    return tuple(sorted(found, key=lambda marker: (marker.frame, marker.name)))


def _guides(document: Document, tractor: Element, text: str) -> list[Marker]:
    if not text.strip():
        return []
    try:
        read: Any = json.loads(text)
    except (ValueError, RecursionError):
        document.fail(tractor, "its guides are not JSON")
    found = []
    for guide in read[:_MOST_MARKERS] if isinstance(read, list) else []:
        position = guide.get("pos") if isinstance(guide, dict) else None
        if isinstance(position, int) and 0 <= position <= LONGEST:
            found.append(Marker(position, str(guide.get("comment", ""))))
    return found


def _old_guides(document: Document, written: dict[str, str]) -> list[Marker]:
    """Guides of 15.04 to 17.08: ``kdenlive:guide.SECONDS`` = name."""
    found: list[Marker] = []
    for key, name in written.items():
        when = key.removeprefix("kdenlive:guide.")
        if when == key or len(found) >= _MOST_MARKERS:
            continue
        try:
            if ":" in when:
                frame = frame_of(when, document.rate)
            else:
                frame = round(number_of(when) * document.fps)
        except (ValueError, OverflowError):
            continue
        if 0 <= frame <= LONGEST:
            found.append(Marker(frame, name))
    return found
