"""Tractors → timelines: how tracks lie over one another, and the transitions between them.

Frame by frame MLT hands the tracks through the transitions, in the order they are written: one
that is active takes the lowest track with a picture from its a-track on, puts the b-track over it
and hides the b-track from whoever comes after. What is left on top is shown. The same is done here
for all frames at once, with where each track has a picture, and ends in an opacity for each clip.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from instrument.latent.space import F64
from instrument.studio.mlt_document import SERVICES, Document
from instrument.studio.mlt_effects import eased, placed
from instrument.studio.mlt_lanes import Lane, Reader, occupied, overlapping, weighted
from instrument.studio.timeline import Clip
from instrument.timebase import FrameRange

MOST_CELLS = 400_000_000  # tracks x frames: a day of 40 tracks at 115 frames a second

_OVER = frozenset(
    "qtblend composite affine frei0r.cairoblend cairoblend movit.overlay frei0r.alphaover "
    "frei0r.alphatop".split()
)
_DISSOLVES = frozenset("luma movit.luma_mix dissolve movit.mix".split())
_SOUND = frozenset(["mix", ""])
_PLACING = {"qtblend": "rect", "affine": "rect", "composite": "geometry"}


@dataclass(frozen=True, slots=True)
class Row:
    """One track of a tractor: what it holds, and whether its pictures are switched off."""

    lane: Lane
    name: str
    hidden: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Transition:
    """`weights` ``F64[stop - start]``: how much of track `above` lies over `below`."""

    below: int
    above: int
    start: int
    stop: int
    weights: F64 | None


def tracks_of(tractor: Element) -> list[Element]:
    """The tracks of a tractor, from the lowest."""
    found: list[Element] = []
    for child in tractor:
        if child.tag == "multitrack":
            found += [track for track in child if track.tag == "track" or track.tag in SERVICES]
        elif child.tag == "track":
            found.append(child)
    return found


def hides_picture(track: Element) -> bool:
    """Whether the pictures of a track are switched off."""
    return track.get("hide", "") in ("video", "both")


def composed(reader: Reader, tractor: Element, rows: list[Row], *, whole: bool) -> list[Row]:
    """`rows` with the opacity that the transitions of `tractor` give their clips.

    `whole`: nothing lies below this tractor, so that what is lowest is opaque.
    """
    length = max((row.lane.length for row in rows), default=0)
    transitions = list(_transitions(reader, tractor, rows, length))
    if not transitions and not whole:
        return rows
    if len(rows) * length > MOST_CELLS:
        reader.document.fail(tractor, f"{len(rows)} tracks of {length} frames: too much")
    filled = [occupied(row.lane, length) for row in rows]
    merged = [np.full(length, row.hidden) for row in rows]
    onto = [np.full(length, index, np.int32) for index in range(len(rows))]
    for transition in transitions:
        _apply(transition, rows, filled, merged, onto)
    if whole:
        _settle(rows, filled, merged, onto)
    return rows


def _apply(
    transition: Transition,
    rows: list[Row],
    filled: list[NDArray[np.bool_]],
    merged: list[NDArray[np.bool_]],
    onto: list[NDArray[np.int32]],
) -> None:
    """Put one track over another wherever both have pictures that nobody has taken yet."""
    window = slice(transition.start, transition.stop)
    above = transition.above
    free = filled[above][window] & ~merged[above][window]
    active = np.zeros(len(free), np.bool_)
    for below in range(transition.below, above):
        here = free & filled[below][window]  # the lowest from there on that has a picture
        taken = here & ~merged[below][window]
        onto[above][window][taken] = below
        active |= taken
        free &= ~filled[below][window]
    merged[above][window] |= active
    if transition.weights is None:
        return
    weigh(rows[above].lane, transition.start, np.where(active, transition.weights, 1.0))


def _settle(
    rows: list[Row],
    filled: list[NDArray[np.bool_]],
    merged: list[NDArray[np.bool_]],
    onto: list[NDArray[np.int32]],
) -> None:
    """Of each frame keep the highest track that is left, and all that was put over it.

    That track itself is opaque: there is nothing its transparency could show.
    """
    length = len(filled[0]) if filled else 0
    columns = np.arange(length)
    top = np.full(length, -1, np.int32)
    roots = np.zeros((len(rows), length), np.int32)
    for index in range(len(rows)):
        here = onto[index]
        roots[index] = np.where(here == index, index, roots[here, columns])
        top[filled[index] & ~merged[index]] = index
    for index, row in enumerate(rows):
        if row.hidden:
            continue
        stray = filled[index] & (roots[index] != top) & (index > top)
        if stray.any():
            weigh(row.lane, 0, np.where(stray, 0.0, 1.0))
        alone = top == index
        for place, clip in enumerate(row.lane.clips):
            if clip.opacity is not None:
                mine = alone[clip.record.start : clip.record.stop]
                row.lane.clips[place] = _opaque(clip, mine)


def _opaque(clip: Clip, where: NDArray[np.bool_]) -> Clip:
    assert clip.opacity is not None
    if not where.any():
        return clip
    plain = np.where(where, 1.0, clip.opacity)
    return Clip(
        clip.media,
        clip.record,
        clip.retiming,
        clip.name,
        None if bool(np.all(plain == 1.0)) else plain,
        clip.gain,
    )


def weigh(lane: Lane, start: int, weights: F64) -> None:
    """Multiply the opacity of the clips from frame `start` of the lane on by `weights`."""
    for index in overlapping(lane, start, start + len(weights)):
        clip = lane.clips[index]
        own = np.ones(len(clip.record))
        left, right = max(clip.record.start, start), min(clip.record.stop, start + len(weights))
        own[left - clip.record.start : right - clip.record.start] = weights[
            left - start : right - start
        ]
        if not bool(np.all(own == 1.0)):
            lane.clips[index] = weighted(clip, own)


def one_lane(rows: list[Row]) -> list[Clip]:
    """The clips of several rows in one, so that a clip that comes in lies over the one that goes.

    Kdenlive keeps the clips of one track in two rows and lets them take turns; a clip of the lower
    row that comes in is turned over, with what the upper one leaves of it.
    """
    clips: list[Clip] = []
    for row in rows:
        if row.hidden:
            continue
        clips += row.lane.clips
        clips.sort(key=lambda clip: clip.record.start)  # stable: of two, the lower row's first
    level = {id(clip): index for index, row in enumerate(rows) for clip in row.lane.clips}
    for place in range(1, len(clips)):
        _turn_over(clips, place, level)
    return clips


def _turn_over(clips: list[Clip], place: int, level: dict[int, int]) -> None:
    """Let the clip at `place` lie over the one before it, if it lay under it till now."""
    for before in range(place - 1, max(place - 3, -1), -1):
        above, below = clips[before], clips[place]
        start, stop = below.record.start, min(above.record.stop, below.record.stop)
        if stop <= start or level[id(above)] <= level[id(below)]:
            continue
        old, new = _opacity(above), _opacity(below)
        left = slice(start - above.record.start, stop - above.record.start)
        right = slice(0, stop - start)
        rest = (1.0 - old[left]) * new[right]
        old[left] = np.divide(old[left], 1.0 - rest, out=np.ones_like(rest), where=rest < 1.0)
        new[right] = rest
        for index, clip, opacity in ((before, above, old), (place, below, new)):
            turned = Clip(
                clip.media, clip.record, clip.retiming, clip.name, np.clip(opacity, 0, 1), clip.gain
            )
            level[id(turned)] = level[id(clip)]
            clips[index] = turned


def _opacity(clip: Clip) -> F64:
    return np.ones(len(clip.record)) if clip.opacity is None else clip.opacity.copy()


# --- transitions


def _transitions(
    reader: Reader, tractor: Element, rows: list[Row], length: int
) -> list[Transition]:
    found = []
    for child in tractor:
        if child.tag == "transition":
            read = _transition(reader, child, len(rows), length)
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
        values = opacity.at(np.arange(start, stop) - first)
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
    backwards = written.get("reverse", "0") not in ("", "0")
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
