"""A damaged take → a whole one, with the untouched original beside it.

What was damaged stays, byte for byte, as ``take.mcap.damaged``; ``take.mcap`` becomes a
finished record of all that could be salvaged, and the plain files are derived from it.
A second repair finds a whole take and changes nothing.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from instrument import InstrumentError
from instrument.take import layout
from instrument.take.derive import derive
from instrument.take.disk import RecordFile, lock, reason_of, sync_folder
from instrument.take.stream import TakeStream, is_bookend
from instrument.take.writer import TakeWriter


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What a repair found and did.

    `rows` frames, `recovered` of them sound and the rest held in `gaps`; `damage` says what
    was wrong, line by line; `original` is where the damaged record lies now, None if it was
    whole.
    """

    folder: Path
    rows: int
    recovered: int
    events: int
    gaps: tuple[tuple[int, int], ...]
    damage: tuple[str, ...]
    original: Path | None


def repair(folder: Path) -> RepairReport:
    """Make the take in `folder` whole again, as far as its bytes allow.

    Raises InstrumentError when it is no take, its header is destroyed, somebody is recording
    it, or the disk says no; the take is then as it was.
    """
    if not folder.is_dir():
        raise InstrumentError(f"{folder}: not the folder of a take")
    source = layout.record_of(folder)
    try:
        with source.open("rb") as held:
            if not lock(held):
                raise InstrumentError(f"{folder}: is being recorded right now")
            _sweep(folder)
            return _repair(folder, source)
    except OSError as error:
        raise InstrumentError(f"{folder}: cannot be repaired ({reason_of(error)})") from error


def _repair(folder: Path, source: Path) -> RepairReport:
    with TakeStream(source) as stream:
        for _ in stream:
            pass
        stream.verify_rest()
    original = None
    if stream.torn or source.name != layout.RECORD:
        part = _rewrite(folder, source, stream.length)
        original = _swap(folder, source, part)
    derived = derive(folder)
    return RepairReport(
        folder, derived.rows, derived.rows - derived.held, derived.events, derived.gaps,
        stream.damage, original,
    )  # fmt: skip


def _rewrite(folder: Path, source: Path, length: int) -> Path:
    """Copy every sound message into a new, finished record; chunk for chunk."""
    part = folder / f".{layout.RECORD}.{os.getpid()}.part"
    file = RecordFile(part)
    try:
        with TakeStream(source) as stream:
            writer = TakeWriter(file, stream.header)
            writer.begin(stream.attachments, stream.names)
            for passage in stream:
                for message in passage.messages:
                    if message.topic in layout.CHANNELS and not is_bookend(message):
                        writer.message(*message)
                writer.flush()
            writer.finish(length)
    except (OSError, InstrumentError):
        part.unlink(missing_ok=True)
        raise
    finally:
        file.close()
    return part


def _swap(folder: Path, source: Path, part: Path) -> Path:
    """Give `part` its name; there is a readable record at every moment of it."""
    record, kept = folder / layout.RECORD, source
    if source == record:
        kept = _free_name(folder)
        try:
            if not kept.exists():  # else an earlier repair came this far
                os.link(record, kept)
        except OSError:  # a disk without links: between two renames the reader knows both names
            record.rename(kept)
    part.replace(record)
    sync_folder(folder)
    return kept


def _free_name(folder: Path) -> Path:
    path, number = folder / layout.DAMAGED, 2
    while path.exists() and not path.samefile(folder / layout.RECORD):
        path, number = folder / f"{layout.DAMAGED}-{number}", number + 1
    return path


def _sweep(folder: Path) -> None:
    """Remove what an earlier attempt, cut short, left half written."""
    for path in folder.glob(".*.part"):
        with contextlib.suppress(OSError):
            path.unlink()
