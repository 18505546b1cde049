"""Presets: what a show is made of, in one TOML file a performer can read.

A preset names a model, or several, and a bank of waypoints, says where everything starts, and
which hands do what. Unknown keys, addresses that do not exist and values out of range are errors
with their line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
import numpy as np

from instrument import InstrumentError
from instrument.document import line_of, parse_toml, read_text
from instrument.latent.directions import Directions
from instrument.latent.pad import Pad
from instrument.latent.waypoints import WaypointBank
from instrument.performance.mapping import Binding
from instrument.performance.modulation_tables import modulated, read_modulation
from instrument.performance.performer import Performer
from instrument.performance.preset_fields import (
    BindingFields,
    DirectionsFields,
    ModulationFields,
    PresetFields,
)
from instrument.performance.reserved import RESERVED, RESERVED_SOURCES, usual_keys
from instrument.performance.scene_tables import check_scenes_read, names_alone, read_scenes
from instrument.performance.score import Cue, Score
from instrument.performance.styles import StyleGroup, chosen_groups
from instrument.timebase import FrameRate

_MOST_MODELS = 99
_Heard = TypeVar("_Heard", BindingFields, ModulationFields)


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset as read: `text` is the file itself, which a take carries along.

    `where` is the name errors call it by; `folder` is where the bank's name is looked up first.
    `sources` are the sources that stand for others: a control's name for its number.
    """

    text: str
    where: str
    folder: Path | None
    fields: PresetFields
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def models(self) -> tuple[str, ...]:
        """Names or paths of the models: the first plays first, the others can be called.

        Their numbers count from 1. Raises InstrumentError where the file names none, or one twice.
        """
        one, several = self.fields.model, self.fields.models
        if one is not None and several:
            raise self.error(["model"], "model: give either model, or models, not both")
        names = several if one is None else (one,)
        if not names:
            raise self.error(["models"], 'models: needs model = "NAME", or models = ["NAME", …]')
        for number, name in enumerate(names):
            if not name or name in names[:number]:
                raise self.error(["models"], f"models: {name!r} is empty or stands there twice")
        if len(names) > _MOST_MODELS:
            raise self.error(["models"], f"models: {len(names)}, at most {_MOST_MODELS}")
        return names

    @property
    def model(self) -> str:
        """The name or path of the model that plays first."""
        return self.models[0]

    @property
    def bank(self) -> str:
        """The bank's name or path."""
        return self.fields.bank

    @property
    def space(self) -> str | None:
        """Played in ``z``, ``w`` or ``layers``; None: in what the model's manifest says."""
        return self.fields.space

    @property
    def directions(self) -> tuple[str, int] | None:
        """The file of directions and how many of them are played, at most; None: no file."""
        told = self.fields.directions
        told = DirectionsFields(told) if isinstance(told, str) else told
        return None if told is None else (told.file, told.count)

    @property
    def snapshot(self) -> float | None:
        """The training snapshot everything starts from, where the preset names one."""
        return self.fields.parameters.get("/model/snapshot")

    @property
    def seed(self) -> int:
        """What noise grows from where no other seed is given."""
        return self.fields.seed

    @property
    def fit(self) -> Literal["fit", "fill"]:
        """How a picture lies on a screen of another shape."""
        return self.fields.fit

    @property
    def rate(self) -> FrameRate:
        """Frames a second."""
        try:
            return FrameRate.parse(self.fields.rate)
        except InstrumentError as error:
            raise self.error(["rate"], error) from error

    def hearing(self, sources: Mapping[str, str]) -> Preset:
        """The same preset, in which every source that `sources` knows is another."""

        def heard(one: _Heard) -> _Heard:
            return msgspec.structs.replace(one, source=sources.get(one.source, one.source))

        binding = tuple(map(heard, self.fields.binding))
        modulation = tuple(map(heard, self.fields.modulation))
        fields = msgspec.structs.replace(self.fields, binding=binding, modulation=modulation)
        return replace(self, fields=fields, sources=dict(sources))

    def error(self, keys: list[str | int], reason: object) -> InstrumentError:
        """An error at `keys` in this file."""
        return InstrumentError(f"{self.where}:{line_of(self.text, keys)}: {reason}")


def load_preset(path: Path) -> Preset:
    """Read the preset at `path`. Raises InstrumentError naming line, key and what is allowed."""
    return preset_from_text(read_text(path), str(path), path.parent)


def preset_from_text(text: str, where: str, folder: Path | None = None) -> Preset:
    """A preset from its text, as a take carries it."""
    return Preset(text, where, folder, parse_toml(text, PresetFields, where))


def compose(
    preset: Preset,
    bank: WaypointBank,
    *,
    seed: int | None = None,
    snapshots: int = 1,
    models: tuple[str, ...] | None = None,
    directions: Directions | None = None,
) -> Performer:
    """The performer that plays `preset` on `bank`, along the `directions` of the file it names.

    `models` stand in for the preset's.

    Raises InstrumentError naming the line of a waypoint, address or value that is not allowed.
    """
    fields = preset.fields
    pad = _pad(preset, bank)
    bindings = [_binding(preset, number) for number in range(len(fields.binding))]
    cues = [_cue(preset, number) for number in range(len(fields.cue))]
    if not 0 <= fields.seed < 1 << 63:
        raise preset.error(["seed"], "seed: must be an integer from 0 to 2^63 - 1")
    models = preset.models if models is None else models
    stage = partial(
        Performer, bank, pad=pad, snapshots=snapshots, models=models, directions=directions,
        styles=_styles(preset, bank), modulation=read_modulation(fields, preset.error),
    )  # fmt: skip
    scenes = read_scenes(fields, preset.error)
    stage = partial(stage, scenes=names_alone(scenes))
    probe = modulated(stage, preset.error)
    check_scenes_read(scenes, probe, preset.error)
    for address, value in fields.parameters.items():
        _check(preset, ["parameters", address], probe.check_value, address, value)
    for number, binding in enumerate(bindings):
        _check(preset, ["binding", number, "target"], probe.check_address, binding.target)
        if binding.source in RESERVED_SOURCES:
            keys: list[str | int] = ["binding", number, "source"]
            raise preset.error(keys, f"{binding.source} is reserved for {_purpose(binding)}")
    listening = stage(bindings=tuple(bindings))
    for number, cue in enumerate(cues):
        _check(preset, ["cue", number, "address"], listening.check_cue, cue)
    _check(preset, ["home"], bank.index, fields.home)
    _check(preset, ["score_loop"], Score, tuple(cues), fields.score_loop)
    return stage(
        values=fields.parameters,
        bindings=(*RESERVED, *bindings, *usual_keys(frozenset(b.source for b in bindings))),
        score=Score(tuple(cues), fields.score_loop),
        home=fields.home,
        seed=fields.seed if seed is None else seed,
        scenes=scenes,
    )


def _check(preset: Preset, keys: list[str | int], check: object, *given: object) -> None:
    assert callable(check)
    try:
        check(*given)
    except InstrumentError as error:
        raise preset.error(keys, error) from error


def _purpose(binding: Binding) -> str:
    return next(b.target for b in RESERVED if b.source == binding.source)


def _styles(preset: Preset, bank: WaypointBank) -> tuple[StyleGroup, ...] | None:
    told = preset.fields.style
    if told is None:
        return None
    if len(bank.spec.shape) != 2:
        reason = f'style: groups layers, but {bank.spec} has none; play it with space = "layers"'
        raise preset.error(["style"], reason)
    try:
        return chosen_groups(told, bank.spec.shape[0])
    except InstrumentError as error:
        name = str(error).split()[0].rstrip(":")  # every error of a group begins with its name
        raise preset.error(["style", name], f"style.{error}") from error


def _pad(preset: Preset, bank: WaypointBank) -> Pad | None:
    fields = preset.fields.pad
    if fields is None:
        return None
    if len(fields.place) < 2:
        raise preset.error(["pad"], f"pad: needs 2 or more places, has {len(fields.place)}")
    axes = len(fields.place[0].at)
    for number, place in enumerate(fields.place):
        keys: list[str | int] = ["pad", "place", number]
        _check(preset, [*keys, "waypoint"], bank.index, place.waypoint)
        if len(place.at) != axes or not 1 <= axes <= 8:
            raise preset.error([*keys, "at"], f"at {list(place.at)}: every place has 1 to 8 axes")
        if not all(0.0 <= coordinate <= 1.0 for coordinate in place.at):
            raise preset.error([*keys, "at"], f"at {list(place.at)}: must lie in 0..1")
    try:
        places = np.array([place.at for place in fields.place], np.float64).reshape(-1, axes)
        z = [bank[place.waypoint].z.astype(np.float64) for place in fields.place]
        return Pad(bank.spec, places, np.array(z), fields.weighting)
    except InstrumentError as error:
        raise preset.error(["pad"], error) from error


def _binding(preset: Preset, number: int) -> Binding:
    f = preset.fields.binding[number]
    try:
        return Binding(f.source, f.target, f.mode, f.low, f.high, f.curve, f.smoothing, f.step)
    except InstrumentError as error:
        key = str(error).split()[0]  # every error of a binding begins with the field's name
        raise preset.error(["binding", number, key], error) from error


def _cue(preset: Preset, number: int) -> Cue:
    fields = preset.fields.cue[number]
    try:
        return Cue(fields.at, fields.address, fields.value)
    except InstrumentError as error:
        key = str(error).split()[1]  # "cue at …", "cue address …", "cue value …"
        raise preset.error(["cue", number, key], error) from error
