"""A planted world for journeys: colours that follow z, a pole to keep away from, and surveys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from instrument.decoder.protocol import DecoderSpec
from instrument.frame import U8
from instrument.latent.manner import Manner
from instrument.latent.sequence import ModelReference, ZSequence, save_sequence
from instrument.latent.space import F32, F64, LatentSpec
from instrument.studio.journeys import Journey, Terms
from instrument.studio.keys import Keys, keys_of_rows
from instrument.timebase import FrameRate

SPEC = LatentSpec.shell(6)
RATE = FrameRate(30)
SPHERICAL, PHYSICAL = Manner("spherical"), Manner()
POLE = 0.45  # of the first number of a unit z: beyond it lies what is unwanted


def survey(rows: int = 300, seed: int = 4, snapshots: bool = False) -> ZSequence:
    """Random rows of the world; with `snapshots` each has one."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(rows, 6))
    z *= SPEC.radius / np.linalg.norm(z, axis=1, keepdims=True)
    columns, addresses = np.zeros((0, 0), np.float32), ()
    if snapshots:
        columns = (np.arange(2 * rows).reshape(rows, 2) % 7).astype(np.float32)
        addresses = ("/model/snapshot", "/display/freeze")
    return ZSequence(
        z.astype(np.float32), RATE, SPEC, ModelReference("colours", "cc" * 32), columns, addresses
    )


def saved(folder: Path, sequence: ZSequence | None = None, name: str = "survey") -> Path:
    path = folder / f"{name}.npy"
    save_sequence(path, sequence or survey())
    return path


def look(z: F64, parameters: F64) -> F32:
    """What is seen of z in the planted world: its direction."""
    return (z / np.linalg.norm(z, axis=-1, keepdims=True)).astype(np.float32)


def at_the_pole(z: F64 | F32) -> np.ndarray:
    return look(np.asarray(z, np.float64), np.zeros((len(z), 0)))[:, 0] > POLE


def journey(sequence: ZSequence, rows: list[int], number: int = 1, seed: int = 9) -> Journey:
    return Journey(number, keys_of_rows(sequence, rows), seed)


def terms(manner: Manner = PHYSICAL, seconds: float = 2.0, rate: FrameRate = RATE) -> Terms:
    return Terms(manner, seconds, rate)


def across_the_pole(sequence: ZSequence, count: int) -> list[tuple[int, int]]:
    """Pairs of rows this side of the pole whose straight way leads over it."""
    u = look(sequence.z.astype(np.float64), np.zeros((len(sequence), 0)))
    pairs = []
    for a in range(len(u)):
        for b in range(a + 1, len(u)):
            middle = u[a] + u[b]
            middle /= np.linalg.norm(middle) + 1e-9
            if max(u[a, 0], u[b, 0]) < POLE - 0.05 and middle[0] > POLE + 0.15:
                pairs.append((a, b))
    return pairs[:: max(1, len(pairs) // count)][:count]


def places(sequence: ZSequence) -> Keys:
    return keys_of_rows(sequence, range(len(sequence)))


class Colours:
    """Decodes the direction of z into three even fields of colour."""

    def __init__(self, sha256: str = "cc" * 32, size: tuple[int, int] = (32, 48)) -> None:
        self.spec = DecoderSpec("colours", SPEC, size, sha256)
        self.decoded = 0

    def decode(self, z: F32, parameters: Mapping[str, F32]) -> U8:
        self.decoded += len(z)
        unit = z / np.linalg.norm(z, axis=1, keepdims=True)
        values = np.clip(128 + 127 * unit, 0, 255).astype(np.uint8).reshape(len(z), 2, 3)
        fields = np.repeat(values, self.spec.size[1] // 2, axis=1)
        return np.repeat(fields[:, None], self.spec.size[0], axis=1)
