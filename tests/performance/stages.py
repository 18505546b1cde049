"""Small stages to perform on: banks, performers, and ways to sample a performance."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from instrument.event import ControlEvent
from instrument.latent import geometry
from instrument.latent.pad import Pad
from instrument.latent.space import LatentSpec
from instrument.latent.waypoints import Waypoint, WaypointBank
from instrument.performance.mapping import Binding
from instrument.performance.performer import Performer
from instrument.performance.score import Cue, Score
from instrument.performance.state import Performance

SPEC = LatentSpec.shell(16)
NAMES = ("dawn", "iris", "reef", "ember")
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def bank_of_four(spec: LatentSpec = SPEC, seed: int = 1) -> WaypointBank:
    """Four unrelated waypoints."""
    z = np.random.default_rng(seed).normal(size=(4, *spec.shape))
    if spec.radius is not None:
        z = geometry.project(z, spec.radius)
    return WaypointBank(
        "four",
        spec,
        tuple(Waypoint(n, row.astype(np.float32)) for n, row in zip(NAMES, z, strict=True)),
    )


def opposite_bank(dims: int = 16) -> WaypointBank:
    """A waypoint and its mirror image."""
    spec = LatentSpec.shell(dims)
    z = geometry.project(np.random.default_rng(2).normal(size=dims), math.sqrt(dims))
    z = z.astype(np.float32)
    return WaypointBank("opposite", spec, (Waypoint("here", z), Waypoint("there", -z)))


BINDINGS = (
    Binding("/knob/1", "/spring/frequency", smoothing=0.1, low=0.3, high=0.8),
    Binding("/knob/2", "/pad/x", smoothing=0.05),
    Binding("/knob/3", "/pad/y"),
    Binding("/knob/4", "/noise/rate", smoothing=0.2),
    Binding("/knob/5", "/noise/strength", smoothing=0.1, high=0.5),
    Binding("/knob/6", "/glide/seconds", mode="pickup", smoothing=0.02, low=0.3, high=0.7),
    Binding("/knob/7", "/spring/damping_ratio", mode="relative", smoothing=0.01),
    Binding("/knob/8", "/master/gain", mode="toggle", smoothing=0.07),
    Binding("/knob/8", "/performance/hold", mode="momentary"),
    Binding("/knob/9", "/display/freeze", mode="pickup"),
    Binding("/key/1", "/waypoint/iris/go"),
    Binding("/key/f", "/performance/flick"),
    Binding("/key/s", "/score/play", mode="toggle"),
)
SCORE = Score(
    (
        Cue(0.0, "/waypoint/2/go"),
        Cue(0.25, "/raw/spring/frequency", 2.0),
        Cue(0.25, "/pad/x", 0.2),
        Cue(0.4, "/noise/strength", 0.3),
        Cue(0.77, "/waypoint/ember/go"),
    )
)


def performer_of(bank: WaypointBank | None = None, **more) -> Performer:
    """Four waypoints, a pad between them, bindings of every kind, and a score."""
    bank = bank or bank_of_four()
    z = np.stack([waypoint.z for waypoint in bank]).astype(np.float64)
    given = {
        "bindings": BINDINGS,
        "pad": Pad(bank.spec, CORNERS, z) if len(bank) == 4 else None,
        "score": SCORE,
        "values": {"/spring/frequency": 1.0, "/noise/strength": 5.0, "/noise/rate": 1.5},
    }
    return Performer(bank, **(given | more))


def bare(bank: WaypointBank | None = None, **values: float) -> Performer:
    """No noise, no bindings, no score; `values` by their address with _ for /."""
    given = {"/" + name.replace("__", "/"): value for name, value in values.items()}
    return performer_of(bank, bindings=(), score=None, values={"/noise/strength": 0.0} | given)


def event(time: float, address: str, value: float = 1.0) -> ControlEvent:
    return ControlEvent(address, value, time)


def play(
    performer: Performer, times: Iterable[float], events: Iterable[ControlEvent] = ()
) -> list[Performance]:
    """The performance at each of `times`, stepped from one to the next."""
    left = list(events)
    performance, seen = performer.begin(), []
    for time in times:
        due = [e for e in left if e.time <= time]
        left = left[len(due) :]
        performance = performer.advance(performance, time, due)
        seen.append(performance)
    return seen


def frames(rate: int, seconds: float) -> list[float]:
    return [i / rate for i in range(round(seconds * rate) + 1)]
