"""What the stage and the process that hears OSC say to one another: MessagePack, lengths before.

Both ends are ours, yet neither can make the other run anything: these are the only words.
"""

from __future__ import annotations

from typing import BinaryIO, Literal

import msgspec

_LENGTH = 4  # bytes before every word


class Begin(msgspec.Struct, tag=True, frozen=True):
    """First of all: where to listen, to whom, and the nodes as (address, kind, low, high, told)."""

    listen: str
    allow: list[str]
    port: int
    nodes: list[tuple[str, Literal["parameter", "trigger"], float, float, bool]]


class Send(msgspec.Struct, tag=True, frozen=True):
    """Send a packet to `host`, `port`."""

    packet: bytes
    host: str
    port: int


class Hand(msgspec.Struct, tag=True, frozen=True):
    """A datagram of `host` that came by another way."""

    datagram: bytes
    host: str


class Heard(msgspec.Struct, tag=True, frozen=True):
    """Events as (address, value, seconds, host, port); questions as (address, host, port, asked).

    Seconds are those of `time.perf_counter`, which all processes of a machine share.
    """

    events: list[tuple[str, float, float, str, int]]
    questions: list[tuple[str, str, int, int]]


class Status(msgspec.Struct, tag=True, frozen=True):
    """How it goes: the port (None: none), the counts, and the rows as `Row` has them."""

    port: int | None
    heard: int
    refused: dict[str, int]
    rows: list[tuple[str, int, str, float, float, int]]
    notices: list[str]


ToChild = Begin | Send | Hand
FromChild = Heard | Status


def to_bytes(word: ToChild | FromChild) -> bytes:
    """A word on the pipe. The reverse of `read_word`."""
    data = msgspec.msgpack.encode(word)
    return len(data).to_bytes(_LENGTH, "little") + data


def read_word(pipe: BinaryIO) -> bytes | None:
    """The next word of a pipe, yet to be decoded; None when it has ended."""
    head = pipe.read(_LENGTH)
    if len(head) < _LENGTH:
        return None
    size = int.from_bytes(head, "little")
    data = pipe.read(size)
    return data if len(data) == size else None
