"""``instrument snapshots``: the same z through every moment of a model's training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
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
from instrument.frame import U8
from instrument.latent.sequence import ZSequence, path_named, save_sequence
from instrument.studio.encode import open_film
from instrument.studio.film import Size
from instrument.studio.perception import OwnPerception
from instrument.studio.plots import need_matplotlib, snapshot_figure
from instrument.studio.proxy import PROXY, fitted
from instrument.studio.sheet import contact_sheet, pick_rows
from instrument.studio.sheet_pages import png, tile_size
from instrument.studio.snapshot_grid import Grid
from instrument.studio.snapshot_report import Survival, survival
from instrument.studio.snapshot_sweep import Judge, at_snapshot, features_of, tiles_through
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
    target = path_named(out)
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
    judged = _judged(count, clusters)
    with together(target.parent, target.stem) as stage:
        judge = Judge(len(sweep.snapshots), judged, OwnPerception())
        names = {"report": f"{target.stem}.report.json", "sheet": f"{target.stem}.png"}
        if frames is not None:
            names["film"] = f"{target.stem}.grid.mp4"
        film = stage.path(names["film"]) if frames is not None else None
        stage.write(names["sheet"], _look(sweep, shown, judged, judge, frames, size, film))
        found = _compare(sweep, judged, judge, clusters)
        fields = _report(sweep, found)
        stage.write(names["report"], json.dumps(fields, indent=1).encode() + b"\n")
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


def _judged(count: int, clusters: int | None) -> list[int]:
    """Which rows the report looks at. Raises InstrumentError where they are fewer than kinds."""
    rows = pick_rows(count, _JUDGED)
    if clusters is not None and not 1 <= clusters <= len(rows):
        raise InstrumentError(f"clusters {clusters}: allowed are 1 to {len(rows)} for as many rows")
    return rows


def _look(
    sweep: _Sweep, shown: Sequence[int], judged: Sequence[int], judge: Judge,
    grid: Grid | None, size: Size, film: Path | None,
) -> bytes:  # fmt: skip
    """Decode everything once: write the `film`, let `judge` see; gives the sheet of `shown`.

    Without a film only what the sheet and the report are made of is decoded.
    """
    sequence, through = sweep.footage.sequence, sweep.through
    rows = range(len(sequence)) if film else sorted({*shown, *judged})
    small = tile_size(sweep.decoder.spec.size, _SHEET_TILE)
    kept: dict[tuple[int, int], U8] = {}

    def see(number: int, row: int, picture: U8) -> None:
        judge.see(number, row, picture)
        if row in wanted:
            kept[row, number] = fitted(picture, small).copy()

    wanted = frozenset(shown)
    with looking_bar(sweep.footage.path.stem) as tell, ExitStack() as open_films:
        writer = None
        if film is not None and grid is not None:
            writer = open_films.enter_context(
                open_film(film, grid.size, sequence.rate, "h264", PROXY)
            )
        tiles = tiles_through(through, rows, sweep.decoder, size, see)
        for done, some in enumerate(tiles, 1):
            if writer is not None and grid is not None:
                writer.write(grid.frame(some))
            tell("going through snapshots", done, len(rows))
    return _sheet(sweep, shown, kept, small)


def _compare(sweep: _Sweep, judged: Sequence[int], judge: Judge, clusters: int | None) -> Survival:
    """What the edit shows, held against what each snapshot makes of it."""
    edit = features_of(sweep.footage.sequence, judged, sweep.decoder, OwnPerception())
    return survival(sweep.snapshots, edit, judge.features(), clusters)


def _report(sweep: _Sweep, found: Survival) -> dict[str, Any]:
    manifest = sweep.manifest
    model = {"name": manifest.name, "sha256": manifest.sha256}
    return {"source": str(sweep.footage.path), "model": model, **found.to_json(sweep.images)}


def _sheet(
    sweep: _Sweep, rows: Sequence[int], kept: Mapping[tuple[int, int], U8], size: Size
) -> bytes:
    """A line for each of `rows`, a column for each snapshot."""
    numbers = range(len(sweep.snapshots))
    pictures = [kept[row, number] for row in rows for number in numbers]
    labels = [
        ("" if number else f"row {row}: ") + f"{sweep.snapshots[number]:g}"
        for row in rows
        for number in numbers
    ]
    return png(contact_sheet(pictures, len(sweep.snapshots), labels, size))


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
    if images >= 1_000_000:
        return f"{images / 1_000_000:.3g}M"
    return f"{images / 1000:.3g}k" if images >= 1000 else str(images)
