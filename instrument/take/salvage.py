"""The bytes of any file → the chunks and attachments whose checksum holds.

The format's own reader stops at the first bad chunk and believes every length it reads. This
one believes checksums only: it searches for the marks of a chunk or an attachment, and what
lies between two sound pieces and is no orderly index is named as broken.
Knows nothing of rows, events or headers.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

import zstandard

from instrument.take.layout import ATTACHMENT_MARK, CHANNELS, CHUNK_MARK, MAGIC, largest_chunk

_HEADER, _FOOTER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _INDEX = 1, 2, 3, 4, 5, 6, 7
_METADATA, _DATA_END = 12, 15
_FOOTER_BYTES = 29
_MARK_IN_CHUNK = 37  # opcode, length, two times, size, checksum stand before it
_DATA_IN_CHUNK = 53
_MARK_IN_ATTACHMENT = 29  # … and the name's own length
_LARGEST_ATTACHMENT = 256 << 20
_BLOCK = 1 << 20
# All-zero rows shrink 500-fold; a file that unpacks to more than this is no performance.
_MOST_UNPACKED = 1000


class Message(NamedTuple):
    """One message of a chunk; `sequence` is the frame index of a row, the count of an event."""

    topic: str
    sequence: int
    nanoseconds: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file within the file, bytes ``[start, stop)``, checksum right."""

    start: int
    stop: int
    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """The messages of bytes ``[start, stop)``, checksum right."""

    start: int
    stop: int
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """Bytes ``[start, stop)`` that hold nothing one can trust; chunk `number` would be there."""

    start: int
    stop: int
    number: int


Piece = Attachment | Chunk | Broken


class Source:
    """A file read in blocks: constant memory, and a failing disk is an OSError, not a signal."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, 2)
        self._at, self._block = 0, b""

    def read(self, at: int, count: int) -> bytes:
        """Bytes ``[at, at + count)``, fewer at the end of the file."""
        if count > _BLOCK:
            self._file.seek(at)
            return self._file.read(min(count, self.size - at))
        if not self._at <= at <= at + count <= self._at + len(self._block):
            self._file.seek(at)
            self._at, self._block = at, self._file.read(min(_BLOCK, max(0, self.size - at)))
        return self._block[at - self._at : at - self._at + count]

    def find(self, pattern: bytes, start: int, stop: int) -> int:
        """Where `pattern` first lies within ``[start, stop)``, or -1."""
        while stop - start >= len(pattern):
            if not self._at <= start < self._at + len(self._block) - len(pattern):
                self.read(start, min(_BLOCK, stop - start))
            found = self._block.find(pattern, start - self._at, stop - self._at)
            if found >= 0:
                return self._at + found
            start = max(start + 1, self._at + len(self._block) - len(pattern) + 1)
        return -1

    def checksum(self, start: int, stop: int, value: int = 0) -> int:
        """CRC-32 of bytes ``[start, stop)``, going on from `value`."""
        for at in range(start, stop, _BLOCK):
            value = zlib.crc32(self.read(at, min(_BLOCK, stop - at)), value)
        return value


class Salvage:
    """Goes once through the pieces of a take. Raises OSError only.

    `finished` says whether the file ends the way a finished one does; `largest` bounds what
    a chunk may unpack to, and is set lower once the header is known.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.largest = largest_chunk(0)
        self._budget = _MOST_UNPACKED * source.size + (64 << 20)
        self._topics = dict(enumerate(CHANNELS, start=1))
        self.magic = source.read(0, len(MAGIC)) == MAGIC
        self.end = self._find_end()
        self.finished = self.end is not None

    def pieces(self) -> Iterator[Piece]:
        """Everything sound in the order it lies, and every broken stretch between."""
        stop = self.source.size if self.end is None else self.end
        sound = at = len(MAGIC)
        number = 1
        if not self.magic:
            yield Broken(0, len(MAGIC), number)
        while (piece := self._next(at, stop)) is not None:
            orderly = self._orderly(sound, piece.start)
            if orderly < piece.start:
                yield Broken(orderly, piece.start, number)
            yield piece
            number += isinstance(piece, Chunk)
            sound = at = piece.stop
        orderly = self._orderly(sound, stop)
        if orderly < stop:
            yield Broken(orderly, stop, number)

    def backwards(self) -> Iterator[Chunk]:
        """Sound chunks from the last to the first, for a look at how a take ends."""
        high = stop = self.source.size if self.end is None else self.end
        while high > len(MAGIC):
            low = max(len(MAGIC), high - _BLOCK)
            block = self.source.read(low, high - low + len(CHUNK_MARK) - 1)
            until = len(block)
            while (mark := block.rfind(CHUNK_MARK, 0, until)) >= 0:
                chunk = self._chunk(low + mark - _MARK_IN_CHUNK, stop)
                if chunk is not None:
                    yield chunk
                until = mark + len(CHUNK_MARK) - 1
            high = low

    def data_is_intact(self) -> bool:
        """Whether the checksum over all of a finished file holds: reads the file once more."""
        if self.end is None:
            return False
        record = self.source.read(self.end, 13)
        return record[9:] == struct.pack("<I", self.source.checksum(0, self.end))

    def _find_end(self) -> int | None:
        """Where the data of a finished file end, or None when it is not finished."""
        source = self.source
        footer_at = source.size - len(MAGIC) - _FOOTER_BYTES
        if footer_at < len(MAGIC) or source.read(source.size - len(MAGIC), len(MAGIC)) != MAGIC:
            return None
        footer = source.read(footer_at, _FOOTER_BYTES)
        opcode, length, summary, _, checksum = struct.unpack("<BQQQI", footer)
        if (opcode, length) != (_FOOTER, 20) or not len(MAGIC) + 13 <= summary <= footer_at:
            return None
        actual = zlib.crc32(footer[:25], source.checksum(summary, footer_at))
        if actual != checksum or source.read(summary - 13, 9) != struct.pack("<BQ", _DATA_END, 4):
            return None
        return int(summary) - 13

    def _next(self, at: int, stop: int) -> Attachment | Chunk | None:
        """The first sound piece that starts at `at` or later."""
        begin = at
        while True:
            chunk_mark = self.source.find(CHUNK_MARK, at, stop)
            limit = stop if chunk_mark < 0 else chunk_mark
            mark = self.source.find(ATTACHMENT_MARK, at, limit)
            piece: Attachment | Chunk | None
            if mark >= 0:
                piece = self._attachment(mark, stop)
            elif chunk_mark >= 0:
                mark, piece = chunk_mark, self._chunk(chunk_mark - _MARK_IN_CHUNK, stop)
            else:
                return None
            if piece is not None and piece.start >= begin:
                return piece
            at = mark + 1

    def _orderly(self, start: int, stop: int) -> int:
        """How far ``[start, stop)`` is made of the index records that lie between chunks."""
        while start + 9 <= stop:
            opcode, length = struct.unpack("<BQ", self.source.read(start, 9))
            if opcode not in (_HEADER, _INDEX, _METADATA) or length > stop - start - 9:
                break
            start += 9 + length
        return start

    def _attachment(self, mark: int, stop: int) -> Attachment | None:
        after = mark + len(ATTACHMENT_MARK)
        head = self.source.read(after, 8)
        if len(head) < 8:
            return None
        size = int.from_bytes(head, "little")
        end = after + 8 + size + 4
        if end > stop or size > _LARGEST_ATTACHMENT:
            return None
        window = self.source.read(max(0, mark - 255 - 4), min(mark, 255 + 4))
        for length in range(1, len(window) - 3):
            if window[-length - 4 : len(window) - length] != struct.pack("<I", length):
                continue
            start = mark - length - _MARK_IN_ATTACHMENT
            if start < 0 or self._budget < size:
                continue
            self._budget -= size
            body = self.source.read(start + 9, end - start - 9)
            if zlib.crc32(body[:-4]) != int.from_bytes(body[-4:], "little"):
                continue
            name = window[len(window) - length :].decode("utf-8", "replace")
            return Attachment(start, end, name, body[len(body) - size - 4 : -4])
        return None

    def _chunk(self, start: int, stop: int) -> Chunk | None:
        head = self.source.read(start, _DATA_IN_CHUNK) if start >= 0 else b""
        if len(head) < _DATA_IN_CHUNK:
            return None
        opcode, length = struct.unpack_from("<BQ", head)
        checksum = int.from_bytes(head[33:37], "little")
        size = int.from_bytes(head[45:53], "little")
        # The length stands there twice; one bad bit in either leaves the other.
        sizes = {size, length - (_DATA_IN_CHUNK - 9)}
        if opcode != _CHUNK and len(sizes) != 1:
            return None
        for packed in sizes:
            end = start + _DATA_IN_CHUNK + packed
            if not 0 < packed <= 2 * self.largest or end > stop:
                continue
            body = self._unpack(self.source.read(start + _DATA_IN_CHUNK, packed))
            if body is None or zlib.crc32(body) != checksum:
                continue
            messages = self._messages(body)
            if messages is not None:
                return Chunk(start, end, messages)
        return None

    def _unpack(self, data: bytes) -> bytes | None:
        """Decompress no more than `largest` bytes, and within the budget of the whole file."""
        try:
            size = zstandard.frame_content_size(data)
            if not 0 <= size <= min(self.largest, self._budget):
                return None
            self._budget -= size
            reader = zstandard.ZstdDecompressor(max_window_size=max(self.largest, 1 << 20))
            return reader.decompress(data, max_output_size=size, allow_extra_data=False)
        except zstandard.ZstdError:
            return None

    def _messages(self, body: bytes) -> tuple[Message, ...] | None:
        """The messages in an unpacked chunk, or None when it is not built like one."""
        messages = []
        at, size = 0, len(body)
        while at < size:
            if size - at < 9:
                return None
            opcode, length = struct.unpack_from("<BQ", body, at)
            at += 9
            if length > size - at:
                return None
            if opcode == _MESSAGE and length >= 22:
                channel, sequence, time = struct.unpack_from("<HIQ", body, at)
                topic = self._topics.get(channel, "")
                messages.append(Message(topic, sequence, time, body[at + 22 : at + length]))
            elif opcode == _CHANNEL and length >= 8:
                self._declare(body[at : at + length])
            elif opcode != _SCHEMA:
                return None
            at += length
        return tuple(messages)

    def _declare(self, record: bytes) -> None:
        """Learn the id of a channel from a file other tools have numbered anew."""
        channel, _, length = struct.unpack_from("<HHI", record)
        topic = record[8 : 8 + length].decode("utf-8", "replace")
        if topic in CHANNELS:
            self._topics[channel] = topic
