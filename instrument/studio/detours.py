"""Detours: between two keys, by way of which surveyed rows one keeps away from a region.

The rows are places of a graph, joined to their nearest neighbours (by angle) and both keys to many
more; the way between two of them is the great circle, and costs how far it is to the eye plus a
penalty on what of it lies in the region. How far and how much only pictures tell, so an
edge is looked at when it lies on the best way so far, and until then is held to be as long
as its ends are apart, times what edges looked at turned out longer. What is left of the best way in
the end was looked at closely. This module knows no decoder: it is handed what looks at z.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from instrument.latent import geometry
from instrument.latent.path import Chain, apart
from instrument.latent.space import F32, F64, LatentSpec
from instrument.studio.keys import Keys
from instrument.studio.region import Bools, Region

Look = Callable[[F64, F64], F32]  # z F64[m, *shape], parameters F64[m, P] → features F32[m, k]

Places = NDArray[np.intp]
_BLOCK = 64  # rows compared with all others at once


@dataclass(frozen=True, slots=True)
class Search:
    """How hard to look: at most `looks` times for one detour.

    A look at an edge takes `glance` pictures between its ends, a close one `close`. `penalty` is
    how many times as long again a way counts where it is unwanted. A key more costs `hop` times
    the usual distance of two rows. `neighbours` a row has, and a key `of_keys`.
    """

    neighbours: int = 12
    of_keys: int = 64
    glance: int = 6
    close: int = 20
    looks: int = 80
    penalty: float = 20.0
    hop: float = 0.5


THOROUGH = Search()


@dataclass(slots=True)
class _Edges:
    """What edges cost, ``(a, b)`` with a < b: for certain, or as they look from their ends."""

    known: dict[tuple[int, int], float] = field(default_factory=dict)
    closely: set[tuple[int, int]] = field(default_factory=set)
    chords: dict[tuple[int, int], float] = field(default_factory=dict)
    length: float = 0.0
    chord: float = 0.0

    @property
    def stretch(self) -> float:
        """How much longer than their ends are apart the edges looked at were, on average."""
        return self.length / self.chord if self.chord > 0.0 else 1.0


class Detours:
    """Ways around `region` over the surveyed `places`, which are its rows in the same order."""

    def __init__(
        self, places: Keys, spec: LatentSpec, region: Region, look: Look,
        search: Search = THOROUGH,
    ) -> None:  # fmt: skip
        self._places, self._spec, self._region = places, spec, region
        self._look, self._search = look, search
        self._near = nearest_by_angle(places.z, spec, search.neighbours, region.unwanted)
        self._features = region.features
        self._edges = _Edges()
        self._usual = _usual_distance(region.features)

    def find(self, a: int, b: int) -> list[int]:
        """Places between `a` and `b`, none where the straight way is the best one found."""
        graph = self._graph_for(a, b)
        for _ in range(self._search.looks):
            way = self._best(graph, a, b, known_only=False)
            edges = _edges_of(way)
            if unseen := [edge for edge in edges if edge not in self._edges.known]:
                self._look_at(unseen[0], self._search.glance)
            elif unsure := [edge for edge in edges if edge not in self._edges.closely]:
                self._look_at(unsure[0], self._search.close)
                self._edges.closely.add(unsure[0])
            else:
                return way[1:-1]
        return self._best(graph, a, b, known_only=True)[1:-1]

    def _graph_for(self, a: int, b: int) -> dict[int, set[int]]:
        """Who is joined to whom; unwanted rows to nobody, the two keys to many and each other."""
        graph: dict[int, set[int]] = {place: set() for place in range(len(self._places))}
        for place, others in enumerate(self._near):
            for other in others.tolist():
                graph[place].add(other)
                graph[other].add(place)
        for key in (a, b):
            ways = apart(self._places.z[key][None], self._places.z, self._spec)
            ways[self._region.unwanted] = np.inf
            for other in np.argsort(ways, kind="stable")[: self._search.of_keys].tolist():
                if other != key and np.isfinite(ways[other]):
                    graph[key].add(other)
                    graph[other].add(key)
        graph[a].add(b)
        graph[b].add(a)
        if (straight := (min(a, b), max(a, b))) not in self._edges.known:
            self._look_at(straight, self._search.glance)
        return graph

    def _best(self, graph: dict[int, set[int]], a: int, b: int, known_only: bool) -> list[int]:
        """Dijkstra's shortest way from a to b over edges as far as they are known."""
        cheapest, before = {a: 0.0}, {a: a}
        queue, done = [(0.0, a)], set()
        while queue:
            cost, place = heapq.heappop(queue)
            if place == b:
                break
            if place in done:
                continue
            done.add(place)
            for other in sorted(graph[place]):
                step = self._cost(place, other, known_only)
                if step is None or cost + step >= cheapest.get(other, np.inf):
                    continue
                cheapest[other], before[other] = cost + step, place
                heapq.heappush(queue, (cost + step, other))
        way = [b]
        while way[-1] != a:
            way.append(before[way[-1]])
        return way[::-1]

    def _cost(self, a: int, b: int, known_only: bool) -> float | None:
        edge = (min(a, b), max(a, b))
        hop = self._search.hop * self._usual
        if edge in self._edges.known:
            return self._edges.known[edge] + hop
        if known_only:
            return None
        return self._chord(edge) * self._edges.stretch + hop

    def _chord(self, edge: tuple[int, int]) -> float:
        if edge not in self._edges.chords:  # asked for again with every search
            ends = self._features[list(edge)]
            self._edges.chords[edge] = float(np.sqrt(np.sum((ends[1] - ends[0]) ** 2)))
        return self._edges.chords[edge]

    def _look_at(self, edge: tuple[int, int], pictures: int) -> None:
        """Decode what lies on an edge, and know what it costs."""
        keys = self._places.at(edge)
        path = Chain(keys.z, self._spec, 1.0)
        times = np.arange(1, pictures + 1) / (pictures + 1)
        seen = self._look(path.at(times), path.along(keys.parameters, times))
        ends = self._features[list(edge)]
        features = np.concatenate([ends[:1], seen, ends[1:]])
        lengths = np.sqrt(np.sum(np.diff(features, axis=0) ** 2, axis=1, dtype=np.float64))
        inside = self._region.inside(features).astype(np.float64)
        unwanted = 0.5 * (inside[:-1] + inside[1:])
        if edge not in self._edges.known:
            self._edges.length += float(np.sum(lengths))
            self._edges.chord += self._chord(edge)
        self._edges.known[edge] = float(np.sum(lengths * (1.0 + self._search.penalty * unwanted)))


def nearest_by_angle(z: F64, spec: LatentSpec, count: int, left_out: Bools) -> list[Places]:
    """Of every row the `count` nearest others, by angle; rows `left_out` have and are none."""
    flat = z if spec.radius is None else geometry.direction(z)
    flat = flat.reshape(len(z), -1)
    squares = np.sum(flat * flat, axis=1)
    found = []
    for start in range(0, len(flat), _BLOCK):
        block = flat[start : start + _BLOCK]
        ways = squares - 2.0 * (block @ flat.T)
        ways[np.arange(len(block)), np.arange(start, start + len(block))] = np.inf
        ways[:, left_out] = np.inf
        order = np.argsort(ways, axis=1, kind="stable")[:, :count]
        for row, others in enumerate(order):
            usable = np.isfinite(ways[row, others]) & ~left_out[start + row]
            found.append(others[usable])
    return found


def _edges_of(way: list[int]) -> list[tuple[int, int]]:
    return [(min(a, b), max(a, b)) for a, b in pairwise(way)]


def _usual_distance(features: F32) -> float:
    """Between one row and the next, which in a survey have nothing to do with one another."""
    return float(np.mean(np.sqrt(np.sum(np.diff(features, axis=0) ** 2, axis=1))))
