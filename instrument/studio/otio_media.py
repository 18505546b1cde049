"""What single objects of OpenTimelineIO say: footage, ranges, notes, times as exact numbers."""

from __future__ import annotations

import math
from fractions import Fraction

from instrument import InstrumentError
from instrument.studio import otio_objects as otio
from instrument.studio.keyed import FARTHEST, fraction_of
from instrument.studio.places import kind_of, places_of, rate_of, stem_of
from instrument.studio.timeline import Media

_BLACK = ("black", "blackvideo", "solidblack")


def seconds(time: otio.RationalTime) -> Fraction:
    """A RationalTime in exact seconds. Raises InstrumentError."""
    value = time.value
    if not math.isfinite(value) or abs(value) > FARTHEST:
        raise InstrumentError(f"a time of {value}: must be a number")
    rate = rate_of(time.rate)
    return fraction_of(value) * rate.den / rate.num


def media_of(clip: otio.Clip) -> tuple[Media | None, Fraction]:
    """The footage of a clip and the second its own first frame is called; None for black."""
    reference = clip.media_reference
    if isinstance(reference, otio.GeneratorReference):
        kind = reference.generator_kind or reference.name
        if kind.lower().replace(" ", "") in _BLACK:
            return None, Fraction(0)
        raise NotFootageError(f"generator {' '.join(kind.split())[:60] or 'without a name'}")
    begins, rate, frames = Fraction(0), None, None
    available = reference.available_range if reference is not None else None
    if available is not None:
        begins = seconds(available.start_time)
        rate = rate_of(available.duration.rate)
        count = seconds(available.duration) * rate.num / rate.den
        frames = round(count) if count > 0 else None
    urls = [_url(reference), *(_url(other) for other in clip.media_references.values())]
    named = clip.name
    label = "" if any(urls) or reference is None else reference.name
    name = stem_of(*urls, label, named)
    many = isinstance(reference, otio.ImageSequenceReference)
    if not many and (kind := kind_of(name)) != "film":
        raise NotFootageError(f"{kind} {name[:60]}")
    places = places_of(*urls, label, named)
    return Media(name or "without a name", places, rate, frames), begins


class NotFootageError(Exception):
    """A clip that no z-sequence can stand for."""


def _url(reference: otio.MediaReference | None) -> str:
    if isinstance(reference, otio.ExternalReference):
        return reference.target_url
    if isinstance(reference, otio.ImageSequenceReference):
        base = reference.target_url_base
        slash = "" if not base or base.endswith("/") else "/"
        # Without the number: as its z-sequence is called.
        return f"{base}{slash}{reference.name_prefix.rstrip('._-')}{reference.name_suffix}"
    return ""


def span_of(item: otio.Item) -> tuple[Fraction, Fraction]:
    """The first second of an item in its own time, and how long it lasts."""
    span = item.trimmed_range()
    if span is None:
        name = " ".join((item.name or "without a name").split())[:60]
        raise InstrumentError(f"clip {name!r}: has no range of its source")
    lasts = seconds(span.duration)
    if lasts < 0:
        raise InstrumentError(f"clip {item.name[:60]!r}: lasts {float(lasts)} s")
    return seconds(span.start_time), lasts


def note_of(marker: otio.Marker) -> str:
    """What a marker says beside its name: on our own the address that was called."""
    return marker.comment if marker.address is None else marker.address
