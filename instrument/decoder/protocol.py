"""What every decoder is: one method, and a description that needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np

from instrument import InstrumentError
from instrument.frame import U8
from instrument.latent.space import F32, LatentSpec


class DecodeError(InstrumentError):
    """A z that gives no picture: what came out holds values that are no numbers."""


# Films are computed in full precision; on stage whatever is fastest and looks the same, compiled
# too as soon as that is ready. `source` is what a compiler is given.
Precision = Literal["full", "fast", "compiled", "source"]


@dataclass(frozen=True, slots=True)
class DecoderSpec:
    """What one must know of a model to play it.

    `size` is (height, width) in pixels of a decoded picture. `sha256` identifies the weights:
    it goes into every take and z-sequence. `snapshots` counts the training snapshots.
    """

    name: str
    latent: LatentSpec
    size: tuple[int, int]
    sha256: str
    snapshots: int = 1


class Decoder(Protocol):
    """A generator ready to be played.

    Same input, same pixels; a batch of n equals n single calls to within one level.
    """

    @property
    def spec(self) -> DecoderSpec:
        """What this decoder is."""
        ...

    def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
        """Pictures ``U8[n, h, w, 3]`` of ``z F32[n, *latent.shape]``, sRGB, top row first.

        `parameters` maps addresses (``/model/snapshot``) to ``F32[n]`` in native units;
        what is absent has its default. Raises ValueError on a z of another shape and
        DecodeError rather than hand out garbage.
        """
        ...


@runtime_checkable
class FineDecoder(Decoder, Protocol):
    """A decoder that also gives its pictures as they are before they are cut to 256 levels.

    Law: ``floor(255 * fine + 0.5)``, in float32, is exactly what `decode` gives.
    """

    def decode_fine(self, z: F32, parameters: Mapping[str, F32]) -> F32:
        """Pictures ``F32[n, h, w, 3]`` in 0..1, sRGB code values; else as `decode`."""
        ...


@runtime_checkable
class DirectDecoder(Decoder, Protocol):
    """A decoder that writes its picture where the stage reads it."""

    def decode_into(self, pixels: U8, z: F32, parameters: Mapping[str, F32]) -> None:
        """One picture, that of ``z F32[1, *latent.shape]``, into ``U8[h, w, 4]``, opaque."""
        ...


class OnCard(NamedTuple):
    """A picture in a graphics card's memory, ``U8[h, w, 4]`` without gaps, opaque.

    It is whole once the card has done what is queued on `stream`, and stays until the next.
    """

    address: int
    stream: int


@runtime_checkable
class CardDecoder(Decoder, Protocol):
    """A decoder that can leave its picture where it was made."""

    @property
    def card(self) -> int | None:
        """The number of the CUDA device it decodes on; None elsewhere."""
        ...

    def decode_on_card(self, z: F32, parameters: Mapping[str, F32]) -> OnCard:
        """One picture, that of ``z F32[1, *latent.shape]``. Raises as `decode` does."""
        ...


@runtime_checkable
class PatientDecoder(Decoder, Protocol):
    """A decoder that finds out between pictures how to be faster."""

    def idle(self) -> bool:
        """Try a little more, for about two pictures' time; False: nothing is left to try now."""
        ...


def decode_fine(decoder: Decoder, z: F32, parameters: Mapping[str, F32]) -> F32:
    """Pictures ``F32[n, h, w, 3]``, as fine as `decoder` has them: else its 256 levels."""
    if isinstance(decoder, FineDecoder):
        return decoder.decode_fine(z, parameters)
    return np.asarray(decoder.decode(z, parameters), np.float32) / np.float32(255.0)
