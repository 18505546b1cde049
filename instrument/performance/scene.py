"""A scene as a value: a set of values and a place to head for. `scenes` says what it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from instrument.latent.space import F64

FIRST = 1  # the scene a preset begins with


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """`values` in native units by address, in the order in which they are set.

    Then z heads for the `waypoint`, or for the `place` ``F64[shape]`` (float32 numbers), or for
    the pad where the values lead there. `styles` are waypoints of groups of layers.
    """

    name: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    waypoint: str | None = None
    place: F64 | None = None
    styles: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain words and numbers. The reverse of `scene_from_json`."""
        return {
            "name": self.name,
            "values": [[address, value] for address, value in self.values.items()],
            "waypoint": self.waypoint,
            "place": None if self.place is None else self.place.ravel().tolist(),
            "styles": dict(self.styles),
        }


def scene_from_json(fields: Any) -> Scene:
    """Read what `Scene.to_json` wrote. Raises KeyError, TypeError or ValueError.

    Whether it fits a bank is what `check_scene` asks.
    """
    place, waypoint = fields["place"], fields["waypoint"]
    return Scene(
        str(fields["name"]),
        {str(address): float(value) for address, value in fields["values"]},
        None if waypoint is None else str(waypoint),
        None if place is None else np.array(place, np.float64).ravel(),
        {str(group): str(name) for group, name in fields["styles"].items()},
    )


@dataclass(frozen=True, slots=True, eq=False)
class SavedScenes:
    """What a performance remembers of scenes: those `saved` in it, and the `current` one."""

    saved: Mapping[int, Scene] = field(default_factory=dict)
    current: int = FIRST

    def saving(self, number: int, scene: Scene) -> SavedScenes:
        """With `scene` as number `number`, which is the current one."""
        return SavedScenes({**self.saved, number: scene}, number)

    def to_json(self) -> dict[str, Any]:
        """Plain words and numbers. The reverse of `saved_scenes_from_json`."""
        saved = [[number, scene.to_json()] for number, scene in self.saved.items()]
        return {"current": self.current, "saved": saved}


def saved_scenes_from_json(fields: Any) -> SavedScenes:
    """Read what `SavedScenes.to_json` wrote; None is none. Raises as `scene_from_json`."""
    if fields is None:
        return SavedScenes()
    saved = {int(number): scene_from_json(scene) for number, scene in fields["saved"]}
    return SavedScenes(saved, int(fields["current"]))
