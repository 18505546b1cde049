"""A take → the plain files other programs read: z.npy, z.params.npy, z.json, events.jsonl.

Streams: an hour of 512-D takes a few megabytes of memory. Each file appears under its name
only once it is whole, the array last, so that it is never alone.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from instrument import InstrumentError
from instrument.event import event_to_line
from instrument.latent.arrays import write_atomically
from instrument.latent.sequence import parameters_of, sidecar_of
from instrument.latent.space import F32
from instrument.take.disk import reason_of, sync_folder
from instrument.take.header import TakeHeader
from instrument.take.layout import SEQUENCE
from instrument.take.reader import sequence_of
from instrument.take.rows import Block, Holder
from instrument.take.stream import TakeStream

EVENTS = "events.jsonl"


@dataclass(frozen=True, slots=True)
class Derived:
    """What the plain files hold: `rows` frames, of them `held` ones in `gaps`, and `events`."""

    rows: int
    held: int
    events: int
    gaps: tuple[tuple[int, int], ...]
    damage: tuple[str, ...]


class _Array:
    """A float32 ``.npy`` of unknown length, written row by row."""

    def __init__(self, file: IO[bytes], shape: tuple[int, ...]) -> None:
        self._file, self._shape = file, shape
        self.rows = 0
        self._write_header()

    def append(self, rows: F32) -> None:
        """Add rows ``[k, *shape]``."""
        self._file.write(np.ascontiguousarray(rows, "<f4").data)
        self.rows += len(rows)

    def finish(self) -> None:
        """Write the length into the header."""
        self._file.seek(0)
        self._write_header()

    def _write_header(self) -> None:
        # numpy leaves room for the first axis to grow, so both headers have one length.
        shape = (self.rows, *self._shape)
        fields = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, fields)


def derive(folder: Path) -> Derived:
    """Write the plain files of the take in `folder`, from its record alone.

    Raises InstrumentError naming the file that cannot be read or written.
    """
    path = folder / SEQUENCE
    with TakeStream(folder) as stream, contextlib.ExitStack() as files:
        header = stream.header
        # Left in reverse: z.npy is opened first, so it takes its name last.
        z = _Array(files.enter_context(write_atomically(path)), header.spec.shape)
        parameters = None
        if header.addresses:
            file = files.enter_context(write_atomically(parameters_of(path)))
            parameters = _Array(file, (len(header.addresses),))
        lines = files.enter_context(write_atomically(folder / EVENTS))
        derived = _copy(stream, z, parameters, lines)
        with write_atomically(sidecar_of(path)) as sidecar:
            sidecar.write(_sidecar(header, derived))
    try:
        sync_folder(folder)
    except OSError as error:
        raise InstrumentError(f"{folder}: cannot be written ({reason_of(error)})") from error
    return derived


def _copy(stream: TakeStream, z: _Array, parameters: _Array | None, lines: IO[bytes]) -> Derived:
    holder, events, held = Holder(), 0, 0

    def write(block: Block) -> int:
        z.append(block.z)
        if parameters is not None:
            parameters.append(block.parameters)
        return 0 if block.present else len(block.z)

    for passage in stream:
        for run in passage.runs:
            held += sum(write(block) for block in holder.add(run))
        for event in passage.events:
            lines.write(event_to_line(event).encode() + b"\n")
        events += len(passage.events)
    held += sum(write(block) for block in holder.end(stream.length))
    z.finish()
    if parameters is not None:
        parameters.finish()
    return Derived(z.rows, held, events, stream.gaps, stream.damage)


def _sidecar(header: TakeHeader, derived: Derived) -> bytes:
    """``z.json``: a z-sequence's sidecar, and the gaps in which rows are held."""
    # Arrays of the right shape that take no memory: the words stay those of a z-sequence.
    z = np.broadcast_to(np.float32(0), (derived.rows, *header.spec.shape))
    parameters = np.broadcast_to(np.float32(0), (derived.rows, len(header.addresses)))
    fields = sequence_of(header, z, parameters).to_json()
    fields["gaps"] = [list(gap) for gap in derived.gaps]
    return json.dumps(fields, indent=1).encode() + b"\n"
