"""Sequences and decoders whose pictures say which frame they are."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from instrument.decoder.protocol import DecoderSpec
from instrument.frame import U8
from instrument.latent.sequence import ZSequence
from instrument.latent.space import F32, LatentSpec
from instrument.timebase import FrameRate

DIMS = 4
BITS = 14
RATES = [FrameRate(24), FrameRate(25), FrameRate(30000, 1001), FrameRate(60)]
RATE_NAMES = [str(rate) for rate in RATES]


def barcode(index: int, size: tuple[int, int] = (32, 64)) -> U8:
    """`index` in black and white bars of 1/16 of the width, after a black and a white one."""
    bars = np.array([0, 1, *((index >> (BITS - 1 - b)) & 1 for b in range(BITS))], np.uint8) * 255
    row = bars[np.arange(size[1]) * (BITS + 2) // size[1]]
    return np.repeat(np.broadcast_to(row, size)[..., None], 3, axis=2)


def read_barcode(picture: U8) -> int:
    middle = (np.arange(BITS + 2) * 2 + 1) * picture.shape[1] // (2 * BITS + 4)
    bits = picture[picture.shape[0] // 2, middle].mean(axis=-1) > 127
    assert not bits[0]
    assert bits[1]
    return int("".join("01"[int(b)] for b in bits[2:]), 2)


def indexed(n: int, rate: FrameRate = RATES[2], **more: Any) -> ZSequence:
    """A z-sequence whose first number is the index of its row."""
    z = np.zeros((n, DIMS), np.float32)
    z[:, 0] = np.arange(n)
    return ZSequence(z, rate, LatentSpec((DIMS,)), source="walk.npy", **more)


class Barcodes:
    """Decodes the first number of z into a barcode, always into the same memory."""

    def __init__(self, size: tuple[int, int] = (32, 64), sha256: str = "aa" * 32) -> None:
        self.spec = DecoderSpec("barcodes", LatentSpec((DIMS,)), size, sha256)
        self.batches: list[int] = []
        self._memory = np.zeros((64, *size, 3), np.uint8)

    def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
        self.batches.append(len(z))
        for row, position in enumerate(z):
            self._memory[row] = barcode(int(position[0]), self.spec.size)
        return self._memory[: len(z)]


class Repeated:
    """An `Exposure` to a sequence that holds `samples` rows a frame, already at their times."""

    def __init__(self, sequence: ZSequence, samples: int) -> None:
        self._sequence = sequence
        self.samples = samples

    def rows(self, start: int, stop: int) -> tuple[F32, F32]:
        rows = slice(start * self.samples, stop * self.samples)
        z = self._sequence.z[rows].copy()
        if not self._sequence.addresses:
            return z, np.zeros((len(z), 0), np.float32)
        return z, self._sequence.parameters[rows].copy()
