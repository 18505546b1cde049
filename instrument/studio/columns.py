"""The parameters of a conformed film: those of its footage, mixed as z is; gain; and its models.

What a parameter is when a source does not have it, and whether it can lie between two values, is
handed in: this package knows no performance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instrument import InstrumentError
from instrument.decoder.crossfade import FIRST, SECOND, SHARE, parts_of
from instrument.latent.sequence import UNKNOWN_MODEL, ModelReference
from instrument.latent.space import F32, F64
from instrument.studio.footage import Source
from instrument.studio.plan import Seen
from instrument.studio.timeline import Remark

GAIN = "/master/gain"
_MODELS = (FIRST, SECOND, SHARE)
_DIM = 1e-9  # a gain that is below 1 by less is 1


@dataclass(frozen=True, slots=True)
class Column:
    """A parameter as a film needs it: `default` where nobody set it; `whole` ones never mix."""

    default: float
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Cast:
    """The models of a film; `numbers` has for every source its own models' numbers, from 1."""

    models: tuple[ModelReference, ...]
    numbers: tuple[tuple[int, ...], ...]
    remarks: tuple[Remark, ...] = ()


def cast_of(sources: Sequence[Source]) -> Cast:
    """Every model that plays in `sources`, once. Footage of nobody knows what is the first's."""
    models: list[ModelReference] = []
    numbers, unknown = [], []
    known = [m for s in sources for m in _models_of(s) if m != UNKNOWN_MODEL]
    for source in sources:
        own = []
        for model in _models_of(source):
            if model == UNKNOWN_MODEL and known:
                unknown.append(source.origin.path)
                model = known[0]
            if model not in models:
                models.append(model)
            own.append(models.index(model) + 1)
        numbers.append(tuple(own))
    remarks = (
        Remark("approximated", f"{path}: does not say its model, taken for {known[0].name}'s")
        for path in dict.fromkeys(unknown)
    )
    return Cast(tuple(models), tuple(numbers), tuple(remarks))


def columns_of(
    seen: Seen, sources: Sequence[Source], known: Mapping[str, Column], cast: Cast
) -> tuple[F32, tuple[str, ...], list[Remark]]:
    """Every parameter of every frame, ``F32[n, P]``, with the addresses of the P columns."""
    listed = dict.fromkeys(a for source in sources for a in source.sequence.addresses)
    addresses = list(listed)
    if len(cast.models) > 1:
        addresses += [a for a in _MODELS if a not in listed]
    dims = bool((seen.gain < 1.0 - _DIM).any())
    if dims and GAIN not in listed:
        addresses.append(GAIN)
    columns: dict[str, F64] = {}
    remarks = []
    known = {GAIN: Column(1.0), **known}
    played, crowded = _played(seen, sources, cast) if set(_MODELS) & set(addresses) else ({}, 0)
    if crowded:
        remarks.append(
            Remark("approximated", f"{crowded} frames mix more than two models: two are shown")
        )
    for address in addresses:
        if address in _MODELS:
            columns[address] = played[address]
            continue
        column = known.get(address) or Column(0.0)
        columns[address] = _mixed(seen, sources, address, column)
        if address not in known and (lacking := _without(address, sources)):
            remarks.append(
                Remark("approximated", f"{address}: taken as 0 where {lacking} does not have it")
            )
    if GAIN in columns:
        columns[GAIN] *= seen.gain
    table = np.empty((len(seen), len(columns)), np.float32)
    for at, values in enumerate(columns.values()):
        table[:, at] = values
    return table, tuple(columns), remarks


def _models_of(source: Source) -> tuple[ModelReference, ...]:
    return source.sequence.models or (source.sequence.model,)


def _without(address: str, sources: Sequence[Source]) -> str:
    return next((s.origin.path for s in sources if address not in s.sequence.addresses), "")


def _mixed(seen: Seen, sources: Sequence[Source], address: str, column: Column) -> F64:
    """One parameter of every frame ``F64[n]``."""
    weights = seen.share
    if column.whole:  # what weighs most decides; of equals, the lower
        weights = (np.arange(weights.shape[1]) == np.argmax(weights, axis=1)[:, None]) * 1.0
    values = np.zeros(len(seen))
    for layer in range(weights.shape[1]):
        for number, source in enumerate(sources):
            own = np.flatnonzero((seen.source[:, layer] == number) & (weights[:, layer] > 0.0))
            if len(own) == 0:
                continue
            found = np.full(len(own), column.default)
            if address in source.sequence.addresses:
                at = source.sequence.addresses.index(address)
                found = source.values_at(seen.place[own, layer], at, column.whole)
            values[own] += weights[own, layer] * found
    return values


def _played(seen: Seen, sources: Sequence[Source], cast: Cast) -> tuple[dict[str, F64], int]:
    """Which one or two models every frame shows, and how many frames would show more.

    A frame that shows one row plays what that row played, number for number.
    """
    first, second, share = np.ones(len(seen)), np.zeros(len(seen)), np.zeros(len(seen))
    parts = np.zeros((len(seen), len(cast.models)))
    single = seen.count == 1
    for layer in range(seen.share.shape[1]):
        weights = seen.share[:, layer]
        for number, source in enumerate(sources):
            own = np.flatnonzero((seen.source[:, layer] == number) & (weights > 0.0))
            told = _told(source, np.floor(seen.place[own, layer] + 0.5).astype(np.intp))
            table = np.array([0, *cast.numbers[number]])
            for model, part in parts_of(told, len(own)).items():
                parts[own, table[model] - 1] += weights[own] * part
            alone, here = own[single[own]], single[own]
            first[alone] = table[told[FIRST][here].astype(np.intp)]
            second[alone] = table[told[SECOND][here].astype(np.intp)]
            share[alone] = told[SHARE][here]
    _weigh(parts, np.flatnonzero(~single), first, second, share)
    return {FIRST: first, SECOND: second, SHARE: share}, int(((parts > 0.0).sum(1) > 2).sum())


def _weigh(parts: F64, frames: NDArray[np.intp], first: F64, second: F64, share: F64) -> None:
    """The two models that weigh most at `frames`, in the order of their numbers."""
    order = np.argsort(-parts[frames], axis=1, kind="stable")[:, :2]
    order.sort(axis=1)  # or a mix would swap them midway
    shown = np.take_along_axis(parts[frames], order, axis=1)
    first[frames] = order[:, 0] + 1
    if parts.shape[1] == 1:
        return
    low, high = shown[:, 0], shown[:, 1]
    first[frames] = np.where(low > 0.0, order[:, 0], order[:, 1]) + 1
    second[frames] = np.where((low > 0.0) & (high > 0.0), order[:, 1] + 1, 0)
    share[frames] = np.where(low > 0.0, high / (low + high), 0.0)


def _told(source: Source, rows: NDArray[np.intp]) -> dict[str, F32]:
    """What a source says of its models at `rows`: number 1 alone where it says nothing."""
    told = {}
    for address, silent in ((FIRST, 1.0), (SECOND, 0.0), (SHARE, 0.0)):
        column = source.sequence.column(address)
        told[address] = np.full(len(rows), silent, np.float32) if column is None else column[rows]
    for address in (FIRST, SECOND):
        told[address] = np.rint(told[address])
        listed = len(_models_of(source))
        if len(rows) and not 0 <= told[address].min() <= told[address].max() <= listed:
            raise InstrumentError(
                f"{source.origin.path}: {address} is {told[address].max():g}, allowed are the "
                f"{listed} models it lists"
            )
    return told
