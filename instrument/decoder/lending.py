"""A decoder's pictures on their way to the stage, the shortest there is: the one place that knows.

On the card: into a ring that is lent to the stage's process. To the host: from the card straight
into the shared memory, which the card knows (is pinned), or else as the decoder does it by itself.
Which of them, the stage says with each request. Where a way fails it is given up for good, in one
line, and the very same picture goes the next one. Imports no torch. See `instrument.cuda`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from instrument.cuda import CardError, LentRing, NoCardError, Runtime, load_runtime
from instrument.decoder.exchange import Exchange, write_bands
from instrument.decoder.protocol import CardDecoder, Decoder, DirectDecoder, OnCard
from instrument.frame import U8
from instrument.latent.space import F32
from instrument.timebase import WallClock

_BLOCK = 2 << 20  # bytes: memory that is lent should not share a block with any other
_TRIES = 9  # copies each way, to see what they take
_LOG = logging.getLogger(__name__)


class Lender:
    """Copies from the card `card` into `slots` of the host, and into a ring beside them.

    `slots` are ``U8[h, w, 4]``, one after the other in memory. `lent` says how another process
    finds the ring; it is None where none can be lent. Ends with the process. One thread only.
    """

    def __init__(self, runtime: Runtime, card: int, slots: Sequence[U8]) -> None:
        self._runtime, self._slots = runtime, slots
        self._bytes = slots[0].nbytes
        self._stride = -(-self._bytes // 4096) * 4096
        self._kinds = runtime.binding.cudaMemcpyKind
        self.lent: LentRing | None = None
        self._read: list[Any] = []  # events: by each the stage says that it has copied a picture
        runtime("cudaSetDevice", card)
        # Only Linux opens another process's memory; elsewhere pictures go by way of the host.
        for prepare in (self._pin, self._lend) if sys.platform == "linux" else (self._pin,):
            try:
                prepare(card)
            except CardError as error:
                _LOG.warning("pictures leave the graphics card by a longer way (%s)", error)

    def _pin(self, card: int) -> None:
        first, last = self._slots[0].ctypes.data, self._slots[-1].ctypes.data
        self._runtime("cudaHostRegister", first, last - first + self._stride, 0)

    def _lend(self, card: int) -> None:
        call, binding = self._runtime, self._runtime.binding
        whole = -(-self._stride * len(self._slots) // _BLOCK) * _BLOCK
        flags = binding.cudaEventDisableTiming | binding.cudaEventInterprocess
        height, width = self._slots[0].shape[:2]
        with ExitStack() as undo:
            self._ring = int(call("cudaMalloc", whole))
            call.undo(undo, "cudaFree", self._ring)
            for _ in self._slots:
                self._read.append(call("cudaEventCreateWithFlags", flags))
                call.undo(undo, "cudaEventDestroy", self._read[-1])
            self.lent = LentRing(
                card=call("cudaDeviceGetPCIBusId", 32, card).rstrip(b"\0").decode(),
                size=(height, width),
                stride=self._stride,
                memory=call.handle("cudaIpcGetMemHandle", self._ring),
                read=tuple(call.handle("cudaIpcGetEventHandle", event) for event in self._read),
                host_seconds=self._seconds(lambda: self.to_host(0, OnCard(self._ring, 0))),
                card_seconds=self._seconds(
                    lambda: self._copy(self._ring, OnCard(self._ring + self._stride, 0))
                ),
            )
            undo.pop_all()  # for good: what the stage may be reading must not be freed

    def keep(self, slot: int, made: OnCard) -> None:
        """Put a picture into the ring, behind whatever still reads there; wait until it is there.

        Else whoever reads it would have to wait for an event of this process, which may be killed
        at any time: then that would never come.
        """
        self._runtime("cudaStreamWaitEvent", made.stream, self._read[slot], 0)
        self._copy(self._ring + slot * self._stride, made)

    def to_host(self, slot: int, made: OnCard) -> None:
        """Put a picture into its slot in the host's memory, and wait until it is there."""
        host, kind = self._slots[slot].ctypes.data, self._kinds.cudaMemcpyDeviceToHost
        self._runtime("cudaMemcpyAsync", host, made.address, self._bytes, kind, made.stream)
        self._runtime("cudaStreamSynchronize", made.stream)

    def _copy(self, to: int, made: OnCard) -> None:
        kind = self._kinds.cudaMemcpyDeviceToDevice
        self._runtime("cudaMemcpyAsync", to, made.address, self._bytes, kind, made.stream)
        self._runtime("cudaStreamSynchronize", made.stream)

    def _seconds(self, copy: Callable[[], None]) -> float:
        clock, taken = WallClock(), []
        for _ in range(_TRIES):
            begun = clock.now()
            copy()
            taken.append(clock.now() - begun)
        return sorted(taken)[_TRIES // 2]


def open_lender(
    decoder: Decoder, slots: Sequence[U8], load: Callable[[], Runtime] = load_runtime
) -> Lender | None:
    """The lender for what `decoder` makes; None without a card, or where it cannot be had."""
    if not isinstance(decoder, CardDecoder) or decoder.card is None:
        return None
    try:
        return Lender(load(), decoder.card, slots)
    except NoCardError:
        return None
    except CardError as error:
        _LOG.warning("pictures go to the host as torch copies them (%s)", error)
        return None


class Delivery:
    """Makes pictures and puts them where they are wanted."""

    def __init__(self, decoder: Decoder, exchange: Exchange, lender: Lender | None) -> None:
        self.decoder, self.exchange, self._lender = decoder, exchange, lender
        # Asked once: what a protocol has is looked up anew each time.
        self._paint = decoder.decode_into if isinstance(decoder, DirectDecoder) else self._write
        self._on_card = decoder.decode_on_card if isinstance(decoder, CardDecoder) else None

    def deliver(self, slot: int, on_card: bool, z: F32, values: Mapping[str, F32]) -> bool:
        """One picture of ``z F32[1, *latent.shape]`` into `slot`; whether it stayed on the card.

        Raises what the decoder raises; then what is in the slot is no picture.
        """
        lender = self._lender
        if lender is not None and self._on_card is not None:
            made = self._on_card(z, values)
            try:
                if on_card and lender.lent is not None:
                    lender.keep(slot, made)
                    return True
                lender.to_host(slot, made)
                return False
            except CardError as error:
                _LOG.warning("pictures go to the host as torch copies them (%s)", error)
                self._lender = None
        self._paint(self.exchange.slots[slot], z, values)
        return False

    def _write(self, pixels: U8, z: F32, values: Mapping[str, F32]) -> None:
        write_bands(pixels, self.decoder.decode(z, values)[0])
