"""Journeys: many short ones between a few keys of a curated z-sequence, drawn or picked.

Which keys a journey has, by way of what, along which path, and how it measures. This module
writes no file and knows no decoder: what looks at z is handed in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from instrument import InstrumentError
from instrument.latent.manner import Manner
from instrument.latent.path import Path, passes
from instrument.latent.row_stream import Block, blank
from instrument.latent.sequence import ZSequence
from instrument.latent.space import F64, LatentSpec
from instrument.latent.steps import off_shell, step_lengths, turns
from instrument.latent.trace import Origin, Trace
from instrument.studio.detours import Detours, Look
from instrument.studio.keys import Keys, joined, sampled
from instrument.studio.region import Region
from instrument.timebase import FrameRate

_SEEN = 48  # pictures of a journey by which its unwanted share is told
_MOST_KEYS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Journey:
    """One journey that was asked for: its keys, and the seed of all that is random in it."""

    number: int
    keys: Keys
    seed: int

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.number:03d}"


@dataclass(frozen=True, slots=True)
class Terms:
    """What all journeys of one call have in common."""

    manner: Manner
    seconds: float
    rate: FrameRate

    @property
    def frames(self) -> int:
        """How many rows a journey has."""
        return self.rate.frames_in(self.seconds)

    def to_json(self) -> dict[str, Any]:
        """What the index says of them."""
        rate = [self.rate.num, self.rate.den]
        return {**self.manner.to_json(), "seconds": self.seconds, "rate": rate}


@dataclass(frozen=True, slots=True, eq=False)
class Avoidance:
    """What is kept away from, how ways around are found, and what looks at z.

    `places` are the surveyed rows that a detour may lead over.
    """

    region: Region
    places: Keys
    look: Look
    detours: Detours


@dataclass(frozen=True, slots=True)
class Kept:
    """How much of a journey is unwanted: straight, and as it is flown; by how many pictures."""

    before: float
    after: float
    pictures: int = _SEEN


def seed_of(number: int, seed: int) -> int:
    """The seed of journey `number` among those of `seed`."""
    return int(_source(number, seed).integers(1 << 62))


def drawn_rows(allowed: Sequence[int], keys: tuple[int, int], number: int, seed: int) -> list[int]:
    """The rows of the keys of journey `number`, none twice; `keys` of them, from and to.

    It needs none of the journeys before it, so more of them leave the first as they are. Raises
    InstrumentError.
    """
    fewest, most = keys
    if not 2 <= fewest <= most <= _MOST_KEYS:
        raise InstrumentError(f"keys {fewest}:{most}: must be 2 to {_MOST_KEYS}, as 2:3")
    if most > len(allowed):
        raise InstrumentError(f"keys {fewest}:{most}: there are only {len(allowed)} rows for them")
    source = _source(number, seed)
    source.integers(1 << 62)  # is its seed
    wanted = int(source.integers(fewest, most + 1))
    return [allowed[row] for row in source.choice(len(allowed), wanted, replace=False).tolist()]


def _source(number: int, seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, number]))


def by_way_of(keys: Keys, via: Sequence[Keys]) -> Keys:
    """`keys` with waypoints put in half way, one after the other.

    A place that comes twice in a row, as rows of an edited set may, is one key: nothing would
    move on the way between.
    """
    middle = len(keys) - len(keys) // 2
    before, after = range(middle), range(middle, len(keys))
    led = joined([keys.at(before), *via, keys.at(after)]) if via else keys
    moves = [0, *(i for i in range(1, len(led)) if (led.z[i] != led.z[i - 1]).any())]
    return led.at(moves) if len(moves) > 1 else led


def around(journey: Journey, avoidance: Avoidance, terms: Terms, spec: LatentSpec) -> tuple[
    Journey, list[list[str]], Kept
]:  # fmt: skip
    """`journey` with keys put in that keep it away from the region, and how well they do.

    Between each pair of keys the places it is led over, by their names. Where they make nothing
    better the journey stays as it is.
    """
    places = avoidance.places
    index = {_place(places, n): n for n in range(len(places))}
    parts, led = [journey.keys.at([0])], list[list[str]]()
    for a, b in pairwise(range(len(journey.keys))):
        ends = [index[_place(journey.keys, key)] for key in (a, b)]
        over = avoidance.detours.find(*ends) if ends[0] != ends[1] else []
        parts += [places.at(over), journey.keys.at([b])]
        led.append([places.names[place] for place in over])
    other = replace(journey, keys=joined(parts))
    before, after = (_unwanted(one, avoidance, terms, spec) for one in (journey, other))
    if after >= before:
        return journey, [[] for _ in led], Kept(before, before)
    return other, led, Kept(before, after)


def path_of(journey: Journey, terms: Terms, spec: LatentSpec) -> Path:
    """The path of a journey, which is at its last key in its last row."""
    if terms.frames < 2:
        raise InstrumentError(
            f"journeys of {terms.seconds} s at {terms.rate} /s: have fewer than 2 rows"
        )
    seconds = terms.rate.time_of(terms.frames - 1)
    return terms.manner.path(journey.keys.z, spec, seconds, journey.seed)


def rows_of(journey: Journey, terms: Terms, sequence: ZSequence) -> Block:
    """All rows of a journey."""
    path = path_of(journey, terms, sequence.spec)
    times = np.array([terms.rate.time_of(frame) for frame in range(terms.frames)])
    return sampled(path, journey.keys, times, sequence.addresses)


def as_sequence(
    journey: Journey, terms: Terms, sequence: ZSequence, origins: tuple[Origin, ...], source: str
) -> ZSequence:
    """A journey as a z-sequence of its own, that leads back to `origins`."""
    block = rows_of(journey, terms, sequence)
    header = replace(blank(sequence, terms.frames), rate=terms.rate, seed=journey.seed)
    return replace(
        header, z=block.z.astype(np.float32), parameters=block.parameters, source=source,
        trace=Trace(origins, block.trace),
    )  # fmt: skip


def measured(journey: Journey, terms: Terms, z: F64, spec: LatentSpec) -> dict[str, Any]:
    """What the index says of the rows ``z F64[n, *shape]``: angles in degrees.

    How near it passes each key is told of the path itself, and of the key as it was chosen.
    """
    path = path_of(journey, terms, spec)
    near = passes(path, journey.keys.z, spec).tolist()
    lengths = step_lengths(z, spec)
    turned = turns(z, spec) if len(z) > 2 else np.zeros(1)
    return {
        "length_degrees": round(math.degrees(math.fsum(lengths.tolist())), 3),
        "longest_step_degrees": round(math.degrees(float(lengths.max())), 4),
        "sharpest_turn_degrees": round(math.degrees(float(turned.max())), 3),
        "off_shell_deviations": round(off_shell(z, spec), 3),
        "passes_keys_within_degrees": [round(math.degrees(one), 3) for one in near],
    }


def _unwanted(journey: Journey, avoidance: Avoidance, terms: Terms, spec: LatentSpec) -> float:
    """The share of a journey's pictures that lies in the region."""
    path = path_of(journey, terms, spec)
    times = np.linspace(0.0, path.seconds, _SEEN, dtype=np.float64)
    seen = avoidance.look(path.at(times), path.along(journey.keys.parameters, times))
    return avoidance.region.share(seen)


def _place(keys: Keys, index: int) -> tuple[int, int]:
    return int(keys.origins[index]), int(keys.rows[index])
