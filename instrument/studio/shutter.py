"""An open shutter: which z a frame is exposed to, and not only the one at its own time.

A frame at time t is the mean of pictures at times spread evenly over ``[t - o/2, t + o/2]``, with
o the share of a frame that the shutter is open. Those of a take are sampled from the performance
itself; between the rows of a z-sequence lie great circles (straight lines, where a space has no
shell). This module knows no pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from instrument import InstrumentError
from instrument.latent.arrays import taken
from instrument.latent.geometry import length, lerp, slerp
from instrument.latent.sequence import ZSequence
from instrument.latent.space import F32, F64
from instrument.timebase import FrameRate

Rows = NDArray[np.intp]

_MOST_SAMPLES = 256
# A step of more than this share of z's own length (half a radian on a shell) is a cut: the
# fastest glide that can be followed by eye turns z by a third of that in a frame.
_CUT = 0.5
# What a mean of two values of would be a third thing, or nothing.
_MODELS = ("/model/first", "/model/second")
_STEPWISE = (*_MODELS, "/display/freeze")


@dataclass(frozen=True, slots=True)
class Shutter:
    """`angle` in degrees of 360 that it is open for, as on a film camera; `samples` a frame."""

    angle: float = 180.0
    samples: int = 8

    def __post_init__(self) -> None:
        if not 0.0 <= self.angle <= 360.0:
            raise InstrumentError(f"blur {self.angle:g}: must be degrees, 0 to 360")
        if not 1 <= self.samples <= _MOST_SAMPLES:
            raise InstrumentError(f"samples {self.samples}: must be 1 to {_MOST_SAMPLES}")

    @property
    def offsets(self) -> F64:
        """When the samples of a frame are taken, in frames before or after it, ``F64[samples]``."""
        middle = (np.arange(self.samples) + 0.5) / self.samples - 0.5
        return np.asarray(middle * (self.angle / 360.0))

    def times(self, start: int, stop: int, rate: FrameRate) -> list[float]:
        """Seconds of the samples ``[start, stop)``, counted from frame 0; none lies before 0."""
        offsets, each = self.offsets.tolist(), self.samples
        return [
            max(0.0, (number // each + offsets[number % each]) * rate.den / rate.num)
            for number in range(start, stop)
        ]


class Exposure(Protocol):
    """What every frame of a film is exposed to."""

    @property
    def samples(self) -> int:
        """How many z make a frame."""
        ...

    def rows(self, start: int, stop: int) -> tuple[F32, F32]:
        """Those of the frames ``[start, stop)``: ``z F32[k, *shape]``, ``parameters F32[k, P]``,
        with k = samples · frames."""
        ...


class Instant:
    """A frame is its row. An `Exposure`."""

    def __init__(self, sequence: ZSequence) -> None:
        self._sequence = sequence
        self.samples = 1

    def rows(self, start: int, stop: int) -> tuple[F32, F32]:
        """See `Exposure.rows`."""
        sequence, chosen = self._sequence, slice(start, stop)
        z = taken(sequence.z, chosen)  # writeable, a file is not
        if not sequence.addresses:
            return z, np.zeros((len(z), 0), np.float32)
        return z, taken(sequence.parameters, chosen)


class BetweenRows:
    """A z-sequence seen through a shutter. An `Exposure`.

    Neither motion nor fades run across a cut: there a sample is what its nearest row is. A cut is
    where `trace` says that two rows did not lie side by side, or where z jumps.
    """

    def __init__(self, sequence: ZSequence, shutter: Shutter) -> None:
        self._sequence = sequence
        self._offsets = shutter.offsets
        self.samples = shutter.samples

    def rows(self, start: int, stop: int) -> tuple[F32, F32]:
        """See `Exposure.rows`."""
        sequence = self._sequence
        wanted = (np.arange(start, stop)[:, None] + self._offsets).reshape(-1)
        wanted = np.clip(wanted, 0, len(sequence) - 1)
        before = np.minimum(wanted.astype(np.intp), max(0, len(sequence) - 2))
        after = np.minimum(before + 1, len(sequence) - 1)
        share = wanted - before
        a, b = (taken(sequence.z, at).astype(np.float64) for at in (before, after))
        share = np.where(self._cut(a, b, before, after), np.rint(share), share)
        along = share.reshape(-1, *[1] * (a.ndim - 2))  # one share for all layers of a row
        between = slerp if sequence.spec.radius is not None else lerp
        z = between(a, b, np.broadcast_to(along, a.shape[:-1]))
        z = np.where(along[..., None] == 0.0, a, np.where(along[..., None] == 1.0, b, z))
        return z.astype(np.float32), self._parameters(before, after, share)

    def _parameters(self, before: Rows, after: Rows, share: F64) -> F32:
        sequence = self._sequence
        if not sequence.addresses:
            return np.zeros((len(share), 0), np.float32)
        a, b = (taken(sequence.parameters, at).astype(np.float64) for at in (before, after))
        weight = np.repeat(share[:, None], len(sequence.addresses), axis=1)
        stepwise = [column for column, name in enumerate(sequence.addresses) if name in _STEPWISE]
        weight[:, stepwise] = np.rint(weight[:, stepwise])
        # Where another model enters or leaves, its share of the picture is another's, too.
        models = [column for column, name in enumerate(sequence.addresses) if name in _MODELS]
        changed = (a[:, models] != b[:, models]).any(axis=1)
        weight[changed] = np.rint(weight[changed])
        return np.asarray((1 - weight) * a + weight * b, np.float32)

    def _cut(self, a: F64, b: F64, before: Rows, after: Rows) -> NDArray[np.bool_]:
        """Where a row and the next do not belong together, ``bool[k]``."""
        flat_a, flat_b = a.reshape(len(a), -1), b.reshape(len(b), -1)
        jump = length(flat_b - flat_a) > _CUT * np.maximum(length(flat_a), length(flat_b))
        trace = self._sequence.trace
        if trace is None:
            return np.asarray(jump)
        here, there = taken(trace.rows, before), taken(trace.rows, after)
        # Where a dissolve begins or ends, the two rows still have a clip in common.
        shared = np.zeros(len(a), bool)
        for mine in (0, 2):
            for other in (0, 2):
                shared |= (here[:, mine] >= 0) & (here[:, mine] == there[:, other])
        return np.asarray(jump | ~shared)
