"""``instrument survey``: many places at once, as a z-sequence, a film, sheets and a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from instrument import InstrumentError
from instrument.cli import survey_rows
from instrument.cli.console import report, say
from instrument.cli.progress import bar
from instrument.cli.sources import parse_size
from instrument.cli.survey_rows import SNAPSHOT, Source, Wish
from instrument.decoder.models import ModelManifest
from instrument.decoder.protocol import Decoder
from instrument.latent.sequence import DEFAULT_RATE, ZSequence, save_sequence, sidecar_of
from instrument.latent.space import F32
from instrument.studio import survey
from instrument.studio.census import Census, spread_of, take_census
from instrument.studio.clusters import Clusters, find_clusters
from instrument.studio.film import Size
from instrument.studio.onlooker import Onlooker, features_of
from instrument.studio.perception import OwnPerception
from instrument.studio.proxy import UNRELATED, proxy_size, write_proxy
from instrument.studio.samples import decode_rows
from instrument.studio.sheet import contact_sheet
from instrument.studio.sheet_pages import (
    TILES,
    SheetPages,
    older_pages,
    page_names,
    png,
    tile_size,
)
from instrument.studio.survey_report import Findings, report_to_json, report_to_text, save_report
from instrument.studio.together import Together, together
from instrument.timebase import FrameRate

_AROUND_DEGREES = 10.0  # where --around says no --noise: the same kind of picture, another one


def survey_command(
    out: Annotated[Path, typer.Option("-o", "--out", help="NAME: what all files are called.")],
    count: Annotated[int, typer.Option(help="How many rows.")] = 1000,
    seed: Annotated[int, typer.Option(help="Another seed, another survey.")] = 0,
    model: Annotated[
        str | None, typer.Option(help="A model; by default the bundled one, or the source's.")
    ] = None,
    space: Annotated[str | None, typer.Option(help="z, w or layers.")] = None,
    snapshots: Annotated[
        str | None,
        typer.Option(help="0,9,27, 4:8, all, first, newest: a block of rows for each."),
    ] = None,
    around: Annotated[Path | None, typer.Option(help="Z.npy: neighbours of its rows.")] = None,
    balance: Annotated[
        Path | None, typer.Option(help="Z.npy, edited: its rows are drawn as often as they occur.")
    ] = None,
    rows: Annotated[str | None, typer.Option(help="3,10:20: only these rows of Z.npy.")] = None,
    noise: Annotated[
        float | None, typer.Option(help="How far from Z.npy's rows, degrees (RMS).")
    ] = None,
    even: Annotated[
        bool, typer.Option("--even", help="With --balance: every cluster equally often.")
    ] = False,
    truncation: Annotated[float | None, typer.Option(help="0..1, as /model/truncation.")] = None,
    rate: Annotated[str | None, typer.Option(help="Of the film, frames a second.")] = None,
    size: Annotated[str | None, typer.Option(help="Of the film, WIDTHxHEIGHT.")] = None,
    label: Annotated[
        bool, typer.Option("--label", help="Burn row and timecode into the film.")
    ] = False,
    sheet: Annotated[bool, typer.Option(help="Write contact sheets.")] = True,
    tiles: Annotated[int, typer.Option(help="Pictures on a contact sheet.")] = TILES,
    clusters: Annotated[int | None, typer.Option(help="How many; found out if absent.")] = None,
    report_path: Annotated[
        Path | None, typer.Option("--report", help="By default NAME.report.json.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """See what a model knows: many places, their pictures, and how often each kind comes."""
    _check_together(around, balance, rows, noise, even)
    degrees = (_AROUND_DEGREES if around else 0.0) if noise is None else noise
    frame_rate = FrameRate.parse(rate) if rate else DEFAULT_RATE
    wish = Wish(count, seed, frame_rate, model, space, snapshots, truncation, degrees)
    shown = Shown(
        parse_size(size)[::-1] if size else None, label, tiles if sheet else None, clusters
    )
    made = make_survey(_target(out), wish, shown, around, balance, rows, even, report_path)
    report(made.to_json(), as_json, made.text())


@dataclass(frozen=True, slots=True)
class Shown:
    """How a survey is shown: `size` (height, width) of the film, `tiles` a sheet or none."""

    size: Size | None = None
    label: bool = False
    tiles: int | None = TILES
    clusters: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """What was written, and what it says."""

    sequence: Path
    proxy: Path
    sheets: tuple[Path, ...]
    report: Path
    findings: Findings
    seed: int
    model: str

    def to_json(self) -> dict[str, Any]:
        """The summary for programs."""
        census = self.findings.census
        clusters = [
            {"number": k.number, "share": k.share, "times_even": k.times_even,
             "examples": list(k.examples)}
            for k in census.kinds
        ]  # fmt: skip
        return {
            "sequence": str(self.sequence), "proxy": str(self.proxy),
            "sheets": [str(path) for path in self.sheets], "report": str(self.report),
            "rows": census.rows, "seed": self.seed, "model": self.model,
            "effective_rows": self.findings.effective_rows, "clusters": clusters,
        }  # fmt: skip

    def text(self) -> str:
        """The summary for people."""
        sheets = ""
        if self.sheets:
            more = f" … {self.sheets[-2].name}" if len(self.sheets) > 2 else ""
            sheets = f"sheets   {self.sheets[0]}{more}, {self.sheets[-1].name}\n"
        return (
            f"rows     {self.sequence}\nfilm     {self.proxy}\n{sheets}report   {self.report}\n"
            + report_to_text(self.findings)
        )


def make_survey(
    target: Path, wish: Wish, shown: Shown, around: Path | None = None,
    balance: Path | None = None, rows: str | None = None, even: bool = False,
    report_path: Path | None = None,
) -> Made:  # fmt: skip
    """Write ``NAME.npy``, the `target`, and all that goes with it: all, or nothing at all."""
    path = around or balance
    source = None if path is None else survey_rows.open_source(path, rows, wish)
    if path is not None and path.resolve() == target.resolve():
        raise InstrumentError(f"{target}: is what the survey starts from; choose another name")
    with together(target.parent, target.stem) as stage:
        if source is None:
            sequence, manifest = survey_rows.unbiased_rows(wish)
            decoder, about, picked = _open(manifest), {}, None
        else:
            manifest = source.manifest
            decoder = _open(manifest)
            picked, about = _pick(source, decoder, wish, shown, balance is not None, even)
            how = "drawn from" if balance else "around"
            sequence = survey_rows.rows_of(source, picked, wish, how)
        features, sheets = _film(stage, target.stem, sequence, decoder, shown)
        findings = _find_out(sequence, features, shown, wish, _sources(source, picked))
        if shown.tiles is not None:
            name = f"{target.stem}.clusters.png"
            _write_clusters(stage.path(name), sequence, decoder, findings.census)
            sheets.append(name)
        written = _report(stage, target, sequence, findings, about, wish, report_path)
        stage.publish(lambda: save_sequence(target, sequence))
    for old in older_pages(target.parent, target.stem, sheets) if sheets else []:
        old.unlink(missing_ok=True)
    paths = tuple(target.with_name(name) for name in sheets)
    proxy = target.with_suffix(".mp4")
    return Made(target, proxy, paths, written, findings, wish.seed, manifest.name)


def _check_together(
    around: Path | None, balance: Path | None, rows: str | None, noise: float | None, even: bool
) -> None:
    if around and balance:
        raise InstrumentError("--around and --balance: a survey has one of them")
    if not around and not balance:
        for option, given in (("--rows", rows), ("--noise", noise)):
            if given is not None:
                raise InstrumentError(f"{option}: goes with --around Z.npy or --balance Z.npy")
    if even and not balance:
        raise InstrumentError("--even: goes with --balance Z.npy")


def _target(out: Path) -> Path:
    """``NAME.npy`` for ``NAME`` or ``NAME.npy``."""
    name = out.name.removesuffix(".npy")
    if not name or name.endswith((".params", ".trace")):
        raise InstrumentError(f"{out}: must be NAME, of which NAME.npy and NAME.mp4 are made")
    return out.with_name(f"{name}.npy")


def _open(manifest: ModelManifest) -> Decoder:
    from instrument.decoder.runtime import open_decoder  # torch: only when it is needed

    return open_decoder(manifest)


def _pick(
    source: Source, decoder: Decoder, wish: Wish, shown: Shown, balanced: bool, even: bool
) -> tuple[survey.Rows, dict[str, Any]]:
    """Which rows of `source` the survey has, and what the report says of how."""
    held = source.sequence
    about: dict[str, Any] = {"from": str(source.path), "noise_degrees": wish.noise}
    if not balanced:
        about |= {"how": "around", "around_rows": source.rows.tolist()}
        return survey.in_turn(range(len(held)), wish.count), about
    first, which = survey.distinct(*survey_rows.columns_of(held))
    labels = None
    if even:
        say(f"looking at {len(first)} rows of {source.path.name}, to even them out")
        features = features_of(held, first.tolist(), decoder, OwnPerception())
        found = find_clusters(features, shown.clusters, wish.seed)
        labels = found.labels[which]
        about["clusters_before"] = np.bincount(labels).tolist()
    weights = survey_rows.weights_of(source, labels)
    effective = survey.effective_size(np.bincount(which, weights))
    about |= {
        "how": "balance", "even": even, "prior_rows": len(held),
        "prior_distinct_rows": len(first), "prior_effective_rows": round(effective, 2),
    }  # fmt: skip
    return survey.drawn(weights, wish.count, wish.seed), about


def _sources(source: Source | None, picked: survey.Rows | None) -> survey.Rows | None:
    """Which of the distinct rows it came from, for each row of a survey; None where from none."""
    if source is None or picked is None:
        return None
    _, which = survey.distinct(*survey_rows.columns_of(source.sequence))
    return which[picked]


def _film(
    stage: Together, stem: str, sequence: ZSequence, decoder: Decoder, shown: Shown
) -> tuple[F32, list[str]]:
    """Write the proxy and the sheets; the features of all pictures, and the sheets' names."""
    spec = decoder.spec
    pages = None if shown.tiles is None else SheetPages(spec.size, shown.tiles)
    onlooker = Onlooker(OwnPerception(), pages)
    size = shown.size or proxy_size(spec.size)
    with bar(len(sequence), f"surveying {spec.name}") as tell:
        write_proxy(
            stage.path(f"{stem}.mp4"), sequence, decoder, size=size, label=shown.label,
            quality=UNRELATED, see=onlooker.see, progress=tell, allow_other_model=True,
        )  # fmt: skip
    made = [] if pages is None else pages.pages()
    names = page_names(stem, len(made)) if made else []
    for name, page in zip(names, made, strict=True):
        stage.path(name).write_bytes(page)
    return onlooker.features(), names


def _find_out(
    sequence: ZSequence, features: F32, shown: Shown, wish: Wish, sources: survey.Rows | None
) -> Findings:
    """The census of what was seen."""
    found: Clusters = find_clusters(features, shown.clusters, wish.seed)
    first, which = survey.distinct(*survey_rows.columns_of(sequence))
    effective = survey.effective_size(
        np.bincount(which if sources is None else sources).astype(np.float64)
    )
    census = take_census(found, sequence.column(SNAPSHOT), wish.seed)
    return Findings(
        found, census, len(first), effective, OwnPerception.name, spread_of(features, wish.seed)
    )


def _write_clusters(path: Path, sequence: ZSequence, decoder: Decoder, census: Census) -> None:
    """A sheet with a line for each cluster: the pictures nearest to its centre."""
    pictures, labels, across = [], [], max(len(kind.examples) for kind in census.kinds)
    for kind in census.kinds:
        found = decode_rows(sequence, decoder, kind.examples)
        texts = [str(row) for row in kind.examples]
        texts[0] = f"{kind.number}: {100 * kind.share:.1f} %  {texts[0]}"
        nothing = np.zeros_like(found[0])
        pictures += [*found, *[nothing] * (across - len(found))]
        labels += [*texts, *[""] * (across - len(found))]
    sheet = contact_sheet(pictures, across, labels, tile_size(decoder.spec.size))
    path.write_bytes(png(sheet))


def _report(
    stage: Together, target: Path, sequence: ZSequence, findings: Findings,
    about: dict[str, Any], wish: Wish, report_path: Path | None,
) -> Path:  # fmt: skip
    """Write the report, among the other files unless it is to lie elsewhere."""
    model = {"name": sequence.model.name, "sha256": sequence.model.sha256}
    said = {"sequence": target.name, "source": sequence.source, "model": model, "seed": wish.seed}
    fields = report_to_json(findings, {**said, "how": "unbiased", **about})
    name = f"{target.stem}.report.json"
    path = report_path or target.with_name(name)
    if path.resolve() in (target.resolve(), sidecar_of(target).resolve()):
        raise InstrumentError(f"{path}: has the name of the z-sequence; choose another --report")
    save_report(stage.path(name) if report_path is None else path, fields)
    return path
