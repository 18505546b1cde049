"""What an FCPXML clip does to time and opacity; the rest is told, not done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from xml.etree.ElementTree import Element

import numpy as np

from instrument import InstrumentError
from instrument.latent.space import F64
from instrument.studio.fcpx_resources import number_in, time_in, time_of
from instrument.studio.keyed import Key, Keyed, check_far, straight
from instrument.studio.places import rate_of
from instrument.studio.retiming import Retiming
from instrument.studio.timeline import Verdict
from instrument.timebase import FrameRate

Told = tuple[Verdict, str]
_MOVED = {"position": "0 0", "scale": "1 1", "rotation": "0", "anchor": "0 0"}
_UNDONE = ("filter-video", "filter-video-mask", "adjust-crop", "adjust-corners",
           "adjust-360-transform", "adjust-reorient", "adjust-orientation", "adjust-cinematic",
           "adjust-colorConform")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Timing:
    """`keys` of a time map (s of the clip → s of the footage), or none; whether frames are
    sampled by the one that began last; `scale` of a rate conformed to another."""

    keys: tuple[Key, ...] = ()
    floors: bool = True
    scale: Fraction = Fraction(1)
    told: tuple[Told, ...] = ()


def timing_of(clip: Element, rate: FrameRate) -> Timing:
    """The time map and the conformed rate of a clip on a timeline of `rate`."""
    told, floors, scale = list[Told](), True, Fraction(1)
    conform = clip.find("conform-rate")
    if conform is not None and conform.get("scaleEnabled", "1") != "0":
        if (source := conform.get("srcFrameRate")) is not None:
            own = rate_of(float(number_in(conform, "srcFrameRate", 0.0)))
            scale = Fraction(rate.num * own.den, rate.den * own.num)
            told.append(("approximated", f"{source} /s conformed to {rate} /s, frame for frame"))
    keys = dict[Fraction, Fraction]()
    found = clip.find("timeMap")
    if found is None:
        return Timing((), floors, scale, tuple(told))
    sampling = found.get("frameSampling", "floor")
    floors = sampling == "floor"
    if sampling not in ("floor", "nearest-neighbor"):
        told.append(("approximated", f"frame sampling {sampling[:30]}: the nearest frames"))
    points = found.findall("timept")
    eased = any(p.get("interp", "smooth2") == "smooth" for p in points)
    eased |= any(time_in(p, key, Fraction(0)) != 0 for p in points for key in ("inTime", "outTime"))
    if eased and len(points) > 2:
        told.append(("approximated", "eased speed: straight from key to key"))
    for point in points:
        when = time_of(point.get("time", ""), "timept time")
        keys[when] = time_of(point.get("value", ""), "timept value")
    if len(keys) < 2:
        raise InstrumentError("a timeMap needs two timept or more, at different times")
    return Timing(tuple(sorted(keys.items())), floors, scale, tuple(told))


def retiming_of(
    timing: Timing, start: Fraction, origin: Fraction, rate: FrameRate, own: FrameRate | None,
    length: int,
) -> Retiming:  # fmt: skip
    """`length` frames of a clip from its local second `start`; the footage begins at `origin`."""
    check_far(start, origin)
    if timing.keys:
        keys = tuple((w - start, (v - origin) * timing.scale) for w, v in timing.keys)
        return Keyed(keys, rate, timing.floors)
    first = (start - origin) * timing.scale
    whole = (first * rate.num / rate.den).denominator == 1
    if timing.scale != 1 or (whole and own in (rate, None)):
        return straight(first, timing.scale, rate, length)
    return Keyed(((Fraction(0), first), (Fraction(1), first + 1)), rate, timing.floors)


def opacity_of(clip: Element, start: Fraction, rate: FrameRate, length: int) -> F64 | None:
    """``F64[length]`` of a clip's blend, its keyframes and fades; None for 1 throughout."""
    blend = clip.find("adjust-blend")
    if blend is None or blend.get("enabled", "1") == "0":
        return None
    curve = np.full(length, number_in(blend, "amount", 1.0))
    seconds = np.arange(length) * (rate.den / rate.num)
    for param in blend.findall("param"):
        if param.get("name") != "amount" and param.get("key") != "amount":
            continue
        keys = dict(_keyframes(param))
        if keys:
            whens = np.array([float(when - start) for when in sorted(keys)])
            curve = np.interp(seconds, whens, np.array([keys[when] for when in sorted(keys)]))
        elif param.get("value") is not None:
            curve[:] = number_in(param, "value", 1.0)
        lasts = length * rate.den / rate.num
        if (fade := _fade(param, "fadeIn")) > 0:
            curve = curve * np.clip(seconds / fade, 0.0, 1.0)
        if (fade := _fade(param, "fadeOut")) > 0:
            curve = curve * np.clip((lasts - seconds) / fade, 0.0, 1.0)
    curve = np.clip(curve, 0.0, 1.0)
    return None if np.all(curve == 1.0) else curve


def _keyframes(param: Element) -> Iterator[tuple[Fraction, float]]:
    for key in param.findall("keyframeAnimation/keyframe"):
        yield time_of(key.get("time", ""), "keyframe time"), number_in(key, "value", 1.0)


def _fade(param: Element, tag: str) -> float:
    fade = param.find(tag)
    return 0.0 if fade is None else float(time_in(fade, "duration", Fraction(0)))


def effects_told(clip: Element) -> Iterator[Told]:
    """What a clip has that a z-sequence cannot show."""
    for tag in _UNDONE:
        for effect in clip.findall(tag):
            if effect.get("enabled", "1") != "0" and not _is_idle(effect):
                yield "refused", f"effect {(effect.get('name') or tag)[:60]}"
    transform = clip.find("adjust-transform")
    if transform is not None and transform.get("enabled", "1") != "0":
        moved = [
            k for k, rest in _MOVED.items() if transform.get(k, rest) not in (rest, f"{rest}.0")
        ]
        if moved or transform.find("param") is not None:
            yield "refused", f"transform ({', '.join(moved) or 'animated'}): shown whole"
    blend = clip.find("adjust-blend")
    if blend is not None and blend.get("mode", "0") not in ("0", "", "normal", "0 (Normal)"):
        yield "refused", f"blend mode {blend.get('mode', '')[:40]}: laid over as it is"
    if blend is not None:
        for tag in ("fadeIn", "fadeOut"):
            for fade in blend.iter(tag):
                if fade.get("type", "easeIn" if tag == "fadeIn" else "easeOut") != "linear":
                    yield "approximated", f"{tag} eased: read as a straight one"
        if any(k.get("curve") == "smooth" for k in blend.iter("keyframe")):
            yield "approximated", "opacity eased: straight from key to key"


def _is_idle(effect: Element) -> bool:
    """Whether a crop is there and crops nothing: ``mode`` names the one child that counts."""
    return effect.tag == "adjust-crop" and not len(effect)
