"""JSON of strangers → plain values, within bounds of depth, time and memory.

A key that stands twice is refused: JSON leaves open which of the two counts (OpenTimelineIO's
library takes the first, Python and browsers the last), and an edit must not mean two things.
Knows nothing of what the values mean.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from instrument import InstrumentError

DEEPEST = 400  # brackets inside one another: below every Python's own limit
MOST_BRACKETS = 2 << 20  # clips as short as they can be written have one every 45 bytes
MOST_COMMAS = 6 << 20  # ... and one of these every 15


def values_of(text: bytes) -> Any:
    """What the JSON `text`, in UTF-8, holds. Raises InstrumentError."""
    _check_size(text)
    _check_depth(text)
    try:
        return json.loads(text.decode("utf-8-sig"), object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise InstrumentError("not UTF-8 text") from error
    except RecursionError as error:
        raise InstrumentError("brackets nest deeper than can be read") from error
    except ValueError as error:  # or a number of thousands of digits
        raise InstrumentError(f"not OpenTimelineIO ({str(error)[:120]})") from error


def _check_size(text: bytes) -> None:
    brackets = text.count(b"[") + text.count(b"{")
    if brackets > MOST_BRACKETS or text.count(b",") > MOST_COMMAS:
        raise InstrumentError("more lists, objects and values than any edit has")


def _check_depth(text: bytes) -> None:
    """Raise InstrumentError where brackets outside of strings nest too deep."""
    if text.count(b"[") + text.count(b"{") <= DEEPEST:
        return
    plain = text.replace(b"\\\\", b"").replace(b'\\"', b"")  # no quote is left that ends no string
    signs = np.frombuffer(plain, np.uint8)
    outside = ~np.logical_xor.accumulate(signs == ord('"'))
    lower = signs | 0x20  # [ and { are then one sign, and so are ] and }
    opens, closes = lower == ord("{"), lower == ord("}")
    places = np.flatnonzero((opens | closes) & outside)
    depth = np.cumsum(np.where(opens[places], 1, -1))
    if depth.max(initial=0) > DEEPEST:
        raise InstrumentError(f"brackets nest deeper than {DEEPEST}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON whose keys all differ."""
    made = dict(pairs)
    if len(made) < len(pairs):
        seen = set[str]()
        for key, _ in pairs:
            if key in seen:
                whose = next((v for k, v in pairs if k == "name" and isinstance(v, str)), "")
                of = f" of {whose[:60]!r}" if whose else ""
                raise InstrumentError(f"key {key[:60]!r}{of} stands twice")
            seen.add(key)
    return made
