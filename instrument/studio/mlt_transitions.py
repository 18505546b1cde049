"""Transitions → weights: how much of one track shows over another, frame by frame.

Dissolves and what lays one full picture over another are honoured; a wipe is drawn as a dissolve,
a picture within the picture is shown full, and either is told. This module knows the transitions
of MLT; it does not know what the tracks hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

import numpy as np

from instrument.latent.space import F64
from instrument.studio.mlt_document import Document
from instrument.studio.mlt_effects import eased, placed
from instrument.studio.mlt_lanes import Reader
from instrument.timebase import FrameRange

_OVER = frozenset(
    "qtblend composite affine frei0r.cairoblend cairoblend movit.overlay frei0r.alphaover "
    "frei0r.alphatop".split()
)
_DISSOLVES = frozenset("luma movit.luma_mix dissolve movit.mix".split())
_SOUND = frozenset(["mix", ""])
_PLACING = {"qtblend": "rect", "affine": "rect", "composite": "geometry"}


@dataclass(frozen=True, slots=True, eq=False)
class Transition:
    """`weights` ``F64[stop - start]``: how much of track `above` lies over `below`."""

    below: int
    above: int
    start: int
    stop: int
    weights: F64 | None


def transitions_of(reader: Reader, tractor: Element, tracks: int, length: int) -> list[Transition]:
    """The transitions of a tractor of `length` frames, in the order they act."""
    found = []
    for child in tractor:
        if child.tag == "transition":
            read = _transition(reader, child, tracks, length)
            if read is not None:
                found.append(read)
    return found


def _transition(reader: Reader, element: Element, tracks: int, length: int) -> Transition | None:
    document = reader.document
    written = document.properties(element)
    service = written.get("mlt_service", "")
    if service in _SOUND or written.get("disable", "0") not in ("", "0"):
        return None
    below, above = _track(document, element, "a_track"), _track(document, element, "b_track")
    if below == above or max(below, above) >= tracks:
        document.fail(element, f"joins tracks {below} and {above}, allowed are two below {tracks}")
    first, last = _span(document, element)
    always = written.get("always_active", "0") not in ("", "0")
    start, stop = (0, length) if always or not last else (first, min(last + 1, length))
    if stop <= start:
        return None
    weights = _weights(reader, element, start, stop, first, last)
    turned = below > above
    if turned:  # the a-track over the b-track, as far as it goes
        below, above = above, below
        weights = 1.0 - (np.ones(stop - start) if weights is None else weights)
    return Transition(below, above, start, stop, weights)


def _weights(
    reader: Reader, element: Element, start: int, stop: int, first: int, last: int
) -> F64 | None:
    """How much of the b-track shows in each frame; None for all of it."""
    document = reader.document
    written = document.properties(element)
    service = written.get("mlt_service", "")
    name = written.get("kdenlive_id") or service
    record = FrameRange(start, stop)
    mixes = "kdenlive:mixcut" in written
    if service in _OVER and not mixes:
        key = _PLACING.get(service)
        if written.get("luma", "").strip():
            reader.remark("refused", f"transition {name!r} with a wipe: shown over", record)
        if written.get("compositing", "0") not in ("", "0"):
            reader.remark("refused", f"transition {name!r} blends: shown over", record)
        if key is None or not written.get(key, "").strip():
            return None
        span = last - first + 1 if last else 0
        opacity, full = placed(document, element, written[key], span)
        if not full:
            reader.remark("refused", f"transition {name!r}: shown full", record)
        for verdict, what in eased(opacity, f"transition {name}"):
            reader.remark(verdict, what, record)
        values = np.clip(opacity.at(np.arange(start, stop) - first), 0.0, 1.0)
        return None if bool(np.all(values == 1.0)) else values
    if service not in _DISSOLVES and not mixes:
        reader.remark("refused", f"transition {name!r}: shown over", record)
        return None
    if service not in _DISSOLVES or written.get("resource", "").strip():
        reader.remark("approximated", f"transition {name!r}: a dissolve", record)
    if not last:
        reader.remark("refused", f"transition {name!r} without an end: shown over", record)
        return None
    weights = (np.arange(start, stop) - first) / (last - first + 1)
    if first == last:
        weights = np.full(stop - start, 0.5)  # what MLT makes of a transition of one frame
    backwards = any(written.get(key, "0") not in ("", "0") for key in ("reverse", "invert"))
    return 1.0 - weights if backwards else weights


def _span(document: Document, element: Element) -> tuple[int, int]:
    """First and last frame of a transition, as attributes or (older) as properties; 0 for none."""
    written = document.properties(element)
    for key in ("in", "out"):
        if element.get(key) is None and written.get(key, "").strip():
            element.set(key, written[key])
    first, last = document.span(element)
    return first or 0, last or 0


def _track(document: Document, element: Element, key: str) -> int:
    text = document.properties(element).get(key, "0").strip() or "0"
    if not text.isdecimal() or len(text) > 6:
        document.fail(element, f"{key} is {text[:40]!r}, allowed is a track from 0 on")
    return int(text)
