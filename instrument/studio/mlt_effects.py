"""What filters do to a clip, as far as a timeline can say it: fades, opacity, frozen frames.

Everything else that changes a picture (colour, blur, crop, ...) cannot be done to a latent vector
and is refused by name; what changes sound is passed over. This module knows filters; it does not
know clips or tracks.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

import numpy as np

from instrument.latent.space import F64
from instrument.studio.mlt_document import Document
from instrument.studio.mlt_footage import Note
from instrument.studio.mlt_retiming import Freeze
from instrument.studio.mlt_time import Curve, items_of, number_of
from instrument.studio.retiming import I64

# Sound, and what the framework adds on its own accord to fit a picture to the profile.
_PASSED_OVER = frozenset(
    """
    volume panner audiochannels audioconvert audiolayout audiolevel audiolevelgraph audiomap
    audioseam audiospectrum audiowave audiowaveform channelcopy channelswap mono gain mute normalise
    normalize loudness loudness_meter dynamic_loudness fft rbpitch jackrack swresample resample
    autotrack_rectangle avcolour_space avcolor_space avdeinterlace colorspace deinterlace fieldorder
    imageconvert rescale resize movit.convert movit.resample movit.resize swscale data_feed
    data_show watermark_ audiolevel_ choppy_ pitch octaveshift
    """.split()
)
_SOUND = ("sox.", "sox", "ladspa.", "lv2.", "vst2.", "avfilter.a", "avfilter.volume", "audio")
_SOUND_FILTERS = frozenset(
    f"avfilter.{name}"
    for name in "bass treble equalizer highpass lowpass bandpass bandreject biquad chorus "
    "compand crossfeed crystalizer deesser dynaudnorm earwax extrastereo flanger haas loudnorm "
    "mcompand sofalizer speechnorm stereotools stereowiden superequalizer surround tremolo "
    "vibrato sidechaincompress rubberband".split()
)
_PLACING = {"qtblend": "rect", "affine": "transition.rect"}


@dataclass(frozen=True, slots=True, eq=False)
class Shade:
    """A `curve` counted from frame `first`, as far as `last` (None: on and on); 1 elsewhere."""

    curve: Curve
    first: int = 0
    last: int | None = None

    def at(self, positions: I64) -> F64:
        """Its values ``F64[n]`` at frames ``I64[n]``."""
        active = positions >= self.first
        if self.last is not None:
            active &= positions <= self.last
        return np.where(active, self.curve.at(positions - self.first), 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Effects:
    """All filters of one element: products of shades, a freeze, and what has to be said."""

    gain: tuple[Shade, ...] = ()
    opacity: tuple[Shade, ...] = ()
    freeze: Freeze | None = None
    notes: tuple[Note, ...] = ()

    def and_also(self, other: Effects) -> Effects:
        """The effects of both."""
        return Effects(
            self.gain + other.gain,
            self.opacity + other.opacity,
            other.freeze or self.freeze,
            self.notes + other.notes,
        )


NONE = Effects()
_WHOLE = Curve.straight(np.zeros(1, np.int64), np.ones(1))


def product(shades: tuple[Shade, ...], positions: I64) -> F64 | None:
    """All `shades` multiplied ``F64[n]``, kept within 0 and 1; None where they change nothing."""
    if not shades:
        return None
    values = np.ones(len(positions))
    for shade in shades:
        values *= np.clip(shade.at(positions), 0.0, 1.0)
    return None if bool(np.all(values == 1.0)) else values


def effects_of(document: Document, element: Element, start: int, frames: int) -> Effects:
    """What the <filter> children of `element` do.

    `start` is the first frame shown, which a freeze counts from, `frames` how many there are in
    all, for a filter that does not say where it ends.
    """
    found = NONE
    for child in element:
        if child.tag == "filter":
            found = found.and_also(_effect(document, child, start, frames))
    return found


def _effect(document: Document, filter_: Element, start: int, frames: int) -> Effects:
    written = document.properties(filter_)
    service = written.get("mlt_service", "")
    if written.get("disable", "0") not in ("", "0") or is_sound(service):
        return NONE
    first, last = document.span(filter_)
    first, last = first or 0, last or None  # an out of 0 is none
    length = last - first + 1 if last is not None else frames
    if service == "brightness":
        return _brightness(document, filter_, first, last, length)
    if service == "freeze":
        return Effects(freeze=_freeze(document, filter_, start, first, last))
    name = written.get("kdenlive_id") or service
    key = _PLACING.get(service)
    if key is not None and written.get(key, ""):
        opacity, full = placed(document, filter_, written[key], length)
        full = full and _number(document, filter_, "rotation", 0.0) == 0
        if service == "affine":  # it lays the picture over a ground of its own
            full, opacity = full and opacity.constant == 1.0, _WHOLE
        notes: tuple[Note, ...] = () if full else (("refused", f"effect {name!r}: shown full"),)
        return Effects(opacity=(Shade(opacity, first, last),), notes=notes + eased(opacity, name))
    return Effects(notes=(("refused", f"effect {name!r}: shown without it"),))


def is_sound(service: str) -> bool:
    """Whether a filter leaves pictures as they are."""
    return service in _PASSED_OVER or service in _SOUND_FILTERS or service.startswith(_SOUND)


def _brightness(
    document: Document, filter_: Element, first: int, last: int | None, length: int
) -> Effects:
    """Fades: the picture scaled by ``level``, or let through by ``alpha``."""
    written = document.properties(filter_)
    name = written.get("kdenlive_id") or "brightness"
    if written.get("level", "").strip():
        level = _curve(document, filter_, "level", length)
    else:  # two numbers, the first frame's and the last one's
        begin = abs(_number(document, filter_, "start", 1.0))
        end = abs(_number(document, filter_, "end", begin))
        span = np.array([0, max(length - 1, 1)])
        level = Curve.straight(span, np.array([begin, end]))
    notes = eased(level, name)
    if level.values.max() > 1.0:
        notes += (("approximated", f"effect {name!r} brighter than 1: kept at 1"),)
    shade = Shade(level, first, last)
    if not written.get("alpha", "").strip():
        return Effects(gain=(shade,), notes=notes)
    alpha = _curve(document, filter_, "alpha", length)
    if alpha.values.min() < 0:  # as much as the level says, of a picture scaled by it
        return Effects((shade,), (shade,), notes=notes)
    return Effects((shade,), (Shade(alpha, first, last),), notes=notes + eased(alpha, name))


def _freeze(
    document: Document, filter_: Element, start: int, first: int, last: int | None
) -> Freeze:
    frame = int(_number(document, filter_, "frame", 0.0))
    before = _number(document, filter_, "freeze_before", 0.0) != 0
    after = _number(document, filter_, "freeze_after", 0.0) != 0
    return Freeze(start + frame, before, after, first, last)


def eased(curve: Curve, name: str) -> tuple[Note, ...]:
    """What there is to say of a curve that the editor draws otherwise."""
    if curve.exact:
        return ()
    return (("approximated", f"{name!r} eases between keyframes: drawn straight"),)


def placed(document: Document, element: Element, text: str, length: int) -> tuple[Curve, bool]:
    """A rectangle that may be animated → its opacity, and whether it is always the whole picture.

    ``x y w h opacity``, or as older documents have it ``x/y:wxh:opacity``, which before MLT 7 was
    in percent.
    """
    width, height = _picture(document)
    percent = 1.0 if document.major >= 7 else 0.01

    def opacity(written: str) -> float:
        return _rectangle(written, width, height, percent)[1]

    try:
        curve = Curve.parse(text, document.rate, length, opacity)
        pieces = [value for _, _, value in items_of(text, document.rate, length)]
        full = all(_rectangle(piece, width, height, percent)[0] for piece in pieces)
    except ValueError as error:
        document.fail(element, f"rectangle: {error}")
    return curve, full


def _rectangle(text: str, width: int, height: int, percent: float) -> tuple[bool, float]:
    """Whether a rectangle is the whole picture, and its opacity. Raises ValueError."""
    old = "/" in text or "x" in text
    for mark in "/:x":
        text = text.replace(mark, " ")
    fields = text.split()
    if len(fields) < 4:
        raise ValueError(f"{text[:40]!r} is no rectangle")
    x, y, w, h = (
        number_of(field) * (whole if field.endswith("%") else 1)
        for field, whole in zip(fields, (width, height, width, height), strict=False)
    )
    opacity = number_of(fields[4]) if len(fields) > 4 else 1.0
    if old and len(fields) > 4 and not fields[4].endswith("%"):
        opacity *= percent
    whole = abs(x) < 1 and abs(y) < 1 and abs(w - width) < 1 and abs(h - height) < 1
    return whole, opacity


def _picture(document: Document) -> tuple[int, int]:
    """The size of the profile's picture."""
    for profile in document.root.iter("profile"):
        width, height = profile.get("width", ""), profile.get("height", "")
        if width.isdecimal() and height.isdecimal():
            return int(width), int(height)
    return 720, 576


def _curve(document: Document, element: Element, key: str, length: int) -> Curve:
    try:
        return Curve.parse(document.properties(element)[key], document.rate, length)
    except ValueError as error:
        document.fail(element, f"{key}: {error}")


def _number(document: Document, element: Element, key: str, default: float) -> float:
    text = document.properties(element).get(key, "")
    if not text.strip():
        return default
    try:
        return float(Curve.parse(text, document.rate, 0).values[0])
    except ValueError as error:
        document.fail(element, f"{key}: {error}")
