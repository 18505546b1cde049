"""``instrument models``: which there are, what each is without opening any, and foreign ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from instrument import InstrumentError
from instrument.cli.console import report, say
from instrument.decoder.conversion import convert, read_foreign
from instrument.decoder.models import (
    MANIFEST,
    HistoryDetails,
    ModelManifest,
    SkipDetails,
    bundled_models,
    find_model,
)
from instrument.decoder.program_archive import IsProgramError
from instrument.decoder.program_template import template
from instrument.decoder.programs import CAUTION, PlacedDetails, find_program
from instrument.decoder.series import Series, find_series
from instrument.decoder.spaces import spaces_of

AsJson = Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")]


def list_command(as_json: AsJson = False) -> None:
    """The models the instrument brings along."""
    found = [_fields(find_model(name)) for name in bundled_models()]
    lines = [
        f"{f['name']:<16} {f['size'][1]}x{f['size'][0]}  {f['latent']:<6} "
        f"{f['snapshots']:>2} snapshot{'s' if f['snapshots'] > 1 else ' '}  {f['note']}"
        for f in found
    ]
    report({"models": found}, as_json, "\n".join(lines))


def inspect_command(
    model: Annotated[
        str, typer.Argument(help="A bundled model's name, a model's folder, or a checkpoint file.")
    ],
    as_json: AsJson = False,
) -> None:
    """What a model's manifest says, or what a checkpoint is; no weight is read, no code run."""
    series = None if _is_model(model) else find_series(model)
    try:
        fields = _fields(find_model(model)) if series is None else _foreign_fields(series)
    except IsProgramError as found:
        assert series is not None
        _report_bare(series.files[-1][0], found, as_json)
        return
    text = "\n".join(f"{key:<13} {value}" for key, value in fields.items() if value != "")
    report(fields, as_json, text)


def _report_bare(path: Path, found: IsProgramError, as_json: bool) -> None:
    """A program without a TOML: one to begin with, alone on stdout, so that it can be saved."""
    text, facts = template(path, found.facts), found.facts
    card = path.with_suffix(".toml").name
    say(f"{path}: a {facts.kind} program; it {CAUTION}. To play it, save this as {card}:")
    fields = {"file": str(path), "format": f"{facts.kind} program", "template": text}
    report(fields, as_json, text)


def convert_command(
    checkpoint: Annotated[
        str, typer.Argument(help="A checkpoint, a pattern like 'run/*.pkl', or a run's folder.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The model's folder; it must be new.")],
    name: Annotated[str, typer.Option(help="What the model is called; else as its file.")] = "",
    label: Annotated[int, typer.Option(help="The class a conditional model shows, from 0.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Write somebody's checkpoint, or the snapshots of a run, as a model folder."""
    program = find_program(Path(checkpoint).expanduser())
    if program is not None:
        raise InstrumentError(f"{program}: is a program, which is played as it is: no need to")
    series = find_series(checkpoint)
    if series is None:
        raise InstrumentError(f"{checkpoint}: no such file, and no folder with checkpoints")
    manifest = convert(series, out, name=name, label=label, tell=say, check=_open_once)
    text = f"{out}  ({manifest.architecture}, {manifest.latent}, {manifest.details.note})"
    report(_fields(manifest), as_json, text)


def _open_once(manifest: ModelManifest) -> None:
    """See that the network takes the weights: better now than on stage. Raises InstrumentError."""
    from instrument.decoder.runtime import open_decoder  # torch: only when it is needed

    say("opening it once")
    open_decoder(manifest, "cpu")


def _is_model(name: str) -> bool:
    """Whether `name` is a bundled model, a model's folder or its manifest, or a program."""
    path = Path(name).expanduser()
    if name in bundled_models() or path.name == MANIFEST or (path / MANIFEST).is_file():
        return True
    return find_program(path) is not None


def _foreign_fields(series: Series) -> dict[str, Any]:
    """What the newest checkpoint of `series` is, and how many there are."""
    path, images = series.files[-1]
    found = read_foreign(path)
    fields: dict[str, Any] = {
        "file": str(path),
        "format": found.format,
        "architecture": found.architecture,
        "size": [found.settings.size] * 2,
        "latent": f"z{found.settings.z_dim}",
        "w": found.network.get("w_dim", ""),
        "labels": found.network.get("c_dim", 0),
        "parameters": found.parameters,
        "licence": found.licence,
        "note": "; ".join([*found.notes, *series.notes]),
        "network": found.network,
    }
    if images:
        fields["seen"] = images
    if len(series.files) > 1:
        fields |= {"snapshots": [at for _, at in series.files]}
    return fields


def _fields(manifest: ModelManifest) -> dict[str, Any]:
    details = manifest.details
    fields: dict[str, Any] = {
        "name": manifest.name,
        "architecture": manifest.architecture,
        "latent": str(manifest.latent),
        "spaces": ", ".join(spaces_of(manifest)),
        "size": list(manifest.size),
        "snapshots": manifest.spec.snapshots,
        "licence": manifest.licence,
        "sha256": manifest.sha256,
        "folder": str(manifest.folder),
        "note": details.note,
    }
    if isinstance(details, HistoryDetails):
        fields["images"] = [snapshot.images for snapshot in details.snapshots]
    if isinstance(details, SkipDetails):
        fields |= {"command": details.command, "seed": details.seed}
    if isinstance(details, PlacedDetails):
        fields |= _program_fields(manifest.folder)
    return fields


def _program_fields(network: Path) -> dict[str, Any]:
    """What the archive says of itself, asked of the process that reads checkpoints."""
    try:
        found = read_foreign(network)
    except IsProgramError as program:
        facts = program.facts
        return {
            "format": f"{facts.kind} program",
            "written_by": facts.torch and f"torch {facts.torch}",
            "device": facts.device,
            "caution": f"it {CAUTION}",
        }
    raise InstrumentError(
        f"{network}: is no program but a checkpoint ({found.format}), which needs no TOML"
    )
