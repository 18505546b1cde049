"""The test double among the decoders: a flat colour that says which z it was made from.

It needs no torch, so a decoder process with it starts in a tenth of a second, and its faults
can be ordered (see `TestcardDetails`): that is how crashes, hangs and torn pictures are tested.
It is for tests and rehearsals; nobody performs with it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from instrument import InstrumentError
from instrument.decoder.exchange import write_bands
from instrument.decoder.inputs import checked_inputs
from instrument.decoder.models import ModelManifest, TestcardDetails
from instrument.decoder.protocol import DecodeError, DecoderSpec, OnCard, Precision
from instrument.frame import U8
from instrument.latent.space import F32
from instrument.timebase import WallClock

_FOREVER = 1e6  # s


class TestcardDecoder:
    """A picture is one colour: the whole part of z[0], as the 24-bit number 0xRRGGBB."""

    def __init__(self, spec: DecoderSpec, details: TestcardDetails) -> None:
        self._spec = spec
        self._details = details
        self._rgba: U8 = np.empty((*spec.size, 4), np.uint8)

    @property
    def spec(self) -> DecoderSpec:
        """What this decoder is."""
        return self._spec

    def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
        """See `Decoder.decode`; a z[0] below 0 does what ``fail`` in the manifest says."""
        z, _ = checked_inputs(self._spec, z, parameters)
        first = z[:, 0] if z.ndim == 2 else z[:, 0, 0]
        if not np.isfinite(z).all():
            raise DecodeError(f"{self._spec.name}: z is not finite")
        if (first < 0).any():
            self._misbehave()
        _wait(self._details.delay * len(z))
        value = first.astype(np.int64)
        colour = np.stack([value >> 16, value >> 8, value], axis=-1) & 255
        shape = (len(z), *self._spec.size, 3)
        return np.ascontiguousarray(np.broadcast_to(colour.astype(np.uint8)[:, None, None], shape))

    @property
    def card(self) -> int | None:
        """See `CardDecoder.card`: as the manifest has it."""
        return 0 if self._details.card else None

    def decode_on_card(self, z: F32, parameters: Mapping[str, F32]) -> OnCard:
        """See `CardDecoder.decode_on_card`; the card is this process's own memory."""
        write_bands(self._rgba, self.decode(z, parameters)[0])
        return OnCard(self._rgba.ctypes.data, 0)

    def _misbehave(self) -> None:
        if self._details.fail == "decode":
            raise DecodeError(f"{self._spec.name}: told to fail")
        if self._details.fail == "hang":
            _wait(_FOREVER)
        if self._details.fail == "exit":
            os._exit(3)


def _wait(seconds: float) -> None:
    clock = WallClock()
    clock.wait_until(clock.now() + seconds)


def open_model(
    manifest: ModelManifest, device: str, threads: int, precision: Precision = "full"
) -> TestcardDecoder:
    """The test double; `device` and `threads` mean nothing to it."""
    details = manifest.details
    assert isinstance(details, TestcardDetails)
    if details.fail == "open":
        raise InstrumentError(f"{manifest.folder}: told to fail on opening")
    return TestcardDecoder(manifest.spec, details)
