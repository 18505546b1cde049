"""What a foreign pickle turns into: inert values, and questions one may ask of them.

The questions never trust an answer's type: what does not fit is an InstrumentError that names
the key. They follow no chain of references on their own, so a file cannot send them in circles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from instrument import InstrumentError


@dataclass(slots=True, eq=False)
class Record:
    """What a pickle asked to be called or built, remembered and not done."""

    name: str  # "collections.OrderedDict"
    arguments: tuple[object, ...] = ()
    state: object = None
    items: dict[object, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Global:
    """A name a pickle mentioned, not yet called."""

    name: str


@dataclass(frozen=True, slots=True)
class LongText:
    """A text of so many bytes that was read past."""

    size: int


MOST_ENTRIES = 20_000  # of a dict, and of tensors and modules in a file
# The dicts among the records: their items are their content.
DICTS = ("collections.OrderedDict", "dnnlib.util.EasyDict")


def entries(value: object, what: str) -> dict[object, object]:
    """The content of a dict, of an ordered one, of an EasyDict. Raises InstrumentError."""
    if isinstance(value, dict):
        return value
    if isinstance(value, Record) and value.name in DICTS and not value.arguments:
        return value.items
    raise InstrumentError(f"{what} is no dict")


def named(value: object, what: str) -> dict[str, object]:
    """The content of a dict whose keys are all text, and not too many. Raises InstrumentError."""
    found = entries(value, what)
    if len(found) > MOST_ENTRIES:
        raise InstrumentError(f"{what} has more than {MOST_ENTRIES} entries")
    if not all(isinstance(key, str) for key in found):
        raise InstrumentError(f"{what} has keys that are no text")
    return {str(key): one for key, one in found.items()}


def is_dict(value: object) -> bool:
    """Whether `entries` would answer."""
    return isinstance(value, dict) or (isinstance(value, Record) and value.name in DICTS)


def shown(value: object) -> str:
    """A value in words. Of a container only the kind: printing a foreign one may never end."""
    if isinstance(value, str | int | float | None):
        return repr(value)[:40]
    return f"a {type(value).__name__}"


def whole(value: object, what: str) -> int:
    """An integer that is no truth value. Raises InstrumentError."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 1 << 63:
        raise InstrumentError(f"{what} is no integer")
    return value


def real(value: object, what: str) -> float:
    """A finite number. Raises InstrumentError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InstrumentError(f"{what} is no finite number")
    return float(value)


def text(value: object, what: str) -> str:
    """A text. Raises InstrumentError."""
    if not isinstance(value, str):
        raise InstrumentError(f"{what} is no text")
    return value


def sequence(value: object, what: str, most: int = MOST_ENTRIES) -> list[object]:
    """A list or a tuple of at most `most`, as a list. Raises InstrumentError."""
    if not isinstance(value, list | tuple) or len(value) > most:
        raise InstrumentError(f"{what} is no list of at most {most}")
    return list(value)
