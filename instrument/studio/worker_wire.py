"""What the film's process and a worker process say to each other, and the memory they share.

Rows go over in a pipe: they are small. Frames come back in shared memory, in *slots* that hold one
batch each. The film's process names the slot with every request; from then until the answer it is
the worker's, and afterwards the film's until it is asked for again. This module imports no torch.
"""

from __future__ import annotations

import json
import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from instrument.latent.space import F32
from instrument.studio.film import Pixels
from instrument.timebase import FrameRange

_HEAD = struct.Struct("<IQ")  # bytes of JSON, and of what comes after it
_ROOM = 1 << 28  # bytes of shared memory that a worker may well have
_FEWEST, _MOST = 2, 4  # batches on their way: one is decoded while another is finished


@dataclass(frozen=True, slots=True)
class Slots:
    """The frames of a film, ``[*shape]`` of `dtype`, as `batch` of them lie in a slot."""

    batch: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def bytes(self) -> int:
        """How many a slot has."""
        return self.batch * math.prod(self.shape) * self.dtype.itemsize

    @property
    def count(self) -> int:
        """How many slots a worker gets: fewer of larger ones."""
        return max(_FEWEST, min(_MOST, _ROOM // self.bytes))

    def frames(self, mapped: mmap.mmap, slot: int, frames: int) -> Pixels:
        """The first `frames` frames in `slot`."""
        shape = (frames, *self.shape)
        return np.ndarray(shape, self.dtype, mapped, slot * self.bytes)

    def to_json(self) -> dict[str, Any]:
        """What is said of them. The reverse of `slots_from_json`."""
        return {"batch": self.batch, "shape": list(self.shape), "dtype": self.dtype.str}


def slots_from_json(said: Mapping[str, Any]) -> Slots:
    """The reverse of `Slots.to_json`."""
    return Slots(said["batch"], tuple(said["shape"]), np.dtype(said["dtype"]))


def send(pipe: BinaryIO, said: Mapping[str, Any], payload: bytes = b"") -> None:
    """Say something. The reverse of `receive`. Raises OSError where nobody listens."""
    text = json.dumps(said).encode()
    pipe.write(_HEAD.pack(len(text), len(payload)) + text)
    pipe.write(payload)
    pipe.flush()


def receive(pipe: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """Wait for what is said next; None when the other side is gone."""
    head = pipe.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    length, more = _HEAD.unpack(head)
    text, payload = pipe.read(length), pipe.read(more)
    if len(text) < length or len(payload) < more:
        return None
    return json.loads(text), payload


def send_rows(pipe: BinaryIO, rows: FrameRange, slot: int, z: F32, parameters: F32) -> None:
    """Ask for the frames `rows`. The reverse of `rows_of`."""
    said = {"rows": [rows.start, rows.stop], "slot": slot, "z": list(z.shape),
            "parameters": list(parameters.shape)}  # fmt: skip
    send(pipe, said, z.astype("<f4").tobytes() + parameters.astype("<f4").tobytes())


def rows_of(said: Mapping[str, Any], payload: bytes) -> tuple[FrameRange, F32, F32]:
    """What was asked for, and what it is made from: z and parameters, for us to write in."""
    numbers = np.frombuffer(payload, "<f4").astype(np.float32)
    size = math.prod(said["z"])
    z, parameters = numbers[:size], numbers[size:]
    rows = FrameRange(*said["rows"])
    return rows, z.reshape(said["z"]), parameters.reshape(said["parameters"])
