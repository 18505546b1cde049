"""``instrument trace``: a row of a z-sequence, led back to the rows it first came from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from instrument import InstrumentError
from instrument.cli.console import report
from instrument.latent.sequence import ZSequence, load_sequence
from instrument.latent.trace import Origin, origin_of, rows_behind
from instrument.timebase import timecode

_DEEPEST, _MOST = 200, 10_000  # steps one after another, and in all


@dataclass(frozen=True, slots=True)
class Step:
    """One place on the way back: a row of a file, how much of it there is, and what is wrong."""

    depth: int
    path: str
    row: float
    share: float
    state: str  # "made", "first", "changed", "missing", "cycle"
    source: str = ""

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "depth": self.depth, "path": self.path, "row": self.row,
            "share": round(self.share, 9), "state": self.state, "source": self.source,
        }  # fmt: skip


@dataclass(slots=True)
class Archive:
    """The z-sequences on the way back, each opened once, and whether they are what they were."""

    _opened: dict[str, ZSequence | None] = field(default_factory=dict)
    _states: dict[Origin, str] = field(default_factory=dict)

    def sequence(self, path: Path) -> ZSequence | None:
        """What lies at `path`; None where it cannot be read."""
        key = str(path)
        if key not in self._opened:
            try:
                self._opened[key] = load_sequence(path)
            except InstrumentError:
                self._opened[key] = None
        return self._opened[key]

    def state(self, origin: Origin) -> str:
        """Whether `origin` is there, and holds what it held."""
        if origin not in self._states:
            self._states[origin] = _state_of(origin)
        return self._states[origin]


def trace_command(
    source: Annotated[Path, typer.Argument(help="A z-sequence NAME.npy, or a take.")],
    row: Annotated[
        str | None, typer.Option(help="A row, from 0, or a timecode HH:MM:SS:FF from its start.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Lead rows back through every step to where they first came from."""
    path = source / "z.npy" if source.is_dir() else source
    sequence = load_sequence(path)
    archive = Archive()
    if row is not None:
        number = _parse_row(row, sequence)
        steps = list(islice(steps_back(path, float(number), archive), _MOST + 1))
        if len(steps) > _MOST:
            raise InstrumentError(f"{path}: row {number} was made in more than {_MOST} steps")
        fields = {"path": str(path), "row": number, "steps": [step.to_json() for step in steps]}
        report(fields, as_json, "\n".join(_line(step) for step in steps))
        return
    origins = [
        {"path": o.path, "sha256": o.sha256, "frames": o.frames, "state": archive.state(o)}
        for o in (sequence.trace.origins if sequence.trace else ())
    ]
    fields = {"path": str(path), "frames": len(sequence), "origins": origins,
              "source": sequence.source}  # fmt: skip
    report(fields, as_json, _overview(path, sequence, archive))


def steps_back(
    path: Path, row: float, archive: Archive, share: float = 1.0, above: tuple[str, ...] = ()
) -> Iterator[Step]:
    """Every place that `row` of `path` leads back to, the nearest first, each with its share."""
    sequence, depth = archive.sequence(path), len(above)
    if sequence is None or not 0 <= row <= len(sequence) - 1:
        yield Step(depth, str(path), row, share, "missing")
        return
    here = f"{path.resolve()}"
    if here in above or depth >= _DEEPEST:
        yield Step(depth, str(path), row, share, "cycle", sequence.source)
        return
    behind = rows_behind(sequence.trace, row) if sequence.trace else []
    yield Step(depth, str(path), row, share, "made" if behind else "first", sequence.source)
    for origin, place, part in behind:
        if (state := archive.state(origin)) == "there":
            yield from steps_back(Path(origin.path), place, archive, share * part, (*above, here))
        else:  # what lies in another file now says nothing of this row
            yield Step(depth + 1, origin.path, place, share * part, state)


def _state_of(origin: Origin) -> str:
    try:
        found = origin_of(Path(origin.path))
    except InstrumentError:
        return "missing"
    return "there" if found.sha256 == origin.sha256 else "changed"


def _parse_row(text: str, sequence: ZSequence) -> int:
    stamp = re.fullmatch(r"(\d{1,3}):(\d\d):(\d\d)[:;](\d\d)", text.strip())
    if stamp:
        hours, minutes, seconds, frame = (int(group) for group in stamp.groups())
        nominal = math.ceil(sequence.rate.num / sequence.rate.den)
        row = ((hours * 60 + minutes) * 60 + seconds) * nominal + frame
    elif re.fullmatch(r"\d{1,9}", text.strip()):
        row = int(text)
    else:
        raise InstrumentError(f"row {text[:40]!r}: write it as 120, or as 00:00:04:00")
    if row >= len(sequence):
        last = timecode(len(sequence) - 1, sequence.rate)
        raise InstrumentError(f"row {text}: allowed are 0 to {len(sequence) - 1}, or to {last}")
    return row


def _line(step: Step) -> str:
    share = f"  {100 * step.share:.4g} %" if step.share < 1.0 else ""
    said = {"made": "", "first": "  the first there is", "cycle": "  leads back to itself"}
    state = said.get(step.state, f"  {step.state}")
    source = f"  ({step.source})" if step.source else ""
    return f"{'  ' * step.depth}{step.path}  row {step.row:g}{share}{source}{state}"


def _overview(path: Path, sequence: ZSequence, archive: Archive) -> str:
    lines = [f"{path}  {len(sequence)} rows  {sequence.source}".rstrip()]
    if sequence.trace is None:
        return f"{lines[0]}\nno trace: its rows are the first there are"
    for number, origin in enumerate(sequence.trace.origins):
        rows = sequence.trace.rows
        used = int(((rows[:, 0] == number) | (rows[:, 2] == number)).sum())
        state = archive.state(origin)
        lines.append(
            f"  {origin.path}  in {used} rows  {'' if state == 'there' else state}".rstrip()
        )
    return "\n".join(lines)
