"""``instrument takes``: what was recorded, whether it holds together, and its way out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from instrument import InstrumentError
from instrument.cli.console import report, say
from instrument.latent.sequence import save_sequence
from instrument.take import repair as mending
from instrument.take.listing import list_takes
from instrument.take.reader import read_take
from instrument.take.replay import verify
from instrument.take.sampling import resample
from instrument.timebase import FrameRate

AsJson = Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")]
Take = Annotated[Path, typer.Argument(help="The take's folder.")]


def list_command(
    folder: Annotated[Path, typer.Argument(help="Where takes lie.")] = Path("takes"),
    as_json: AsJson = False,
) -> None:
    """Every take in a folder, with its length and state."""
    entries = list_takes(folder)
    rows = [
        {
            "take": str(e.folder), "rows": e.rows, "seconds": e.seconds,
            "rate": str(e.rate) if e.rate else None, "model": e.model.name,
            "state": e.state, "reason": e.reason,
        }
        for e in entries
    ]  # fmt: skip
    lines = [
        f"{e.state:<10} {e.seconds:>8.1f} s  {e.rows:>7} rows  {e.folder}"
        + (f"  ({e.reason})" if e.reason else "")
        for e in entries
    ]
    report({"takes": rows}, as_json, "\n".join(lines) or f"no takes in {folder}")


def verify_command(take: Take, as_json: AsJson = False) -> None:
    """Play a take's events again and compare: the largest difference to the recorded z."""
    record = read_take(take)
    found = verify(record, str(take))
    for line in record.damage:
        say(f"{take}: {line}")
    fields = {
        "rows": found.rows,
        "largest_difference": found.largest,
        "row": found.row,
        "largest_parameter_difference": found.parameters,
        "missing_rows": found.missing,
        "damage": list(record.damage),
    }
    where = "" if found.row is None else f" in row {found.row}"
    text = f"{found.rows} rows, largest difference {found.largest}{where}"
    if found.missing:
        text += f", {found.missing} rows missing"
    report(fields, as_json, text)
    if found.largest > 0.0 or found.parameters > 0.0:
        raise InstrumentError(f"{take}: the replay differs from the record by {found.largest}")


def repair_command(take: Take, as_json: AsJson = False) -> None:
    """Recover whatever the checksums vouch for. The damaged record is kept beside it."""
    mended = mending.repair(take)
    for line in mended.damage:
        say(f"{take}: {line}")
    fields = {
        "take": str(mended.folder),
        "rows": mended.rows,
        "recovered": mended.recovered,
        "events": mended.events,
        "gaps": [list(gap) for gap in mended.gaps],
        "damage": list(mended.damage),
        "original": str(mended.original) if mended.original else None,
    }
    text = f"{mended.recovered} of {mended.rows} rows recovered, {mended.events} events"
    if mended.gaps:
        text += f"; held over {len(mended.gaps)} gaps"
    report(fields, as_json, text)


def export_command(
    take: Take,
    out: Annotated[Path, typer.Option("-o", "--out", help="NAME or NAME.npy.")],
    rate: Annotated[str | None, typer.Option(help="Sample the performance at this rate.")] = None,
    as_json: AsJson = False,
) -> None:
    """Sample the performance anew as a z-sequence, at any rate."""
    record = read_take(take)
    wanted = FrameRate.parse(rate) if rate else record.header.rate
    sequence = resample(record, wanted, str(take))
    path = out if out.suffix == ".npy" else out.with_name(out.name + ".npy")
    if not path.parent.is_dir():
        raise InstrumentError(f"{path}: there is no folder {path.parent}")
    save_sequence(path, sequence)
    fields = {"path": str(path), "frames": len(sequence), "rate": [wanted.num, wanted.den]}
    report(fields, as_json, f"{path}  ({len(sequence)} rows at {wanted} /s)")
