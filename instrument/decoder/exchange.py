"""What the stage and a decoder process share: one file of memory, and the words on two pipes.

Ownership, which is why no picture is ever torn:

* The stage hands over ONE request at a time: it writes z, parameters and header, then one byte
  down the pipe, the number of the picture slot to fill. From then until the answer the request
  and that slot belong to the decoder, and the stage touches neither.
* The answer names the slot; with it request and slot belong to the stage again.
* The stage chooses the slot, and never the one it shows nor the newest one. It alone knows
  both and changes both under one lock, so the choice cannot race with anything. With three
  slots one is always left.
* A picture may stay on the graphics card instead (see `lending`): then a slot's number means a
  place of the ring that the decoder lent. Places are owned as slots are.
* What is in memory before a write to a pipe is there for whoever reads that byte: the kernel
  orders the two on every machine. No atomics, no retries, nothing to spin on.
* A z posted while the decoder works waits at the stage, and a newer one replaces it: newest
  z wins, there is no queue. At most one byte is ever in the pipe, so posting never blocks.

This module knows neither torch nor who supervises whom.
"""

from __future__ import annotations

import errno
import math
import mmap
import os
import struct
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from instrument.cuda import LentRing
from instrument.decoder.protocol import DecoderSpec
from instrument.frame import U8
from instrument.latent.space import F32

SLOTS = 3
LARGEST_PARAMETERS = 16384  # bytes of JSON
_PAGE = 4096
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
    """The shared memory, laid out: one request, three pictures with their headers.

    Pictures are ``U8[h, w, 4]``. Views keep the memory alive, so a picture that is still held
    outlives the process that made it and this object.
    """

    def __init__(self, memory: mmap.mmap, spec: DecoderSpec) -> None:
        header = _PAGE // 4
        self._request = np.ndarray((1,), _REQUEST, memory, 0)
        self._pictures: NDArray[np.void] = np.ndarray((SLOTS,), _PICTURE, memory, header)
        self._z: F32 = np.ndarray(spec.latent.shape, np.float32, memory, _PAGE)
        start = _PAGE + _pages(4 * spec.latent.size)
        self._parameters: U8 = np.ndarray((LARGEST_PARAMETERS,), np.uint8, memory, start)
        start += _pages(LARGEST_PARAMETERS)
        height, width = spec.size
        slot = _pages(height * width * 4)
        self.slots: list[U8] = [
            np.ndarray((height, width, 4), np.uint8, memory, start + i * slot) for i in range(SLOTS)
        ]

    @staticmethod
    def size(spec: DecoderSpec) -> int:
        """How many bytes the memory for `spec` has."""
        picture = _pages(spec.size[0] * spec.size[1] * 4)
        return _PAGE + _pages(4 * spec.latent.size) + _pages(LARGEST_PARAMETERS) + SLOTS * picture

    def write_request(self, request: Request) -> None:
        """Stage only, and only while no request is out. The reverse of `read_request`."""
        self._z[...] = request.z
        length = len(request.parameters)
        self._parameters[:length] = np.frombuffer(request.parameters, np.uint8)
        self._request[0] = (request.sequence, request.index, length, request.on_card)

    def read_request(self) -> Request:
        """Decoder only, and only after the stage's byte."""
        sequence, index, length, on_card = self._request[0].item()
        parameters = self._parameters[:length].tobytes()
        return Request(sequence, index, self._z.copy(), parameters, on_card)

    def write_picture(self, slot: int, rgb: U8, picture: Picture) -> None:
        """Decoder only: fill `slot` with ``U8[h, w, 3]``, and say what it is."""
        self.write_pixels(slot, rgb)
        self.write_header(slot, picture)

    def write_pixels(self, slot: int, rgb: U8) -> None:
        """Decoder only: fill `slot` with ``U8[h, w, 3]``. Who can, writes to `slots` itself."""
        write_bands(self.slots[slot], rgb)

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
    """A fresh file for `spec`, mapped: in /dev/shm where there is room, else among temp files.

    Raises OSError when neither has room.
    """
    folders = [Path("/dev/shm"), Path(tempfile.gettempdir())]  # noqa: S108 - mkstemp makes the name
    folders = [folder for folder in folders if folder.is_dir()]
    for folder in folders[:-1]:
        try:
            return _create_in(folder, Exchange.size(spec))
        except OSError:
            continue  # full or not ours to write; the temp folder is slower, not worse
    return _create_in(folders[-1], Exchange.size(spec))


def _create_in(folder: Path, size: int) -> tuple[Path, mmap.mmap]:
    descriptor, name = tempfile.mkstemp(prefix="latent-instrument-", dir=folder)
    try:
        _reserve(descriptor, size)
        return Path(name), mmap.mmap(descriptor, size)
    except OSError:
        Path(name).unlink()
        raise
    finally:
        os.close(descriptor)


def _reserve(descriptor: int, size: int) -> None:
    # A sparse file on a full /dev/shm kills whoever writes to it (SIGBUS); better an error now.
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, size)
            return
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
    os.ftruncate(descriptor, size)


def open_memory(path: Path, spec: DecoderSpec) -> mmap.mmap:
    """Map the file another process made with `create_memory`.

    Its name goes away at once where the system allows (not on Windows): the memory then lives
    exactly as long as somebody maps it, and no crash leaves it behind.
    """
    with path.open("r+b") as file:
        memory = mmap.mmap(file.fileno(), Exchange.size(spec))
    if os.name == "posix":
        path.unlink()
    return memory


class Word(IntEnum):
    """What a decoder process says. `FAILED` means: this model can never be opened.

    `LENT`, before `READY`: pictures may stay on the card, where the text says (`encode_ring`).
    """

    READY = 1
    PICTURE = 2
    ERROR = 3
    FAILED = 4
    LENT = 6


class Message(NamedTuple):
    """One word with the slot it is about and a line of text."""

    word: Word
    slot: int = 0
    text: str = ""


_MESSAGE = struct.Struct("<BBH")


def write_message(pipe: BinaryIO, message: Message) -> None:
    """Say `message`. The reverse of `read_message`."""
    text = message.text.encode(errors="replace")[:4000]
    pipe.write(_MESSAGE.pack(message.word, message.slot, len(text)) + text)
    pipe.flush()


def read_message(pipe: BinaryIO) -> Message | None:
    """Wait for the next message; None when the other side is gone."""
    head = pipe.read(_MESSAGE.size)
    if len(head) < _MESSAGE.size:
        return None
    word, slot, length = _MESSAGE.unpack(head)
    text = pipe.read(length)
    if len(text) < length or word not in set(Word):
        return None
    return Message(Word(word), slot, text.decode(errors="replace"))


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
