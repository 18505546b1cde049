"""From the bytes of one port to what its controls say. Pure: knows no port, no thread, no clock.

Every message comes whole, as the operating system hands it over: running status and clock bytes
within a message are its business. What is no whole message is passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from instrument.control.midi_address import Control, Encoding
from instrument.control.midi_values import FULL, FinePair, bend_position, relative_steps

NOTE, PROGRAM, VALUE, STEPS = range(4)  # kinds of `Said`: how messages of a flood may be merged

TRANSPORT = {0xF8: "clock", 0xFA: "start", 0xFB: "continue", 0xFC: "stop"}
_SONG_POSITION = 0xF2
_PREFIXES = ("", *(f"ch/{channel}/" for channel in range(2, 17)))
_LENGTHS = (3, 3, 3, 3, 2, 2, 3)  # of the messages 8. to E.
_SELECTS = {98: "nrpn", 99: "nrpn", 100: "rpn", 101: "rpn"}
_DATA = frozenset({6, 38, 96, 97})
_SELECTION_LASTS = 0.1  # s
_MOST_PARAMETERS = 1024  # whose numbers are remembered; an instrument has a hundred


class Said(NamedTuple):
    """What one message says: `value` of the control written like ``cc/16``."""

    kind: int
    control: str
    value: float


@dataclass(frozen=True, slots=True)
class Reading:
    """How a device's control changes are read; keys are (channel from 0, controller).

    `fine` are the coarse halves of 14-bit pairs; `plain` are read as 7-bit controllers whatever
    else they may be; `relative` are endless encoders, and the control they speak as.
    """

    fine: frozenset[tuple[int, int]] = frozenset()
    plain: frozenset[tuple[int, int]] = frozenset()
    relative: dict[tuple[int, int], tuple[tuple[str, Encoding], ...]] = field(default_factory=dict)


class _Selection:
    """Which parameter a channel's data entry means: halves come one by one, and wear out."""

    __slots__ = ("at", "halves", "kind", "used")

    def __init__(self, kind: str, at: float) -> None:
        self.kind = kind
        self.at = at
        self.halves: list[int | None] = [None, None]  # lower, upper
        self.used = False


class Decoder:
    """Reads the messages of one port, in order of their arrival."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self._pairs: dict[tuple[int, int], FinePair] = {}
        self._parameters: dict[tuple[int, int], FinePair] = {}
        self._selections: dict[int, _Selection] = {}

    def is_plain(self, status: int, number: int) -> bool:
        """Whether only the newest of such messages counts: a knob that is nothing but a knob."""
        if status >> 4 != 0xB or number in _SELECTS or number in _DATA:
            return False
        channel, reading = status & 15, self.reading
        if (channel, number) in reading.relative:
            return False
        return not reading.fine or (channel, number & 31) not in reading.fine

    def decode(self, message: Sequence[int], time: float) -> list[Said]:
        """What `message` says, come at `time` s; nothing, where it is broken or not for us."""
        kind = (message[0] >> 4) - 8 if message else -1
        if not 0 <= kind < 7 or len(message) != _LENGTHS[kind]:
            return []
        channel, first, last = message[0] & 15, message[1], message[-1]
        if not 0 <= first < 128 or not 0 <= last < 128:
            return []
        prefix = _PREFIXES[channel]
        if kind == 3:
            return self._controller(channel, first, last, time)
        if kind == 0:
            return [Said(NOTE, f"{prefix}note/{first}", 0.0)]
        if kind == 1:
            return [Said(NOTE, f"{prefix}note/{first}", last / 127)]
        if kind == 2:
            return [Said(VALUE, f"{prefix}note/{first}/pressure", last / 127)]
        if kind == 4:
            return [Said(PROGRAM, f"{prefix}program/{first}", 1.0)]
        if kind == 5:
            return [Said(VALUE, f"{prefix}pressure", first / 127)]
        return [Said(VALUE, f"{prefix}bend", bend_position(last << 7 | first))]

    def _controller(self, channel: int, number: int, value: int, time: float) -> list[Said]:
        reading, key = self.reading, (channel, number)
        if encoders := reading.relative.get(key):
            steps = [(name, relative_steps(value, encoding)) for name, encoding in encoders]
            said = [Said(STEPS, name, float(count)) for name, count in steps if count]
            return [*said, *self._seven_bits(key, value)] if key in reading.plain else said
        if number in _SELECTS and key not in reading.plain:
            self._select(channel, number, value, time)
            return []
        if number in _DATA and (said_by := self._data(channel, number, value, time)) is not None:
            return said_by
        said = self._fine(key, value)
        return [*said, *self._seven_bits(key, value)] if key in reading.plain or not said else said

    def _seven_bits(self, key: tuple[int, int], value: int) -> list[Said]:
        if key[1] >= 32 and (key[0], key[1] - 32) in self.reading.fine:
            if key not in self.reading.plain:
                return []  # a fine half that came before its coarse one
        return [Said(VALUE, f"{_PREFIXES[key[0]]}cc/{key[1]}", value / 127)]

    def _fine(self, key: tuple[int, int], value: int) -> list[Said]:
        channel, number = key
        coarse = number if number < 32 else number - 32
        if number >= 64 or (channel, coarse) not in self.reading.fine:
            return []
        pair = self._pairs.setdefault((channel, coarse), FinePair())
        position = pair.coarse(value) if number < 32 else pair.fine(value)
        if position is None:
            return []
        return [Said(VALUE, f"{_PREFIXES[channel]}cc14/{coarse}", position)]

    def _select(self, channel: int, number: int, value: int, time: float) -> None:
        """Controllers 98 to 101. A new parameter needs both halves: one may have been lost."""
        kind, selection = _SELECTS[number], self._selections.get(channel)
        if selection is None or selection.kind != kind or selection.used or _old(selection, time):
            selection = self._selections[channel] = _Selection(kind, time)
        elif selection.halves[number & 1] not in (None, value):
            selection.halves = [None, None]  # a new parameter, though the old one got no data
        selection.at = time
        selection.halves[number & 1] = value
        if kind == "rpn" and selection.halves == [127, 127]:
            del self._selections[channel]

    def _data(self, channel: int, number: int, value: int, time: float) -> list[Said] | None:
        """Data entry, increment and decrement; None: no parameter is selected."""
        selection = self._selections.get(channel)
        if selection is None:
            return None
        if _old(selection, time):
            del self._selections[channel]
            return None
        selection.at = time
        selection.used = True
        lower, upper = selection.halves
        if lower is None or upper is None:
            return []  # whose data this is was lost
        if selection.kind == "rpn":
            return []  # how far a synthesizer bends and how it is tuned: nothing to steer here
        parameter = upper << 7 | lower
        position = _entered(self._pair(channel, parameter), number, value)
        if position is None:
            return []
        return [Said(VALUE, f"{_PREFIXES[channel]}nrpn/{parameter}", position)]

    def _pair(self, channel: int, parameter: int) -> FinePair:
        key = (channel, parameter)
        pair = self._parameters.pop(key, None) or FinePair()
        if len(self._parameters) >= _MOST_PARAMETERS:
            del self._parameters[next(iter(self._parameters))]
        self._parameters[key] = pair
        return pair


def _old(selection: _Selection, time: float) -> bool:
    return time - selection.at > _SELECTION_LASTS


def _entered(pair: FinePair, number: int, value: int) -> float | None:
    if number == 6:
        return pair.coarse(value)
    if number == 38:
        return pair.fine(value)
    return pair.step(1 if number == 96 else -1)


def transport(message: Sequence[int]) -> tuple[str, int] | None:
    """What a clock says: ``clock``, ``start``, ``continue``, ``stop``, or ``songpos`` and where.

    Where is a count of sixteenths since the beginning of the song. None: no message of a clock.
    """
    if not message:
        return None
    if message[0] == _SONG_POSITION:
        whole = len(message) == 3 and max(message[1:]) < 128
        return ("songpos", message[2] << 7 | message[1]) if whole else None
    kind = TRANSPORT.get(message[0])
    return (kind, 0) if kind and len(message) == 1 else None


def encoded(control: Control, value: int) -> bytes:
    """The message that sets `control` to `value`, 0..127 (a bend: 0..16383)."""
    channel = control.channel - 1
    if control.kind == "bend":
        value = min(max(value, 0), FULL)
        return bytes((0xE0 | channel, value & 127, value >> 7))
    status = 0x90 if control.kind == "note" else 0xB0
    return bytes((status | channel, control.number, min(max(value, 0), 127)))
