"""An edit, whatever editor it came from: tracks of clips, each cut from footage of its own.

Readers (`kdenlive`, `interchange`, ...) make a `Timeline`, `conform` turns it into a z-sequence.
Everything an edit does to pictures is said in three ways, so that there is one meaning for all
editors: which frame of what a clip shows (its `Retiming`), how opaque it lies over what is below
(`opacity`: a dissolve is a clip that comes in over another, on its own track or on the next), and
how bright it is (`gain`: a fade from or to black).

Frames are counted from 0 at the rate of the timeline; ranges are half-open.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from instrument import InstrumentError
from instrument.latent.space import F64
from instrument.studio.retiming import Later, Retiming
from instrument.timebase import FrameRange, FrameRate, timecode

LONGEST = 10_000_000  # frames: a day at 115 a second

Verdict = Literal["honoured", "approximated", "refused"]


@dataclass(frozen=True, slots=True)
class Remark:
    """What became of something in the edit; `record` is where on the timeline, None everywhere."""

    verdict: Verdict
    what: str
    record: FrameRange | None = None


@dataclass(frozen=True, slots=True)
class Media:
    """Footage as an edit names it: `places` are all paths or URLs it goes by, the best first.

    `rate` and `frames` (counted at that rate) are what the edit says of it, if it does.
    """

    name: str
    places: tuple[str, ...]
    rate: FrameRate | None = None
    frames: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """`media` shown over the frames `record` of its track; None is black.

    `opacity` and `gain` are ``F64[len(record)]`` in 0..1, None for 1 throughout. A nested
    sequence is a clip whose media is a timeline.
    """

    media: Media | Timeline | None
    record: FrameRange
    retiming: Retiming
    name: str = ""
    opacity: F64 | None = None
    gain: F64 | None = None

    def __post_init__(self) -> None:
        for what, curve in (("opacity", self.opacity), ("gain", self.gain)):
            if curve is None:
                continue
            if curve.shape != (len(self.record),):
                raise InstrumentError(
                    f"clip {self.name!r}: {what} of {curve.shape} for {len(self.record)} frames"
                )
            if len(curve) and not (curve.min() >= 0.0 and curve.max() <= 1.0):
                raise InstrumentError(f"clip {self.name!r}: {what} must stay within 0 and 1")


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """`clips` as they are painted: a later one over an earlier one. Empty frames let through."""

    name: str
    clips: tuple[Clip, ...]
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Marker:
    """A named frame of a timeline."""

    frame: int
    name: str
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """`tracks` from the lowest to the highest; `length` frames at `rate`.

    `start` is the frame that the editor's timecode gives to frame 0. `remarks` tell what the
    reader could not express in these terms, or only nearly.
    """

    name: str
    rate: FrameRate
    tracks: tuple[Track, ...]
    length: int
    start: int = 0
    markers: tuple[Marker, ...] = ()
    remarks: tuple[Remark, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.length <= LONGEST:
            raise InstrumentError(f"{self.name}: {self.length} frames, allowed are 0 to {LONGEST}")
        for track in self.tracks:
            for clip in track.clips:
                if clip.record.stop > self.length:
                    raise InstrumentError(
                        f"{self.name}: clip {clip.name!r} ends at frame {clip.record.stop}, "
                        f"the edit at {self.length}"
                    )

    def timecode(self, frame: int) -> str:
        """What the editor shows over `frame`."""
        return timecode(self.start + frame, self.rate)

    def media(self) -> Iterator[Media]:
        """All footage that is used, nested timelines included, each once."""
        seen: set[Media] = set()
        for timeline in self.nested():
            for clip in timeline.visible():
                if isinstance(clip.media, Media) and clip.media not in seen:
                    seen.add(clip.media)
                    yield clip.media

    def nested(self) -> Iterator[Timeline]:
        """This timeline and all that lie within, each once however often it is used."""
        seen, ahead = {id(self)}, [self]
        while ahead:
            timeline = ahead.pop()
            yield timeline
            for clip in timeline.visible():
                if isinstance(clip.media, Timeline) and id(clip.media) not in seen:
                    seen.add(id(clip.media))
                    ahead.append(clip.media)

    def visible(self) -> Iterator[Clip]:
        """The clips of all tracks that are not hidden, the lowest track's first."""
        return (clip for track in self.tracks if not track.hidden for clip in track.clips)

    def cut(self, frames: FrameRange) -> Timeline:
        """What `frames` of it show, as an edit of its own with the same timecode."""
        if frames.stop > self.length:
            raise InstrumentError(
                f"{self.name}: frames {frames.start}:{frames.stop} of {self.length}"
            )
        tracks = tuple(
            replace(track, clips=tuple(c for clip in track.clips if (c := _cut(clip, frames))))
            for track in self.tracks
        )
        markers = (
            replace(m, frame=m.frame - frames.start) for m in self.markers if m.frame in frames
        )
        remarks = (
            replace(remark, record=_common(remark.record, frames) if remark.record else None)
            for remark in self.remarks
            if remark.record is None or _common(remark.record, frames)
        )
        return replace(
            self, tracks=tracks, length=len(frames), start=self.start + frames.start,
            markers=tuple(markers), remarks=tuple(remarks),
        )  # fmt: skip


def _common(record: FrameRange, frames: FrameRange) -> FrameRange | None:
    """What of `record` lies in `frames`, counted from their start; None where nothing does."""
    start, stop = max(record.start, frames.start), min(record.stop, frames.stop)
    return FrameRange(start - frames.start, stop - frames.start) if start < stop else None


def _cut(clip: Clip, frames: FrameRange) -> Clip | None:
    record = _common(clip.record, frames)
    if record is None:
        return None
    skipped = record.start + frames.start - clip.record.start
    kept = slice(skipped, skipped + len(record))
    return replace(
        clip, record=record, retiming=Later(clip.retiming, skipped) if skipped else clip.retiming,
        opacity=None if clip.opacity is None else clip.opacity[kept],
        gain=None if clip.gain is None else clip.gain[kept],
    )  # fmt: skip


def end_of(tracks: tuple[Track, ...]) -> int:
    """The frame after the last clip: how long an edit is that does not say so itself."""
    return max((clip.record.stop for track in tracks for clip in track.clips), default=0)
