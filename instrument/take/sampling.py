"""A performance, read at any time: in memory that does not grow with the length of its take.

A performance is a function of time, so nothing between two moments need be kept. Times that come
in order are played on from where the last ones ended; for others there are moments to begin from,
a few that lie evenly over what was played so far and the latest ones.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from instrument.event import ControlEvent
from instrument.latent.lazy_rows import Indices, lazy_rows
from instrument.latent.sequence import ZSequence
from instrument.latent.space import F32
from instrument.performance.state import Performance
from instrument.take.reader import TakeRecord
from instrument.take.replay import columns_of, performer_of
from instrument.timebase import FrameRate

_EVERY = 10.0  # seconds between two moments that are kept, at first
_KEPT = 64  # moments: where there are more, every second one is forgotten
_LATEST = 64  # decoders side by side ask for rows out of order, but not by much


class Moment(NamedTuple):
    """The performance at a time; `played` events are behind it."""

    time: float
    played: int
    performance: Performance


class Sampling:
    """The performance of `record`. Raises InstrumentError where it cannot be played again.

    Any thread may ask, one after the other.
    """

    def __init__(self, record: TakeRecord, where: str) -> None:
        self._performer, begun = performer_of(record.attachments, where)
        self._columns = columns_of(self._performer, record, where)
        self._header = record.header
        self._events = record.events
        self._every = _EVERY
        self._kept = [Moment(begun.time, 0, begun)]
        self._latest: deque[Moment] = deque(maxlen=_LATEST)
        self._lock = threading.Lock()

    @property
    def addresses(self) -> tuple[str, ...]:
        """The parameters that are read."""
        return self._header.addresses

    def at(self, times: Sequence[float]) -> tuple[F32, F32]:
        """z ``F32[n, *shape]`` and parameters ``F32[n, P]`` at `times`, after every event until
        then; the times never run back, and begin at 0 or later."""
        z = np.empty((len(times), *self._header.spec.shape), np.float32)
        parameters = np.empty((len(times), len(self._columns)), np.float32)
        if not len(times):
            return z, parameters
        with self._lock:
            moment = self._before(times[0])
            for row, now in enumerate(times):
                moment = self._played(moment, now)
                z[row] = self._performer.z(moment.performance)
                parameters[row] = self._performer.values(moment.performance)[self._columns]
            self._latest.append(moment)
        return z, parameters

    def _before(self, time: float) -> Moment:
        """The last moment at which everything is known, not after `time`."""
        known = (m for m in (*self._kept, *self._latest) if m.time <= time)
        return max(known, key=lambda moment: moment.time, default=self._kept[0])

    def _played(self, moment: Moment, until: float) -> Moment:
        """Later on, at `until`; on the way, moments are kept."""
        while until - moment.time > self._every:
            moment = self._step(moment, moment.time + self._every)
        return self._step(moment, until)

    def _step(self, moment: Moment, until: float) -> Moment:
        events, played = self._events, moment.played

        def due() -> Iterator[ControlEvent]:
            nonlocal played
            while played < len(events) and (event := events[played]).time <= until:
                played += 1
                yield event

        performance = self._performer.advance(moment.performance, until, due())
        later = Moment(until, played, performance)
        if until >= self._kept[-1].time + self._every:
            self._kept.append(later)
            if len(self._kept) > _KEPT:
                self._kept, self._every = self._kept[::2], 2 * self._every
        return later


def resample(record: TakeRecord, rate: FrameRate, where: str) -> ZSequence:
    """The performance of `record` sampled anew at `rate`: the path, not its rows.

    Its rows are played when they are asked for. Raises InstrumentError.
    """
    frames = rate.frames_in(record.header.rate.time_of(len(record)))
    header, rows = record.header, _Resampled(Sampling(record, where), rate)
    sequence = record.sequence
    return replace(
        sequence, rate=rate, source=f"{sequence.source} at {rate}",
        z=lazy_rows((frames, *header.spec.shape), lambda wanted: rows(wanted)[0]),
        parameters=lazy_rows((frames, len(header.addresses)), lambda wanted: rows(wanted)[1]),
    )  # fmt: skip


class _Resampled:
    """Rows at a rate of their own. Of the last ones both z and parameters are remembered: who
    asks for the one asks for the other next."""

    def __init__(self, sampling: Sampling, rate: FrameRate) -> None:
        self._sampling = sampling
        self._rate = rate
        self._last: tuple[bytes, tuple[F32, F32]] = (b"", sampling.at([]))

    def __call__(self, wanted: Indices) -> tuple[F32, F32]:
        """z and parameters of the rows `wanted`, in any order."""
        known, last = self._last
        if known == wanted.tobytes():
            return last
        rows, places = np.unique(wanted, return_inverse=True)
        z, parameters = self._sampling.at([self._rate.time_of(row) for row in rows.tolist()])
        made = z[places], parameters[places]
        self._last = wanted.tobytes(), made
        return made
