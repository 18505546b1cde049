"""Finding what a command names: presets, banks, models, sizes, takes and z-sequences."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from instrument import InstrumentError
from instrument.cli.console import say
from instrument.cli.directions import find_directions
from instrument.cli.fitting import fit_bank
from instrument.decoder.models import ModelManifest, find_model
from instrument.decoder.spaces import in_space
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


@dataclass(frozen=True, slots=True)
class Programme:
    """Everything a performance needs before the first tick."""

    preset: Preset
    bank: WaypointBank
    model: ModelManifest
    performer: Performer
    rate: FrameRate


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
    """The preset of that name, or in that file."""
    path = Path(name).expanduser()
    if path.suffix == ".toml":
        return load_preset(path)
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
        if path.is_file():
            return load_bank(path)
    banks = ", ".join(sorted(p.stem for p in own.parent.glob("*.toml")))
    raise preset.error(["bank"], f"bank {preset.bank!r}: no {beside}; bundled banks: {banks}")


def assemble(
    preset_name: str, model: str | None, seed: int | None, rate: str | None,
    space: str | None = None,
) -> Programme:  # fmt: skip
    """Read preset, bank and model and see that they go together. Raises InstrumentError.

    `space` stands in for the one the preset names, or the model's manifest.
    """
    preset = find_preset(preset_name)
    bank = find_bank(preset)
    try:
        manifest = find_model(model or preset.model, say)
    except InstrumentError as error:
        raise error if model else preset.error(["model"], error) from error
    manifest = _in_space(manifest, preset, space)
    bank = fit_bank(bank, manifest, preset.snapshot, say)
    if seed is not None and not 0 <= seed < 1 << 63:
        raise InstrumentError(f"seed {seed}: must be 0 or a larger integer")
    performer = compose(
        preset, bank, seed=seed, snapshots=manifest.spec.snapshots,
        directions=find_directions(preset, bank.spec),
    )  # fmt: skip
    return Programme(
        preset, bank, manifest, performer, FrameRate.parse(rate) if rate else preset.rate
    )


def _in_space(manifest: ModelManifest, preset: Preset, space: str | None) -> ModelManifest:
    try:
        return in_space(manifest, space or preset.space)
    except InstrumentError as error:
        raise error if space else preset.error(["space"], error) from error


def open_take(
    programme: Programme, folder: Path, began: Performance, *, patient: bool, started: str = ""
) -> TakeRecorder:
    """A take of `programme` in `folder`, already open, that begins with `began`."""
    performer, model = programme.performer, programme.model
    header = TakeHeader(
        name=folder.absolute().name.removesuffix(".take"),
        rate=programme.rate,
        spec=programme.bank.spec,
        addresses=performer.space.addresses,
        model=ModelReference(model.name, model.sha256),
        seed=performer.seed,
        started=started,
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
