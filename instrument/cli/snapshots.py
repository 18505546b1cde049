"""``instrument snapshots``: the same z through every moment of a model's training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from instrument import InstrumentError
from instrument.cli.console import report
from instrument.cli.looking import Footage, looking_bar, open_footage
from instrument.cli.picking import parse_rows, parse_snapshots
from instrument.cli.render import models_of
from instrument.cli.sources import parse_size
from instrument.decoder.models import HistoryDetails, ModelManifest
from instrument.decoder.protocol import Decoder
from instrument.latent.sequence import ZSequence, check_name, save_sequence
from instrument.studio.encode import open_film
from instrument.studio.film import Size
from instrument.studio.perception import OwnPerception
from instrument.studio.plots import need_matplotlib, snapshot_figure
from instrument.studio.proxy import PROXY, fitted
from instrument.studio.sheet import contact_sheet, pick_rows
from instrument.studio.sheet_pages import png, tile_size
from instrument.studio.snapshot_grid import Grid
from instrument.studio.snapshot_report import Survival, survival
from instrument.studio.snapshot_sweep import (
    at_snapshot,
    decode_some,
    features_through,
    tiles_through,
)
from instrument.studio.together import together

_TILE = 160  # pixels, the longer side
_SHEET_TILE = 96
_SHEET_ROWS = 8
_JUDGED = 200  # rows at most that the report looks at


@dataclass(frozen=True, slots=True, eq=False)
class _Sweep:
    """Z-sequences that differ in their snapshot alone, and the edit they all come from."""

    footage: Footage
    manifest: ModelManifest
    decoder: Decoder
    snapshots: tuple[float, ...]

    @property
    def through(self) -> list[ZSequence]:
        """One for each snapshot."""
        return [at_snapshot(self.footage.sequence, snapshot) for snapshot in self.snapshots]

    @property
    def images(self) -> list[int | None]:
        """How many pictures each snapshot was trained on, where that is known."""
        details = self.manifest.details
        if not isinstance(details, HistoryDetails):
            return [None] * len(self.snapshots)
        return [details.snapshots[int(s)].images if s == int(s) else None for s in self.snapshots]

    @property
    def labels(self) -> list[str]:
        """What stands below each picture."""
        return [
            f"{snapshot:g}" + ("" if images is None else f"  {_thousands(images)}")
            for snapshot, images in zip(self.snapshots, self.images, strict=True)
        ]


def snapshots_command(
    source: Annotated[Path, typer.Argument(help="A z-sequence NAME.npy.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="NAME: what the files are called.")],
    snapshots: Annotated[
        str, typer.Option(help="0,9,27, 4:8, all, first, newest: which, in this order.")
    ] = "all",
    rows: Annotated[
        str | None, typer.Option(help="3,10:20: the rows on the sheet; 8 of them if absent.")
    ] = None,
    sequences: Annotated[
        bool, typer.Option("--sequences", help="Write NAME.01.npy…, one for each snapshot.")
    ] = False,
    grid: Annotated[bool, typer.Option(help="Write the film NAME.grid.mp4.")] = True,
    tile: Annotated[
        str | None, typer.Option(help="Of a picture in the film, WIDTHxHEIGHT.")
    ] = None,
    columns: Annotated[int | None, typer.Option(help="Of the film.")] = None,
    clusters: Annotated[
        int | None, typer.Option(help="How many kinds there are; found out if absent.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Another model of the same shape.")] = None,
    plots: Annotated[
        bool, typer.Option("--plots", help="Write NAME.plot.png: distances, and what is kept.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """See the same z through every snapshot, and how much of an edit each keeps."""
    target = out.with_name(f"{out.name.removesuffix('.npy')}.npy") if out.name else out
    check_name(target)
    if plots:
        need_matplotlib()
    if columns is not None and not 1 <= columns <= 100:
        raise InstrumentError(f"columns {columns}: must be 1 to 100")
    sweep = _open(source, snapshots, model)
    count = len(sweep.footage.sequence)
    shown = parse_rows(rows, count) if rows else pick_rows(count, _SHEET_ROWS)
    if not shown:
        raise InstrumentError("rows: none is chosen")
    size = _tile_size(tile, sweep.decoder.spec.size)
    frames = Grid(sweep.labels, size, columns) if grid else None
    with together(target.parent, target.stem) as stage:
        found = _judge(sweep, clusters)
        fields = _report(sweep, found)
        names = {"report": f"{target.stem}.report.json", "sheet": f"{target.stem}.png"}
        stage.write(names["report"], json.dumps(fields, indent=1).encode() + b"\n")
        stage.write(names["sheet"], _sheet(sweep, shown))
        if frames is not None:
            names["film"] = f"{target.stem}.grid.mp4"
            _film(sweep, frames, size, stage.path(names["film"]))
        if plots:
            names["plot"] = f"{target.stem}.plot.png"
            stage.write(names["plot"], _figure(sweep, found))
        stage.publish(lambda: _save(sweep, target) if sequences else None)
    made = {what: str(target.with_name(name)) for what, name in names.items()}
    if sequences:
        made["sequences"] = f"{target.with_name(_name(target, 1))} …"
    text = "\n".join([*(f"{what:<7} {path}" for what, path in made.items()), found.to_text()])
    report({**made, **fields}, as_json, text)


def _open(source: Path, snapshots: str, model: str | None) -> _Sweep:
    from instrument.decoder.runtime import open_decoder  # torch: only when it is needed

    footage = open_footage(source)
    playing = models_of(footage.sequence, (model,) if model else (), footage.path)
    if len(playing) > 1:
        raise InstrumentError(f"{footage.path}: shows {len(playing)} models; choose one of them")
    manifest = next(iter(playing.values()))
    chosen = parse_snapshots(snapshots, manifest)
    if len(set(chosen)) < len(chosen):
        raise InstrumentError(f"snapshots {snapshots[:40]!r}: names one twice")
    return _Sweep(footage, manifest, open_decoder(manifest), tuple(chosen))


def _judge(sweep: _Sweep, clusters: int | None) -> Survival:
    """What the edit shows, what each snapshot makes of it, compared."""
    sequence, perception = sweep.footage.sequence, OwnPerception()
    rows = pick_rows(len(sequence), _JUDGED)
    if clusters is not None and not 1 <= clusters <= len(rows):
        raise InstrumentError(f"clusters {clusters}: allowed are 1 to {len(rows)} for as many rows")
    every = [sequence, *sweep.through]
    features = []
    with looking_bar(sweep.footage.path.stem) as tell:
        for some in features_through(every, rows, sweep.decoder, perception):
            features.append(some)
            tell("comparing", len(features) * len(rows), len(every) * len(rows))
    return survival(sweep.snapshots, features[0], features[1:], clusters)


def _report(sweep: _Sweep, found: Survival) -> dict[str, Any]:
    manifest = sweep.manifest
    model = {"name": manifest.name, "sha256": manifest.sha256}
    return {"source": str(sweep.footage.path), "model": model, **found.to_json(sweep.images)}


def _sheet(sweep: _Sweep, rows: Sequence[int]) -> bytes:
    """A line for each of `rows`, a column for each snapshot."""
    size = tile_size(sweep.decoder.spec.size, _SHEET_TILE)
    columns = [
        [fitted(picture, size).copy() for row in rows
         for picture in decode_some(sequence, sweep.decoder, [row])]
        for sequence in sweep.through
    ]  # fmt: skip
    pictures = [column[line] for line in range(len(rows)) for column in columns]
    labels = [
        f"{row}: {snapshot:g}" if first else f"{snapshot:g}"
        for row in rows
        for first, snapshot in ((i == 0, s) for i, s in enumerate(sweep.snapshots))
    ]
    return png(contact_sheet(pictures, len(sweep.snapshots), labels, size))


def _film(sweep: _Sweep, grid: Grid, size: Size, path: Path) -> None:
    sequence = sweep.footage.sequence
    with looking_bar(path.name) as tell:
        with open_film(path, grid.size, sequence.rate, "h264", PROXY) as film:
            for tiles in tiles_through(sweep.through, sweep.decoder, size):
                film.write(grid.frame(tiles))
                tell("filming", film.frames, len(sequence))


def _figure(sweep: _Sweep, found: Survival) -> bytes:
    names = [f"{snapshot:g}" for snapshot in sweep.snapshots]
    return snapshot_figure(names, found.apart, found.order, found.flips)


def _save(sweep: _Sweep, target: Path) -> None:
    for number, sequence in enumerate(sweep.through, 1):
        said = f"{sweep.footage.path.name} at snapshot {sweep.snapshots[number - 1]:g}"
        kept = replace(sequence, source=said)
        save_sequence(target.with_name(_name(target, number, len(sweep.snapshots))), kept)


def _name(target: Path, number: int, count: int = 1) -> str:
    return f"{target.stem}.{number:0{max(2, len(str(count)))}d}.npy"


def _tile_size(text: str | None, picture: Size) -> Size:
    if text is None:
        return tile_size(picture, min(_TILE, max(picture)))
    width, height = parse_size(text)
    return height, width


def _thousands(images: int) -> str:
    return f"{images / 1000:.3g}k" if images >= 1000 else str(images)
