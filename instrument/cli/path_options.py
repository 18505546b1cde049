"""What journeys and loops are told alike: along which path, through which keys, seen by what."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from instrument import InstrumentError
from instrument.cli.picking import parse_rows
from instrument.cli.sources import model_for
from instrument.decoder.models import ModelManifest
from instrument.decoder.spaces import taking
from instrument.latent.manner import Kind, Manner
from instrument.latent.retargeting import Retargeting
from instrument.latent.sequence import ModelReference, ZSequence, load_sequence
from instrument.latent.trace import Origin, origin_of
from instrument.latent.waypoints import WaypointBank, load_bank
from instrument.resources import bundled
from instrument.studio.keys import Keys, joined, key_of_waypoint, keys_of_rows
from instrument.studio.render import check_model

PathOption = Annotated[str, typer.Option("--path", help="physical or spherical.")]
Damping = Annotated[float, typer.Option(help="Of physical paths: below 1 they swing.")]
Arrive = Annotated[
    float,
    typer.Option(help="Physical paths make for the next key with this share of the way left."),
]
Timed = Annotated[
    bool, typer.Option("--timed", help="Physical paths make for the next key at equal intervals.")
]
Hold = Annotated[float, typer.Option(help="Seconds to stay at each key.")]
Noise = Annotated[float, typer.Option(help="Around the path, degrees (RMS), smooth in time.")]
NoiseRate = Annotated[float, typer.Option(help="How quickly that noise changes, Hz.")]
KeyNoise = Annotated[float, typer.Option(help="Keys stray by so many degrees (RMS).")]
Bank = Annotated[
    str | None, typer.Option(help="A bank whose waypoints may be named: BANK.toml, or bundled.")
]
Model = Annotated[str | None, typer.Option(help="Another model of the same latent shape.")]
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]*")
_LARGEST_SEED = 1 << 63


def manner_of(
    kind: str, damping: float, arrive: float, timed: bool, hold: float,
    noise: float, noise_rate: float, key_noise: float,
) -> Manner:  # fmt: skip
    """The manner of travelling that the options describe; angles in degrees."""
    if kind not in ("physical", "spherical"):
        raise InstrumentError(f"path {kind!r}: allowed are physical and spherical")
    chosen: Kind = "physical" if kind == "physical" else "spherical"
    law = Retargeting(damping, arrive, timed)
    around_path, around_keys = math.radians(noise), math.radians(key_noise)
    return Manner(chosen, law, hold, around_path, noise_rate, around_keys)


def check_seed(seed: int) -> int:
    """Raise InstrumentError where `seed` is none."""
    if not 0 <= seed < _LARGEST_SEED:
        raise InstrumentError(f"seed {seed}: must be 0 or a larger integer")
    return seed


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What keys may be chosen from: rows of a z-sequence, and waypoints of a bank."""

    source: Path
    sequence: ZSequence
    manifest: ModelManifest | None
    bank: WaypointBank | None
    origins: tuple[Origin, ...]

    def keys(self, text: str, what: str) -> Keys:
        """``12,dawn,3:6`` → keys in that order. Raises InstrumentError naming what is wrong."""
        parts = [self._one(part.strip(), what) for part in text.split(",")]
        return joined(parts)

    def rows(self, rows: Sequence[int]) -> Keys:
        """Rows as keys."""
        return keys_of_rows(self.sequence, rows)

    def _one(self, part: str, what: str) -> Keys:
        if part == "all" or not _NAME.fullmatch(part):
            return self.rows(parse_rows(part, len(self.sequence), what))
        if self.bank is None:
            raise InstrumentError(f"{what} {part!r}: is no row; for waypoints say --bank")
        newest = 0.0 if self.manifest is None else self.manifest.spec.snapshots - 1.0
        return key_of_waypoint(self.bank, part, self.sequence, newest)


def open_ground(source: Path, bank: str | None, model: str | None, *, seen: bool) -> Ground:
    """Open what keys are chosen from; the model too, where anything is to be `seen`.

    Raises InstrumentError naming the file, or the model that does not go with it.
    """
    sequence = load_sequence(source)
    manifest = None
    if seen or model is not None or bank is not None:
        if len(sequence.models) > 1 and model is None:
            several = ", ".join(one.name for one in sequence.models)
            raise InstrumentError(f"{source}: plays several models ({several}); choose one with "
                                  "--model")  # fmt: skip
        manifest = taking(model_for(sequence.model, model, source), sequence.spec)
        check_model(replace(sequence, source=str(source)), manifest.spec, model is not None)
        reference = ModelReference(manifest.name, manifest.sha256)
        sequence = replace(sequence, model=reference, models=())
    origins: tuple[Origin, ...] = (origin_of(source),)
    held = None
    if bank is not None:
        path = _bank_path(bank)
        held = load_bank(path)
        origins = (*origins, origin_of(path.with_suffix(".npy")))
    return Ground(source, sequence, manifest, held, origins)


def _bank_path(name: str) -> Path:
    path = Path(name).expanduser()
    if path.suffix == ".toml":
        return path
    folder = bundled("presets") / "banks"
    banks = sorted(one.stem for one in folder.glob("*.toml"))
    if name not in banks:
        raise InstrumentError(f"bank {name!r}: allowed are {', '.join(banks)} or a file NAME.toml")
    return folder / f"{name}.toml"
