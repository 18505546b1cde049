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
from instrument.cli.survey_rows import Source, Start, Wish
from instrument.decoder.models import ModelManifest
from instrument.decoder.protocol import Decoder
from instrument.latent.sequence import DEFAULT_RATE, ZSequence, save_sequence, sidecar_of
from instrument.latent.space import F64
from instrument.studio import survey
from instrument.studio.clusters import find_clusters
from instrument.studio.onlooker import features_of
from instrument.studio.perception import OwnPerception
from instrument.studio.sheet_pages import TILES, older_pages
from instrument.studio.survey_film import (
    Showing,
    clusters_sheet,
    columns_of,
    film_survey,
    find_out,
)
from instrument.studio.survey_report import Findings, report_to_json, report_to_text, save_report
from instrument.studio.together import Together, together
from instrument.timebase import FrameRate

_AROUND_DEGREES = 10.0  # where --around says no --noise: the same kind of picture, another one


def survey_command(
    out: Annotated[Path, typer.Option("-o", "--out", help="NAME: what all files are called.")],
    count: Annotated[int, typer.Option(help="How many rows, of all snapshots together.")] = 1000,
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
        float | None,
        typer.Option(help="Degrees (RMS) from Z.npy's rows; 10 with --around, 0 with --balance."),
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
    start = _start(around, balance, rows, noise, even)
    degrees = (_AROUND_DEGREES if around else 0.0) if noise is None else noise
    frame_rate = FrameRate.parse(rate) if rate else DEFAULT_RATE
    wish = Wish(count, seed, frame_rate, model, space, snapshots, truncation, degrees)
    film_size = parse_size(size)[::-1] if size else None
    showing = Showing(film_size, label, tiles if sheet else None, clusters)
    made = make_survey(_target(out), wish, start, showing, report_path)
    report(made.to_json(), as_json, made.text())


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
    about: dict[str, Any]

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
            "effective_rows": self.findings.effective_rows, "clusters": clusters, **self.about,
        }  # fmt: skip

    def text(self) -> str:
        """The summary for people."""
        names = [path.name for path in self.sheets]
        if len(names) > 4:
            names[2:-2] = ["…"]
        sheets = f"sheets   {', '.join(names)}\n" if names else ""
        return (
            f"rows     {self.sequence}\nfilm     {self.proxy}\n{sheets}report   {self.report}\n"
            + self._evened()
            + report_to_text(self.findings)
        )

    def _evened(self) -> str:
        """How much more evenly the clusters of the source occur, where that was asked for."""
        if not self.about.get("even"):
            return ""
        before, now = (
            f"{100 * min(shares):.0f} to {100 * max(shares):.0f} %"
            for shares in (self.about["prior_shares"], self.about["drawn_shares"])
        )
        count, source = len(self.about["prior_shares"]), self.about["from"]
        return f"evened   {count} clusters of {source}: from {before} to {now}\n"


def make_survey(
    target: Path, wish: Wish, start: Start | None, showing: Showing, report_path: Path | None
) -> Made:
    """Write ``NAME.npy``, the `target`, and all that goes with it: all, or nothing at all."""
    if start is not None and start.path.resolve() == target.resolve():
        raise InstrumentError(f"{target}: is what the survey starts from; choose another name")
    perception = OwnPerception()
    with together(target.parent, target.stem) as stage:
        drawn = _draw(wish, start, showing.clusters)
        sequence, decoder = drawn.sequence, drawn.decoder
        with bar(len(sequence), f"surveying {decoder.spec.name}") as tell:
            filmed = film_survey(stage, target.stem, sequence, decoder, perception, showing, tell)
        findings = find_out(
            sequence, filmed.features, perception, showing.clusters, wish.seed, drawn.origins
        )
        sheets = filmed.sheets
        if sheets:
            sheets = (*sheets, f"{target.stem}.clusters.png")
            stage.write(sheets[-1], clusters_sheet(sequence, decoder, findings.census.kinds))
        written = _report(stage, target, drawn, findings, report_path)
        stage.publish(lambda: save_sequence(target, sequence))
    for old in older_pages(target.parent, target.stem, filmed.sheets) if sheets else []:
        old.unlink(missing_ok=True)
    paths = tuple(target.with_name(name) for name in sheets)
    return Made(target, target.with_suffix(".mp4"), paths, written, findings, wish.seed,
                decoder.spec.name, drawn.about)  # fmt: skip


def _start(
    around: Path | None, balance: Path | None, rows: str | None, noise: float | None, even: bool
) -> Start | None:
    """What the options say a survey starts from; None for nothing. Raises InstrumentError."""
    if around and balance:
        raise InstrumentError("--around and --balance: a survey has one of them")
    if even and not balance:
        raise InstrumentError("--even: goes with --balance Z.npy")
    path = around or balance
    if path is not None:
        return Start(path, rows, balance is not None, even)
    for option, given in (("--rows", rows), ("--noise", noise)):
        if given is not None:
            raise InstrumentError(f"{option}: goes with --around Z.npy or --balance Z.npy")
    return None


def _target(out: Path) -> Path:
    """``NAME.npy`` for ``NAME`` or ``NAME.npy``."""
    name = out.name.removesuffix(".npy")
    if name in ("", "..") or name.endswith((".params", ".trace")):
        raise InstrumentError(f"{out}: must be NAME, of which NAME.npy and NAME.mp4 are made")
    return out.with_name(f"{name}.npy")


def _open(manifest: ModelManifest) -> Decoder:
    from instrument.decoder.runtime import open_decoder  # torch: only when it is needed

    return open_decoder(manifest)


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """The rows of a survey, what they are seen through, and what the report says of them.

    `origins` says which of the rows it was drawn from each comes from; None where from none.
    """

    sequence: ZSequence
    decoder: Decoder
    about: dict[str, Any]
    origins: survey.Rows | None = None


def _draw(wish: Wish, start: Start | None, clusters: int | None) -> Drawn:
    """The rows that were asked for. Raises InstrumentError."""
    if start is None:
        sequence, manifest = survey_rows.unbiased_rows(wish)
        return Drawn(sequence, _open(manifest), {"how": "unbiased"})
    source = survey_rows.open_source(start, wish)
    decoder = _open(source.manifest)
    held = source.sequence
    _, which = survey.distinct(*columns_of(held))
    if start.balanced:
        labels = _evening(source, decoder, clusters, wish.seed) if start.even else None
        weights = np.ones(len(held)) if labels is None else survey.evened(labels)
        picked = survey.drawn(weights, wish.count, wish.seed)
        about = _prior(which, weights, labels, picked)
    else:
        picked = survey.in_turn(range(len(held)), wish.count)
        about = {"how": "around", "around_rows": source.rows.tolist()}
    how = "drawn from" if start.balanced else "around"
    sequence = survey_rows.rows_of(source, picked, wish, how)
    said = {"from": str(start.path), "noise_degrees": wish.noise}
    return Drawn(sequence, decoder, {**said, **about}, which[picked])


def _evening(source: Source, decoder: Decoder, clusters: int | None, seed: int) -> survey.Rows:
    """Which cluster each row of `source` is of, by the look of its pictures."""
    held = source.sequence
    first, which = survey.distinct(*columns_of(held))
    say(f"looking at {len(first)} rows of {source.path.name}, to even them out")
    features = features_of(held, first.tolist(), decoder, OwnPerception())
    return np.asarray(find_clusters(features, clusters, seed).labels[which])


def _prior(
    which: survey.Rows, weights: F64, labels: survey.Rows | None, picked: survey.Rows
) -> dict[str, Any]:
    """What the report says of the set that rows were drawn from."""
    repeats = np.bincount(which, weights).astype(np.float64)
    about: dict[str, Any] = {
        "how": "balance", "even": labels is not None, "prior_rows": len(which),
        "prior_distinct_rows": len(repeats),
        "prior_effective_rows": round(survey.effective_size(repeats), 2),
    }  # fmt: skip
    if labels is not None:
        about["prior_shares"] = _shares(labels, labels)
        about["drawn_shares"] = _shares(labels[picked], labels)
    return about


def _shares(labels: survey.Rows, of: survey.Rows) -> list[float]:
    """The share of each of the clusters in `of` among `labels`."""
    counts = np.bincount(labels, minlength=int(of.max()) + 1)
    return [round(share, 5) for share in (counts / len(labels)).tolist()]


def _report(
    stage: Together, target: Path, drawn: Drawn, findings: Findings, elsewhere: Path | None
) -> Path:
    """Write the report, among the other files unless it is to lie `elsewhere`."""
    sequence = drawn.sequence
    model = {"name": sequence.model.name, "sha256": sequence.model.sha256}
    said = {"sequence": target.name, "source": sequence.source, "model": model}
    fields = report_to_json(findings, {**said, "seed": sequence.seed, **drawn.about})
    if elsewhere is None:
        name = f"{target.stem}.report.json"
        save_report(stage.path(name), fields)
        return target.with_name(name)
    if elsewhere.resolve() in (target.resolve(), sidecar_of(target).resolve()):
        raise InstrumentError(f"{elsewhere}: has the name of the z-sequence; choose another")
    save_report(elsewhere, fields)
    return elsewhere
