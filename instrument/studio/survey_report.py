"""The report of a survey: for programs as JSON, for people as a few lines.

``NAME.report.json`` is read back by whoever picks rows by cluster; `read_report` checks it.
Clusters are numbered from 1, the largest; rows from 0, as everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from instrument import InstrumentError
from instrument.latent.arrays import write_atomically
from instrument.latent.space import F64
from instrument.studio.census import Census, Change, Kind
from instrument.studio.clusters import Clusters

FORMAT = "survey-report/1"
_LARGEST = 1 << 28  # bytes
_SHOWN = 3  # examples in a line of text


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """What was found out about a survey.

    `effective_rows` is Kish's: how many independent rows it is worth. `distances` are edges and
    shares of the histogram of distances between pictures, as `perception` measures them.
    """

    clusters: Clusters
    census: Census
    distinct_rows: int
    effective_rows: float
    perception: str
    distances: tuple[F64, F64]


def report_to_json(findings: Findings, about: Mapping[str, Any]) -> dict[str, Any]:
    """The whole report; `about` says which survey it is of, and how that was drawn."""
    census, clusters = findings.census, findings.clusters
    edges, shares = findings.distances
    fields: dict[str, Any] = {
        "format": FORMAT,
        **about,
        "rows": census.rows,
        "distinct_rows": findings.distinct_rows,
        "effective_rows": round(findings.effective_rows, 2),
        "effective_clusters": round(census.effective_kinds, 3),
        "perception": findings.perception,
        "separated": census.separated,
        "silhouette": round(clusters.silhouette, 4),
        "silhouettes_tried": {str(k): round(v, 4) for k, v in clusters.tried.items()},
        "clusters": [_kind_to_json(kind) for kind in census.kinds],
        "labels": [int(label) + 1 for label in clusters.labels],
        "distances": {
            "edges": [round(edge, 5) for edge in edges.tolist()],
            "shares": shares.tolist(),
        },
    }
    if census.change is not None:
        fields["snapshots"] = _change_to_json(census.change)
    return fields


def report_to_text(findings: Findings) -> str:
    """What people want to know, the largest clusters first."""
    census = findings.census
    lines = [
        f"{census.rows} rows, effective sample size {findings.effective_rows:.0f}; "
        f"{len(census.kinds)} clusters, as various as {census.effective_kinds:.1f} equal ones"
        + ("" if census.separated else " (no islands: a continuum, cut into parts)")
    ]
    lines += [_line(kind) for kind in census.kinds]
    if census.change is not None:
        lines += _change_lines(census.change)
    return "\n".join(lines)


def save_report(path: Path, fields: Mapping[str, Any]) -> None:
    """Write ``NAME.report.json``, whole or not at all."""
    with write_atomically(path) as file:
        file.write(json.dumps(fields, indent=1).encode() + b"\n")


class ReportedCluster(msgspec.Struct, frozen=True):
    """A cluster as far as it matters to whoever picks from it."""

    number: int
    share: float
    examples: list[int]


class Report(msgspec.Struct, frozen=True):
    """What is read back of a report: which cluster every row is of, and the clusters."""

    format: str
    labels: list[int]
    clusters: list[ReportedCluster]


def read_report(path: Path, rows: int | None = None) -> Report:
    """The report at `path`, which must be of a survey of `rows` rows.

    Raises InstrumentError naming the file, and the key that is wrong.
    """
    try:
        with path.open("rb") as file:
            found = msgspec.json.decode(file.read(_LARGEST), type=Report)
    except FileNotFoundError:
        raise InstrumentError(f"{path}: no such report; instrument survey writes one") from None
    except OSError as error:
        raise InstrumentError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InstrumentError(f"{path}: is no report of a survey ({error})") from error
    if found.format != FORMAT:
        raise InstrumentError(f'{path}: format: must be "{FORMAT}"')
    count = len(found.labels)
    if rows is not None and count != rows:
        raise InstrumentError(f"{path}: labels: of {count} rows, the z-sequence has {rows}")
    for cluster in found.clusters:
        if not cluster.examples or not all(0 <= row < count for row in cluster.examples):
            raise InstrumentError(
                f"{path}: clusters: {cluster.number} has examples that are no rows of 0:{count}"
            )
    return found


def _kind_to_json(kind: Kind) -> dict[str, Any]:
    return {
        "number": kind.number,
        "rows": kind.rows,
        "share": kind.share,
        "interval": [round(end, 5) for end in kind.interval],
        "times_even": round(kind.times_even, 3),
        "presence": kind.presence,
        "spread": round(kind.spread, 5),
        "examples": list(kind.examples),
    }


def _change_to_json(change: Change) -> dict[str, Any]:
    return {
        "snapshots": list(change.snapshots),
        "rows": list(change.rows),
        "shares": change.shares.tolist(),
        "total_variation": change.distance.round(5).tolist(),
        "by_chance": change.chance.round(5).tolist(),
    }


def _line(kind: Kind) -> str:
    rows = ", ".join(map(str, kind.examples[:_SHOWN]))
    word = {"over": ", over-represented", "under": ", rare", "even": ""}[kind.presence]
    return (
        f"cluster {kind.number}: {100 * kind.share:.1f} % ({kind.times_even:.1f} x its even "
        f"share{word}), for instance rows {rows}"
    )


def _change_lines(change: Change) -> list[str]:
    """From each snapshot to the next: how far the shares moved, and how far chance moves them."""
    lines = []
    for index in range(1, len(change.snapshots)):
        moved, chance = change.distance[index - 1, index], change.chance[index - 1, index]
        lines.append(
            f"snapshot {change.snapshots[index - 1]:g} to {change.snapshots[index]:g}: "
            f"{100 * moved:.0f} % of the shares moved (chance alone: {100 * chance:.0f} %)"
        )
    return lines
