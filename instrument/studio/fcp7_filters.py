"""What filters of a Final Cut Pro 7 clip do to time and opacity; the rest is told, not done.

Their keyframes count frames as the clip's own ``in`` and ``out`` do: of the clip after its speed
was changed, from the footage's first frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from xml.etree.ElementTree import Element

import numpy as np

from instrument import InstrumentError
from instrument.latent.space import F64
from instrument.studio.keyed import Key, fraction_of
from instrument.studio.timeline import Verdict

Told = tuple[Verdict, str]
_PLAIN_MOTION = {"scale": 100.0, "rotation": 0.0, "center": 0.0, "centeroffset": 0.0}
_UNSEEN = ("", "antiflicker", "distort", "aspect", "leftcrop")


@dataclass(frozen=True, slots=True)
class Filters:
    """`speed` (below 0 backwards) or `graph`, frames of the clip → frames of the footage;
    `opacity` keyframes, frames of the clip → 0..1; what was not done, or nearly."""

    speed: Fraction = Fraction(1)
    said_speed: bool = False
    graph: tuple[Key, ...] = ()
    opacity: tuple[Key, ...] = ()
    told: tuple[Told, ...] = ()

    def veil(self, at: F64) -> F64 | None:
        """Opacity at the frames `at` ``F64[n]`` of the clip; None for 1 throughout."""
        if not self.opacity:
            return None
        whens, shares = zip(*self.opacity, strict=True)
        curve = np.interp(at, np.array(whens, np.float64), np.array(shares, np.float64))
        return None if np.all(curve == 1.0) else curve


def filters_of(item: Element) -> Filters:
    """All enabled picture filters of a clip. Raises InstrumentError."""
    speed, said, graph, opacity, told = Fraction(1), False, tuple[Key, ...](), [], list[Told]()
    for effect in _effects(item):
        kind = (effect.findtext("effectid") or effect.findtext("name") or "").strip().lower()
        parameters = {
            (p.findtext("parameterid") or p.findtext("name") or "").strip().lower(): p
            for p in effect.findall("parameter")
        }
        if kind in ("timeremap", "time remap"):
            speed, graph, more = _remap(parameters)
            said = True
            told += more
        elif kind == "opacity":
            opacity += _opacity(parameters)
        elif kind in ("basic", "basic motion"):
            if "opacity" in parameters:
                opacity += _opacity(parameters)
            if moved := _moved(parameters):
                told.append(("refused", f"motion ({', '.join(moved)}): the picture is shown whole"))
        elif kind not in _UNSEEN and not kind.startswith("audio"):
            name = " ".join((effect.findtext("name") or kind).split())
            told.append(("refused", f"effect {name[:60]}"))
    mode = (item.findtext("compositemode") or "normal").strip().lower()
    if mode not in ("normal", "none", ""):
        told.append(("refused", f"composite mode {mode[:40]}: laid over as it is"))
    return Filters(speed, said, graph, tuple(sorted(dict(opacity).items())), tuple(told))


def number_of(element: Element | None, what: str) -> Fraction:
    """The number in `element`. Raises InstrumentError naming it."""
    text = (element.text or "").strip() if element is not None else ""
    try:
        return fraction_of(text)
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise InstrumentError(f"{what} {text[:40]!r}: must be a number") from error


def _effects(item: Element) -> Iterator[Element]:
    for one in item.findall("filter"):
        if not _is_true(one.find("enabled"), default=True):
            continue
        effect = one.find("effect")
        if effect is not None and (effect.findtext("mediatype") or "video").strip() == "video":
            yield effect


def _is_true(element: Element | None, *, default: bool = False) -> bool:
    text = (element.text or "").strip().upper() if element is not None else ""
    return text in ("TRUE", "1") if text else default


def _remap(parameters: dict[str, Element]) -> tuple[Fraction, tuple[Key, ...], list[Told]]:
    """The speed, the graph where it has one, and what is to be said of them."""
    told = list[Told]()
    speed = Fraction(1)
    if (said := parameters.get("speed")) is not None:
        speed = number_of(said.find("value"), "speed") / 100
    reverse = parameters.get("reverse")
    backwards = speed < 0 or (reverse is not None and _is_true(reverse.find("value")))
    blending = parameters.get("frameblending")
    if blending is not None and _is_true(blending.find("value")) and abs(speed) != 1:
        told.append(("approximated", "frame blending: the nearest frames are taken"))
    graph = tuple(sorted(dict(_keys(parameters.get("graphdict"))).items()))
    varies = parameters.get("variablespeed")
    if varies is not None and number_of(varies.find("value"), "variablespeed") and len(graph) > 1:
        told.append(("approximated", "speed that changes: straight from key to key"))
    if len(graph) > 1 and graph[-1][1] < graph[0][1]:
        backwards = True
    if backwards:
        speed = -abs(speed)
        told.append(("approximated", "reversed: may lie a frame off, as its writers disagree"))
        # A graph says where a frame ends when it is played backwards.
        graph = tuple((when, max(value - 1, Fraction(0))) for when, value in graph)
    return speed, graph if len(graph) > 1 else (), told


def _keys(parameter: Element | None) -> Iterator[Key]:
    for key in parameter.findall("keyframe") if parameter is not None else ():
        yield number_of(key.find("when"), "when"), number_of(key.find("value"), "value")


def _opacity(parameters: dict[str, Element]) -> list[Key]:
    parameter = parameters.get("opacity")
    if parameter is None:
        return []
    keys = list(_keys(parameter)) or [(Fraction(0), number_of(parameter.find("value"), "opacity"))]
    return [(when, min(max(value / 100, Fraction(0)), Fraction(1))) for when, value in keys]


def _moved(parameters: dict[str, Element]) -> list[str]:
    """Which parameters of a motion are not at rest."""
    moved = []
    for name, rest in _PLAIN_MOTION.items():
        parameter = parameters.get(name)
        if parameter is None:
            continue
        texts = [e.text or "" for e in parameter.iter() if e.tag in ("value", "horiz", "vert")]
        numbers = [text.strip() for text in texts if text.strip()]
        try:
            if any(abs(float(number[:40]) - rest) > 1e-6 for number in numbers):
                moved.append(name)
        except ValueError:
            moved.append(name)
    return moved
