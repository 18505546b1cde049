"""What may stand in a preset: its tables and keys, and the types of their values.

Read strictly (`instrument.document`): what is not named here is an error with its line. Whether
an address or a waypoint exists is a question for `preset`, which knows the bank.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from instrument.latent.directions import MOST
from instrument.latent.pad import Weighting
from instrument.performance.mapping import BindingCurve, Mode
from instrument.performance.modulators import Shape

_Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]


class PlaceFields(msgspec.Struct, forbid_unknown_fields=True):
    """One place of the pad."""

    waypoint: str
    at: tuple[float, ...]


class PadFields(msgspec.Struct, forbid_unknown_fields=True):
    """``[pad]``."""

    place: tuple[PlaceFields, ...]
    weighting: Weighting = "distance"


class BindingFields(msgspec.Struct, forbid_unknown_fields=True):
    """``[[binding]]``, see `instrument.performance.mapping.Binding`."""

    source: str
    target: str
    mode: Mode = "jump"
    low: float = 0.0
    high: float = 1.0
    curve: BindingCurve = "linear"
    smoothing: float = 0.0
    step: float = 1.0 / 64.0


class CueFields(msgspec.Struct, forbid_unknown_fields=True):
    """``[[cue]]``, see `instrument.performance.score.Cue`."""

    at: float
    address: str
    value: float = 1.0


class LfoFields(msgspec.Struct, forbid_unknown_fields=True):
    """``[[lfo]]``, see `instrument.performance.modulators.Lfo`."""

    name: str
    shape: Shape = "sine"
    rate: float | None = None
    beats: float | None = None
    phase: float = 0.0
    width: float = 0.5
    seed: int | None = None


class ModulationFields(msgspec.Struct, forbid_unknown_fields=True):
    """``[[modulation]]``, see `instrument.performance.modulation.Routing`."""

    source: str
    target: str
    depth: float
    curve: BindingCurve = "linear"
    bipolar: bool = False
    attack: float = 0.0
    release: float = 0.0
    grace: float = 1.0
    name: str = ""


class SceneFields(msgspec.Struct, forbid_unknown_fields=True):
    """``[[scene]]``, see `instrument.performance.scene.Scene`; without a `number`, the next one."""

    number: int | None = None
    name: str = ""
    waypoint: str | None = None
    place: tuple[float, ...] | None = None
    style: dict[str, str] = {}
    parameters: dict[str, float] = {}


class DirectionsFields(msgspec.Struct, forbid_unknown_fields=True):
    """``[directions]``."""

    file: str
    count: Annotated[int, msgspec.Meta(ge=1, le=MOST)] = 10


class MidiFields(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[midi]``: `feedback` lights lamps and moves motor faders."""

    feedback: bool = True


class OscFields(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[osc]``: the UDP `port` (0: no OSC), the address to `listen` at, and the networks to
    `allow`; with `announce` the network is told by mDNS."""

    port: _Port = 7770
    listen: str = "127.0.0.1"
    allow: tuple[str, ...] = ()
    announce: bool = False


class BandFields(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[audio.low]`` and the like, see `instrument.control.audio_settings.Band`."""

    low: float
    high: float
    attack: float | None = None
    release: float | None = None


class AudioFields(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[audio]``: the `device` by name (None: the system's own) or a WAV `file`, and how to
    listen, see `instrument.control.audio_settings.AudioSettings`. What is None is as it is there.
    """

    device: str | None = None
    file: str | None = None
    low: BandFields | None = None
    mid: BandFields | None = None
    high: BandFields | None = None
    channels: tuple[int, ...] | None = None
    attack: float | None = None
    release: float | None = None
    gain: float | None = None
    automatic: bool | None = None
    adaptation: float | None = None
    floor: float | None = None
    gate: float | None = None
    sensitivity: float | None = None
    bpm_low: float | None = None
    bpm_high: float | None = None
    latency: float | None = None


class TempoFields(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[tempo]``: whose beat leads, and whether to take a seat in a `link` session, which
    ``source = "link"`` does anyway."""

    source: Literal["auto", "tap", "midi", "audio", "link"] = "auto"
    link: bool = False


class PresetFields(msgspec.Struct, forbid_unknown_fields=True):
    """The whole file."""

    format: Literal["preset/1"]
    bank: str
    model: str | None = None
    models: tuple[str, ...] = ()
    name: str = ""
    note: str = ""
    home: str = "1"
    space: Literal["z", "w", "layers"] | None = None
    rate: str = "60"
    seed: int = 1
    fit: Literal["fit", "fill"] = "fit"
    directions: DirectionsFields | str | None = None
    style: dict[str, tuple[int, int]] | None = None
    parameters: dict[str, float] = {}
    pad: PadFields | None = None
    binding: tuple[BindingFields, ...] = ()
    cue: tuple[CueFields, ...] = ()
    score_loop: float | None = None
    scene: tuple[SceneFields, ...] = ()
    lfo: tuple[LfoFields, ...] = ()
    modulation: tuple[ModulationFields, ...] = ()
    midi: MidiFields = MidiFields()
    osc: OscFields = OscFields()
    audio: AudioFields = AudioFields()
    tempo: TempoFields = TempoFields()
