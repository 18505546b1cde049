"""``instrument bench``: what the instrument itself costs, measured here and now."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from instrument import InstrumentError
from instrument.bench import history
from instrument.bench.child import measured_apart
from instrument.bench.compare import Verdict, compare_commits
from instrument.bench.machine import clone_of, commit_of
from instrument.bench.parts import Part, chosen
from instrument.bench.rows import Effort, Row, is_missed
from instrument.cli.console import say
from instrument.latent.arrays import write_atomically

_QUICK, _FULL, _PAIRS = 2, 9, 10  # rounds
_PIPED = 140  # columns where nobody says how wide it is


def bench(
    only: Annotated[
        str | None, typer.Option(help="Only these parts: a,c. See the README for what they are.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every part, thoroughly: half an hour and more.")
    ] = False,
    rounds: Annotated[int | None, typer.Option(help="How often to measure everything.")] = None,
    hours: Annotated[float, typer.Option(help="How long the long show (i) is, simulated.")] = 1.0,
    compare: Annotated[
        str | None,
        typer.Option(
            help="Measure side by side with this commit; history: with the one measured before."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--json", "-o", help="Also write what was measured here.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw figures into this folder.")] = None,
) -> None:
    """Measure what the instrument costs beside the model. About a minute; --all takes longer.

    With --compare: exit 1 where something became dearer by more than a tenth, surely.
    """
    parts = chosen(only, everything, compare is not None)
    _check(rounds, hours, out, plot)
    if compare is not None:
        _compare(compare, parts, rounds or _PAIRS, out)
        return
    effort = Effort(rounds or (_FULL if everything else _QUICK), everything, hours)
    documents = _measured(parts, effort)
    run = history.document(documents)
    file = history.history_file()
    _tell(documents)
    if out is not None:
        _write(out, (json.dumps(run, indent=1) + "\n").encode())
    try:
        history.append(file, run)
    except InstrumentError as error:  # what was measured is told already
        say(f"not kept: {error}")
    if plot is not None:
        _draw(plot, documents, file)


def _check(rounds: int | None, hours: float, out: Path | None, plot: Path | None) -> None:
    """What is wrong is said before anything is measured."""
    if rounds is not None and not 1 <= rounds <= 1000:
        raise InstrumentError(f"--rounds {rounds}: must be 1 to 1000")
    if not 0.001 <= hours <= 1000:
        raise InstrumentError(f"--hours {hours:g}: must be .001 to 1000")
    if out is not None and not out.absolute().parent.is_dir():
        raise InstrumentError(f"--json {out}: no such folder")
    if plot is not None:
        from instrument.bench.plots import need_matplotlib

        need_matplotlib()


def _measured(parts: list[Part], effort: Effort) -> list[dict[str, Any]]:
    documents = []
    with tempfile.TemporaryDirectory() as folder:
        for part in parts:
            say(f"{part.letter}: {part.title}")
            document = measured_apart(part, effort, Path(folder) / "rows.json")
            if "skipped" in document:
                say(f"{part.letter}: {part.title}: left out, {document['skipped']}")
            documents.append(document)
    return documents


# --- what people read


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _PIPED, highlight=False)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        table.add_column(
            heading, justify="right" if number else "left", overflow="fold", no_wrap=False
        )
    return table


def _tell(documents: list[dict[str, Any]]) -> None:
    table = _table("what", "measured", "quartiles", "n", "target", "beside", "")
    rows: list[Row] = [row for document in documents for row in document["rows"]]
    for row in rows:
        table.add_row(*_cells(row))
    console = _console()
    console.print(table)
    scale = [row for row in rows if "scale" in row["about"]]
    if scale:
        at_scale = _table("at scale", "what", "measured", "target")
        for row in scale:
            at_scale.add_row(row["about"]["scale"], row["name"], _figure(row), _number(row))
        console.print()
        console.print(at_scale)
    if any(row["doubtful"] for row in rows):
        say("? doubtful: the machine was busy with other things, or could not keep up")


def _cells(row: Row) -> list[str]:
    low, high = row["quartiles"]
    beside = "" if row["background"] is None else f"{row['background']:.2f} cores"
    mark = "<- missed " if is_missed(row) else ""
    return [
        row["name"], _figure(row), f"{low:g} – {high:g}", str(row["n"]), _number(row), beside,
        mark + ("?" if row["doubtful"] else ""),
    ]  # fmt: skip


def _figure(row: Row) -> str:
    return f"{row['value']:g} {row['unit']}".strip()


def _number(row: Row) -> str:
    if row["target"] is None:
        return ""
    return f"{'≤' if row['better'] == 'lower' else '≥'} {row['target']:.4g}"


# --- two versions


def _compare(wanted: str, parts: list[Part], pairs: int, out: Path | None) -> None:
    clone = clone_of()
    if clone is None:
        raise InstrumentError("--compare needs the clone: an installed instrument has no history")
    revision = _revision(wanted, clone)
    commit, verdicts = compare_commits(clone, revision, parts, pairs, say)
    table = _table("what", commit[:12], "here", "ratio", "19 of 20", "pairs", "")
    for one in verdicts:
        table.add_row(
            one.name, f"{one.old:g} {one.unit}", f"{one.new:g} {one.unit}", f"{one.ratio:.3f}",
            f"{one.low:.3f} – {one.high:.3f}", str(one.pairs),
            one.word + (" ?" if one.doubtful else ""),
        )  # fmt: skip
    _console().print(table)
    if out is not None:
        compared = {"against": commit, "verdicts": [one.to_json() for one in verdicts]}
        run = {**history.document([]), **compared}
        _write(out, (json.dumps(run, indent=1) + "\n").encode())
    _judge(verdicts, commit)


def _judge(verdicts: list[Verdict], commit: str) -> None:
    slower = [f"{one.name} × {one.ratio:.2f}" for one in verdicts if one.is_regression]
    if slower:
        raise InstrumentError(f"dearer than at {commit[:12]}: {'; '.join(slower)}")
    say(f"nothing is surely dearer by a tenth than at {commit[:12]}")


def _revision(wanted: str, clone: Path) -> str:
    """What to compare with: a commit's name, or the newest other one of a history file."""
    path = Path(wanted)
    if wanted != "history" and not (path.suffix == ".jsonl" and path.is_file()):
        return wanted
    runs = history.read_history(history.history_file() if wanted == "history" else path)
    _tell_damage(runs)
    commit = runs.commit_before(commit_of(clone)["commit"])
    say(f"the last that was measured on this machine: {commit[:12]}")
    return commit


# --- files


def _tell_damage(runs: history.History) -> None:
    if runs.damaged:
        say(f"{runs.path}: {runs.damaged} damaged lines are left out")


def _draw(folder: Path, documents: list[dict[str, Any]], file: Path) -> None:
    from instrument.bench.plots import growth_figure, history_figure, target_figure

    runs = history.read_history(file)
    _tell_damage(runs)
    figures = {
        "targets.png": target_figure(documents),
        "growth.png": growth_figure(documents),
        "history.png": history_figure(runs.here()),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InstrumentError(f"{folder}: cannot be written ({error.strerror})") from error
    for name, figure in figures.items():
        if figure is not None:
            _write(folder / name, figure)
            say(f"drew {folder / name}")


def _write(path: Path, data: bytes) -> None:
    with write_atomically(path) as file:
        file.write(data)
