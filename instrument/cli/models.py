"""``instrument models``: which models there are, and what each is, without opening any."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from instrument.cli.console import report
from instrument.decoder.models import (
    HistoryDetails,
    ModelManifest,
    SkipDetails,
    bundled_models,
    find_model,
)

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
    model: Annotated[str, typer.Argument(help="A bundled model's name, or a model's folder.")],
    as_json: AsJson = False,
) -> None:
    """What a model's manifest says."""
    fields = _fields(find_model(model))
    text = "\n".join(f"{key:<13} {value}" for key, value in fields.items() if value != "")
    report(fields, as_json, text)


def _fields(manifest: ModelManifest) -> dict[str, Any]:
    details = manifest.details
    fields: dict[str, Any] = {
        "name": manifest.name,
        "architecture": manifest.architecture,
        "latent": str(manifest.latent),
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
    return fields
