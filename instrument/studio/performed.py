"""A take seen through an open shutter: its performance itself, at the time of every sample.

Samples are played when they are asked for, and none is kept.
"""

from __future__ import annotations

import threading

import numpy as np

from instrument.latent.space import F32
from instrument.studio.held import FREEZE, held_columns
from instrument.studio.shutter import Shutter
from instrument.take.sampling import Sampling
from instrument.timebase import FrameRate

_BACK = 256  # samples that are looked through together for the last one before a freeze


class Performed:
    """Frames at `rate` of a performance, each exposed for as long as `shutter` is open.

    An `Exposure`. Where the display was frozen, the sample of before is held. Any thread may ask.
    """

    def __init__(self, sampling: Sampling, shutter: Shutter, rate: FrameRate) -> None:
        self._sampling = sampling
        self._shutter = shutter
        self._rate = rate
        self.samples = shutter.samples
        addresses = sampling.addresses
        self._freeze = addresses.index(FREEZE) if FREEZE in addresses else None
        self._model = held_columns(addresses)
        self._lock = threading.Lock()
        # What is seen at the sample before this one: its z and its parameters.
        self._known: tuple[int, tuple[F32, F32]] | None = None

    def rows(self, start: int, stop: int) -> tuple[F32, F32]:
        """See `Exposure.rows`."""
        first, last = start * self.samples, stop * self.samples
        z, parameters = self._at(first, last)
        if self._freeze is None or first == last:
            return z, parameters
        frozen = parameters[:, self._freeze] >= 0.5
        shown = np.maximum.accumulate(np.where(frozen, -1, np.arange(len(z))))
        model = parameters[:, self._model][shown]
        z = z[shown]
        with self._lock:
            if shown[0] < 0:
                z[shown < 0], held = self._before(first)
                model[shown < 0] = held[self._model]
            parameters[:, self._model] = model
            self._known = last, (z[-1].copy(), parameters[-1].copy())
        return z, parameters

    def _before(self, sample: int) -> tuple[F32, F32]:
        """What was seen last before `sample`; where nothing ever was, the very first one."""
        known = self._known[0] if self._known else 0
        stop = sample
        while stop > 0:
            if self._known and stop == known:
                return self._known[1]
            start = max(0, stop - _BACK, known if known < stop else 0)
            z, parameters = self._at(start, stop)
            seen = np.flatnonzero(parameters[:, self._freeze] < 0.5)
            if len(seen):
                return z[seen[-1]], parameters[seen[-1]]
            stop = start
        z, parameters = self._at(0, 1)
        return z[0], parameters[0]

    def _at(self, start: int, stop: int) -> tuple[F32, F32]:
        return self._sampling.at(self._shutter.times(start, stop, self._rate))
