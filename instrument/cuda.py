"""NVIDIA's runtime, a call at a time, and what two processes tell each other of a card's memory.

A decoder process lends the stage a ring of pictures on its graphics card (`LentRing`); from then
on a number says which of them is meant (`CardPicture`), and no byte of a picture passes through
the host. The binding (`pip install cuda-bindings`) is optional, and so is all that hangs on it:
whatever fails is a `CardError`, and whoever catches it goes by way of the host.

Written from NVIDIA's documentation and held against the binding's own signatures and a model of
the runtime; on a card it is not measured yet. This module knows neither torch nor OpenGL.
"""

from __future__ import annotations

import ctypes
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

HANDLE = 64  # bytes of what another process opens memory or an event by


class CardError(Exception):
    """The card, its driver or the binding refuses: which call, and why, in one line."""


class NoCardError(CardError):
    """No card of NVIDIA's, no driver, no binding: nothing that could refuse."""


@dataclass(frozen=True, slots=True)
class LentRing:
    """Pictures on a graphics card, RGBA8 without gaps, that another process may read.

    `card` is its PCI address, `size` (height, width), `memory` the handle of all pictures, each
    `stride` bytes behind the one before. Whoever has copied a picture says so by its event in
    `read`: before that it is not written again. A picture's way to the host takes `host_seconds`,
    into the ring `card_seconds`: measured.
    """

    card: str
    size: tuple[int, int]
    stride: int
    memory: bytes
    read: tuple[bytes, ...]
    host_seconds: float
    card_seconds: float


@dataclass(frozen=True, slots=True)
class CardPicture:
    """One picture of a ring."""

    ring: LentRing
    slot: int


class Runtime:
    """Calls by name: ``runtime("cudaMalloc", 4096)`` gives the pointer, or raises `CardError`."""

    def __init__(self, binding: Any) -> None:
        self.binding = binding

    def __call__(self, name: str, *given: Any) -> Any:
        """What the call gives beside its error: nothing, one thing, or a tuple of several."""
        try:
            error, *found = getattr(self.binding, name)(*given)
        except (AttributeError, RuntimeError, TypeError, ValueError) as broken:
            raise CardError(f"{name}: {' '.join(str(broken).split())}") from broken
        if int(error) != 0:
            raise CardError(f"{name}: {getattr(error, 'name', int(error))}")
        return None if not found else found[0] if len(found) == 1 else tuple(found)

    def undo(self, later: ExitStack, name: str, thing: Any) -> None:
        """Have `later` call ``name(thing)``, whatever becomes of that."""

        def call() -> None:
            with suppress(CardError):  # a card that was lost has nothing to be given back
                self(name, thing)

        later.callback(call)

    def handle(self, name: str, thing: Any) -> bytes:
        """What another process opens memory or an event by. The reverse of `from_handle`."""
        # `reserved`, which the documentation names, is not in every version; the address is.
        structure = self(name, thing)  # held on to: the address is its own
        return ctypes.string_at(int(structure.getPtr()), HANDLE)

    def from_handle(self, kind: str, handle: bytes) -> Any:
        """The structure `kind` (``cudaIpcMemHandle_t``) that says `handle`."""
        if len(handle) != HANDLE:
            raise CardError(f"{kind}: {len(handle)} bytes, must be {HANDLE}")
        structure = getattr(self.binding, kind)()
        ctypes.memmove(int(structure.getPtr()), handle, HANDLE)
        return structure


def load_runtime() -> Runtime:
    """The binding, if it is installed and there is a card. Raises NoCardError."""
    try:
        from cuda.bindings import runtime
    except (ImportError, OSError, RuntimeError) as error:
        raise NoCardError(f"cuda-bindings: {' '.join(str(error).split())}") from error
    found = Runtime(runtime)
    try:
        found("cudaGetDeviceCount")  # none is an error, too
    except CardError as error:
        raise NoCardError(str(error)) from error
    return found
