"""``instrument bank``: rows of a z-sequence become the waypoints of a bank, with pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from instrument import InstrumentError
from instrument.cli.console import report, say
from instrument.cli.fitting import measured
from instrument.cli.picking import parse_rows
from instrument.cli.sources import model_for
from instrument.decoder.models import ModelManifest
from instrument.decoder.spaces import taking
from instrument.frame import U8
from instrument.latent.sequence import ModelReference, ZSequence, load_sequence
from instrument.latent.waypoints import Waypoint, WaypointBank, save_bank
from instrument.studio.proxy import fitted, proxy_size
from instrument.studio.render import check_model
from instrument.studio.samples import decode_rows, values_at
from instrument.studio.sheet import contact_sheet, save_png
from instrument.studio.sheet_pages import tile_size
from instrument.studio.survey_film import SNAPSHOT
from instrument.studio.survey_report import read_report

CLUSTERS = "clusters"
_MOST = 1000  # waypoints: a bank is looked through by eye
_PICTURE = 256  # pixels of a waypoint's picture, the longer side
_TILE = 128


@dataclass(frozen=True, slots=True)
class Pick:
    """A row that becomes a waypoint, and what is known of it."""

    row: int
    name: str
    tags: tuple[str, ...] = ()


def bank_command(
    source: Annotated[Path, typer.Argument(help="A z-sequence NAME.npy.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="BANK.toml.")],
    pick: Annotated[
        str, typer.Option(help="12,40,7: these rows; or clusters: the row nearest each centre.")
    ],
    names: Annotated[str | None, typer.Option(help="dawn,nova,…: one for each row.")] = None,
    report_path: Annotated[
        Path | None, typer.Option("--report", help="For clusters; by default NAME.report.json.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Another model than the rows were for.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Also write a contact sheet.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """Make a bank of waypoints from rows of a z-sequence."""
    if out.suffix != ".toml":
        raise InstrumentError(f"{out}: a bank is written as NAME.toml")
    sequence = load_sequence(source)
    picks = _picks(source, sequence, pick, names, report_path)
    _refuse_own_array(source, out)
    bank = make_bank(source, sequence, out.stem, picks, model)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InstrumentError(f"{out}: cannot be written ({error.strerror or error})") from error
    if sheet is not None:
        _write_sheet(sheet, bank)
    save_bank(out, bank)
    rows = {one.name: one.row for one in picks}
    fields = {"path": str(out), "model": bank.model.name, "waypoints": rows}
    report(fields, as_json, f"{out}  ({len(bank)} waypoints of {bank.model.name}: {_list(rows)})")


def make_bank(
    source: Path, sequence: ZSequence, name: str, picks: list[Pick], model: str | None
) -> WaypointBank:
    """The bank of `picks`, each seen through the model at its training snapshot.

    Raises InstrumentError naming model and source where they do not go together.
    """
    if not sequence.model.name and model is None:
        raise InstrumentError(f"{source}: says no model; choose one with --model")
    if len(sequence.models) > 1 and model is None:
        several = ", ".join(one.name for one in sequence.models)
        raise InstrumentError(f"{source}: plays several models ({several}); choose with --model")
    manifest = taking(model_for(sequence.model, model, source), sequence.spec)
    check_model(replace(sequence, source=str(source)), manifest.spec, model is not None)
    snapshots = sequence.column(SNAPSHOT)
    waypoints = tuple(
        Waypoint(
            one.name,
            np.array(sequence.z[one.row], np.float32),
            None if snapshots is None else float(snapshots[one.row]),
            one.tags,
            f"row {one.row} of {source.name}",
        )
        for one in picks
    )
    reference = ModelReference(manifest.name, manifest.sha256)
    latent = measured(sequence.spec if sequence.model.sha256 else manifest.latent, manifest, say)
    bank = WaypointBank(name, latent, waypoints, reference)
    pictures = _pictures(sequence, manifest, [one.row for one in picks])
    return replace(bank, pictures={w.name: p for w, p in zip(waypoints, pictures, strict=True)})


def _picks(
    source: Path, sequence: ZSequence, pick: str, names: str | None, report_path: Path | None
) -> list[Pick]:
    if pick == CLUSTERS:
        found = read_report(report_path or source.with_suffix(".report.json"), len(sequence))
        rows = [cluster.examples[0] for cluster in found.clusters]
        tags: list[tuple[str, ...]] = [(f"cluster-{cluster.number}",) for cluster in found.clusters]
    else:
        rows = parse_rows(pick, len(sequence), "pick")
        tags = [()] * len(rows)
    if not 1 <= len(rows) <= _MOST:
        raise InstrumentError(f"pick {pick[:40]!r}: {len(rows)} rows, a bank has 1 to {_MOST}")
    if len(set(rows)) < len(rows):
        twice = next(row for row in rows if rows.count(row) > 1)
        raise InstrumentError(f"pick {pick[:40]!r}: names row {twice} twice")
    given = [name.strip() for name in names.split(",")] if names else [f"row-{r}" for r in rows]
    if len(given) != len(rows):
        raise InstrumentError(f"names: {len(given)} for {len(rows)} rows")
    return [Pick(*one) for one in zip(rows, given, tags, strict=True)]


def _pictures(sequence: ZSequence, manifest: ModelManifest, rows: list[int]) -> list[U8]:
    """What the rows look like when they are played: at their snapshot, all else as it begins."""
    from instrument.decoder.runtime import open_decoder  # torch: only when it is needed

    only = {SNAPSHOT: sequence.column(SNAPSHOT)}
    kept = {address: column for address, column in only.items() if column is not None}
    plain = replace(
        sequence, addresses=tuple(kept),
        parameters=np.column_stack(list(kept.values())) if kept else np.zeros((0, 0), np.float32),
    )  # fmt: skip
    if any(values_at(sequence, row).get("/model/truncation", 1.0) != 1.0 for row in rows):
        say("the rows have a /model/truncation, which a bank does not keep")
    size = proxy_size(manifest.size, _PICTURE)
    return [fitted(picture, size) for picture in decode_rows(plain, open_decoder(manifest), rows)]


def _refuse_own_array(source: Path, out: Path) -> None:
    """``BANK.toml`` has its places in ``BANK.npy``, which must not be the rows they come from."""
    if out.with_suffix(".npy").resolve() == source.resolve():
        raise InstrumentError(f"{out}: would overwrite {source}; give the bank another name")


def _write_sheet(path: Path, bank: WaypointBank) -> None:
    """All waypoints with their numbers and names."""
    pictures = [bank.pictures[waypoint.name] for waypoint in bank]
    labels = [f"{number} {waypoint.name}" for number, waypoint in enumerate(bank, 1)]
    height, width = pictures[0].shape[:2]
    size = tile_size((height, width), _TILE)
    save_png(path, contact_sheet(pictures, labels=labels, size=size))


def _list(rows: dict[str, int]) -> str:
    names = list(rows)
    return ", ".join(names if len(names) <= 8 else [*names[:7], "…"])
