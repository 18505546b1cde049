"""Weights on disk and in memory: safetensors files, 8-bit rows, one flat vector a snapshot.

A file holds floats, or int8 with a float ``NAME.scale`` for every output row. Nothing in it can
run. In memory a snapshot is one vector in the network's own order, and the network's parameters
are views into one more: to blend two snapshots is one pass over the memory.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from instrument import InstrumentError

SCALE = ".scale"
_LARGEST_FILE = 4 << 30  # bytes
_MOST_TENSORS = 20_000


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one tensor lies in a flat vector."""

    name: str
    shape: tuple[int, ...]
    start: int

    @property
    def stop(self) -> int:
        """One past its last number."""
        return self.start + math.prod(self.shape)

    def view(self, flat: Tensor) -> Tensor:
        """The tensor, as a view of `flat`; convolutions in channels-last order."""
        part = flat[self.start : self.stop]
        if len(self.shape) == 4:
            out, into, high, wide = self.shape
            return part.view(out, high, wide, into).permute(0, 3, 1, 2)
        return part.view(self.shape)


class Layout:
    """The order of a network's tensors, and the vectors that follow it."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.slots: list[Slot] = []
        start = 0
        for name, shape in shapes.items():
            self.slots.append(Slot(name, shape, start))
            start = self.slots[-1].stop
        self.length = start

    def flatten(self, tensors: Mapping[str, Tensor], into: Tensor | None = None) -> Tensor:
        """One vector ``F32[length]``, or `into` filled; int8 rows are unpacked by their scales."""
        flat = torch.empty(self.length) if into is None else into
        for slot in self.slots:
            tensor, scale = tensors[slot.name], tensors.get(slot.name + SCALE)
            target = slot.view(flat)
            target.copy_(tensor)
            if scale is not None:
                target.mul_(scale.to(flat.device).view(-1, *[1] * (target.dim() - 1)))
        return flat

    def bind(
        self, network: nn.Module, flat: Tensor, which: Callable[[Slot], bool] = lambda slot: True
    ) -> None:
        """Make the parameters and buffers of `network` views of `flat`, those of `which` slots."""
        for slot in filter(which, self.slots):
            owner, _, name = slot.name.rpartition(".")
            module = network.get_submodule(owner)
            if name in module._parameters:
                module._parameters[name] = nn.Parameter(slot.view(flat), requires_grad=False)
            elif name in module._buffers:
                module._buffers[name] = slot.view(flat)


def pack(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Matrices and convolutions as int8 rows with their scales, the rest as float32.

    Measured on generators of this kind: the picture stays 50 dB from that of the floats.
    """
    packed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        tensor = tensor.float()
        if tensor.dim() < 2 or tensor.shape[0] < 2:
            packed[name] = tensor.contiguous()
            continue
        rows = tensor.flatten(1)
        scale = (rows.abs().amax(dim=1) / 127.0).clamp_min(1e-12)
        packed[name] = (rows / scale[:, None]).round().to(torch.int8).view(tensor.shape)
        packed[name + SCALE] = scale
    return packed


def read_weights(path: Path, sha256: str, layout: Layout) -> dict[str, Tensor]:
    """The tensors of a file, as they lie there: right bytes, right names, right shapes.

    Raises InstrumentError naming the file and what does not fit.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InstrumentError(f"{path}: larger than {_LARGEST_FILE >> 30} GiB")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InstrumentError(f"{path}: cannot be read ({error.strerror})") from error
    if found != sha256:
        raise InstrumentError(
            f"{path}: damaged or exchanged, sha256 is {found[:12]}…, the manifest says "
            f"{sha256[:12]}…"
        )
    try:
        # Mapped, not read: of a long series, memory holds what was looked at lately.
        tensors = safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError, ValueError, KeyError) as error:
        raise InstrumentError(f"{path}: not a safetensors file ({error})") from error
    _check(path, tensors, layout.slots)
    return tensors


def read_some(path: Path, wanted: Callable[[str], bool]) -> dict[str, Tensor]:
    """Those tensors of a file whose names are `wanted`, in float32, 8-bit rows unpacked.

    The file is not compared with a checksum, which would read all of it: whoever shows pictures
    of it does that. Raises InstrumentError naming the file.
    """
    tensors: dict[str, Tensor] = {}
    try:
        with safetensors.safe_open(path, "pt") as file:
            names = set(file.keys())
            for name in sorted(n for n in names if not n.endswith(SCALE) and wanted(n)):
                tensors[name] = file.get_tensor(name).float()
                if name + SCALE in names:
                    scale = file.get_tensor(name + SCALE).float()
                    tensors[name] *= scale.view(-1, *[1] * (tensors[name].dim() - 1))
    except (OSError, safetensors.SafetensorError, ValueError, KeyError) as error:
        raise InstrumentError(f"{path}: not a safetensors file ({error})") from error
    for name, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            raise InstrumentError(f"{path}: {name} holds what is no finite number")
    return tensors


def _check(path: Path, tensors: Mapping[str, Tensor], slots: Sequence[Slot]) -> None:
    if len(tensors) > _MOST_TENSORS:
        raise InstrumentError(f"{path}: {len(tensors)} tensors, at most {_MOST_TENSORS}")
    wanted = {slot.name: slot.shape for slot in slots}
    for name in tensors:
        if name.removesuffix(SCALE) not in wanted:
            raise InstrumentError(f"{path}: holds {name!r}, which the model has not")
    for name, shape in wanted.items():
        tensor, scale = tensors.get(name), tensors.get(name + SCALE)
        if tensor is None:
            raise InstrumentError(f"{path}: {name!r} is missing")
        if tuple(tensor.shape) != shape:
            raise InstrumentError(
                f"{path}: {name} is {list(tensor.shape)}, the manifest asks for {list(shape)}"
            )
        if (tensor.dtype == torch.int8) != (scale is not None):
            raise InstrumentError(f"{path}: {name} and its scale do not go together")
        if scale is not None and scale.shape != (shape[0],):
            raise InstrumentError(f"{path}: {name}{SCALE} must be one number a row")
        floats = tensor if scale is None else scale
        if not floats.is_floating_point() or not bool(floats.isfinite().all()):
            raise InstrumentError(f"{path}: {name} holds what is no finite number")
