"""A decoder's pictures on their way to the stage, the shortest there is: the one place that knows.

On the card: into a ring that is lent to the stage's process. To the host: from the card straight
into the shared memory, which the card knows (is pinned), or else as the decoder does it by itself.
Which of them, the stage says with each request. Where a way fails it is given up for good, in one
line, and the very same picture goes the next one. Imports no torch. See `instrument.cuda`.
"""

from __future__ import annotations

import logging
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from instrument.cuda import CardError, LentRing, NoCardError, Runtime, load_runtime
from instrument.decoder.exchange import Exchange
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
    finds the ring; it is None where none can be lent. One thread only.
    """

    def __init__(self, runtime: Runtime, card: int, slots: Sequence[U8]) -> None:
        self._runtime, self._slots = runtime, slots
        self._bytes = slots[0].nbytes
        self._stride = -(-self._bytes // 4096) * 4096
        self._kinds = runtime.binding.cudaMemcpyKind
        self.lent: LentRing | None = None
        self._ended = ExitStack()
        runtime("cudaSetDevice", card)
        # Only Linux opens another process's memory; elsewhere pictures go by way of the host.
        for prepare in (self._pin, self._lend) if sys.platform == "linux" else (self._pin,):
            try:
                with ExitStack() as undo:
                    prepare(undo, card)
                    self._ended.push(undo.pop_all())
            except CardError as error:
                _LOG.warning("pictures leave the graphics card by a longer way (%s)", error)

    def _pin(self, undo: ExitStack, card: int) -> None:
        first, last = self._slots[0].ctypes.data, self._slots[-1].ctypes.data
        self._runtime("cudaHostRegister", first, last - first + self._stride, 0)
        self._runtime.undo(undo, "cudaHostUnregister", first)

    def _lend(self, undo: ExitStack, card: int) -> None:
        call, binding = self._runtime, self._runtime.binding
        whole = -(-self._stride * len(self._slots) // _BLOCK) * _BLOCK
        self._ring = int(call("cudaMalloc", whole))
        self._runtime.undo(undo, "cudaFree", self._ring)
        flags = binding.cudaEventDisableTiming | binding.cudaEventInterprocess
        events = []
        for _ in range(2 * len(self._slots)):
            events.append(call("cudaEventCreateWithFlags", flags))
            self._runtime.undo(undo, "cudaEventDestroy", events[-1])
        handles = tuple(call.handle("cudaIpcGetEventHandle", event) for event in events)
        self._written, self._read = events[: len(self._slots)], events[len(self._slots) :]
        height, width = self._slots[0].shape[:2]
        self.lent = LentRing(
            card=call("cudaDeviceGetPCIBusId", 32, card).rstrip(b"\0").decode(),
            size=(height, width),
            stride=self._stride,
            memory=call.handle("cudaIpcGetMemHandle", self._ring),
            written=handles[: len(self._slots)],
            read=handles[len(self._slots) :],
            host_seconds=self._seconds(lambda: self.to_host(0, OnCard(self._ring, 0))),
            card_seconds=self._seconds(self._copy_within),
        )

    def keep(self, slot: int, made: OnCard) -> None:
        """Put a picture into the ring, behind whatever still reads there. Waits for nothing."""
        call = self._runtime
        call("cudaStreamWaitEvent", made.stream, self._read[slot], 0)
        self._copy(self._ring + slot * self._stride, made)
        call("cudaEventRecord", self._written[slot], made.stream)

    def to_host(self, slot: int, made: OnCard) -> None:
        """Put a picture into its slot in the host's memory, and wait until it is there."""
        host, kind = self._slots[slot].ctypes.data, self._kinds.cudaMemcpyDeviceToHost
        self._runtime("cudaMemcpyAsync", host, made.address, self._bytes, kind, made.stream)
        self._runtime("cudaStreamSynchronize", made.stream)

    def _copy(self, to: int, made: OnCard) -> None:
        kind = self._kinds.cudaMemcpyDeviceToDevice
        self._runtime("cudaMemcpyAsync", to, made.address, self._bytes, kind, made.stream)

    def _copy_within(self) -> None:
        self._copy(self._ring, OnCard(self._ring + self._stride, 0))
        self._runtime("cudaStreamSynchronize", 0)

    def _seconds(self, copy: Callable[[], None]) -> float:
        clock, taken = WallClock(), []
        for _ in range(_TRIES):
            begun = clock.now()
            copy()
            taken.append(clock.now() - begun)
        return statistics.median(taken)

    def close(self) -> None:
        """Give everything back to the driver."""
        self.lent = None
        self._ended.close()


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

    def deliver(self, slot: int, on_card: bool, z: F32, values: Mapping[str, F32]) -> bool:
        """One picture of ``z F32[1, *latent.shape]`` into `slot`; whether it stayed on the card.

        Raises what the decoder raises; then what is in the slot is no picture.
        """
        decoder, lender = self.decoder, self._lender
        if lender is not None and isinstance(decoder, CardDecoder):
            made = decoder.decode_on_card(z, values)
            try:
                if on_card and lender.lent is not None:
                    lender.keep(slot, made)
                    return True
                lender.to_host(slot, made)
                return False
            except CardError as error:
                _LOG.warning("pictures go to the host as torch copies them (%s)", error)
                lender.close()
                self._lender = None
        if isinstance(decoder, DirectDecoder):
            decoder.decode_into(self.exchange.slots[slot], z, values)
        else:
            self.exchange.write_pixels(slot, decoder.decode(z, values)[0])
        return False
