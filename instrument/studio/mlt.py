"""Kdenlive projects and MLT documents → timelines.

Everything is as MLT shows it, frame for frame: what MLT does was measured on renders (7.12), and
what cannot be said of latent vectors is told in the timeline's remarks. The parts: `mlt_document`
(elements), `mlt_time` (times, keyframes), `mlt_footage` and `mlt_retiming` (what a producer is),
`mlt_effects` (filters), `mlt_lanes` (playlists), `mlt_tractor` (tracks and transitions),
`kdenlive` (what that editor adds).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

from instrument import InstrumentError
from instrument.studio import kdenlive
from instrument.studio.mlt_document import SERVICES, Document, read_document
from instrument.studio.mlt_effects import effects_of
from instrument.studio.mlt_footage import Shelf
from instrument.studio.mlt_lanes import Lane, Reader, windows
from instrument.studio.mlt_tractor import Row, composed, hides_picture, one_lane, tracks_of
from instrument.studio.retiming import Frozen
from instrument.studio.timeline import Clip, Timeline, Track, end_of
from instrument.timebase import FrameRange, FrameRate


def read(
    path: Path,
    *,
    track: str | None = None,
    sequence: str | None = None,
    rate: FrameRate | None = None,
) -> Timeline:
    """The timeline in an .mlt or .kdenlive file; of its tracks only `track`, a name or number.

    `sequence` is a sequence by name, else the one that was open. The file says its own rate:
    `rate` changes nothing. Raises InstrumentError, one line.
    """
    document = read_document(path)
    reader = Reader(document, Shelf(document), _nested)
    root = _root(document, sequence)
    if root.tag in ("tractor", "multitrack"):
        reader.open.append(id(root))
        return _timeline(reader, root, path.stem, track)
    lane = reader.lane(root)
    if track not in (None, "1", root.get("id")):
        raise InstrumentError(f"{path}: no track {track!r}, allowed is 1")
    tracks = (Track(root.get("id") or "1", tuple(lane.clips)),)
    return Timeline(path.stem, document.rate, tracks, end_of(tracks), remarks=tuple(reader.remarks))


def _root(document: Document, name: str | None) -> Element:
    """The element that is played: the sequence `name`, else what the document says."""
    found = kdenlive.sequences(document)
    if name is not None:
        for chosen in found:
            if name in (chosen.name, chosen.uuid):
                return chosen.element
        service = document.services.get(name)
        if service is not None and service.tag in ("tractor", "playlist") and not found:
            return service
        names = [chosen.name for chosen in found] or [
            key for key, each in document.services.items() if each.tag == "tractor"
        ]
        allowed = ", ".join(names[:20]) or "none: it has one timeline"
        raise InstrumentError(f"{document.path}: no sequence {name!r}, allowed: {allowed}")
    if found and (open_one := kdenlive.active(document, found)) is not None:
        return open_one
    if kdenlive.is_kdenlive(document):
        tractors = [child for child in document.root if child.tag == "tractor"]
        if tractors:
            return tractors[-1]
    named = document.services.get(document.root.get("producer", ""))
    services = [child for child in document.root if child.tag in SERVICES]
    if named is None and not services:
        raise InstrumentError(f"{document.path}: holds no playlist and no tractor")
    return named if named is not None else services[-1]


def _nested(reader: Reader, tractor: Element) -> Timeline:
    """A tractor or playlist within a lane as a timeline of its own."""
    name = reader.document.properties(tractor).get("kdenlive:clipname") or tractor.get("id") or ""
    if tractor.tag == "playlist":
        lane = reader.lane(tractor)
        tracks = (Track(name, tuple(lane.clips)),)
        remarks = tuple(reader.remarks)
        return Timeline(name, reader.document.rate, tracks, lane.length, remarks=remarks)
    return _timeline(reader, tractor, name, None)


def _timeline(reader: Reader, tractor: Element, name: str, track: str | None) -> Timeline:
    document = reader.document
    rows, numbers = _rows(reader, tractor)
    if track is None:
        composed(reader, tractor, rows, whole=True)
        frames = max((row.lane.length for row in rows), default=0)
        effects = effects_of(document, tractor, 0, frames)
        for row in rows:
            reader.shade(row.lane, effects, tractor)
    kept = [row for row, number in zip(rows, numbers, strict=True) if number]
    if track is not None:
        kept = [replace(_picked(document, kept, track), hidden=False)]
    tracks = tuple(Track(row.name, tuple(row.lane.clips), row.hidden) for row in kept)
    length = end_of(tracks)
    remarks = tuple(
        remark
        if remark.record is None or remark.record.stop <= length
        else replace(remark, record=_within(remark.record, length))
        for remark in reader.remarks
    )
    guides = kdenlive.markers(document, tractor)
    return Timeline(name, document.rate, tracks, length, 0, guides, remarks)


def _within(record: FrameRange, length: int) -> FrameRange:
    return FrameRange(min(record.start, length), min(record.stop, length))


def _picked(document: Document, rows: list[Row], track: str) -> Row:
    """The row that is called `track`, or has that number, counted from 1 at the bottom."""
    for row in rows:
        if row.name == track:
            return row
    if track.isdecimal() and len(track) < 10 and 1 <= int(track) <= len(rows):
        return rows[int(track) - 1]
    for row in rows:
        if row.name.casefold() == track.casefold():
            return row
    names = ", ".join(f"{number} {row.name}" for number, row in enumerate(rows[:20], 1))
    raise InstrumentError(f"{document.path}: no video track {track!r}, allowed: {names}")


def _rows(reader: Reader, tractor: Element) -> tuple[list[Row], list[bool]]:
    """The tracks of a tractor, and which of them are pictures that belong to the edit."""
    document = reader.document
    rows, belong = [], []
    ours = kdenlive.is_kdenlive(document)
    for index, track in enumerate(tracks_of(tractor)):
        service = track if track.tag in SERVICES else document.service(track)
        if kdenlive.is_audio(document, service):
            rows.append(Row(Lane(), "", True))
            belong.append(False)
            continue
        backdrop = index == 0 and kdenlive.is_backdrop(document, service, ours=ours)
        lane, hidden = (Lane(), False) if backdrop else _row(reader, track, service)
        name = document.properties(service).get("kdenlive:track_name", "").strip()
        if not name and not ours:
            name = service.get("id", "")
        rows.append(Row(lane, name or f"V{sum(belong) + 1}", hidden or hides_picture(track)))
        belong.append(not backdrop)
    if belong and not belong[0] and not rows[0].hidden:
        rows[0] = replace(rows[0], lane=_black(max(row.lane.length for row in rows)))
    return rows, belong


def _black(frames: int) -> Lane:
    """Black throughout: what Kdenlive lays under all tracks."""
    clips = [Clip(None, FrameRange(0, frames), Frozen(0))] if frames else []
    return Lane(clips, frames)


def _row(reader: Reader, track: Element, service: Element) -> tuple[Lane, bool]:
    """What one track holds, and whether its pictures are off inside it."""
    if service.tag not in ("tractor", "multitrack"):
        return reader.lane(service), hides_picture(service)
    inner = tracks_of(service)
    plain = all(
        each.tag not in ("tractor", "multitrack")
        for each in (t if t.tag in SERVICES else reader.document.service(t) for t in inner)
    )
    if not plain or len(inner) > 2:
        return _whole(reader, track, service), False
    rows, _ = _rows(reader, service)
    hidden = bool(rows) and all(row.hidden for row in rows)
    if hidden:  # it may still be asked for by name
        rows = [replace(row, hidden=False) for row in rows]
    composed(reader, service, rows, whole=False)
    lane = Lane(one_lane(rows), max((row.lane.length for row in rows), default=0))
    lane.faded = [record for row in rows for record in row.lane.faded]
    lane.clips.sort(key=lambda clip: clip.record.start)
    reader.shade(lane, effects_of(reader.document, service, 0, lane.length), service)
    return lane, hidden


def _whole(reader: Reader, track: Element, service: Element) -> Lane:
    """A tractor as the one clip of a track."""
    timeline = reader.timeline(service)
    start, last = reader.document.span(track)
    start = min(start or 0, timeline.length)
    stop = timeline.length if last is None else min(last + 1, timeline.length)
    record = FrameRange(0, max(stop - start, 0))
    return Lane(list(windows(timeline, start, record)), len(record))
