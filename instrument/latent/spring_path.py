"""Physical paths: z hangs on a spring whose target leaps from key to key.

The velocity is kept when the target leaps, so there are no corners: the path passes near keys,
not through them. Position and velocity live in the flat space and are projected to the shell when
they are read. Everything is reckoned in the spring's own phase ω·t, so that a path of any length
is the same curve, and from anchors (the state at every leap), so that no frame rate shows in it.

The law is linear and the same for every number of z. Two things follow: a closed path is a true
periodic orbit, found by solving one 2×2 system; and an open path that shall be exactly at its
last key when time is up need only aim a little beyond it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instrument.latent import geometry
from instrument.latent.path import check_hold, check_keys, lap_times, onwards
from instrument.latent.retargeting import Retargeting, leg_phases
from instrument.latent.space import F64, LatentSpec
from instrument.latent.spring import Spring, SpringState, StepMatrix, step, step_matrix

# Between keys further apart the straight way leads so near the middle of the shell that its
# projection would turn in a flash: such a way gets a station half way.
_WIDEST = math.radians(120.0)
GENTLE = Retargeting()


@dataclass(frozen=True, slots=True)
class _Leg:
    """Towards the place that is `share` of the way from key `a` to key `b`, from `before` on."""

    a: int
    b: int
    before: float
    share: float


class SpringPath:
    """A spring through the keys: from rest at the first to the last, or round and round."""

    def __init__(
        self, keys: F64, spec: LatentSpec, seconds: float, law: Retargeting = GENTLE, *,
        hold: float = 0.0, closed: bool = False,
    ) -> None:  # fmt: skip
        """`keys F64[k, *shape]`, two or more; they are passed later by `hold` seconds each.

        Raises InstrumentError.
        """
        self.seconds, self.closed = seconds, closed
        self._spec, self._spring = spec, law.spring
        self._keys = check_keys(keys, spec, seconds)
        pauses = check_hold(hold, len(keys), seconds)
        self._legs = _legs_of(self._keys, spec, closed)
        flat, logs = _flattened(self._keys, spec)
        self._stations = self._stationed(flat, self._halfway())
        weights = np.array([leg.share - leg.before for leg in self._legs])
        phases = leg_phases(self._stations, weights, law, closed)
        self._scale = math.fsum(phases.tolist()) / (seconds - pauses)  # phase per second
        whole = np.array([leg.share == 1.0 for leg in self._legs])
        self._phases = phases + whole * (hold * self._scale)
        start = 0.0 if closed else hold * self._scale
        ends = start + np.cumsum(self._phases)
        self._starts = np.concatenate([[start], ends[:-1]])
        self._end = float(ends[-1])
        self.visits = np.concatenate([[0.0], ends[whole]])[: len(keys)] / self._scale
        self._motion = _Motion(self._stations, self._phases, self._spring, closed)
        self._lengths = None if logs is None else self._moved(logs)

    def at(self, times: F64) -> F64:
        """See `Path.at`."""
        leg, elapsed = self._where(times)
        z = self._motion.at(leg, elapsed).reshape(-1, *self._spec.shape)
        if self._lengths is not None:
            lengths = np.exp(self._lengths.at(leg, elapsed))
            z = geometry.direction(z) * lengths.reshape(len(z), *self._spec.shape[:-1], 1)
        if not self.closed:  # bit for bit: a key is a row somebody chose
            z[times <= self._starts[0] / self._scale] = self._keys[0]
            z[times >= self.seconds] = self._keys[-1]
        return z

    def along(self, values: F64, times: F64) -> F64:
        """See `Path.along`: on the same spring, but never beyond what the keys have."""
        leg, elapsed = self._where(times)
        moved = self._moved(values).at(leg, elapsed)
        return np.clip(moved, values.min(axis=0), values.max(axis=0))

    def between(self, times: F64) -> F64:
        """See `Path.between`: how far it has come is read off the straight way between keys."""
        leg, elapsed = self._where(times)
        ways = np.diff(self._stations, axis=0)[leg]
        gone = self._motion.at(leg, elapsed) - self._stations[leg]
        squares = np.sum(ways * ways, axis=1)
        along = np.sum(ways * gone, axis=1) / np.where(squares > 0.0, squares, 1.0)
        table = np.array([[row.a, row.b, row.before, row.share] for row in self._legs])[leg]
        share = table[:, 2] + (table[:, 3] - table[:, 2]) * np.clip(along, 0.0, 1.0)
        return np.stack([table[:, 0], table[:, 1], share], axis=1)

    def lap(self, start: SpringState | None = None) -> tuple[SpringState, SpringState]:
        """A state at the beginning, the path's own by default, and what a whole lap makes of it.

        Of a closed path's own the two are one. Stepped leg by leg from `start` alone, this is the
        proof of the orbit, and no part of it.
        """
        start = start or self._motion.anchor(0)
        state = start
        for leg in range(len(self._legs)):
            state = step(state, self._motion.targets[leg], self._spring, float(self._phases[leg]))
        return start, state

    def _where(self, times: F64) -> tuple[NDArray[np.intp], F64]:
        """On which leg, and how long since its beginning, in phase."""
        phase = np.minimum(lap_times(times, self.seconds, self.closed) * self._scale, self._end)
        leg = np.searchsorted(self._starts, phase, side="right") - 1
        leg = np.maximum(leg, 0)
        return leg, np.maximum(phase - self._starts[leg], 0.0)

    def _moved(self, values: F64) -> _Motion:
        """Other numbers of the keys on the same spring."""
        halfway = {n: 0.5 * (values[leg.a] + values[leg.b]) for n, leg in self._split()}
        return _Motion(self._stationed(values, halfway), self._phases, self._spring, self.closed)

    def _split(self) -> list[tuple[int, _Leg]]:
        return [(n, leg) for n, leg in enumerate(self._legs) if leg.share < 1.0]

    def _halfway(self) -> dict[int, F64]:
        """The station of each leg that ends half way: on the great circle, where it is unique."""
        middles = {}
        for number, leg in self._split():
            middle = geometry.slerp(self._keys[leg.a], self._keys[leg.b], 0.5)
            middles[number] = _flattened(middle[None], self._spec)[0][0]
        return middles

    def _stationed(self, values: F64, halfway: dict[int, F64]) -> F64:
        """What is aimed at, one after the other, and before that what the path starts from."""
        rows = [halfway[n] if n in halfway else values[leg.b] for n, leg in enumerate(self._legs)]
        return np.stack([values[0], *rows])


class _Motion:
    """Numbers on a spring whose targets leap at given times: anchors, and what lies between."""

    def __init__(self, stations: F64, phases: F64, spring: Spring, closed: bool) -> None:
        self._spring = spring
        self.targets = stations[1:].copy()
        steps = phases.tolist()
        rest = SpringState(stations[0].copy(), np.zeros(stations.shape[1]))
        state = self._orbit_start(steps) if closed else rest
        anchors = []
        for leg, phase in enumerate(steps):
            anchors.append(state)
            if not closed and leg == len(steps) - 1:
                self.targets[leg] = _aim(state, stations[-1], step_matrix(spring, phase))
            state = step(state, self.targets[leg], spring, phase)
        self._positions = np.stack([anchor.position for anchor in anchors])
        self._velocities = np.stack([anchor.velocity for anchor in anchors])

    def anchor(self, leg: int) -> SpringState:
        """The state at the beginning of a leg."""
        return SpringState(self._positions[leg], self._velocities[leg])

    def at(self, leg: NDArray[np.intp], elapsed: F64) -> F64:
        """Positions ``F64[n, m]``, each from its anchor."""
        matrices = [step_matrix(self._spring, phase) for phase in elapsed.tolist()]
        of_y = np.array([matrix.y_from_y for matrix in matrices]).reshape(-1, 1)
        of_v = np.array([matrix.y_from_v for matrix in matrices]).reshape(-1, 1)
        targets = self.targets[leg]
        moved = of_y * (self._positions[leg] - targets) + of_v * self._velocities[leg]
        return np.asarray(targets + moved)

    def _orbit_start(self, steps: list[float]) -> SpringState:
        """The state that a lap brings back to itself.

        A lap is s → M s + c with the same 2×2 matrix M for every number: c is what becomes of
        nothing, and s = (I - M)⁻¹ c. A damped spring forgets, so I - M can be inverted.
        """
        width = self.targets.shape[1]
        state = SpringState(np.zeros(width), np.zeros(width))
        lap = (1.0, 0.0, 0.0, 1.0)
        for leg, phase in enumerate(steps):
            state = step(state, self.targets[leg], self._spring, phase)
            lap = _product(step_matrix(self._spring, phase), lap)
        yy, yv, vy, vv = 1.0 - lap[0], -lap[1], -lap[2], 1.0 - lap[3]
        size = yy * vv - yv * vy
        return SpringState(
            (vv * state.position - yv * state.velocity) / size,
            (yy * state.velocity - vy * state.position) / size,
        )


def _product(
    last: StepMatrix, first: tuple[float, float, float, float]
) -> tuple[float, float, float, float]:
    yy, yv, vy, vv = first
    return (
        last.y_from_y * yy + last.y_from_v * vy, last.y_from_y * yv + last.y_from_v * vv,
        last.v_from_y * yy + last.v_from_v * vy, last.v_from_y * yv + last.v_from_v * vv,
    )  # fmt: skip


def _aim(state: SpringState, goal: F64, matrix: StepMatrix) -> F64:
    """The target under which the spring is exactly at `goal` when its time is up."""
    of_y, of_v = matrix.y_from_y, matrix.y_from_v
    return np.asarray((goal - of_y * state.position - of_v * state.velocity) / (1.0 - of_y))


def _legs_of(keys: F64, spec: LatentSpec, closed: bool) -> list[_Leg]:
    """One leg from key to key, two where they lie too far apart on the shell."""
    ends = onwards(keys, closed)
    starts = keys[: len(ends)]
    wide = np.zeros(len(ends), bool)
    if spec.radius is not None:
        ways = geometry.angle(starts, ends).reshape(len(ends), -1)
        wide = ways.max(axis=1) > _WIDEST
    legs = []
    for a in range(len(ends)):
        b = (a + 1) % len(keys)
        halves = [(0.0, 0.5), (0.5, 1.0)] if wide[a] else [(0.0, 1.0)]
        legs += [_Leg(a, b, before, share) for before, share in halves]
    return legs


def _flattened(keys: F64, spec: LatentSpec) -> tuple[F64, F64 | None]:
    """Keys as the spring has them, ``F64[k, size]``; on a shell the logarithms of their lengths.

    Lengths move on the same spring by their logarithm, so a path between rows that lie a little
    off the shell meets them, and leaves no further.
    """
    if spec.radius is None:
        return keys.reshape(len(keys), -1), None
    lengths = geometry.length(keys).reshape(len(keys), -1)
    logs = [[math.log(max(one, 1e-12)) for one in row] for row in lengths.tolist()]
    return geometry.project(keys, spec.radius).reshape(len(keys), -1), np.array(logs)
