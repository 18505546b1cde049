"""OpenTimelineIO's objects, as far as an edit of pictures needs them; the words are OTIO's own.

A time is counted in units of its own rate. What a file leaves out is here what the library puts in
its place, and ranges are added up as the library adds them. Knows no file, and no timeline of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from instrument.studio.places import rate_of


@dataclass(frozen=True, slots=True)
class RationalTime:
    """`value` units of 1/`rate` s; either can be any number at all."""

    value: float = 0.0
    rate: float = 1.0

    def __add__(self, other: RationalTime) -> RationalTime:
        """Counted at the higher rate. Raises InstrumentError for a rate that is none."""
        slow, fast = (self, other) if self.rate < other.rate else (other, self)
        if slow.rate == fast.rate:
            return RationalTime(slow.value + fast.value, fast.rate)
        rate_of(slow.rate)
        return RationalTime(slow.value * fast.rate / slow.rate + fast.value, fast.rate)

    def seconds(self) -> float:
        """As the library has it, rounded. Raises InstrumentError for a rate that is none."""
        rate_of(self.rate)
        return self.value / self.rate


@dataclass(frozen=True, slots=True)
class TimeRange:
    """From `start_time` on, `duration` long."""

    start_time: RationalTime = RationalTime()
    duration: RationalTime = RationalTime()


@dataclass(frozen=True, slots=True)
class Effect:
    """`resolve` is what Resolve keeps of it in its metadata, unchecked."""

    name: str = ""
    effect_name: str = ""
    enabled: bool = True
    resolve: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TimeEffect(Effect):
    """A change of speed that does not say which."""


@dataclass(frozen=True, slots=True)
class LinearTimeWarp(TimeEffect):
    """One speed throughout; ``FreezeFrame`` is one of 0."""

    time_scalar: float = 1.0


@dataclass(frozen=True, slots=True)
class Marker:
    """`address` is what was called, on one that this instrument wrote; else None."""

    name: str
    marked_range: TimeRange
    comment: str = ""
    address: str | None = None


@dataclass(frozen=True, slots=True)
class MediaReference:
    """Footage that nothing tells the place of, as ``MissingReference`` says."""

    name: str = ""
    available_range: TimeRange | None = None


@dataclass(frozen=True, slots=True)
class ExternalReference(MediaReference):
    """A file."""

    target_url: str = ""


@dataclass(frozen=True, slots=True)
class GeneratorReference(MediaReference):
    """Pictures that the editor makes itself."""

    generator_kind: str = ""


@dataclass(frozen=True, slots=True)
class ImageSequenceReference(MediaReference):
    """Files with a number between prefix and suffix."""

    target_url_base: str = ""
    name_prefix: str = ""
    name_suffix: str = ""


@dataclass(frozen=True, slots=True)
class Transition:
    """Takes no time on its track: covers that much before and after the cut."""

    name: str = ""
    transition_type: str = ""
    in_offset: RationalTime = RationalTime()
    out_offset: RationalTime = RationalTime()

    def duration(self) -> RationalTime:
        """What it covers. Raises InstrumentError."""
        return self.in_offset + self.out_offset


@dataclass(frozen=True, slots=True)
class Item:
    """What takes time: all of what is available, or its `source_range`."""

    name: str = ""
    source_range: TimeRange | None = None
    effects: tuple[Effect, ...] = ()
    markers: tuple[Marker, ...] = ()
    enabled: bool = True

    def available_range(self) -> TimeRange | None:
        """All there is of it; None where nothing says how much. Raises InstrumentError."""
        return None

    def trimmed_range(self) -> TimeRange | None:
        """What is shown of it. Raises InstrumentError."""
        return self.available_range() if self.source_range is None else self.source_range

    def duration(self) -> RationalTime | None:
        """How long it lasts where it lies. Raises InstrumentError."""
        shown = self.trimmed_range()
        return None if shown is None else shown.duration


@dataclass(frozen=True, slots=True)
class Gap(Item):
    """Nothing, for a while."""


@dataclass(frozen=True, slots=True)
class Unknown(Item):
    """An object of a `schema` that nobody knows, or that shows nothing; no time if it says none."""

    schema: str = ""

    def available_range(self) -> TimeRange:
        """See `Item.available_range`."""
        return TimeRange()


@dataclass(frozen=True, slots=True)
class Clip(Item):
    """Footage; one of its references is active."""

    media_references: Mapping[str, MediaReference] = field(default_factory=dict)
    active_media_reference_key: str = "DEFAULT_MEDIA"

    @property
    def media_reference(self) -> MediaReference | None:
        """The active reference, None where its key leads nowhere."""
        return self.media_references.get(self.active_media_reference_key)

    def available_range(self) -> TimeRange | None:
        """See `Item.available_range`."""
        active = self.media_reference
        return None if active is None else active.available_range


Composable = Transition | Item


@dataclass(frozen=True)
class Composition(Item):
    """A track or a stack: items within an item."""

    children: tuple[Composable, ...] = ()

    def available_range(self) -> TimeRange | None:
        """See `Item.available_range`. Counted once, however often it is asked for."""
        return self._available

    @cached_property
    def _available(self) -> TimeRange | None:
        lasts = self._lasts()
        return None if lasts is None else TimeRange(RationalTime(0.0, lasts.rate), lasts)

    def _lasts(self) -> RationalTime | None:
        return None


@dataclass(frozen=True)
class Track(Composition):
    """Items end to end."""

    kind: str = "Video"

    def _lasts(self) -> RationalTime | None:
        """The sum of all items, and what transitions cover beyond both ends."""
        total = RationalTime()
        for child in self.children:
            if not isinstance(child, Transition):
                lasts = child.duration()
                if lasts is None:
                    return None
                total += lasts
        first, last = self.children[:1], self.children[-1:]
        for offset in [
            *(mix.in_offset for mix in first if isinstance(mix, Transition)),
            *(mix.out_offset for mix in last if isinstance(mix, Transition)),
        ]:
            total += offset
        return total


@dataclass(frozen=True)
class Stack(Composition):
    """Items over one another, the lowest first."""

    def _lasts(self) -> RationalTime | None:
        """The longest."""
        longest = list[RationalTime]()
        for child in self.children:
            lasts = child.duration()
            if lasts is None:
                return None
            longest.append(lasts)
        return max(longest, key=RationalTime.seconds, default=RationalTime())


@dataclass(frozen=True, slots=True)
class Timeline:
    """The edit; its first frame is called `global_start_time`."""

    name: str = ""
    tracks: Stack = Stack()
    global_start_time: RationalTime | None = None


@dataclass(frozen=True, slots=True)
class SerializableCollection:
    """Several of them in one file."""

    name: str = ""
    children: tuple[Timeline | Composable, ...] = ()
