"""The rows of a survey, for the model they are to be seen through."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from instrument import InstrumentError
from instrument.cli.console import say
from instrument.cli.fitting import measured
from instrument.cli.picking import parse_rows, parse_snapshots
from instrument.cli.sources import model_for
from instrument.decoder.mapped import map_rows
from instrument.decoder.models import ModelManifest, find_model
from instrument.decoder.spaces import in_space, spaces_of, taking
from instrument.latent.sequence import ModelReference, ZSequence, load_sequence
from instrument.latent.space import F32, LatentSpec
from instrument.latent.trace import copied, origin_of
from instrument.studio import survey
from instrument.studio.render import check_model
from instrument.studio.survey_film import SNAPSHOT
from instrument.timebase import FrameRate

TRUNCATION = "/model/truncation"
DEFAULT_MODEL = "default"


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for. `noise` is in degrees; `snapshots` as written on the command line."""

    count: int
    seed: int
    rate: FrameRate
    model: str | None = None
    space: str | None = None
    snapshots: str | None = None
    truncation: float | None = None
    noise: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 1 << 63:
            raise InstrumentError(f"seed {self.seed}: must be 0 or a larger integer")
        if not 1 <= self.count <= survey.MOST_ROWS:
            raise InstrumentError(f"count {self.count}: allowed are 1 to {survey.MOST_ROWS}")
        if not 0.0 <= self.noise <= 180.0:
            raise InstrumentError(f"noise {self.noise:g}: allowed are 0 to 180 degrees")
        if self.truncation is not None and not 0.0 <= self.truncation <= 1.0:
            raise InstrumentError(f"truncation {self.truncation:g}: allowed is 0 to 1")


@dataclass(frozen=True, slots=True)
class Start:
    """Rows of ``NAME.npy`` that a survey starts from: `rows` as written, None for all.

    `balanced`: they are drawn as often as they occur, and with `even` every cluster equally often;
    else each has its turn.
    """

    path: Path
    rows: str | None = None
    balanced: bool = False
    even: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """The rows a survey starts from: `sequence` holds them alone, `rows` says which they were."""

    path: Path
    sequence: ZSequence
    rows: survey.Rows
    manifest: ModelManifest


def unbiased_rows(wish: Wish) -> tuple[ZSequence, ModelManifest]:
    """Rows as the model was trained on them, and the model. Raises InstrumentError."""
    manifest = in_space(find_model(wish.model or DEFAULT_MODEL, say), wish.space)
    snapshots = _blocks(wish, manifest)
    latent = manifest.latent
    if latent.space == "z":
        z = survey.unbiased(latent, wish.count, wish.seed)
    else:
        z, latent = _mapped(manifest, wish, snapshots)
    reference = ModelReference(manifest.name, manifest.sha256)
    source = f"survey: {wish.count} unbiased rows, seed {wish.seed}"
    plain = ZSequence(z, wish.rate, latent, reference, seed=wish.seed, source=source)
    return _with(plain, snapshots, wish.truncation), manifest


def open_source(start: Start, wish: Wish) -> Source:
    """The rows that were asked for, and the model they are of. Raises InstrumentError."""
    path = start.path
    whole = load_sequence(path)
    if len(whole.models) > 1:
        names = ", ".join(model.name for model in whole.models)
        raise InstrumentError(f"{path}: plays several models ({names}), a survey is of one")
    if wish.space is not None:
        raise InstrumentError(f"space {wish.space}: {path} says itself that it is {whole.spec}")
    if not whole.model.name and wish.model is None:
        raise InstrumentError(f"{path}: says no model; choose one with --model")
    manifest = taking(model_for(whole.model, wish.model, path), whole.spec)
    check_model(replace(whole, source=str(path)), manifest.spec, wish.model is not None)
    chosen = np.array(parse_rows(start.rows or "all", len(whole)), np.intp)
    z = np.array(whole.z[chosen], np.float32)
    reference = ModelReference(manifest.name, manifest.sha256)
    plain = ZSequence(z, wish.rate, _latent_of(whole, manifest, wish), reference, seed=wish.seed)
    columns = {
        address: None if (c := whole.column(address)) is None else np.array(c[chosen], np.float32)
        for address in (SNAPSHOT, TRUNCATION)
    }
    truncation = columns[TRUNCATION] if wish.truncation is None else wish.truncation
    return Source(path, _with(plain, columns[SNAPSHOT], truncation), chosen, manifest)


def rows_of(source: Source, picked: survey.Rows, wish: Wish, how: str) -> ZSequence:
    """The rows `picked` of `source`, each with its noise, and traced to where it came from."""
    held = source.sequence
    z = survey.disturbed(held.z[picked], held.spec, math.radians(wish.noise), wish.seed)
    trace = copied(origin_of(source.path), source.rows[picked])
    noise = f", {wish.noise:g} degrees away" if wish.noise else ""
    text = f"survey: {wish.count} rows {how} {source.path.name}{noise}, seed {wish.seed}"
    parameters = held.parameters[picked] if held.addresses else held.parameters
    made = replace(held, z=z, parameters=parameters, trace=trace, source=text)
    if wish.snapshots is None:
        return made
    snapshots = _blocks(wish, source.manifest)
    return _with(made, snapshots, made.column(TRUNCATION))


def _blocks(wish: Wish, manifest: ModelManifest) -> F32 | None:
    """A snapshot for every row, in blocks; None where nobody asked."""
    if wish.snapshots is None:
        return None
    return survey.in_blocks(parse_snapshots(wish.snapshots, manifest), wish.count)


def _mapped(manifest: ModelManifest, wish: Wish, snapshots: F32 | None) -> tuple[F32, LatentSpec]:
    """w of unbiased z, each at its snapshot; and the latent with its scale."""
    spaces = spaces_of(manifest)
    if "z" not in spaces:
        raise InstrumentError(
            f"{manifest.name}: is played in {manifest.latent} and no z leads there, so nothing can "
            f"be drawn without a bias; survey around places of it, with --around or --balance"
        )
    z = survey.unbiased(spaces["z"], wish.count, wish.seed)
    newest = np.float32(manifest.spec.snapshots - 1)
    wanted = np.full(len(z), newest) if snapshots is None else snapshots
    found = map_rows(manifest, z, wanted, say)
    shape = manifest.latent.shape
    w = found.w if len(shape) == 1 else np.broadcast_to(found.w[:, None], (len(z), *shape))
    return np.array(w, np.float32), replace(manifest.latent, scale=found.scale or None)


def _latent_of(whole: ZSequence, manifest: ModelManifest, wish: Wish) -> LatentSpec:
    """The space of `whole`; of a free one, how wide it is, where noise has to know."""
    latent = whole.spec if whole.model.sha256 else manifest.latent
    return measured(latent, manifest, say) if wish.noise else latent


def _with(sequence: ZSequence, snapshots: F32 | None, truncation: F32 | float | None) -> ZSequence:
    """`sequence` with columns for the model's parameters, where they are known."""
    columns: dict[str, F32] = {}
    if snapshots is not None:
        columns[SNAPSHOT] = snapshots
    if truncation is not None:
        columns[TRUNCATION] = np.broadcast_to(np.float32(truncation), (len(sequence),))
    if not columns:
        return sequence
    return replace(
        sequence, addresses=tuple(columns),
        parameters=np.column_stack(list(columns.values())).astype(np.float32),
    )  # fmt: skip
