"""The OSC 1.0 wire format: bytes to messages and back.

A strict reader of its own for the ten type tags a control message is made of. It is total: any
bytes give a list of messages, never an exception, never a wait, and the work is bounded by the
bytes. It knows no socket, no address tree and no clock.

python-osc would read the same messages at about half the speed, loops for ever on a negative size
(1.10.2), logs what it does not know and leaks decoding errors: nearly all of this reader would have
to stand before it as a gate. `scripts/bench_osc` measures both.

Source: opensoundcontrol.org, *The Open Sound Control 1.0 Specification* (2002); T, F, N and I as
in its section on further types and in OSC 1.1 (Freed & Schmeder, NIME 2009).
"""

from __future__ import annotations

import struct
from collections import Counter
from typing import NamedTuple

Argument = float | str | None
Refused = Counter[str]  # why → how many messages (or datagrams) were not taken

LONGEST = 8192  # bytes of a datagram
DEEPEST = 4  # bundles within one another
MOST_MESSAGES = 256  # of a datagram
MOST_ARGUMENTS = 16  # of a message
LARGEST = 1e12  # numbers beyond it no take can hold
_BUNDLE = b"#bundle\0"
_HEAD = 16  # "#bundle" and the time tag
_LONGEST_ADDRESS = 256  # with its padding; of events they are shorter
_SLASH = 0x2F
_AT_ONCE = 1  # the time tag that means: now
_NUMBERS = {
    b"i": struct.Struct(">i"),
    b"f": struct.Struct(">f"),
    b"h": struct.Struct(">q"),
    b"d": struct.Struct(">d"),
}
# What nearly every message of a controller is: one number.
_ONE_NUMBER = {b"," + tag + b"\0\0": number for tag, number in _NUMBERS.items()}
_CONSTANTS: dict[bytes, float | None] = {b"T": 1.0, b"F": 0.0, b"I": 1.0, b"N": None}


class Message(NamedTuple):
    """One message. `address` is as it came, unchecked; `due` as `time_of_tag` gives it."""

    address: bytes
    arguments: tuple[Argument, ...]
    due: float | None = None


class _WireError(ValueError):
    """A part of a datagram is no OSC that we take."""


def read(datagram: bytes, refused: Refused) -> list[Message]:
    """The messages of a datagram, in order; why others were not taken is counted in `refused`.

    True and the impulse are 1, False is 0, nil is None; numbers are finite and within ±`LARGEST`.
    A message that is refused leaves the others of its bundle; a bundle whose sizes do not add up
    is refused whole.
    """
    try:
        if datagram[:1] == b"/":
            return [_message(_checked(datagram), None)]
        return _bundle(_checked(datagram), refused)
    except _WireError as error:
        refused[str(error)] += 1
        return []


def _checked(datagram: bytes) -> bytes:
    size = len(datagram)
    if size > LONGEST:
        raise _WireError("too long")
    if not size or size & 3:
        raise _WireError("length is no multiple of 4")
    return datagram


def _bundle(datagram: bytes, refused: Refused) -> list[Message]:
    """Every message of nested bundles, without recursion: first all the sizes, then the messages.

    The size of an element is checked before a byte of it is looked at, and each step goes at
    least 4 bytes on, so no size can lead back or stand still.
    """
    elements: list[tuple[int, int, float | None]] = []
    ahead: list[tuple[int, int, int]] = [(0, len(datagram), 1)]  # start, stop, depth
    while ahead:
        start, stop, depth = ahead.pop()
        if datagram[start : start + 8] != _BUNDLE or stop - start < _HEAD:
            raise _WireError("neither a message nor a bundle")
        if depth > DEEPEST:
            raise _WireError("bundles too deep")
        due = time_of_tag(int.from_bytes(datagram[start + 8 : start + _HEAD], "big"))
        inner: list[tuple[int, int, int]] = []
        at = start + _HEAD
        while at < stop:
            size = int.from_bytes(datagram[at : at + 4], "big", signed=True)
            at += 4
            if size <= 0 or size & 3 or size > stop - at:
                raise _WireError("size of a bundle element")
            if datagram[at] == _SLASH:
                elements.append((at, at + size, due))
            else:
                inner.append((at, at + size, depth + 1))
            if len(elements) + len(inner) + len(ahead) > MOST_MESSAGES:
                raise _WireError("too many messages in a bundle")
            at += size
        ahead.extend(inner)
    elements.sort(key=lambda element: element[0])  # nested or not: the order of the bytes
    messages = []
    for start, stop, due in elements:
        try:
            messages.append(_message(datagram[start:stop], due))
        except _WireError as error:
            refused[str(error)] += 1
    return messages


def _message(data: bytes, due: float | None) -> Message:
    end = data.find(0)
    at = (end | 3) + 1  # end of the address with its padding
    if end < 0 or at > _LONGEST_ADDRESS or data.count(0, end, at) != at - end:
        raise _WireError("address")
    number = _ONE_NUMBER.get(data[at : at + 4])
    if number is not None and len(data) == at + 4 + number.size:
        (value,) = number.unpack_from(data, at + 4)
        if not -LARGEST <= value <= LARGEST:  # NaN is not, either
            raise _WireError("number not finite or too large")
        return Message(data[:end], (float(value),), due)
    return Message(data[:end], _arguments(data, at), due)


def _arguments(data: bytes, at: int) -> tuple[Argument, ...]:
    if at == len(data):
        return ()  # some old senders leave the type tags away when there is nothing to tag
    tags, at = _string(data, at)
    if tags[:1] != b",":
        raise _WireError("type tags")
    if len(tags) > MOST_ARGUMENTS + 1:
        raise _WireError("too many arguments")
    arguments: list[Argument] = []
    for code in tags[1:]:
        tag = bytes((code,))
        if tag in _NUMBERS:
            argument, at = _number(data, at, _NUMBERS[tag])
            arguments.append(argument)
        elif tag in _CONSTANTS:
            arguments.append(_CONSTANTS[tag])
        elif tag == b"s":
            text, at = _string(data, at)
            arguments.append(_decoded(text))
        else:
            raise _WireError("type of an argument")
    if at != len(data):
        raise _WireError("bytes left over")
    return tuple(arguments)


def _number(data: bytes, at: int, number: struct.Struct) -> tuple[float, int]:
    if len(data) - at < number.size:
        raise _WireError("ends too early")
    value = float(number.unpack_from(data, at)[0])
    if not -LARGEST <= value <= LARGEST:
        raise _WireError("number not finite or too large")
    return value, at + number.size


def _string(data: bytes, at: int) -> tuple[bytes, int]:
    """The bytes of a string and where the next thing begins, on a multiple of 4."""
    end = data.find(0, at)
    after = (end | 3) + 1
    if end < 0 or data.count(0, end, after) != after - end:
        raise _WireError("string without an end")
    return data[at:end], after


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        raise _WireError("text that is no UTF-8") from None


def time_of_tag(tag: int) -> float | None:
    """A time tag as seconds since 1900 UTC; None: at once."""
    return None if tag <= _AT_ONCE else tag / 2**32


def message(address: str, *arguments: float | bool | str) -> bytes:
    """One message on the wire: booleans as T and F, other numbers as 32-bit floats."""
    tags, body = ",", b""
    for argument in arguments:
        if isinstance(argument, bool):
            tags += "T" if argument else "F"
        elif isinstance(argument, str):
            tags += "s"
            body += _padded(argument)
        else:
            tags += "f"
            body += _NUMBERS[b"f"].pack(argument)
    return _padded(address) + _padded(tags) + body


def bundles(messages: list[bytes], longest: int = 1400) -> list[bytes]:
    """`messages` in as few bundles as fit into `longest` bytes each: an Ethernet frame's worth."""
    packed: list[bytes] = []
    for one in messages:
        element = len(one).to_bytes(4, "big") + one
        if packed and len(packed[-1]) + len(element) <= longest:
            packed[-1] += element
        else:
            packed.append(_BUNDLE + _AT_ONCE.to_bytes(8, "big") + element)
    return packed


def _padded(text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    return data + b"\0" * (4 - len(data) % 4)
