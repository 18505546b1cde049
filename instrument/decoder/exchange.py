"""What the stage and a decoder process share: one file of memory, and the words on two pipes.

Ownership, which is why no picture is ever torn:

* Everything in the memory belongs to one side at a time, and a byte or a message hands it over.
* Two requests are the stage's. It writes one and says so with a byte; from then on that one is the
  decoder's, which copies it at once, beside whatever it is decoding, and says `TAKEN`.
* Four pictures are the decoder's. It fills one and says `PICTURE`; from then on that one is the
  stage's, which gives it back with a later byte once it is neither shown nor the newest. So the
  stage has two, one is being filled, and one is left for the next.
* A picture may stay on the graphics card instead (see `lending`): then its number means a place of
  the ring that the decoder lent. Places are owned as pictures are.
* What is in memory before a write to a pipe is there for whoever reads that byte: the kernel
  orders the two on every machine. No atomics, no retries, nothing to spin on.
* A request that was taken and not begun is replaced by the next: newest z wins, there is no queue.
  The decoder has the next z before it is done with the last, and never waits for the stage while
  there is something to do: measured, the way there and back took .35 ms of every picture. At most
  as many bytes are in the pipe as there are requests and pictures, so posting never blocks.

This module knows neither torch nor who supervises whom.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from instrument.cuda import LentRing
from instrument.decoder import memory
from instrument.decoder.protocol import DecoderSpec
from instrument.frame import U8
from instrument.latent.space import F32

SLOTS = 4  # pictures
REQUESTS = 2
LARGEST_PARAMETERS = 16384  # bytes of JSON
_PAGE = 4096
_SLOT_BITS = 2  # of the stage's byte below those of the slots: for the request
_REQUEST = np.dtype(
    [("sequence", "<u8"), ("index", "<i8"), ("parameters_length", "<u8"), ("on_card", "?")],
    align=True,
)
_PICTURE = np.dtype(
    [
        ("sequence", "<u8"),
        ("index", "<i8"),
        ("decode_seconds", "<f8"),
        ("finished", "<f8"),
        ("on_card", "?"),
    ],
    align=True,
)


@dataclass(frozen=True, slots=True)
class Request:
    """One wish for a picture. `sequence` counts the posts; `parameters` is JSON.

    `on_card`: the picture had better stay on the graphics card, if the decoder lends a ring.
    """

    sequence: int
    index: int
    z: F32
    parameters: bytes
    on_card: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known of the picture in a slot.

    `index` is the row of z it was made from, `finished` is on the machine's monotonic clock.
    `on_card`: it lies in the slot of that number of the ring that was lent.
    """

    sequence: int
    index: int
    decode_seconds: float
    finished: float
    on_card: bool = False


def _pages(size: int) -> int:
    """`size` bytes rounded up to whole pages."""
    return -(-size // _PAGE) * _PAGE


class Exchange:
    """The shared memory, laid out: two requests, four pictures, each with its header.

    Pictures are ``U8[h, w, 4]``. Views keep the memory alive, so a picture that is still held
    outlives the process that made it and this object.
    """

    def __init__(self, mapped: mmap.mmap, spec: DecoderSpec) -> None:
        header = _PAGE // 4
        self._requests: NDArray[np.void] = np.ndarray((REQUESTS,), _REQUEST, mapped, 0)
        self._pictures: NDArray[np.void] = np.ndarray((SLOTS,), _PICTURE, mapped, header)
        each = _pages(4 * spec.latent.size)
        self._z: list[F32] = [
            np.ndarray(spec.latent.shape, np.float32, mapped, _PAGE + i * each)
            for i in range(REQUESTS)
        ]
        start = _PAGE + REQUESTS * each
        self._parameters: U8 = np.ndarray((REQUESTS, LARGEST_PARAMETERS), np.uint8, mapped, start)
        start += REQUESTS * _pages(LARGEST_PARAMETERS)
        height, width = spec.size
        slot = _pages(height * width * 4)
        self.slots: list[U8] = [
            np.ndarray((height, width, 4), np.uint8, mapped, start + i * slot) for i in range(SLOTS)
        ]

    @staticmethod
    def size(spec: DecoderSpec) -> int:
        """How many bytes the memory for `spec` has."""
        picture = _pages(spec.size[0] * spec.size[1] * 4)
        request = _pages(4 * spec.latent.size) + _pages(LARGEST_PARAMETERS)
        return _PAGE + REQUESTS * request + SLOTS * picture

    def write_request(self, number: int, request: Request) -> None:
        """Stage only, and only what is the stage's. The reverse of `read_request`."""
        self._z[number][...] = request.z
        length = len(request.parameters)
        self._parameters[number, :length] = np.frombuffer(request.parameters, np.uint8)
        self._requests[number] = (request.sequence, request.index, length, request.on_card)

    def read_request(self, number: int) -> Request:
        """Decoder only, and only after the stage's byte: a copy."""
        sequence, index, length, on_card = self._requests[number].item()
        parameters = self._parameters[number, :length].tobytes()
        return Request(sequence, index, self._z[number].copy(), parameters, on_card)

    def write_picture(self, slot: int, rgb: U8, picture: Picture) -> None:
        """Decoder only: fill `slot` with ``U8[h, w, 3]``, and say what it is."""
        write_bands(self.slots[slot], rgb)
        self.write_header(slot, picture)

    def write_header(self, slot: int, picture: Picture) -> None:
        """Decoder only: say what is in `slot`. The reverse of `read_picture`."""
        self._pictures[slot] = (
            picture.sequence, picture.index, picture.decode_seconds, picture.finished,
            picture.on_card,
        )  # fmt: skip

    def read_picture(self, slot: int) -> Picture:
        """Stage only: what is in `slot`."""
        return Picture(*self._pictures[slot].item())


def write_bands(pixels: U8, rgb: U8) -> None:
    """Fill ``U8[h, w, 4]`` with ``U8[h, w, 3]``, opaque."""
    for band in range(3):  # six times faster than pixels[..., :3] = rgb
        pixels[..., band] = rgb[..., band]
    pixels[..., 3] = 255


def create_memory(spec: DecoderSpec) -> tuple[Path, mmap.mmap]:
    """Fresh memory for `spec` (see `memory.create`). Raises OSError where there is no room."""
    return memory.create(Exchange.size(spec))


def open_memory(path: Path, spec: DecoderSpec) -> mmap.mmap:
    """The memory another process made with `create_memory` (see `memory.open_once`)."""
    return memory.open_once(path, Exchange.size(spec))


def encode_turn(request: int | None, slots: Iterable[int]) -> bytes:
    """The stage's byte: which request is the decoder's now, if one is, and which pictures are."""
    turn = 0 if request is None else 1 + request
    for slot in slots:
        turn |= 1 << _SLOT_BITS + slot
    return bytes([turn])


def decode_turn(turn: int) -> tuple[int | None, list[int]]:
    """What `encode_turn` encoded."""
    request = turn & (1 << _SLOT_BITS) - 1
    slots = [slot for slot in range(SLOTS) if turn >> _SLOT_BITS + slot & 1]
    return (request - 1 if request else None), slots


class Word(IntEnum):
    """What a decoder process says. `FAILED` means: this model can never be opened.

    `LENT`, before `READY`: pictures may stay on the card, where the text says (`encode_ring`).
    """

    READY = 1
    PICTURE = 2
    ERROR = 3
    FAILED = 4
    TAKEN = 5
    LENT = 6


class Message(NamedTuple):
    """One word with the picture slot it is about (`TAKEN`: the request), and a line of text.

    `sequence` is of the request that `PICTURE` or `ERROR` answers: it, and all before it.
    """

    word: Word
    slot: int = 0
    text: str = ""
    sequence: int = 0


_MESSAGE = struct.Struct("<BBHQ")


def write_message(pipe: BinaryIO, message: Message) -> None:
    """Say `message`. The reverse of `read_message`."""
    text = message.text.encode(errors="replace")[:4000]
    pipe.write(_MESSAGE.pack(message.word, message.slot, len(text), message.sequence) + text)
    pipe.flush()


def read_message(pipe: BinaryIO) -> Message | None:
    """Wait for the next message; None when the other side is gone."""
    head = pipe.read(_MESSAGE.size)
    if len(head) < _MESSAGE.size:
        return None
    word, slot, length, sequence = _MESSAGE.unpack(head)
    text = pipe.read(length)
    if len(text) < length or word not in set(Word):
        return None
    return Message(Word(word), slot, text.decode(errors="replace"), sequence)


def encode_parameters(parameters: Mapping[str, float]) -> bytes:
    """JSON of `parameters`. Raises ValueError beyond 16 KiB. Reverse: `decode_parameters`."""
    encoded = msgspec.json.encode(parameters)
    if len(encoded) > LARGEST_PARAMETERS:
        raise ValueError(f"parameters take {len(encoded)} bytes, at most {LARGEST_PARAMETERS}")
    return encoded


def encode_ring(ring: LentRing) -> str:
    """`ring` as the text of a message. Reverse: `decode_ring`."""
    return msgspec.json.encode(ring).decode()


def decode_ring(text: str, spec: DecoderSpec) -> LentRing:
    """What `encode_ring` encoded. Raises ValueError on what is no ring for pictures of `spec`."""
    ring = msgspec.json.decode(text, type=LentRing)
    if ring.size != spec.size or len(ring.read) != SLOTS or ring.stride < 4 * math.prod(ring.size):
        raise ValueError(f"a ring of {ring.size} is none for pictures of {spec.size}")
    return ring


def decode_parameters(encoded: bytes) -> dict[str, F32]:
    """What `encode_parameters` encoded, as ``F32[1]`` each, as decoders take it."""
    values = msgspec.json.decode(encoded, type=dict[str, float])
    return {address: np.array([value], np.float32) for address, value in values.items()}
