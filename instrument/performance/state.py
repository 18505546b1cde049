"""Everything a performance remembers, as one value.

Between two events nothing in it changes but `time`: motion is read from the anchor, so a frame
only looks and never pushes. Knows no law of motion; `performer` does.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from instrument import InstrumentError
from instrument.latent.space import F64, LatentSpec
from instrument.performance.crossfade import Models, models_from_json
from instrument.performance.flight import Flight, flight_from_json, place_from
from instrument.performance.glide import Glide, glide_from_json, glide_to_json
from instrument.performance.learning import Learning, learning_from_json
from instrument.performance.mapping import Touch
from instrument.performance.modulation_state import ModulationState, modulation_from_json
from instrument.performance.scene import SavedScenes, saved_scenes_from_json
from instrument.performance.tempo import Tempo, tempo_from_json

GlideRule = Literal["frequency", "seconds", "beats"]

FOLLOWS = -1  # the waypoint of a group of layers that goes with the rest


@dataclass(frozen=True, slots=True, eq=False)
class Aim:
    """What z is heading for: a waypoint (by index), wherever the pad points, or a held place.

    `styles` are the waypoints that groups of layers head for instead, `FOLLOWS` for a group that
    does not; empty where none does (see `styles`).
    """

    kind: Literal["waypoint", "pad", "hold"]
    waypoint: int = 0
    place: F64 | None = None
    styles: tuple[int, ...] = ()


@dataclass(slots=True, eq=False)
class Performance:
    """One moment of a performance, complete: from here on, events alone decide what follows.

    A value: the performer hands back a new one and never touches the one it was given.
    `time` is the performance's own, in seconds. `values F64[P]` are native units; a parameter in
    `gliding` is still on its way to its value.
    """

    time: float
    flight: Flight
    aim: Aim
    values: F64
    resumes: Aim | None = None
    glide_rule: GlideRule = "frequency"
    gliding: dict[int, Glide] = field(default_factory=dict)
    touches: dict[int, Touch] = field(default_factory=dict)
    score_since: float | None = None
    next_cue: int = 0
    flicks: int = 0
    models: Models = field(default_factory=Models)
    tempo: Tempo = field(default_factory=Tempo)
    learning: Learning = field(default_factory=Learning)
    scenes: SavedScenes = field(default_factory=SavedScenes)
    touched: str = ""  # what a hand moved last: the address of a parameter or trigger
    modulation: ModulationState = field(default_factory=ModulationState)
    # What the last advance asked of the stage: (address, value), for what is no matter of z.
    requests: tuple[tuple[str, float], ...] = ()
    # Set while an advance knows that target and spring no longer go with the values.
    stale: bool = False

    def copy(self) -> Performance:
        """A twin whose change leaves this one alone."""
        twin = copy(self)
        twin.values = self.values.copy()
        twin.gliding = dict(self.gliding)
        twin.touches = dict(self.touches)
        twin.requests = ()
        return twin

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, every float in full. The reverse of `performance_from_json`."""
        return {
            "format": "performance/1",
            "time": self.time,
            "flight": self.flight.to_json(),
            "aim": _aim_to_json(self.aim),
            "resumes": _aim_to_json(self.resumes),
            "values": self.values.tolist(),
            "glide_rule": self.glide_rule,
            "gliding": [[i, *glide_to_json(glide)] for i, glide in self.gliding.items()],
            "touches": [[i, t.value, t.position] for i, t in self.touches.items()],
            "score_since": self.score_since,
            "next_cue": self.next_cue,
            "flicks": self.flicks,
            "models": self.models.to_json(),
            "tempo": self.tempo.to_json(),
            "learning": self.learning.to_json(),
            "touched": self.touched,
            "scenes": self.scenes.to_json(),
            "modulation": self.modulation.to_json(),
        }


def performance_from_json(fields: Any, spec: LatentSpec) -> Performance:
    """Read what `Performance.to_json` wrote. Raises InstrumentError where it does not fit."""
    try:
        if fields["format"] != "performance/1":
            raise InstrumentError('performance: format: must be "performance/1"')
        since = fields["score_since"]
        performance = Performance(
            time=float(fields["time"]),
            flight=flight_from_json(fields["flight"], spec),
            aim=_aim_from_json(fields["aim"], spec),
            resumes=None if fields["resumes"] is None else _aim_from_json(fields["resumes"], spec),
            values=np.array(fields["values"], np.float64),
            glide_rule=fields["glide_rule"],
            gliding={int(i): glide_from_json(rest) for i, *rest in fields["gliding"]},
            touches={
                int(i): Touch(float(v), None if p is None else float(p))
                for i, v, p in fields["touches"]
            },
            score_since=None if since is None else float(since),
            next_cue=int(fields["next_cue"]),
            flicks=int(fields["flicks"]),
            models=models_from_json(fields["models"], float(fields["time"])),
            tempo=tempo_from_json(fields.get("tempo"), float(fields["time"])),
            learning=learning_from_json(fields.get("learning")),
            touched=str(fields.get("touched", "")),
            scenes=saved_scenes_from_json(fields.get("scenes")),
            modulation=modulation_from_json(fields.get("modulation"), float(fields["time"])),
        )
        _check(performance)
        return performance
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InstrumentError(f"performance: damaged or of another version ({error!r})") from error


def _check(p: Performance) -> None:
    """Raises ValueError on what no performance can hold, so that it cannot stop a show later."""
    flight = (p.flight.drift_phase, p.flight.drift_rate)
    clock = (p.time, p.time - p.flight.anchor, *(p.time - g.since for g in p.gliding.values()))
    if not all(map(math.isfinite, (*p.values.ravel(), *flight, *clock))):
        raise ValueError("a number that is not finite")
    if not 0.0 < p.flight.pace < math.inf:
        raise ValueError(f"pace {p.flight.pace}")
    if min(clock) < 0.0 or p.next_cue < 0 or p.flicks < 0 or min(flight) < 0.0:
        raise ValueError("a time or a count below 0")
    if p.values.ndim != 1 or not all(0 <= index < len(p.values) for index in p.gliding):
        raise ValueError("parameters that are none")
    if p.glide_rule not in get_args(GlideRule) or not math.isfinite(p.score_since or 0.0):
        raise ValueError(f"glide rule {p.glide_rule!r}, score since {p.score_since}")


def _aim_to_json(aim: Aim | None) -> Any:
    if aim is None:
        return None
    place = None if aim.place is None else aim.place.ravel().tolist()
    styles = {"styles": list(aim.styles)} if aim.styles else {}
    return {"kind": aim.kind, "waypoint": aim.waypoint, "place": place, **styles}


def _aim_from_json(fields: Any, spec: LatentSpec) -> Aim:
    kind, place = fields["kind"], fields["place"]
    if kind not in ("waypoint", "pad", "hold"):
        raise ValueError(f"aim {kind!r}")
    styles = tuple(int(one) for one in fields.get("styles", ()))
    held = None if place is None else place_from(place, spec)
    return Aim(kind, int(fields["waypoint"]), held, styles)
