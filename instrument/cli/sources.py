"""Finding what a command names: presets, banks, models, sizes, takes and z-sequences."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from instrument import InstrumentError
from instrument.cli.console import say
from instrument.cli.directions import find_directions
from instrument.cli.fitting import fit_bank, misfit
from instrument.control.midi_profile import Profile, load_profiles, resolve
from instrument.decoder.models import ModelManifest, bundled_models, find_model
from instrument.decoder.spaces import in_space, taking
from instrument.latent.sequence import ModelReference
from instrument.latent.waypoints import WaypointBank, load_bank
from instrument.performance.performer import Performer
from instrument.performance.preset import Preset, compose, load_preset
from instrument.performance.state import Performance
from instrument.resources import bundled
from instrument.take.header import TakeHeader
from instrument.take.recorder import TakeRecorder
from instrument.take.replay import attachments_of
from instrument.timebase import FrameRate

SCRIPT = "ten-seconds.jsonl"
OWN_PRESETS = Path("my-presets")  # where a bundled preset is copied to when it is changed


@dataclass(frozen=True, slots=True)
class Choice:
    """A model of a show: its name or path, what was found there, or why it cannot be played."""

    place: str
    manifest: ModelManifest | None
    trouble: str = ""

    @property
    def reference(self) -> ModelReference:
        """Which model it is, as far as anybody knows."""
        if self.manifest is None:
            return ModelReference(Path(self.place).name)
        return ModelReference(self.manifest.name, self.manifest.sha256)


@dataclass(frozen=True, slots=True)
class Programme:
    """Everything a performance needs before the first tick. Of `models` the first plays first."""

    preset: Preset
    bank: WaypointBank
    models: tuple[Choice, ...]
    performer: Performer
    rate: FrameRate
    profiles: tuple[Profile, ...] = ()

    def recomposed(self, preset: Preset) -> Performer:
        """Another text of the preset, played as this one is. Raises InstrumentError."""
        performer = self.performer
        return compose(
            with_sources(preset, self.profiles), self.bank, seed=performer.seed,
            snapshots=performer.snapshots, models=performer.models,
            directions=performer.directions,
        )  # fmt: skip

    @property
    def model(self) -> ModelManifest:
        """The model that plays first."""
        manifest = self.models[0].manifest
        assert manifest is not None
        return manifest

    @property
    def names(self) -> tuple[str, ...]:
        """What the models are called on screen."""
        return tuple(choice.reference.name for choice in self.models)

    def manifest(self, number: int) -> ModelManifest:
        """Model `number`, from 1, looked for again where it was missing. May read a disk.

        Raises InstrumentError in one line where it cannot be played with this bank.
        """
        choice = self.models[number - 1]
        if choice.manifest is not None and not choice.trouble:
            return choice.manifest
        manifest = taking(find_model(choice.place), self.bank.spec)
        if reason := _misfit(manifest, self.bank, self.model):
            raise InstrumentError(reason)
        return manifest

    def refuse(self, number: int) -> str | None:
        """Why model `number` could not be played when the show began, or None."""
        return self.models[number - 1].trouble or None


def parse_size(text: str) -> tuple[int, int]:
    """``1280x720`` → (width, height). Raises InstrumentError."""
    match = re.fullmatch(r"(\d{1,5})[x×](\d{1,5})", text.strip())
    if not match or not (16 <= int(match[1]) <= 16384 and 16 <= int(match[2]) <= 16384):
        raise InstrumentError(f"size {text!r}: write it as 1280x720, each side 16 to 16384")
    return int(match[1]), int(match[2])


def bundled_script() -> Path:
    """The short performance the instrument brings along."""
    return bundled("presets") / "scripts" / SCRIPT


def find_preset(name: str) -> Preset:
    """The preset in that file, or of that name: what was learnt into it counts, where there is."""
    path = Path(name).expanduser()
    if path.suffix == ".toml":
        return load_preset(path)
    own = OWN_PRESETS / f"{name}.toml"
    if own.parent.name == OWN_PRESETS.name and own.is_file():
        say(f"preset {name} as you left it, in {own}; without that file, as it came")
        return load_preset(own)
    presets = sorted(p.stem for p in bundled("presets").glob("*.toml"))
    if name in presets:
        return load_preset(bundled("presets") / f"{name}.toml")
    raise InstrumentError(
        f"preset {name!r}: no such preset, allowed are {', '.join(presets)} or a file NAME.toml"
    )


def find_bank(preset: Preset) -> WaypointBank:
    """The bank `preset` names: beside the preset, or one the instrument brings along."""
    name = preset.bank if preset.bank.endswith(".toml") else f"{preset.bank}.toml"
    beside = (preset.folder or Path()) / name
    own = bundled("presets") / "banks" / name
    for path in (beside, own):
        # A preset may be called as its bank is, and lie where a bank might.
        if path.is_file() and str(path) != preset.where:
            return load_bank(path)
    banks = ", ".join(sorted(p.stem for p in own.parent.glob("*.toml")))
    raise preset.error(["bank"], f"bank {preset.bank!r}: no {beside}; bundled banks: {banks}")


def assemble(
    preset_name: str, models: Sequence[str] | None, seed: int | None, rate: str | None,
    space: str | None = None,
) -> Programme:  # fmt: skip
    """Read preset, bank and models and see that they go together. Raises InstrumentError.

    `models` stand in for the preset's first, or first few. The very first must be there and fit
    the bank; what is wrong with another is known from now on, and said when it is called. `space`
    stands in for the one the preset names, or the first model's manifest.
    """
    profiles = load_profiles()
    preset = with_sources(find_preset(preset_name), profiles)
    bank = find_bank(preset)
    given = tuple(models or ())
    names = (*given, *preset.models[len(given) :])
    places = (*given, *(_beside(preset, name) for name in names[len(given) :]))
    try:
        first = find_model(places[0], say)
    except InstrumentError as error:
        key = "models" if preset.fields.models else "model"
        raise error if given else preset.error([key], error) from error
    first = _in_space(first, preset, space)
    bank = fit_bank(bank, first, preset.snapshot, say)
    choices = (Choice(places[0], first), *(_choose(place, bank, first) for place in places[1:]))
    if seed is not None and not 0 <= seed < 1 << 63:
        raise InstrumentError(f"seed {seed}: must be 0 or a larger integer")
    performer = compose(
        preset, bank, seed=seed, models=names, directions=find_directions(preset, bank.spec),
        snapshots=max(choice.manifest.spec.snapshots for choice in choices if choice.manifest),
    )  # fmt: skip
    frame_rate = FrameRate.parse(rate) if rate else preset.rate
    return Programme(preset, bank, choices, performer, frame_rate, profiles)


def with_sources(preset: Preset, profiles: Sequence[Profile]) -> Preset:
    """`preset`, hearing a control's number where it says a control's name.

    Raises InstrumentError with the line of a control that does not exist.
    """
    sources: dict[str, str] = {}
    tables = {
        "binding": [row.source for row in preset.fields.binding],
        "modulation": [row.source for row in preset.fields.modulation],
    }
    for table, said in tables.items():
        for number, source in enumerate(said):
            try:
                meant = resolve(source, profiles)
            except InstrumentError as error:
                raise preset.error([table, number, "source"], error) from error
            if meant != source:
                sources[source] = meant
    return preset.hearing(sources) if sources else preset


def _beside(preset: Preset, model: str) -> str:
    """A model as `find_model` takes it: a path in a preset counts from the preset's folder."""
    path = (preset.folder or Path()) / model
    return str(path) if model not in bundled_models() and path.exists() else model


def _choose(place: str, bank: WaypointBank, first: ModelManifest) -> Choice:
    try:
        manifest = taking(find_model(place), bank.spec)
    except InstrumentError as error:
        return Choice(place, None, str(error))
    return Choice(place, manifest, _misfit(manifest, bank, first) or "")


def _misfit(manifest: ModelManifest, bank: WaypointBank, first: ModelManifest) -> str | None:
    """Why `manifest` cannot play `bank` beside `first`, naming both; None where it can."""
    if manifest.latent != bank.spec:
        return misfit(bank, manifest)
    if bank.spec.space == "w" and manifest.sha256 != first.sha256:
        return f"{manifest.name} has a w of its own, that of {first.name} means nothing to it"
    return None


def _in_space(manifest: ModelManifest, preset: Preset, space: str | None) -> ModelManifest:
    try:
        return in_space(manifest, space or preset.space)
    except InstrumentError as error:
        raise error if space else preset.error(["space"], error) from error


def open_take(
    programme: Programme, folder: Path, began: Performance, *, patient: bool, started: str = ""
) -> TakeRecorder:
    """A take of `programme` in `folder`, already open, that begins with `began`."""
    performer = programme.performer
    models = tuple(choice.reference for choice in programme.models)
    header = TakeHeader(
        name=folder.absolute().name.removesuffix(".take"),
        rate=programme.rate,
        spec=programme.bank.spec,
        addresses=performer.space.addresses,
        model=models[began.models.first - 1],
        seed=performer.seed,
        started=started,
        models=models if len(models) > 1 else (),
    )
    attachments = attachments_of(performer, programme.preset, began)
    return TakeRecorder(folder, header, attachments, patient=patient).open()


def model_for(reference: ModelReference, name: str | None, source: Path) -> ModelManifest:
    """The model named by the performer, else the one `source` was made with."""
    if name is not None:
        return find_model(name, say)
    if not reference.name:
        return find_model("procedural")
    try:
        return find_model(reference.name)
    except InstrumentError as error:
        raise InstrumentError(
            f"{source}: was made with model {reference.name!r}, which is not here; "
            f"choose one with --model"
        ) from error
