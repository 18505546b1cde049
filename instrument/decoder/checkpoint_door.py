"""Which format a file has, and the checkpoint in it. What is not known is refused by name."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from instrument import InstrumentError
from instrument.decoder.checkpoint import Checkpoint, State
from instrument.decoder.checkpoint_nvidia import pickle_globals, read_nvidia
from instrument.decoder.checkpoint_tensorflow import (
    TENSORFLOW_GLOBALS,
    is_tensorflow,
    read_tensorflow,
)
from instrument.decoder.checkpoint_torch import TORCH_GLOBALS, read_torch, recognise
from instrument.decoder.program_archive import IsProgramError, program_in
from instrument.decoder.records import MOST_ENTRIES
from instrument.decoder.torch_file import OLD_MAGIC, ZIP_MAGIC, read_stream, read_zip
from instrument.decoder.unpickle import unpickle

_LARGEST_HEADER = 8 << 20  # bytes of a safetensors header: room for 20 000 tensors
_MADE_HERE = 1 << 24  # numbers a network may have beside those of its file: noise maps
_SAFETENSORS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8",
                "I32": "<i4", "I16": "<i2", "I8": "<i1", "U8": "<u1", "BOOL": "|b1"}  # fmt: skip


def read_checkpoint(data: memoryview, whole_file: bool) -> Checkpoint:
    """The generator in a file of these bytes.

    `whole_file`: compare checksums too, where the format has them; it reads every weight.
    Raises InstrumentError; the message does not name the file, which nobody here knows.
    """
    checkpoint = _read(data, whole_file)
    if checkpoint.parameters > len(data) + _MADE_HERE:
        raise InstrumentError(f"its {checkpoint.parameters} numbers overlap in {len(data)} bytes")
    return checkpoint


def _read(data: memoryview, whole_file: bool) -> Checkpoint:
    head = bytes(data[:16])
    if head.startswith(ZIP_MAGIC):
        if facts := program_in(data):
            raise IsProgramError(f"a {facts.kind} program, not a checkpoint", facts)
        return read_torch(read_zip(data, TORCH_GLOBALS, whole_file))
    if head.startswith(OLD_MAGIC):
        return read_torch(read_stream(data, TORCH_GLOBALS))
    if head[:1] == b"\x80":
        value, _ = unpickle(data, {**pickle_globals(), **TENSORFLOW_GLOBALS})
        return read_tensorflow(value) if is_tensorflow(value) else read_nvidia(value)
    if head[8:9] == b"{":
        return recognise(read_safetensors(data), {})
    raise InstrumentError(
        "no checkpoint: neither a pickle, nor a file of torch.save, nor safetensors"
    )


def read_safetensors(data: memoryview) -> State:
    """A safetensors file: 8 bytes with the length of a JSON header, the header, the numbers."""
    length = int.from_bytes(data[:8], "little")
    if not 2 <= length <= min(_LARGEST_HEADER, len(data) - 8):
        raise InstrumentError(f"a safetensors header of {length} bytes")
    try:
        header = json.loads(bytes(data[8 : 8 + length]))
    except (ValueError, RecursionError) as error:
        raise InstrumentError("a safetensors header that is no JSON") from error
    numbers = data[8 + length :]
    if not isinstance(header, dict) or len(header) > MOST_ENTRIES:
        raise InstrumentError(f"a safetensors header of more than {MOST_ENTRIES} tensors")
    return {
        name: _array(name, entry, numbers)
        for name, entry in header.items()
        if name != "__metadata__"
    }


def _array(name: str, entry: Any, numbers: memoryview) -> np.ndarray[Any, np.dtype[np.generic]]:
    """One tensor of a safetensors file, as a view."""
    try:
        kind, shape = entry["dtype"], tuple(entry["shape"])
        start, stop = entry["data_offsets"]
        dtype = np.dtype(_SAFETENSORS[kind])
        if not all(type(n) is int and n >= 0 for n in (*shape, start, stop)):
            raise ValueError(shape)
        view: np.ndarray[Any, np.dtype[np.generic]] = np.ndarray(shape, dtype, numbers[start:stop])
    except (KeyError, TypeError, ValueError) as error:
        raise InstrumentError(f"{name[:60]!r} in the safetensors header is damaged") from error
    if view.nbytes != stop - start:
        raise InstrumentError(f"{name[:60]!r} has {stop - start} bytes for {list(shape)[:8]}")
    if kind == "BF16":
        return (view.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return view
