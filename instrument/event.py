"""Control events, and the one grammar of addresses.

A knob, a key, a beat, a line of a script: each is an address, a value and a time.
The address is the OSC address, the preset key, the learn target and the name in the take.
This module knows no device and no parameter.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from pathlib import Path

from instrument import InstrumentError

_ADDRESS = re.compile(r"(/[A-Za-z0-9][A-Za-z0-9_.+-]*)+")
_LONGEST_ADDRESS = 255
_LARGEST = 1e12  # number in a line
_FLOAT = r"(?:0|[1-9][0-9]{0,19})\.[0-9]{1,20}(?:e[+-][0-9]{1,3})?"
_USUAL = re.compile(
    rf'\{{"time": ({_FLOAT}), "address": "({_ADDRESS.pattern})", "value": (-?{_FLOAT})\}}'
)


@dataclass(frozen=True, slots=True)
class ControlEvent:
    """`value` arrived at `address` at `time`.

    `time` is in seconds on the clock of whoever holds the event: performance time once the
    performer has it, time since the start of the take in a file.
    """

    address: str
    value: float
    time: float


def is_address(text: str) -> bool:
    """Whether `text` is written like ``/spring/frequency``."""
    return len(text) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(text) is not None


def event_to_line(event: ControlEvent) -> str:
    """One line of ``events.jsonl``, every float in full. The reverse of `event_from_line`.

    Raises ValueError on NaN and infinities, which no line can hold (see `is_finite`).
    """
    time, value = float(event.time), float(event.value)
    if not (math.isfinite(time) and math.isfinite(value)):
        raise ValueError(f"{event.address}: {value} at {time} is no number a line can hold")
    # As `json` writes it, in a sixth of the time: a take has hundreds of events a second.
    address = encode_basestring_ascii(event.address)
    return f'{{"time": {time!r}, "address": {address}, "value": {value!r}}}'


def event_from_line(line: str) -> ControlEvent:
    """Read one line of ``events.jsonl``. Raises ValueError with what is allowed."""
    if usual := _USUAL.fullmatch(line):  # as `event_to_line` writes it: a third of the time
        time, address, value = float(usual[1]), usual[2], float(usual[4])
        if len(address) <= _LONGEST_ADDRESS and max(time, abs(value)) <= _LARGEST:
            return ControlEvent(address, value, time)
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError("is not JSON") from error
    if not isinstance(fields, dict) or set(fields) != {"time", "address", "value"}:
        raise ValueError('must hold exactly "time", "address" and "value"')
    address = fields["address"]
    if not isinstance(address, str) or not is_address(address):
        raise ValueError(f"address {str(address)[:60]!r} must look like /spring/frequency")
    for key in ("time", "value"):
        number = fields[key]
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise ValueError(f"{key} must be a number")
        if not abs(number) <= _LARGEST:  # nan, infinities and integers too large for a float
            raise ValueError(f"{key} must be a finite number below 1e12")
    if fields["time"] < 0:
        raise ValueError("time must be 0 or later")
    return ControlEvent(address, float(fields["value"]), float(fields["time"]))


def read_events(path: Path) -> list[ControlEvent]:
    """All events of a script or a take's ``events.jsonl``, in order of time.

    Raises InstrumentError naming file and line; events of the same time keep their order.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors put a byte order mark first
    except FileNotFoundError:
        raise InstrumentError(f"{path}: no such script") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InstrumentError(f"{path}: cannot be read as text ({error})") from error
    events = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            events.append(event_from_line(line))
        except ValueError as error:
            raise InstrumentError(f"{path}:{number}: {error}") from error
    return sorted(events, key=lambda event: event.time)


def write_events(path: Path, events: Iterable[ControlEvent]) -> None:
    """Write ``events.jsonl``, whole or not at all. The reverse of `read_events`.

    Raises InstrumentError naming the file when the disk says no.
    """
    text = "".join(event_to_line(event) + "\n" for event in events)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            partial.write_text(text, encoding="utf-8")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise InstrumentError(f"{path}: cannot be written ({error.strerror or error})") from error


def is_finite(event: ControlEvent) -> bool:
    """Whether value and time are numbers one can play."""
    return math.isfinite(event.value) and math.isfinite(event.time)
