"""What a measurement says: a row of plain values, and documents of rows. The file format of bench.

A row holds its median (or what it says instead), unit, number of samples, quartiles and the
background; ``better`` says which way is good, ``target`` what it should reach.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from instrument import InstrumentError
from instrument.bench.load import QUIET
from instrument.bench.statistics import quartiles

FORMAT = "bench/1"


class Row(TypedDict):
    """One figure."""

    name: str
    value: float
    unit: str
    better: str  # lower or higher
    n: int
    quartiles: list[float]  # the first and the third
    background: float | None  # cores
    doubtful: bool
    target: float | None
    about: dict[str, Any]  # under which conditions, and what else was seen


@dataclass(frozen=True, slots=True)
class Effort:
    """How much trouble to take: `rounds` of everything; `full` measures more kinds of it.

    `hours` is how long the long run plays.
    """

    rounds: int = 3
    full: bool = False
    hours: float = 1.0


def row(
    name: str,
    samples: Sequence[float],
    unit: str,
    *,
    value: float | None = None,
    better: str = "lower",
    target: float | None = None,
    background: float | None = None,
    doubtful: bool = False,
    **about: Any,
) -> Row:
    """A row of `samples`; `value` stands in for their median.

    `doubtful` where more than the background speaks against it. ValueError where there are none.
    """
    low, middle, high = quartiles(samples)
    return {
        "name": name,
        "value": _rounded(middle if value is None else value),
        "unit": unit,
        "better": better,
        "n": len(samples),
        "quartiles": [_rounded(low), _rounded(high)],
        "background": background,
        "doubtful": doubtful or (background is not None and background > QUIET),
        "target": target,
        "about": about,
    }


def is_missed(one: Row) -> bool:
    """Whether a row does not reach its target."""
    if one["target"] is None:
        return False
    if one["better"] == "lower":
        return one["value"] > one["target"]
    return one["value"] < one["target"]


def check_parts(parts: Any, where: str) -> None:
    """Raise InstrumentError, naming the place, unless `parts` are those of a document of ours."""
    if not isinstance(parts, list):
        raise InstrumentError(f"{where}: parts: must be a list")
    for number, part in enumerate(parts):
        place = f"{where}: parts[{number}]"
        if not isinstance(part, dict) or not isinstance(part.get("part"), str):
            raise InstrumentError(f"{place}: must be an object with part and rows")
        if not isinstance(part.get("rows"), list):
            raise InstrumentError(f"{place}.rows: must be a list")
        for index, one in enumerate(part["rows"]):
            _check_row(one, f"{place}.rows[{index}]")


def _check_row(one: Any, place: str) -> None:
    if not isinstance(one, dict):
        raise InstrumentError(f"{place}: must be an object")
    if missing := Row.__annotations__.keys() - one.keys():
        raise InstrumentError(f"{place}: lacks {', '.join(sorted(missing))}")
    for key in ("name", "unit"):
        if not isinstance(one[key], str):
            raise InstrumentError(f"{place}.{key}: must be text")
    if one["better"] not in ("lower", "higher"):
        raise InstrumentError(f"{place}.better: must be lower or higher")
    if type(one["n"]) is not int or one["n"] < 1:
        raise InstrumentError(f"{place}.n: must be an integer from 1 on")
    spread = one["quartiles"]
    if not isinstance(spread, list) or len(spread) != 2 or not all(map(_is_number, spread)):
        raise InstrumentError(f"{place}.quartiles: must be two numbers")
    if not _is_number(one["value"]):
        raise InstrumentError(f"{place}.value: must be a finite number")
    for key in ("background", "target"):
        if one[key] is not None and not _is_number(one[key]):
            raise InstrumentError(f"{place}.{key}: must be a finite number or null")
    if not isinstance(one["doubtful"], bool) or not isinstance(one["about"], dict):
        raise InstrumentError(f"{place}: doubtful must be true or false, about an object")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _rounded(value: float) -> float:
    """Five digits: no clock here is better than that."""
    return float(f"{value:.5g}")
