"""A take, once through, in constant memory: header, then chunk by chunk, with every loss named.

Never runs anything, never trusts a size it has not compared with the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from instrument import InstrumentError
from instrument.event import ControlEvent, event_from_line
from instrument.take import layout
from instrument.take.disk import reason_of
from instrument.take.header import TakeHeader, header_from_bytes
from instrument.take.rows import Rows, Run
from instrument.take.salvage import Broken, Chunk, Message, Piece, Salvage, Source

_HEADER_WITHIN = 1 << 16  # where a file without the right first bytes may still show a header
_CLOSED = b'{"closed"'
_MOST = 1 << 32  # rows or events: the sequence number of a message has 32 bits


class Passage:
    """What one chunk holds."""

    __slots__ = ("events", "messages", "runs")

    def __init__(
        self, runs: list[Run], events: list[ControlEvent], messages: tuple[Message, ...]
    ) -> None:
        self.runs, self.events, self.messages = runs, events, messages


@dataclass(slots=True)
class _Losses:
    """Which broken bytes cost which rows, and the words for it."""

    damage: list[str] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    pending: list[Broken] = field(default_factory=list)
    next_event: int = 0
    lost_events: int = 0

    def expect_events(self, first: int, stop: int) -> None:
        """Events `[first, stop)` by their count were found."""
        self.lost_events += max(0, first - self.next_event)
        self.next_event = max(self.next_event, stop)

    def settle(self, start: int, stop: int, unknown: bool = False) -> None:
        """Rows ``[start, stop)`` are missing, none when they are equal; say why."""
        lost = []
        if stop > start:
            self.gaps.append((start, stop))
            rows = f"row {start}" if stop - start == 1 else f"rows {start} to {stop - 1}"
            lost.append(f"{rows} {'lost' if self.pending else 'never written'}")
        elif unknown:
            lost.append(f"rows from {start} on, if there were any, are lost")
        if self.lost_events:
            lost.append(f"{self.lost_events} events lost")
        where = [f"bytes {b.start} to {b.stop} (chunk {b.number})" for b in self.pending]
        if where or lost:
            what = ", ".join(lost) or "no row lost"
            cause = f"{' and '.join(where)} cannot be read: " if where else ""
            self.damage.append(cause + what)
        self.pending.clear()
        self.lost_events = 0


class TakeStream:
    """Goes once through a take in constant memory: header first, then chunk by chunk.

    ``with TakeStream(path) as stream: for passage in stream: …``; `length`, `gaps` and
    `damage` are complete after that. Raises InstrumentError when it is no take.
    """

    def __init__(self, path: Path) -> None:
        self.path = record_path = layout.record_of(path)
        self.header: TakeHeader
        self.attachments: dict[str, bytes] = {}
        self.names: tuple[str, ...] = ()
        self.torn = False  # whether bytes are broken or missing, whatever that cost
        self.finished = False
        self.length = 0
        self._losses = _Losses()
        try:
            self._file: BinaryIO = record_path.open("rb")
        except OSError as error:
            raise _unreadable(record_path, error) from error

    def __enter__(self) -> Self:
        try:
            self._salvage = Salvage(Source(self._file))
            self._pieces = self._salvage.pieces()
            self._first = self._read_head()
        except OSError as error:
            self._file.close()
            raise _unreadable(self.path, error) from error
        except InstrumentError:
            self._file.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    @property
    def gaps(self) -> tuple[tuple[int, int], ...]:
        """Missing rows, half-open, ascending."""
        return tuple(self._losses.gaps)

    @property
    def damage(self) -> tuple[str, ...]:
        """One line for each thing that is not as it was recorded."""
        return tuple(self._losses.damage)

    def __iter__(self) -> Iterator[Passage]:
        try:
            yield from self._passages()
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def verify_rest(self) -> None:
        """After the last passage: check the bytes no chunk vouches for, if all else is well."""
        if not self.torn and not self._salvage.data_is_intact():
            self.torn = True
            self._losses.damage.append("bytes outside the chunks have changed: no row lost")

    def _read_head(self) -> list[Piece]:
        """Find header and attachments; hands back the piece that ended the search."""
        header: TakeHeader | None = None
        found: dict[str, bytes] = {}
        reason = "the header is destroyed" if self._salvage.magic else "not a take"
        source = self._salvage.source
        if not self._salvage.magic and (
            source.find(layout.ATTACHMENT_MARK, 0, min(source.size, _HEADER_WITHIN)) < 0
        ):
            raise InstrumentError(f"{self.path}: {reason}")
        last: list[Piece] = []
        for piece in self._pieces:
            if isinstance(piece, Chunk):
                last = [piece]
                break
            if isinstance(piece, Broken):
                self._losses.pending.append(piece)
                continue
            self._note_torn_head()
            found.setdefault(piece.name, piece.data)
            if header is None and piece.name in (layout.HEADER, layout.HEADER_COPY):
                try:
                    header, self.names = header_from_bytes(piece.data)
                except InstrumentError as error:
                    raise InstrumentError(f"{self.path}: {layout.HEADER}: {error}") from error
                self._salvage.largest = header.largest_chunk
        if header is None:
            raise InstrumentError(f"{self.path}: {reason}, or no {layout.HEADER} in it")
        self.header = header
        self.attachments = {name: found[name] for name in self.names if name in found}
        for name in self.names:
            if name not in found:
                self._losses.damage.append(f"attachment {name[:60]!r} is lost")
        return last

    def _note_torn_head(self) -> None:
        """Broken bytes before an attachment belong to no chunk."""
        for broken in self._losses.pending:
            self.torn = True
            self._losses.damage.append(f"bytes {broken.start} to {broken.stop} cannot be read")
        self._losses.pending.clear()

    def _passages(self) -> Iterator[Passage]:
        rows, losses = Rows(self.header), self._losses
        closed, bad_events = None, 0
        self.torn |= bool(losses.pending)
        for piece in chain(self._first, self._pieces):
            if isinstance(piece, Broken):
                self.torn = True
                losses.pending.append(piece)
            elif isinstance(piece, Chunk):
                before = rows.next_row
                runs = rows.take(piece.messages)
                events, bad = self._events(piece.messages)
                bad_events += bad
                closed = closing_of(piece.messages) or closed
                for run in runs:
                    losses.settle(before, run.start)
                    before = run.stop
                yield Passage(runs, events, piece.messages)
        self._end(rows, closed, bad_events)

    def _events(self, messages: tuple[Message, ...]) -> tuple[list[ControlEvent], int]:
        events, bad = [], 0
        for message in messages:
            if message.topic != layout.EVENTS:
                continue
            self._losses.expect_events(message.sequence, message.sequence + 1)
            try:
                events.append(event_from_line(message.data.decode()))
            except ValueError:
                bad += 1
        return events, bad

    def _end(self, rows: Rows, closed: tuple[int, int] | None, bad_events: int) -> None:
        losses = self._losses
        self.finished = self._salvage.finished
        self.torn |= not self.finished
        self.length = rows.next_row
        if closed is not None:
            losses.expect_events(closed[1], closed[1])
            if rows.next_row < closed[0] <= rows.allowed():
                self.length = closed[0]
        losses.settle(rows.next_row, self.length, unknown=bool(losses.pending) and closed is None)
        if not self.finished:
            until = "" if closed else f", it ends after {rows.next_row} rows"
            losses.damage.append(f"not finished: the index is missing{until}")
        if rows.wrong:
            losses.damage.append(f"{rows.wrong} rows claim a place or size they cannot have")
        if rows.not_finite:
            losses.damage.append(f"{rows.not_finite} rows are not finite: held from the row before")
        if bad_events:
            losses.damage.append(f"{bad_events} events cannot be read")
        if self.length and not rows.count:
            losses.damage.append("not one row is left")
            losses.gaps.clear()
            self.length = 0


def is_bookend(message: Message) -> bool:
    """Whether `message` is one the writer puts at the start and end of every record."""
    return message.topic == layout.STATS and message.data.startswith((b'{"armed"', _CLOSED))


def closing_of(messages: tuple[Message, ...]) -> tuple[int, int] | None:
    """Rows and events a finished take says it had, from the chunk that is its last word."""
    for message in messages:
        if message.topic != layout.STATS or not message.data.startswith(_CLOSED):
            continue
        try:
            closed = json.loads(message.data)["closed"]
            rows, events = closed["rows"], closed["events"]
        except (ValueError, RecursionError, KeyError, TypeError):
            continue
        if all(type(n) is int and 0 <= n <= _MOST for n in (rows, events)):
            return rows, events
    return None


def _unreadable(path: Path, error: OSError) -> InstrumentError:
    return InstrumentError(f"{path}: cannot be read ({reason_of(error)})")
