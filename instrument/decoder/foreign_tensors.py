"""Tensors and arrays out of foreign records: views of the file's own bytes, checked, not copied.

torch writes a tensor as a storage (a run of numbers) and a place in it (offset, shape, strides).
Every place is checked against its storage before a view is made of it, and a tensor may not hold
more numbers than its storage does: a stride of 0 would make terabytes of four bytes.
numpy's own records become arrays the same way. Nothing here knows which file it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from instrument import InstrumentError
from instrument.decoder.records import MOST_ENTRIES, Global, Record, sequence, shown, text, whole

_MOST_DIMENSIONS = 8
_BFLOAT16 = "bfloat16"

# What torch calls a storage of numbers of one kind, and numpy's name for the kind.
STORAGES = {
    "torch.FloatStorage": "<f4",
    "torch.HalfStorage": "<f2",
    "torch.BFloat16Storage": _BFLOAT16,
    "torch.DoubleStorage": "<f8",
    "torch.LongStorage": "<i8",
    "torch.IntStorage": "<i4",
    "torch.ShortStorage": "<i2",
    "torch.CharStorage": "<i1",
    "torch.ByteStorage": "<u1",
    "torch.BoolStorage": "|b1",
}


@dataclass(slots=True, eq=False)
class Storage:
    """A run of `count` numbers. `data` may come later: old files keep it behind the pickle."""

    kind: str
    count: int
    data: memoryview | None = None

    @property
    def width(self) -> int:
        """Bytes of one number."""
        return 2 if self.kind == _BFLOAT16 else np.dtype(self.kind).itemsize

    def fill(self, data: memoryview) -> None:
        """Take `data` as the content. Raises InstrumentError where the size does not fit."""
        if len(data) != self.count * self.width:
            raise InstrumentError(
                f"a storage of {self.count} numbers has {len(data)} bytes instead of "
                f"{self.count * self.width}"
            )
        self.data = data


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A place in a storage, in numbers, not bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    def array(self) -> NDArray[np.generic]:
        """A view of the storage; bfloat16, which numpy has not, as a float32 copy."""
        storage = self.storage
        if storage.data is None:
            raise InstrumentError("a tensor's numbers are missing")
        kind = np.dtype("<u2" if storage.kind == _BFLOAT16 else storage.kind)
        view: NDArray[np.generic] = np.ndarray(
            self.shape, kind, storage.data, self.offset * kind.itemsize,
            tuple(stride * kind.itemsize for stride in self.strides),
        )  # fmt: skip
        if storage.kind == _BFLOAT16:
            return (view.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return view


@dataclass(slots=True)
class Counter:
    """How many tensors a file has given so far."""

    count: int = 0
    storages: dict[str, Storage] = field(default_factory=dict)

    def rebuild(self, arguments: tuple[object, ...]) -> Tensor:
        """``torch._utils._rebuild_tensor_v2(storage, offset, size, stride, …)``."""
        self.count += 1
        if self.count > MOST_ENTRIES:
            raise InstrumentError(f"more than {MOST_ENTRIES} tensors")
        if len(arguments) < 4 or not isinstance(arguments[0], Storage):
            raise InstrumentError("a tensor is rebuilt from no storage")
        shape = _sizes(arguments[2], "a tensor's shape")
        strides = _sizes(arguments[3], "a tensor's strides")
        tensor = Tensor(arguments[0], whole(arguments[1], "a tensor's offset"), shape, strides)
        _check_place(tensor)
        return tensor


def rebuild_parameter(arguments: tuple[object, ...]) -> Tensor:
    """``torch._utils._rebuild_parameter(tensor, requires_grad, hooks)``: the tensor."""
    if not arguments or not isinstance(arguments[0], Tensor):
        raise InstrumentError("a parameter is rebuilt from no tensor")
    return arguments[0]


def _sizes(value: object, what: str) -> tuple[int, ...]:
    sizes = tuple(whole(n, what) for n in sequence(value, what, _MOST_DIMENSIONS))
    if min(sizes, default=0) < 0:
        raise InstrumentError(f"{what} are negative")
    return sizes


def _check_place(tensor: Tensor) -> None:
    shape, strides = tensor.shape, tensor.strides
    if len(shape) != len(strides):
        raise InstrumentError(f"a tensor of {len(shape)} sizes and {len(strides)} strides")
    if tensor.offset < 0:
        raise InstrumentError("a tensor with a negative offset")
    last = tensor.offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if tensor.size and (last >= tensor.storage.count or tensor.size > tensor.storage.count):
        raise InstrumentError(
            f"a tensor of shape {list(shape)} reaches beyond its {tensor.storage.count} numbers"
        )


def storage_of(arguments: tuple[object, ...]) -> tuple[Storage, str]:
    """A storage without its data, and its key, from ``('storage', type, key, device, count)``."""
    if len(arguments) not in (5, 6) or arguments[0] != "storage":
        raise InstrumentError("a persistent id that is no storage")
    if len(arguments) == 6 and arguments[5] is not None:
        raise InstrumentError("a storage that is a view of another, which torch gave up in 2017")
    kind = arguments[1]
    if not isinstance(kind, Global) or kind.name not in STORAGES:
        raise InstrumentError("a storage of unknown numbers")
    count = whole(arguments[4], "a storage's size")
    if count < 0:
        raise InstrumentError("a storage of negative size")
    return Storage(STORAGES[kind.name], count), text(arguments[2], "a storage's key")


# Under both of their spellings: before numpy 2, and since.
NUMPY = {
    f"{core}.multiarray.{name}": None
    for core in ("numpy.core", "numpy._core")
    for name in ("scalar", "_reconstruct")
} | {"numpy.dtype": None, "numpy.ndarray": None}


def plain(value: object) -> object:
    """A numpy number as Python's own; anything else as it is."""
    if isinstance(value, Record) and value.name.endswith(".multiarray.scalar"):
        number: float | int | bool = array(value).item()
        return number
    return value


def array(record: object) -> NDArray[np.generic]:
    """A numpy array, or a number as one without axes: a view of the file.

    The one is ``numpy.core.multiarray._reconstruct(…)`` with a state, the other
    ``numpy.core.multiarray.scalar(dtype, bytes)``.
    """
    if not isinstance(record, Record) or not record.name.startswith(
        ("numpy.core.", "numpy._core.")
    ):
        raise InstrumentError("no numpy array where one is expected")
    if record.name.endswith(".scalar"):
        if len(record.arguments) != 2:
            raise InstrumentError("a numpy number without its bytes")
        return _from_bytes((), _kind(record.arguments[0]), record.arguments[1], False)
    state = record.state
    if not isinstance(state, tuple) or len(state) != 5:
        raise InstrumentError("a numpy array without content")
    return _from_bytes(
        _sizes(state[1], "an array's shape"), _kind(state[2]), state[4], state[3] is True
    )


def _from_bytes(
    shape: tuple[int, ...], kind: np.dtype[np.generic], data: object, fortran: bool
) -> NDArray[np.generic]:
    if not isinstance(data, memoryview):
        raise InstrumentError("a numpy array without its bytes")
    if math.prod(shape) * kind.itemsize != len(data):
        raise InstrumentError(f"a numpy array of shape {list(shape)} with {len(data)} bytes")
    return np.ndarray(shape, kind, data, order="F" if fortran else "C")


def _kind(value: object) -> np.dtype[np.generic]:
    """The kind of numbers ``numpy.dtype('f4', False, True)`` with state (3, '<', …) stands for."""
    if not isinstance(value, Record) or value.name != "numpy.dtype" or not value.arguments:
        raise InstrumentError("a numpy array of unknown numbers")
    name = value.arguments[0]
    if not isinstance(name, str) or name not in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "b1",
                                                 "u1", "u2", "u4", "u8"):  # fmt: skip
        raise InstrumentError(f"a numpy array of {shown(name)}, which no checkpoint needs")
    order = value.state[1] if isinstance(value.state, tuple) and len(value.state) > 1 else "|"
    if not isinstance(order, str) or order not in ("<", ">", "|", "="):
        raise InstrumentError("a numpy array of unknown byte order")
    return np.dtype(f"{'>' if order == '>' else '<'}{name}")
