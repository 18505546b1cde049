"""What an edit is conformed from: z-sequences as footage, and places between their rows.

A z-sequence is either a way, where something lies between two rows, or a set of samples that have
nothing to do with one another; and a way may jump, where it was cut. This module looks at the rows
to tell. It knows nothing of edits.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from instrument import InstrumentError
from instrument.latent import blending
from instrument.latent.sequence import ZSequence, load_sequence, sidecar_of
from instrument.latent.space import F32, F64
from instrument.latent.trace import Origin, copied, origin_of
from instrument.studio.held import hold_frozen
from instrument.studio.retiming import I64, Footage
from instrument.timebase import FrameRate

_WHOLE = 1e-6  # of a frame: an editor's arithmetic is no finer
_NEAR = 0.5  # a step of a way is at most this share of how far apart its places are
_LOOKED_AT = 512  # pairs of rows
_BLOCK = 1024  # rows read at once


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A z-sequence as footage: what it holds, which file that is, and what it is called.

    `shown` ``I64[n]`` says which row a frame shows, where the display was frozen while it was
    recorded. `rated` says whether its rate is known: a bare ``.npy`` has none.
    """

    sequence: ZSequence
    origin: Origin
    name: str
    shown: I64 | None = None
    rated: bool = True

    def __len__(self) -> int:
        return len(self.sequence)

    def footage(self, stated: FrameRate | None, otherwise: FrameRate) -> Footage:
        """As far as time goes. `stated` is the rate the edit gives, `otherwise` the edit's own.

        Row i is frame i of the proxy, so the proxy's own rate is what counts.
        """
        rate = stated or (self.sequence.rate if self.rated else otherwise)
        return Footage(rate, len(self.sequence))

    def at(self, places: F64, out: F32 | None = None) -> F32:
        """z ``F32[n, *shape]`` at `places` ``F64[n]``; at whole ones the rows, bit for bit."""
        low = np.floor(places).astype(np.intp)
        # "clip" for its speed alone: no place lies outside. By default numpy copies twice.
        z = np.take(np.asarray(self.sequence.z), low, axis=0, out=out, mode="clip")
        off = np.flatnonzero(places != low)
        if len(off):
            after = np.asarray(self.sequence.z[low[off] + 1], np.float32)
            z[off] = blending.between(z[off], after, places[off] - low[off], self.sequence.spec)
        return z

    def values_at(self, places: F64, column: int, whole: bool) -> F64:
        """One parameter ``F64[n]`` at `places`; of a `whole` one, the nearest row's."""
        values = self.sequence.parameters[:, column]
        if whole:
            return values[np.floor(places + 0.5).astype(np.intp)].astype(np.float64)
        low = np.floor(places).astype(np.intp)
        share = places - low
        after = np.minimum(low + 1, len(values) - 1)
        return np.asarray((1.0 - share) * values[low] + share * values[after])

    def is_way(self) -> bool:
        """Whether something lies between most of its rows."""
        steps = _distances(self, _spread(len(self) - 1))
        steps = steps[steps > 0.0]  # frames that are held or doubled say nothing
        return len(steps) > 0 and float(np.median(steps)) <= _NEAR * self._extent()

    def jumps(self, places: F64) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Where a place ``[n]`` lies between two rows that are not steps of one way."""
        low = np.floor(places).astype(np.intp)
        between = places != low
        rows, inverse = np.unique(low[between], return_inverse=True)
        jumps = np.zeros(len(places), np.bool_)
        jumps[between] = (_distances(self, rows) > _NEAR * self._extent())[inverse]
        return jumps

    def _extent(self) -> float:
        """How far apart two rows usually are."""
        # Seeded: the same z-sequence is the same thing every time.
        random = np.random.Generator(np.random.Philox(len(self)))
        first, second = random.integers(0, len(self), (2, _LOOKED_AT))
        apart = np.concatenate(list(_blocks(self, first, second)))
        return float(np.quantile(apart, 0.9))


def open_source(path: Path) -> Source:
    """The z-sequence ``NAME.npy`` as footage. Raises InstrumentError naming the file."""
    # Both read the whole file and neither waits for the other:.
    with ThreadPoolExecutor(1) as aside:
        hashed = aside.submit(origin_of, path)
        sequence = load_sequence(path)
        origin = hashed.result()
    rated = sidecar_of(path).exists()
    known = replace(sequence, trace=copied(origin, np.arange(len(sequence))))
    held = hold_frozen(known)
    if held is known:
        return Source(sequence, origin, path.stem, rated=rated)
    assert held.trace is not None
    shown = held.trace.rows[:, 1].astype(np.int64)
    return Source(_thawed(held), origin, path.stem, shown, rated)


def snapped(places: F64) -> F64:
    """`places`, whole where they are meant to be."""
    whole = np.rint(places)
    return np.where(np.abs(places - whole) <= _WHOLE, whole, places)


def check_alike(sources: tuple[Source, ...]) -> None:
    """Raise InstrumentError where two sources are of different latent spaces."""
    for source in sources[1:]:
        first = sources[0]
        if source.sequence.spec != first.sequence.spec:
            raise InstrumentError(
                f"{source.origin.path}: is {_space(source)}, but {first.origin.path} is "
                f"{_space(first)}: one edit is made of one latent space"
            )


def _space(source: Source) -> str:
    spec = source.sequence.spec
    radius = "free" if spec.radius is None else f"radius {spec.radius:g}"
    return f"{spec} ({radius})"


def _thawed(sequence: ZSequence) -> ZSequence:
    """`sequence`, whose rows are held by now, with nothing left to freeze."""
    parameters = sequence.parameters.copy()
    parameters[:, sequence.addresses.index("/display/freeze")] = 0.0
    return replace(sequence, parameters=parameters, trace=None)


def _spread(n: int) -> I64:
    """Some of the numbers below `n`, from all over."""
    return np.unique(np.linspace(0, max(n - 1, -1), min(n, _LOOKED_AT)).astype(np.int64))


def _distances(source: Source, rows: I64) -> F64:
    """From each of `rows` to the next."""
    if len(rows) == 0:
        return np.zeros(0)
    return np.concatenate(list(_blocks(source, rows, rows + 1)))


def _blocks(source: Source, first: I64, second: I64) -> Iterator[F64]:
    z = source.sequence.z
    for start in range(0, len(first), _BLOCK):
        some = slice(start, start + _BLOCK)
        way = z[first[some]].astype(np.float64) - z[second[some]]
        yield np.sqrt(np.sum(way * way, axis=tuple(range(1, way.ndim))))
