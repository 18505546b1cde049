"""The ``[[scene]]`` tables of a preset: read, numbered, and checked with the line of a mistake."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from instrument import InstrumentError
from instrument.performance.preset_fields import PresetFields
from instrument.performance.scene import FIRST, Scene
from instrument.performance.scenes import SceneBook, check_scene

if TYPE_CHECKING:
    from instrument.performance.laws import Laws

# Keys of a preset, and what is wrong there → the error that names file and line.
Fault = Callable[[list[str | int], object], InstrumentError]


def read_scenes(fields: PresetFields, fault: Fault) -> dict[int, Scene]:
    """The scenes of the preset by number. Raises what `fault` makes of a mistake and its keys."""
    scenes: dict[int, Scene] = {}
    for entry, one in enumerate(fields.scene):
        number = max(scenes, default=FIRST) + 1 if one.number is None else one.number
        if number in scenes:
            raise fault(["scene", entry, "number"], f"number {number}: stands there twice")
        # Nine digits of a float32 are written, and lead back to it.
        place = None if one.place is None else np.array(one.place, np.float32).astype(np.float64)
        scenes[number] = Scene(one.name, one.parameters, one.waypoint, place, one.style)
        try:
            SceneBook(scenes)
        except InstrumentError as error:
            key = str(error).split()[0]  # "number 1: …", "name 'x': …"
            raise fault(["scene", entry, key], error) from error
    return scenes


def names_alone(scenes: Mapping[int, Scene]) -> dict[int, Scene]:
    """What must be known of `scenes` before their values can be looked at."""
    return {number: Scene(scene.name) for number, scene in scenes.items()}


def check_scenes_read(scenes: Mapping[int, Scene], laws: Laws, fault: Fault) -> None:
    """Raises what `fault` makes of an address, value or waypoint that `laws` do not have."""
    for entry, scene in enumerate(scenes.values()):
        for address, value in scene.values.items():
            _check(laws, Scene(values={address: value}), ["parameters", address], entry, fault)
        _check(laws, replace(scene, values={}, styles={}, place=None), ["waypoint"], entry, fault)
        for group, waypoint in scene.styles.items():
            _check(laws, Scene(styles={group: waypoint}), ["style", group], entry, fault)
        _check(laws, replace(scene, values={}, styles={}), ["place"], entry, fault)


def _check(laws: Laws, part: Scene, keys: list[str | int], entry: int, fault: Fault) -> None:
    try:
        check_scene(laws, part)
    except InstrumentError as error:
        raise fault(["scene", entry, *keys], error) from error
