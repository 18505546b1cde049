"""Scenes: sets of values and a place to head for, recalled at once or morphed into.

Number 1 is how the preset begins; the others are the ``[[scene]]`` tables of its file, and what
was saved while playing. What a scene does not name stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from instrument import InstrumentError
from instrument.event import is_address
from instrument.latent.space import F64
from instrument.performance.parameters import Parameter, Trigger
from instrument.performance.scene import FIRST, Scene
from instrument.performance.state import FOLLOWS, Aim

if TYPE_CHECKING:
    from instrument.performance.laws import Laws
    from instrument.performance.state import Performance

SLOTS = 16  # so many can be reached by number, empty ones too
MOST = 99
_VERBS = {
    "recall": "every value of the scene at once, and glide to its place",
    "morph": "go to the values of the scene within /preset/seconds or beats",
    "save": "keep how everything is now as this scene",
}
# What is no matter of a scene, unless it says so: a light that was taken down stays down, and the
# rate of a moment is the pacer's.
_APART = ("/display/", "/master/", "/tempo/", "/preset/", "/launch/", "/pace/rate")
_DIGITS = 7  # significant ones of a value that is saved: what a record keeps of it


class SceneBook:
    """The scenes of a preset, and the addresses that ask for them."""

    def __init__(self, written: Mapping[int, Scene]) -> None:
        """`written` are those of the file, by number. Raises InstrumentError in one line."""
        self.written = dict(written)
        self.highest = max(SLOTS, *written) if written else SLOTS
        words = {str(number): number for number in range(FIRST, self.highest + 1)}
        for number, scene in written.items():
            if not FIRST < number <= MOST:
                raise InstrumentError(f"number {number}: must lie in {FIRST + 1}..{MOST}")
            if not scene.name:
                continue
            if not is_address(f"/preset/{scene.name}/recall") or "/" in scene.name:
                raise InstrumentError(f"name {scene.name!r}: must be able to stand in an address")
            if scene.name.isdigit() or scene.name in words:
                raise InstrumentError(f"name {scene.name!r}: stands for another scene already")
            words[scene.name] = number
        self._found = {
            f"/preset/{word}/{verb}": (number, verb)
            for word, number in words.items()
            for verb in _VERBS
        }

    def __contains__(self, address: str) -> bool:
        return address in self._found

    def find(self, address: str) -> tuple[int, str]:
        """The number of the scene that `address` is about, and recall, morph or save."""
        return self._found[address]

    def launches(self) -> set[str]:
        """The addresses that may wait for a beat."""
        return {address for address, (_, verb) in self._found.items() if verb != "save"}

    def triggers(self) -> tuple[Trigger, ...]:
        """What a performance can do with scenes."""
        return tuple(
            Trigger(address, f"scene {number}: {_VERBS[verb]}")
            for address, (number, verb) in self._found.items()
        )


def scene_parameters() -> tuple[Parameter, ...]:
    """How long a morph takes."""
    return (
        Parameter("/preset/seconds", 0.05, 600.0, 4.0, "s", "exponential"),
        Parameter("/preset/beats", 0.0, 64.0, 0.0, "beats"),
    )


def scene_of(laws: Laws, p: Performance, number: int) -> Scene | None:
    """Scene `number` as it stands: saved in this performance, or written in the preset."""
    scene = p.scenes.saved.get(number) or laws.scenes.written.get(number)
    if scene is None and number == FIRST:
        return _beginning(laws)
    return scene


def columns_of(laws: Laws, scene: Scene) -> list[tuple[int, float]]:
    """The values of `scene` in native units, by column, in the order in which they are set."""
    values = dict(scene.values)
    if scene.waypoint is not None and "/model/snapshot" not in values:
        snapshot = laws.bank[scene.waypoint].snapshot
        if snapshot is not None:
            values["/model/snapshot"] = snapshot
    columns = [(laws.space.index(address), value) for address, value in values.items()]
    return [(index, laws.space.parameters[index].clamp(value)) for index, value in columns]


def aim_of(laws: Laws, p: Performance, scene: Scene) -> Aim | None:
    """Where z heads for in `scene`; None: for what its values say."""
    styles = tuple(
        laws.bank.index(scene.styles[group.name]) if group.name in scene.styles else FOLLOWS
        for group in laws.styles.groups
    )
    styles = styles if scene.styles else ()
    if scene.waypoint is not None:
        return Aim("waypoint", laws.bank.index(scene.waypoint), styles=styles)
    if scene.place is not None:
        return Aim("hold", place=scene.place.reshape(laws.spec.shape), styles=styles)
    return replace(p.aim, styles=styles) if scene.styles else None


def morph_seconds(laws: Laws, p: Performance) -> float:
    """How long a morph that begins now takes: in beats, at the tempo of now, where any are set."""
    beats = laws.value_at(p, laws.morph_beats)
    if beats <= 0.0:
        return laws.value_at(p, laws.morph_seconds)
    return p.tempo.time_of(p.tempo.beats(p.time) + beats) - p.time


def scene_now(laws: Laws, p: Performance, number: int) -> Scene:
    """How everything is now, as scene `number`: what hands set, without what modulates it."""
    old = scene_of(laws, p, number) or Scene()
    values = {}
    for index in _columns(laws, p.glide_rule, p.aim.kind == "pad", old):
        parameter = laws.space.parameters[index]
        value = float(f"{laws.base_at(p, index):.{_DIGITS}g}")
        values[parameter.address] = parameter.clamp(value)
    aim = p.aim
    if number == FIRST:  # the file says that a preset begins at a waypoint
        home = laws.bank.waypoints[aim.waypoint].name if aim.kind == "waypoint" else old.waypoint
        return Scene("", values, home)
    names = [waypoint.name for waypoint in laws.bank]
    groups = zip(laws.styles.groups, aim.styles, strict=False)
    return Scene(
        old.name,
        values,
        names[aim.waypoint] if aim.kind == "waypoint" else None,
        _float32(aim.place) if aim.kind == "hold" and aim.place is not None else None,
        {group.name: names[one] for group, one in groups if one != FOLLOWS},
    )


def check_scene(laws: Laws, scene: Scene) -> None:
    """Raises InstrumentError, beginning with a key of a scene, where `scene` does not fit."""
    for address, value in scene.values.items():
        laws.check_value(address, value)
    if scene.waypoint is not None and scene.place is not None:
        raise InstrumentError("place: give either a waypoint or a place")
    if scene.waypoint is not None:
        laws.bank.index(scene.waypoint)
    if scene.place is not None:
        if scene.place.size != laws.spec.size or not np.isfinite(scene.place).all():
            raise InstrumentError(f"place: must be {laws.spec.size} finite numbers, {laws.spec}")
    groups = [group.name for group in laws.styles.groups]
    for group, waypoint in scene.styles.items():
        if group not in groups:
            raise InstrumentError(f"style: no group {group!r}, allowed are {', '.join(groups)}")
        laws.bank.index(waypoint)


def check_scenes(laws: Laws, p: Performance) -> None:
    """Raises InstrumentError where `p` remembers scenes that these laws do not have."""
    for number, scene in p.scenes.saved.items():
        if not FIRST <= number <= laws.scenes.highest:
            raise InstrumentError(f"performance: scene {number}, and none is called so")
        check_scene(laws, scene)


def _beginning(laws: Laws) -> Scene:
    values = {
        laws.space.parameters[index].address: float(laws.start[index])
        for index in _columns(laws, laws.start_rule, False, Scene())
    }
    return Scene("", values, laws.home)


def _columns(laws: Laws, rule: str, on_the_pad: bool, named: Scene) -> list[int]:
    """The columns a scene holds: of the words on the spring that which is in force, the pad where
    z follows it, and whatever the scene has `named` before."""
    return [
        index
        for index, parameter in enumerate(laws.space)
        if index not in laws.told
        and laws.glide_rules.get(index, rule) == rule
        and (on_the_pad or index not in laws.axes)
        and (parameter.address in named.values or not parameter.address.startswith(_APART))
    ]


def _float32(place: F64) -> F64:
    """`place` in as many digits as a bank keeps of it."""
    return place.astype(np.float32).astype(np.float64).ravel()
