"""From OpenTimelineIO's stacks and tracks to ours. Knows its objects, and nothing of their text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from instrument import InstrumentError
from instrument.latent.space import F64
from instrument.studio import otio_objects as otio
from instrument.studio.joins import Join, laid, picked, trimmed
from instrument.studio.keyed import Keyed, check_far, straight
from instrument.studio.otio_effects import Effects, effects_of
from instrument.studio.otio_media import NotFootageError, media_of, note_of, seconds, span_of
from instrument.studio.places import rate_of
from instrument.studio.retiming import Retiming
from instrument.studio.timeline import (
    LONGEST,
    Clip,
    Marker,
    Media,
    Remark,
    Timeline,
    Track,
    Verdict,
)
from instrument.timebase import FrameRange, FrameRate

_UNSEEN = ("audio", "subtitle", "subtitles", "data")


Showable = otio.Timeline | otio.Stack | otio.Track | otio.Clip


def timeline_of(
    found: Showable, path: Path, *, track: str | None = None, rate: FrameRate | None = None
) -> Timeline:
    """An OTIO timeline, stack, track or clip as a timeline of ours. Raises InstrumentError."""
    begins = found.global_start_time if isinstance(found, otio.Timeline) else None
    stack = found.tracks if isinstance(found, otio.Timeline) else found
    rates = _rates(stack)
    if rate is None:
        first = rate_of(begins.rate) if begins is not None and begins.rate > 1 else None
        rate = first or (rates.most_common(1)[0][0] if rates else None)
    if rate is None:
        raise InstrumentError("holds no clip on a picture track")
    reading = _Reading(rate)
    if set(rates) - {rate}:
        others = ", ".join(sorted(str(other) for other in rates if other != rate))
        reading.tell("honoured", f"has times at {others} /s too; read at {rate} /s")
    made = reading.composed(stack, found.name or path.stem)
    start = round(seconds(begins) * rate.num / rate.den) if begins is not None else 0
    markers = [
        replace(m, frame=m.frame - start) if m.frame >= max(made.length, start) > 0 else m
        for m in made.markers
    ]
    return replace(
        made, tracks=picked(made.tracks, track, path), start=max(start, 0),
        markers=tuple(sorted(markers, key=lambda m: (m.frame, m.name))),
    )  # fmt: skip


def _rates(composition: otio.Composable) -> Counter[FrameRate]:
    """The rates that the things on picture tracks have their durations in."""
    found = Counter[FrameRate]()
    for child in _walk(composition):
        span = child.source_range
        if span is not None and span.duration.rate > 0:
            found[rate_of(span.duration.rate)] += 1
        elif isinstance(child, otio.Clip):
            available = child.available_range()
            if available is not None and available.duration.rate > 0:
                found[rate_of(available.duration.rate)] += 1
    return found


def _walk(item: otio.Composable) -> Iterator[otio.Clip | otio.Gap]:
    if isinstance(item, otio.Clip | otio.Gap):
        yield item
    elif isinstance(item, otio.Composition) and not _is_sound(item):
        for child in item.children:
            yield from _walk(child)


def _is_sound(item: otio.Composable) -> bool:
    """Whether a track is nothing to look at; Kdenlive has ``Subtitle`` beside OTIO's own two."""
    return isinstance(item, otio.Track) and item.kind.lower() in _UNSEEN


@dataclass(slots=True)
class _Reading:
    rate: FrameRate
    remarks: list[Remark] = field(default_factory=list)

    def tell(self, verdict: Verdict, what: str, record: FrameRange | None = None) -> None:
        self.remarks.append(Remark(verdict, what, record))

    def frame(self, moment: Fraction, what: str) -> int:
        """The frame at `moment` seconds; told where there is none."""
        check_far(moment)
        exact = moment * self.rate.num / self.rate.den
        frame = int((exact + Fraction(1, 2)) // 1)
        if abs(exact - frame) > Fraction(1, 100):
            there = FrameRange(max(frame, 0), max(frame, 0) + 1)
            self.tell("approximated", f"{what} lies between two frames", there)
        if abs(frame) > LONGEST:
            raise InstrumentError(f"{what} at frame {frame}, allowed are {LONGEST}")
        return frame

    def composed(self, item: otio.Item, name: str, depth: int = 0) -> Timeline:
        """A stack, a track or a clip as a timeline that begins with its own first moment."""
        layers = item.children if isinstance(item, otio.Stack) else (item,)
        inner = _Reading(self.rate)
        markers = list(inner.markers(item, Fraction(0), Fraction(1)))
        tracks, length = list[Track](), 0
        for layer in layers:
            if not isinstance(layer, otio.Item) or _is_sound(layer):
                continue
            inner.effects_told(layer)
            row = layer.children if isinstance(layer, otio.Track) else (layer,)
            clips, found, stop = inner.row(row, depth)
            markers += found
            if isinstance(layer, otio.Track):
                if layer is not item:
                    markers += inner.markers(layer, Fraction(0), Fraction(1))
                clips, stop = inner.cut(layer, clips, stop)
            called = layer.name or f"V{len(tracks) + 1}"
            tracks.append(Track(called, clips, hidden=not layer.enabled))
            length = max(length, stop)
        made = Timeline(name, self.rate, tuple(tracks), length, 0, tuple(markers))
        if isinstance(item, otio.Stack) and item.source_range is not None:
            made = self.narrowed(made, item.source_range)
        return replace(
            made, remarks=(*self.remarks, *inner.remarks) if not depth else tuple(inner.remarks)
        )

    def cut(
        self, track: otio.Track, clips: tuple[Clip, ...], stop: int
    ) -> tuple[tuple[Clip, ...], int]:
        """The clips of a track within its own source range."""
        span = track.source_range
        if span is None:
            return clips, stop
        first = self.frame(seconds(span.start_time), "the start of a track")
        last = first + self.frame(seconds(span.duration), "the end of a track")
        if (first, last) == (0, stop):
            return clips, stop
        kept = [trimmed(clip, max(first, 0), max(last, 0)) for clip in clips]
        moved = [
            replace(clip, record=FrameRange(clip.record.start - first, clip.record.stop - first))
            for clip in kept
            if clip is not None
        ]
        return tuple(moved), max(last - first, 0)

    def narrowed(self, made: Timeline, span: otio.TimeRange) -> Timeline:
        """A timeline within the source range of its stack, as a nested one."""
        first, lasts = seconds(span.start_time), seconds(span.duration)
        length = self.frame(lasts, "the end of a stack")
        if first == 0 and length == made.length:
            return made
        record = FrameRange(0, max(length, 0))
        clip = Clip(made, record, straight(first, Fraction(1), self.rate, length), made.name)
        shift = self.frame(first, "the start of a stack")
        markers = tuple(replace(m, frame=m.frame - shift) for m in made.markers if m.frame >= shift)
        return replace(made, tracks=(Track(made.name, (clip,)),), length=length, markers=markers)

    def row(
        self, items: Sequence[otio.Composable], depth: int
    ) -> tuple[tuple[Clip, ...], list[Marker], int]:
        """The clips of what lies end to end, its markers, and where it ends."""
        shots, markers, numbers = list[Clip](), list[Marker](), list[int | None]()
        moment, cuts, mixes = Fraction(0), list[int](), list[tuple[int, otio.Transition]]()
        for item in items:
            if isinstance(item, otio.Transition):
                mixes.append((len(numbers), item))
                continue
            first, lasts = span_of(item)
            begin = self.frame(moment, "a cut")
            end = self.frame(moment + lasts, "a cut")
            done = effects_of(item.effects)
            clip = self.clip(item, done, FrameRange(begin, max(end, begin)), first, depth)
            numbers.append(None if clip is None else len(shots))
            cuts.append(begin)
            if clip is not None:
                shots.append(clip)
            markers += [
                replace(m, frame=m.frame + begin)
                for m in self.markers(item, first, abs(done.speed) or Fraction(1))
                if m.frame + begin < max(end, begin + 1)
            ]
            moment += lasts
        end = self.frame(moment, "the end")
        cuts.append(end)
        joins = [self.join(number, mix, numbers, cuts) for number, mix in mixes]
        return laid(shots, joins, end), markers, end

    def join(
        self, number: int, mix: otio.Transition, shots: Sequence[int | None], cuts: list[int]
    ) -> Join:
        """A transition before the `number`th thing."""
        per_second = Fraction(self.rate.num, self.rate.den)
        before, after = (
            round(seconds(time) * per_second) for time in (mix.in_offset, mix.out_offset)
        )
        if min(before, after) < 0 or max(before, after) > LONGEST:
            raise InstrumentError(f"a transition with offsets of {before} and {after} frames")
        cut = cuts[number]
        kind = mix.transition_type
        if kind not in ("SMPTE_Dissolve", ""):
            span = FrameRange(max(cut - before, 0), max(cut + after, 0))
            self.tell("approximated", f"transition {kind[:60]} read as a dissolve", span)
        outgoing = shots[number - 1] if number > 0 else None
        incoming = shots[number] if number < len(shots) else None
        return Join(outgoing, incoming, cut - before, cut + after)

    def clip(
        self, item: otio.Item, done: Effects, record: FrameRange, first: Fraction, depth: int
    ) -> Clip | None:
        """What lies on `record` from the second `first` of its own time on; None for nothing."""
        if isinstance(item, otio.Unknown):
            self.tell("refused", f"a {item.schema} on a track", record if record else None)
        if isinstance(item, otio.Unknown | otio.Gap) or not item.enabled:
            return None
        for verdict, what in done.told:
            self.tell(verdict, what, record)
        name = item.name
        media: Media | Timeline | None
        if isinstance(item, otio.Clip):
            try:
                media, begins = media_of(item)
            except NotFootageError as error:
                self.tell("refused", f"{error}: left out", record)
                return None
            first -= begins
            name = name or (media.name if media else "black")
        else:
            media = self.composed(item, name or "nested", depth + 1)
            if item.source_range is not None:
                first = Fraction(0)  # `composed` has cut it already
        retiming = self.retiming(done, first, len(record))
        return Clip(media, record, retiming, name, _opacity(done, len(record)))

    def retiming(self, done: Effects, first: Fraction, length: int) -> Retiming:
        check_far(first)
        if not done.keys:
            return straight(first, done.speed, self.rate, length)
        keys = tuple((when, first + place) for when, place in done.keys)
        return Keyed(keys, self.rate)

    def markers(self, item: otio.Item, first: Fraction, speed: Fraction) -> Iterator[Marker]:
        """The markers of `item`, counted from its first frame."""
        for marker in item.markers:
            moment = (seconds(marker.marked_range.start_time) - first) / speed
            check_far(moment)
            frame = round(moment * self.rate.num / self.rate.den)
            if 0 <= frame <= LONGEST:
                yield Marker(frame, marker.name, note_of(marker))

    def effects_told(self, layer: otio.Item) -> None:
        """Effects on a whole track: none of them is done."""
        if isinstance(layer, otio.Track):
            for effect in layer.effects:
                self.tell("refused", f"effect on track {layer.name}: {effect.effect_name}")


def _opacity(done: Effects, length: int) -> F64 | None:
    if done.opacity == 1.0 and not done.fade_in and not done.fade_out:
        return None
    curve = np.full(length, done.opacity)
    frames = np.arange(length)
    if done.fade_in:
        curve *= np.clip(frames / done.fade_in, 0.0, 1.0)
    if done.fade_out:
        curve *= np.clip((length - frames) / done.fade_out, 0.0, 1.0)
    return curve
