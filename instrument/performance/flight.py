"""The flight: how z moves between two events, read from its anchor.

Position and velocity live in the flat space; the shell is an output map, applied when z is read.
Projecting inside the state would make two half-steps differ from one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from instrument.latent import geometry
from instrument.latent.space import F64, LatentSpec
from instrument.latent.spring import (
    HIGHEST_FREQUENCY,
    Spring,
    SpringState,
    position_after,
    step,
)

_OPPOSITE = math.radians(160.0)  # beyond this a straight flight would graze the origin
_BOW = 0.5  # how far such a flight swings aside, as a share of ω·radius


@dataclass(frozen=True, slots=True, eq=False)
class Flight:
    """`motion` held at `anchor` seconds; from there `spring` pulls towards `target F64[shape]`.

    The drift's phase was `drift_phase` at the anchor and grows by `drift_rate` a second.

    All of that is in seconds of motion, of which `pace` go by in a second of the performance:
    the flight takes the same way at any pace, spring, drift and pushes alike.
    """

    anchor: float
    motion: SpringState
    target: F64
    spring: Spring
    drift_rate: float
    drift_phase: float = 0.0
    pace: float = 1.0

    def elapsed(self, time: float) -> float:
        """The seconds of motion from the anchor to `time`: exactly those of time at pace 1."""
        return self.pace * (time - self.anchor)

    def position(self, time: float) -> F64:
        """The flat position ``F64[shape]`` at `time` ≥ anchor."""
        if time == self.anchor:
            return self.motion.position
        return position_after(self.motion, self.target, self.spring, self.elapsed(time))

    def phase(self, time: float) -> float:
        """The drift's phase at `time`."""
        return self.drift_phase + self.drift_rate * self.elapsed(time)

    def anchored(self, time: float) -> Flight:
        """The same flight, read from `time` on."""
        if time == self.anchor:
            return self
        motion = step(self.motion, self.target, self.spring, self.elapsed(time))
        # Not `replace`: this runs 240 times a second while a smoothed knob turns.
        phase = self.phase(time)
        return Flight(time, motion, self.target, self.spring, self.drift_rate, phase, self.pace)

    def steered(self, target: F64, spring: Spring, drift_rate: float, pace: float) -> Flight:
        """The same motion at the anchor, under other laws from there on."""
        phase = self.drift_phase
        return Flight(self.anchor, self.motion, target, spring, drift_rate, phase, pace)

    def leashed(self, longest: float) -> Flight:
        """With no coordinate further out than `longest`, and none faster than a spring can be."""
        position, velocity = self.motion.position, self.motion.velocity
        fastest = 2.0 * math.pi * HIGHEST_FREQUENCY * longest
        if np.max(np.abs(position)) <= longest and np.max(np.abs(velocity)) <= fastest:
            return self
        motion = SpringState(position.clip(-longest, longest), velocity.clip(-fastest, fastest))
        return replace(self, motion=motion)

    def pushed(self, velocity: F64) -> Flight:
        """With `velocity` ``F64[shape]`` per second of motion added at the anchor."""
        motion = SpringState(self.motion.position, self.motion.velocity + velocity)
        return replace(self, motion=motion)

    def on_shell(self, time: float, radius: float | None) -> F64:
        """The position at `time` as a model wants it: on the shell, where there is one."""
        position = self.position(time)
        if radius is None:
            return position
        norm = geometry.length(position)[..., None]
        # At the origin there is no direction: look where the flight is going.
        return geometry.project(np.where(norm > 1e-6 * radius, position, self.target), radius)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, every float in full. The reverse of `flight_from_json`."""
        return {
            "anchor": self.anchor,
            "position": self.motion.position.ravel().tolist(),
            "velocity": self.motion.velocity.ravel().tolist(),
            "target": self.target.ravel().tolist(),
            "spring": [self.spring.frequency, self.spring.damping_ratio],
            "drift_rate": self.drift_rate,
            "drift_phase": self.drift_phase,
            "pace": self.pace,
        }


def flight_from_json(fields: Any, spec: LatentSpec) -> Flight:
    """Read what `Flight.to_json` wrote. Raises KeyError, TypeError or ValueError."""
    motion = SpringState(place_from(fields["position"], spec), place_from(fields["velocity"], spec))
    return Flight(
        float(fields["anchor"]),
        motion,
        place_from(fields["target"], spec),
        Spring(*map(float, fields["spring"])),
        float(fields["drift_rate"]),
        float(fields["drift_phase"]),
        float(fields.get("pace", 1.0)),  # before there was one, motion went with time
    )


def place_from(numbers: Any, spec: LatentSpec) -> F64:
    """A position ``F64[shape]`` from a flat list. Raises ValueError where it is none."""
    place = np.array(numbers, np.float64).reshape(spec.shape)
    if not np.isfinite(place).all():
        raise ValueError("a position that is not finite")
    return place


def at_rest(place: F64, spring: Spring) -> Flight:
    """Standing at `place` at time 0."""
    return Flight(0.0, SpringState(place, np.zeros_like(place)), place, spring, 0.0)


def aside(motion: SpringState, target: F64, spring: Spring, radius: float) -> F64:
    """The velocity ``F64[shape]`` that swings a flight around the origin.

    Zero for all but nearly opposite targets: two independent places in 512 dimensions never are,
    a place and its mirror image always. What swings already is not pushed again.
    """
    opposite = geometry.angle(motion.position, target) > _OPPOSITE
    if not opposite.any():
        return np.zeros_like(target)
    unit = geometry.direction(motion.position)
    across = _across(target, unit)
    lost = geometry.length(across) < 1e-6 * geometry.length(target)
    across = np.where(lost[..., None], geometry.slerp(unit, -unit, 0.5), across)
    across = geometry.direction(across)
    swing = np.sum(motion.velocity * across, axis=-1)
    speed = _BOW * 2.0 * math.pi * spring.frequency * radius
    missing = np.where(opposite, np.maximum(speed - np.abs(swing), 0.0), 0.0)
    return np.asarray((np.where(swing < 0.0, -missing, missing))[..., None] * across)


def along(motion: SpringState, otherwise: F64, radians_per_second: float, spec: LatentSpec) -> F64:
    """The velocity that adds `radians_per_second` along the way z is flying.

    At rest there is no such way, and the direction of `otherwise` ``F64[shape]`` is taken. In a
    free space the way is straight, and a radian is as long as the space's `reach`.
    """
    if spec.radius is None:
        speed = geometry.length(motion.velocity)[..., None]
        way = np.where(speed > 1e-6 * spec.reach, motion.velocity, otherwise)
        return np.asarray(radians_per_second * spec.reach * geometry.direction(way))
    norm = geometry.length(motion.position)[..., None]
    unit = geometry.direction(motion.position)
    way = _across(motion.velocity, unit)
    moving = geometry.length(way)[..., None] > 1e-6 * norm
    way = np.where(moving, way, _across(otherwise, unit))
    return np.asarray(radians_per_second * norm * geometry.direction(way))


def _across(a: F64, unit: F64) -> F64:
    """The part of `a` across `unit`."""
    return np.asarray(a - np.sum(a * unit, axis=-1, keepdims=True) * unit)
