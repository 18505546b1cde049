"""Pictures from a decoder's memory on the graphics card into textures, without the host.

What OpenGL and CUDA ask for: all of it in the thread that has the context, on the card that draws
the window; a texture is registered once and mapped for each picture; behind the copy the decoder
is told, by an event, that the picture was read. The host waits for nothing, and the card for
nothing that another process has still to do: it may have died. See `instrument.cuda`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import moderngl

from instrument.cuda import CardError, CardPicture, LentRing, Runtime, load_runtime

_TEXTURE_2D = 0x0DE1  # OpenGL's number for what a picture is
_MOST_CARDS = 16


@dataclass(frozen=True, slots=True)
class _Opened:
    """Another process's ring, as this one reaches it."""

    address: int
    read: tuple[Any, ...]
    closing: ExitStack


class CardLink:
    """Copies on the card that draws the current context. Raises CardError where CUDA has none."""

    def __init__(self, load: Callable[[], Runtime] = load_runtime) -> None:
        self._call = load()
        binding = self._call.binding
        every = binding.cudaGLDeviceList.cudaGLDeviceListAll
        count, cards = self._call("cudaGLGetDevices", _MOST_CARDS, every)
        if count < 1:
            raise CardError("the window is drawn by a card that does not speak CUDA")
        self._cards = [int(card) for card in cards[:count]]
        self._call("cudaSetDevice", self._cards[0])
        self._stream = self._call("cudaStreamCreateWithFlags", binding.cudaStreamNonBlocking)
        self._rings: dict[LentRing, _Opened] = {}
        self._textures: dict[int, Any] = {}  # by OpenGL's number: as CUDA calls it
        self._source: dict[int, LentRing] = {}  # where each texture's picture came from

    def write(self, texture: moderngl.Texture, picture: CardPicture) -> None:
        """Fill `texture` with `picture`, before whatever is drawn next. Raises CardError."""
        call, ring = self._call, picture.ring
        opened, resource = self._opened(ring), self._registered(texture)
        call("cudaGraphicsMapResources", 1, resource, self._stream)
        try:
            self._copy(resource, opened.address + picture.slot * ring.stride, ring.size)
        finally:
            call("cudaGraphicsUnmapResources", 1, resource, self._stream)
        call("cudaEventRecord", opened.read[picture.slot], self._stream)
        if self._source.get(texture.glo) != ring:
            self._source[texture.glo] = ring
            self._close_what_nobody_shows()

    def _copy(self, resource: Any, address: int, size: tuple[int, int]) -> None:
        call = self._call
        array = call("cudaGraphicsSubResourceGetMappedArray", resource, 0, 0)
        height, row = size[0], 4 * size[1]
        kind = call.binding.cudaMemcpyKind.cudaMemcpyDeviceToDevice
        call(
            "cudaMemcpy2DToArrayAsync", array, 0, 0, address, row, row, height, kind, self._stream
        )  # fmt: skip

    def _opened(self, ring: LentRing) -> _Opened:
        if ring in self._rings:
            return self._rings[ring]
        call = self._call
        if call("cudaDeviceGetByPCIBusId", ring.card.encode()) != self._cards[0]:
            raise CardError(f"the window is not drawn by the card that decodes ({ring.card})")
        events = []
        with ExitStack() as undo:
            for handle in ring.read:
                event = call.from_handle("cudaIpcEventHandle_t", handle)
                events.append(call("cudaIpcOpenEventHandle", event))
                call.undo(undo, "cudaEventDestroy", events[-1])
            memory = call.from_handle("cudaIpcMemHandle_t", ring.memory)
            lazily = call.binding.cudaIpcMemLazyEnablePeerAccess
            address = int(call("cudaIpcOpenMemHandle", memory, lazily))
            call.undo(undo, "cudaIpcCloseMemHandle", address)
            call.undo(undo, "cudaStreamSynchronize", self._stream)  # nothing reads there any more
            self._rings[ring] = _Opened(address, tuple(events), undo.pop_all())
        return self._rings[ring]

    def _registered(self, texture: moderngl.Texture) -> Any:
        if texture.glo not in self._textures:
            flags = self._call.binding.cudaGraphicsRegisterFlags
            self._textures[texture.glo] = self._call(
                "cudaGraphicsGLRegisterImage", texture.glo, _TEXTURE_2D,
                flags.cudaGraphicsRegisterFlagsWriteDiscard,
            )  # fmt: skip
        return self._textures[texture.glo]

    def forget(self, texture: moderngl.Texture) -> None:
        """To be called before `texture` is released: its number will be another's."""
        resource = self._textures.pop(texture.glo, None)
        self._source.pop(texture.glo, None)
        if resource is not None:
            with suppress(CardError):
                self._call("cudaGraphicsUnregisterResource", resource)

    def _close_what_nobody_shows(self) -> None:
        """Let go of the rings of processes that ended, or whose pictures are seen no more."""
        for ring in self._rings.keys() - self._source.values():
            self._rings.pop(ring).closing.close()

    def close(self) -> None:
        """Give everything back to the driver."""
        for resource in self._textures.values():
            with suppress(CardError):
                self._call("cudaGraphicsUnregisterResource", resource)
        self._textures.clear()
        self._source.clear()
        self._close_what_nobody_shows()
        with suppress(CardError):
            self._call("cudaStreamDestroy", self._stream)
