"""From a preset and a command line to what each device must know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from instrument import InstrumentError
from instrument.control.audio import Ear
from instrument.control.audio_settings import BANDS, AudioSettings, Band
from instrument.control.device import Put
from instrument.control.mirror import Mirror
from instrument.control.osc import Osc, OscSettings
from instrument.control.tempo import Conductor
from instrument.control.tree import Node, Tree
from instrument.performance.performer import Performer
from instrument.performance.preset import Preset
from instrument.performance.preset_fields import AudioFields, OscFields
from instrument.timebase import Clock


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line says of the devices, before what the preset says. None: nothing."""

    osc: OscFields
    ear: str | None = None  # an input's name, or a WAV file


def osc_wish(
    preset: Preset, port: int | None, listen: str | None, allow: Sequence[str] | None
) -> OscFields:
    """How OSC is to be heard: as the command line says, else as the preset does."""
    fields = preset.fields.osc
    return OscFields(
        fields.port if port is None else port,
        listen or fields.listen,
        tuple(allow or fields.allow),
        fields.announce,
    )


def tree_of(performer: Performer, *, learning: bool = False) -> Tree:
    """Everything `performer` can be told, as a device must know it.

    With `learning`, the addresses that arm a parameter for a control to come are there too.
    """
    parameters = (
        Node(
            p.address, "parameter", "", column, p.low, p.high, p.default, p.unit, p.curve, p.told,
            p.map, p.unmap,
        )
        for column, p in enumerate(performer.space)
    )  # fmt: skip
    triggers = (Node(t.address, "trigger", t.does) for t in performer.space.triggers)
    lessons = performer.lessons.targets.items() if learning else ()
    arming = (Node(a, "trigger", f"learn {target}; 0 does not") for a, target in lessons)
    return Tree((*parameters, *triggers, *arming))


def ear_settings(fields: AudioFields, where: str) -> AudioSettings:
    """How a preset's ``[audio]`` wants to be listened to. Raises InstrumentError naming the key."""
    said: dict[str, Any] = {
        k: v for k, v in msgspec.structs.asdict(fields).items() if v is not None
    }
    for word in ("device", "file"):
        said.pop(word, None)
    try:
        for name in BANDS:
            if name in said:
                band = msgspec.structs.asdict(said[name])
                said[name] = Band(**{k: v for k, v in band.items() if v is not None})
        return AudioSettings(**said)
    except InstrumentError as error:
        raise InstrumentError(f"{where}: {error}") from error


def _said(fields: msgspec.Struct) -> dict[str, Any]:
    return {
        key: value for key, value in msgspec.structs.asdict(fields).items() if value is not None
    }


def listens_to(preset: Preset, root: str) -> bool:
    """Whether `preset` has a source below `root`, such as ``/audio/``."""
    sources = [one.source for one in preset.fields.binding]
    sources += [one.source for one in preset.fields.modulation]
    return any(source.startswith(root) for source in sources)


def open_osc(tree: Tree, mirror: Mirror, put: Put, clock: Clock, fields: OscFields) -> Osc | None:
    """OSC as `fields` say, or None where they say none. Raises InstrumentError on a bad network."""
    if fields.port == 0:
        return None
    settings = OscSettings(fields.port, fields.listen, tuple(fields.allow), fields.announce)
    return Osc(tree, mirror, put, clock, settings)


def open_ear(
    preset: Preset, put: Put, clock: Clock, wish: str | None, conductor: Conductor
) -> Ear | None:
    """Only a show that wants to hear opens a microphone."""
    fields = preset.fields.audio
    wants = listens_to(preset, "/audio/") or preset.fields.tempo.source == "audio"
    name = wish if wish is not None else fields.file or fields.device
    if name is None and not wants and fields == AudioFields():
        return None
    path = Path(name).expanduser() if name else None
    if path is not None and path.suffix.lower() == ".wav":
        beside = (preset.folder or Path()) / path
        source: str | Path = beside if wish is None and beside.exists() else path
    else:
        source = name or ""
    return Ear(source, put, clock, conductor.audio, ear_settings(fields, preset.where))
