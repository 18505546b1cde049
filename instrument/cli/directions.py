"""Directions: those a preset names, and ``instrument models directions``, which finds them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from instrument import InstrumentError
from instrument.cli.console import report, say
from instrument.decoder.foreign_arrays import read_foreign_arrays
from instrument.decoder.models import ModelManifest, find_model
from instrument.decoder.spaces import spaces_of
from instrument.latent.arrays import write_atomically
from instrument.latent.directions import (
    FORMAT,
    MOST,
    Directions,
    choose_directions,
    load_directions,
)
from instrument.latent.sequence import sidecar_of
from instrument.latent.space import F32, LatentSpec
from instrument.performance.preset import Preset

_TORCH = (".pt", ".pth")


def find_directions(preset: Preset, spec: LatentSpec) -> Directions | None:
    """The directions `preset` names, for places like `spec`; a path counts from its folder.

    Raises InstrumentError naming the preset's line and the file.
    """
    if preset.directions is None:
        return None
    name, count = preset.directions
    path = (preset.folder or Path()) / Path(name).expanduser()
    try:
        if path.suffix in _TORCH:
            found = choose_directions(read_foreign_arrays(path), spec, str(path))
        else:
            found = load_directions(path, spec)
    except InstrumentError as error:
        raise preset.error(["directions"], error) from error
    return found.first(count)


def directions_command(
    model: Annotated[str, typer.Argument(help="A model's name or folder, or a checkpoint.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="NAME.npy, one direction a row.")],
    count: Annotated[int, typer.Option(help="How many, the strongest first.")] = 10,
    method: Annotated[str, typer.Option(help="sefa: from the weights, in closed form.")] = "sefa",
    space: Annotated[
        str, typer.Option(help="z or w; by default w of a StyleGAN, z of others.")
    ] = "",
    layers: Annotated[
        str | None, typer.Option(help="Only these layers, A:B without B; then played in layers.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """Find directions on which pictures change most, from the weights alone."""
    from instrument.decoder.sefa import sefa  # torch: only when it is needed

    if method != "sefa":
        raise InstrumentError(f"method {method!r}: allowed is sefa")
    if out.suffix != ".npy":
        raise InstrumentError(f"{out}: directions are written as NAME.npy")
    if not 1 <= count <= MOST:
        raise InstrumentError(f"count {count}: allowed are 1 to {MOST}")
    manifest = find_model(model, say)
    spaces = spaces_of(manifest)
    space = space or ("w" if "layers" in spaces else "z")
    if space not in ("z", "w"):
        raise InstrumentError(f"space {space!r}: allowed are z and w")
    chosen = None if layers is None else _layers(layers)
    rows, strengths = sefa(manifest, space, count, chosen)
    latent = spaces["z"] if space == "z" else spaces["w"]
    if chosen is not None:
        latent = spaces["layers"]
        rows = _in_layers(rows, latent, chosen)
    strength = [round(float(value / max(strengths[0], 1e-30)), 4) for value in strengths]
    _write(out, rows, latent, manifest, {"method": method, "strength": strength})
    fields = {"path": str(out), "count": len(rows), "latent": str(latent), "strength": strength}
    report(fields, as_json, f"{out}  ({len(rows)} directions of {latent})")


def _layers(text: str) -> range:
    match = re.fullmatch(r"(\d{1,3}):(\d{1,3})", text)
    if not match or int(match[1]) >= int(match[2]):
        raise InstrumentError(f"layers {text!r}: write them as 0:4, from 0 and without the last")
    return range(int(match[1]), int(match[2]))


def _in_layers(rows: F32, latent: LatentSpec, layers: range) -> F32:
    """``[n, d]`` → ``[n, layers, d]``, 0 in the layers that are not meant."""
    wide = np.zeros((len(rows), *latent.shape), np.float32)
    wide[:, layers.start : layers.stop] = rows[:, None]
    return wide


def _write(
    out: Path, rows: F32, latent: LatentSpec, manifest: ModelManifest, more: dict[str, Any]
) -> None:
    fields = {
        "format": FORMAT,
        "latent": latent.to_json(),
        "model": {"name": manifest.name, "sha256": manifest.sha256},
        **more,
    }
    with write_atomically(sidecar_of(out)) as file:
        file.write(json.dumps(fields, indent=1).encode() + b"\n")
    with write_atomically(out) as file:
        np.save(file, rows)
