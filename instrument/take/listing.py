"""A folder of takes → one line each, in milliseconds: head and tail are read, rows are not.

So a bad bit in the middle of a finished take is not seen here; reading the take finds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from instrument import InstrumentError
from instrument.latent.sequence import ModelReference
from instrument.take import layout
from instrument.take.disk import reason_of
from instrument.take.header import TakeHeader
from instrument.take.salvage import Salvage, Source
from instrument.take.stream import TakeStream, closing_of
from instrument.timebase import FrameRate

State = Literal["whole", "unfinished", "damaged"]


@dataclass(frozen=True, slots=True)
class TakeEntry:
    """One take of a list. `rate` is None where its header is destroyed; `reason` says so."""

    folder: Path
    name: str
    rows: int
    seconds: float
    rate: FrameRate | None
    model: ModelReference
    state: State
    reason: str = ""


def list_takes(root: Path) -> list[TakeEntry]:
    """All takes in `root`, by name: folders with a record, and ``NAME.take`` that lost theirs.

    Raises InstrumentError without a root.
    """
    try:
        folders = sorted(path for path in root.iterdir() if _may_be_take(path))
    except OSError as error:
        raise InstrumentError(f"{root}: cannot be read ({reason_of(error)})") from error
    return [describe_take(folder) for folder in folders]


def _may_be_take(path: Path) -> bool:
    return path.is_dir() and (path.suffix == layout.SUFFIX or (path / layout.RECORD).exists())


def describe_take(folder: Path) -> TakeEntry:
    """The entry of one take. Never raises for what is in it."""
    try:
        with TakeStream(folder) as stream, stream.path.open("rb") as file:
            rows, state = _look(file, stream.header)
            header, damage = stream.header, stream.damage
    except (InstrumentError, OSError) as error:
        return TakeEntry(folder, folder.stem, 0, 0.0, None, ModelReference(), "damaged", str(error))
    return TakeEntry(
        folder, header.name, rows, header.rate.time_of(rows), header.rate, header.model,
        "damaged" if damage else state, damage[0] if damage else "",
    )  # fmt: skip


def _look(file: BinaryIO, header: TakeHeader) -> tuple[int, State]:
    """Length and state, from the tail of the record."""
    salvage = Salvage(Source(file))
    salvage.largest = header.largest_chunk
    for chunk in salvage.backwards():
        if (closed := closing_of(chunk.messages)) is not None:
            return closed[0], "whole" if salvage.finished else "damaged"
        rows = [m.sequence + 1 for m in chunk.messages if m.topic == layout.Z]
        if rows:
            return max(rows), "damaged" if salvage.finished else "unfinished"
    return 0, "damaged" if salvage.finished else "unfinished"
