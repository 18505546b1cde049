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
from instrument.studio.mlt_document import SERVICES
from instrument.studio.mlt_lanes import Lane, Reader, occupied, weigh
from instrument.studio.mlt_transitions import Transition, transitions_of
from instrument.studio.timeline import Clip
from instrument.timebase import FrameRange

MOST_CELLS = 400_000_000  # tracks x frames: a day of 40 tracks at 115 frames a second


@dataclass(frozen=True, slots=True)
class Row:
    """One track of a tractor: what it holds, and whether its pictures are switched off."""

    lane: Lane
    name: str
    hidden: bool = False


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
    transitions = transitions_of(reader, tractor, len(rows), length)
    if not transitions and not whole:
        return rows
    if len(rows) * length > MOST_CELLS:
        reader.document.fail(tractor, f"{len(rows)} tracks of {length} frames: too much")
    filled = [occupied(row.lane, length) & (not row.hidden) for row in rows]
    merged = [np.full(length, row.hidden) for row in rows]
    onto = [np.full(length, index, np.int32) for index in range(len(rows))]
    for transition in transitions:
        _say_if_faded(reader, transition, rows)
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


def _say_if_faded(reader: Reader, transition: Transition, rows: list[Row]) -> None:
    """What a transition makes of clips that are fading was not to be measured to the last digit."""
    if transition.weights is None:
        return
    for row in rows[transition.below : transition.above + 1]:
        for record in row.lane.faded:
            start, stop = max(record.start, transition.start), min(record.stop, transition.stop)
            if start < stop:
                said = "a clip that turns transparent within a transition"
                reader.remark("approximated", said, FrameRange(start, stop))


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
        bare = top == index  # and nothing of the row itself below
        for place, clip in enumerate(row.lane.clips):
            window = slice(clip.record.start, clip.record.stop)
            if clip.opacity is not None:
                row.lane.clips[place] = _opaque(clip, bare[window])
            bare[window] = False


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
