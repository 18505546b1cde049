"""Paths: where z is at any time. Pure functions of time, whatever the frame rate.

This module knows keys (places a path leads through) and the plainest path, the chain: from key to
key along great circles, or straight lines where a space has no shell. What moves with weight is
in `spring_path`, what trembles in `noisy_path`. None of them knows a file or a picture.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from instrument import InstrumentError
from instrument.latent import geometry
from instrument.latent.space import F64, LatentSpec

_LONGEST = 30 * 86_400.0  # seconds
_LOOKED_AT = 60  # places before a key and after it


class Path(Protocol):
    """A path through k keys that takes `seconds`; a closed one begins again then, for ever.

    Before its beginning and after its end an open path stands still.
    """

    @property
    def seconds(self) -> float:
        """How long it takes."""
        ...

    @property
    def closed(self) -> bool:
        """Whether its end is its beginning."""
        ...

    @property
    def visits(self) -> F64:
        """When it comes to each key, ``F64[k]`` seconds; of a closed path the first at 0."""
        ...

    def at(self, times: F64) -> F64:
        """z ``F64[n, *shape]`` at `times F64[n]`."""
        ...

    def along(self, values: F64, times: F64) -> F64:
        """Other numbers that keys have, ``F64[k, p]``, moved as z is: ``F64[n, p]``."""
        ...

    def between(self, times: F64) -> F64:
        """``F64[n, 3]``: the number of a key, that of the next, and how much of the next."""
        ...


def check_keys(keys: F64, spec: LatentSpec, seconds: float) -> F64:
    """`keys` as float64. Raises InstrumentError where no path can lead through them."""
    if keys.ndim < 2 or keys.shape[1:] != spec.shape:
        raise InstrumentError(f"keys of shape {list(keys.shape)}: must be [k, ...] of {spec}")
    if len(keys) < 2:
        raise InstrumentError(f"a path through {len(keys)} key: takes 2 or more")
    if not np.isfinite(keys).all():
        raise InstrumentError("a key of the path is not finite (NaN or infinity)")
    if not 0.0 < seconds <= _LONGEST:
        raise InstrumentError(f"a path of {seconds} s: must be above 0, and at most 30 days")
    return keys.astype(np.float64)


def check_hold(hold: float, keys: int, seconds: float) -> float:
    """Seconds of all pauses. Raises InstrumentError where no time is left to move."""
    if not 0.0 <= hold or not keys * hold < seconds:
        raise InstrumentError(
            f"a pause of {hold} s at each of {keys} keys: must be 0 or more, and leave time "
            f"to move within {seconds} s"
        )
    return keys * hold


def apart(a: F64, b: F64, spec: LatentSpec) -> F64:
    """How far ``[..., *shape]`` lie from one another in radians, in the mean over layers.

    A free space has no angles: there it is the same share of its `reach`.
    """
    if spec.radius is None:
        ways = geometry.length(a - b) / spec.reach
    else:
        ways = geometry.angle(a, b)
    return np.asarray(ways if len(spec.shape) == 1 else np.mean(ways, axis=-1))


def onwards(keys: F64, closed: bool) -> F64:
    """The key every leg leads to: the one after, and of a closed path the first at the end."""
    return np.concatenate([keys[1:], keys[:1]]) if closed else keys[1:]


def passes(path: Path, keys: F64, spec: LatentSpec) -> F64:
    """How near `path` comes to each of its `keys F64[k, *shape]` when it visits them, in radians.

    ``F64[k]``, as `apart` measures; looked for half way back to the visit before and on to the
    next.
    """
    before = path.visits - np.roll(path.visits, 1)
    after = np.roll(before, -1)
    if path.closed:
        before, after = np.mod(before, path.seconds), np.mod(after, path.seconds)
    else:
        before[0] = after[-1] = 0.0
    found = []
    for key, visit, back, on in zip(keys, path.visits, before, after, strict=True):
        times = np.linspace(-0.5 * back, 0.0, _LOOKED_AT), np.linspace(0.0, 0.5 * on, _LOOKED_AT)
        found.append(float(apart(path.at(visit + np.concatenate(times)), key, spec).min()))
    return np.array(found)


class Chain:
    """From key to key along great circles, at one angular speed; corners at the keys.

    In a free space the ways are straight. The keys themselves are met exactly. With `hold` the
    path rests so many seconds at each key.
    """

    def __init__(
        self, keys: F64, spec: LatentSpec, seconds: float, *, hold: float = 0.0,
        closed: bool = False,
    ) -> None:  # fmt: skip
        """`keys F64[k, *shape]`, two or more. Raises InstrumentError."""
        self.seconds, self.closed = seconds, closed
        self._keys, self._spec = check_keys(keys, spec, seconds), spec
        self._ends = onwards(self._keys, closed)
        legs = len(self._ends)
        ways = apart(self._keys[:legs], self._ends, spec)
        if not ways.any():
            ways = np.ones(legs)  # all keys are one: any time is right
        moving = (seconds - check_hold(hold, len(keys), seconds)) * ways / math.fsum(ways)
        ends = np.cumsum(hold + moving)
        self._leave = np.concatenate([[hold], ends[:-1] + hold])  # when each leg begins
        self._moving = moving
        self.visits = np.concatenate([[0.0], ends[: len(keys) - 1]])

    def at(self, times: F64) -> F64:
        """See `Path.at`."""
        leg, share = self._where(times)
        a, b = self._keys[leg], self._ends[leg]
        t = share.reshape(-1, *[1] * (len(self._spec.shape) - 1))
        z = geometry.lerp(a, b, t) if self._spec.radius is None else geometry.slerp(a, b, t)
        # Bit for bit: a key is a row somebody chose.
        whole = (len(share), *[1] * len(self._spec.shape))
        z = np.where((share <= 0.0).reshape(whole), a, z)
        return np.where((share >= 1.0).reshape(whole), b, z)

    def along(self, values: F64, times: F64) -> F64:
        """See `Path.along`: straight from key to key."""
        leg, share = self._where(times)
        return geometry.lerp(values[leg], onwards(values, self.closed)[leg], share)

    def between(self, times: F64) -> F64:
        """See `Path.between`."""
        leg, share = self._where(times)
        return np.stack([leg, (leg + 1) % len(self._keys), share], axis=1)

    def _where(self, times: F64) -> tuple[NDArray[np.intp], F64]:
        """On which leg, and how far along it (0 to 1)."""
        times = lap_times(times, self.seconds, self.closed)
        leg = np.searchsorted(self._leave, times, side="right") - 1
        leg = np.clip(leg, 0, len(self._leave) - 1)
        moving = self._moving[leg]
        share = np.where(moving > 0.0, times - self._leave[leg], 1.0)
        return leg, np.clip(share / np.where(moving > 0.0, moving, 1.0), 0.0, 1.0)


def lap_times(times: F64, seconds: float, closed: bool) -> F64:
    """`times` within the path: round and round where it is closed, else held at the ends."""
    return np.mod(times, seconds) if closed else np.clip(times, 0.0, seconds)
