"""What effects of OpenTimelineIO do to time and to opacity; the rest is told, not done.

Beside OTIO's own time effects, those that Resolve keeps in its metadata: speed ramps, faders and
opacity.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from instrument import InstrumentError
from instrument.studio import otio_objects as otio
from instrument.studio.keyed import Key, fraction_of
from instrument.studio.timeline import Verdict

_RAMP = "Key Frames"
_MOST_ROWS = 10_000  # of one effect
# Slots that Resolve writes for every clip, and that change no picture the model makes.
_HARMLESS = ("retime and scaling", "transform", "dynamic zoom", "cropping", "stabilization")

Told = tuple[Verdict, str]


@dataclass(frozen=True, slots=True)
class Effects:
    """`speed` throughout, or `keys` of a speed that changes (s of the clip, s of the footage from
    its start); fades in frames, at the timeline's rate; `told` is what was not done, or nearly."""

    speed: Fraction = Fraction(1)
    keys: tuple[Key, ...] = ()
    opacity: float = 1.0
    fade_in: int = 0
    fade_out: int = 0
    told: tuple[Told, ...] = ()


def effects_of(effects: Iterable[otio.Effect]) -> Effects:
    """What the enabled ones of `effects` do together."""
    speed, keys, told = Fraction(1), tuple[Key, ...](), list[Told]()
    opacity, fades = 1.0, [0, 0]
    for effect in effects:
        own = effect.resolve
        if not effect.enabled or own.get("Enabled") is False:
            continue
        if isinstance(effect, otio.LinearTimeWarp):
            speed *= _scalar(effect)
            if speed < 0:
                told.append(("approximated", _BACKWARDS))
        elif _RAMP in own:
            keys, smooth = _ramp(own[_RAMP])
            told.append(("approximated", _EASED if smooth else _RAMPED))
        elif isinstance(effect, otio.TimeEffect):
            told.append(("refused", f"{_name(effect)}: a change of speed that says nothing of it"))
        elif own:
            opacity *= _resolve_effect(own, fades, told)
        else:
            told.append(("refused", f"effect {_name(effect)}"))
    return Effects(speed, keys, opacity, fades[0], fades[1], tuple(told))


_BACKWARDS = "reversed: OTIO leaves open from where; the start of the source range is shown first"
_RAMPED = "speed ramp of Resolve's keyframes, counted from the clip's first frame"
_EASED = f"{_RAMPED}, its eased keys read as straight lines"


def _scalar(effect: otio.LinearTimeWarp) -> Fraction:
    try:
        return fraction_of(effect.time_scalar)
    except (ValueError, OverflowError) as error:
        raise InstrumentError(f"time_scalar {effect.time_scalar}: must be a number") from error


def _name(effect: otio.Effect) -> str:
    return " ".join((effect.effect_name or effect.name or "without a name").split())[:60]


def _said(value: Any, otherwise: str) -> str:
    """A name that Resolve wrote, as one line that can be printed."""
    text = value if isinstance(value, str) else otherwise
    return " ".join(text[:60].encode(errors="replace").decode().split()) or otherwise


def _ramp(rows: Any) -> tuple[tuple[Key, ...], bool]:
    """Rows of (s of the clip, s of the source, eased?, …) as keys, and whether any is eased."""
    _check_few(rows, _RAMP)
    try:
        keys = [(fraction_of(float(row[0])), fraction_of(float(row[1]))) for row in rows]
        eased = any(len(row) > 2 and any(map(float, list(row)[2:])) for row in rows)
    except (TypeError, ValueError, LookupError, OverflowError) as error:
        raise InstrumentError(f"{_RAMP}: must be rows of two numbers") from error
    keys = sorted(dict(keys).items())
    if len(keys) < 2:
        raise InstrumentError(f"{_RAMP}: must be two rows or more, at different times")
    return tuple(keys), eased


def _check_few(rows: Any, key: str) -> None:
    if isinstance(rows, list) and len(rows) > _MOST_ROWS:
        raise InstrumentError(f"{key}: {len(rows)} rows, allowed are {_MOST_ROWS}")


def _resolve_effect(own: Mapping[str, Any], fades: list[int], told: list[Told]) -> float:
    """Note the fades of one of Resolve's effects, and return the opacity it gives."""
    name = _said(own.get("Effect Name"), "without a name")
    opacity = 1.0
    for key, value in _parameters(own):
        if key in ("videoFaderIn", "videoFaderOut") and 0 <= value < 1e7:
            fades[key.endswith("Out")] = round(value)
        elif key.lower() == "opacity" and 0 <= value <= 100:
            opacity = value / 100
        elif name.lower() in _HARMLESS:
            told.append(("refused", f"{name}: {key} (the picture is shown whole)"))
        else:
            told.append(("refused", f"effect {name}: {key}"))
    return opacity


def _parameters(own: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """What was moved off its default: Resolve lists nothing else."""
    rows = own.get("Parameters")
    _check_few(rows, "Parameters")
    for row in rows if isinstance(rows, Iterable) and not isinstance(rows, str) else ():
        if isinstance(row, Mapping) and "Parameter ID" in row:
            value = row.get("Parameter Value", 0.0)
            # A whole number of Python's can be too long for any float.
            known = isinstance(value, float) or (isinstance(value, int) and abs(value) < 1 << 53)
            yield _said(row["Parameter ID"], "without a name"), float(value) if known else -1.0
