"""``instrument conform``: an edit and the z-sequences it was cut from → a z-sequence and a report.

The way back, takes on an editor's timeline, is `conform_writing`'s.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from instrument import InstrumentError
from instrument.cli.conform_writing import write_edits
from instrument.cli.console import report
from instrument.cli.edit_sources import find_sources
from instrument.decoder.models import find_model
from instrument.latent.arrays import write_atomically
from instrument.latent.sequence import save_sequence
from instrument.performance.parameters import (
    Parameter,
    direction_parameters,
    instrument_parameters,
    launch_parameters,
)
from instrument.studio.columns import Column
from instrument.studio.conform import Choices, Conformed, conform
from instrument.studio.conform_report import report_of, summary_of
from instrument.studio.edits import read_edit
from instrument.studio.footage import Source
from instrument.studio.gaps import Gap
from instrument.studio.mixes import Dissolve
from instrument.studio.painting import Retime
from instrument.studio.timeline import Timeline
from instrument.timebase import FrameRange, FrameRate

_SNAPSHOT = "/model/snapshot"
_DIRECTIONS = 512  # as many as anybody has


def conform_command(
    edit: Annotated[
        list[Path],
        typer.Argument(
            help="A .kdenlive, .mlt, .otio, .edl, .xml, .fcpxml or .aaf; to write one, takes and "
            "z-sequences."
        ),
    ],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="NAME or NAME.npy.")] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(help="PROXY=Z.npy, again for each; by default the proxy's stem finds it."),
    ] = None,
    track: Annotated[
        str | None, typer.Option(help="One track only: its name, or its number from 1.")
    ] = None,
    sequence: Annotated[
        str | None, typer.Option(help="Of several sequences in the file, this one.")
    ] = None,
    frames: Annotated[
        str | None, typer.Option("--range", help="Only the frames A:B, or timecodes A-B.")
    ] = None,
    retime: Annotated[
        str,
        typer.Option(
            help="nearest: the editor's own frames; path: between rows; auto: as footage allows."
        ),
    ] = "auto",
    dissolve: Annotated[str, typer.Option(help="slerp, hold or spring.")] = "slerp",
    gap: Annotated[str, typer.Option(help="black, hold or slerp.")] = "black",
    rate: Annotated[
        str | None, typer.Option(help="The edit's rate, where its file does not say.")
    ] = None,
    report_to: Annotated[
        Path | None, typer.Option("--report", help="NAME.report.json where absent.")
    ] = None,
    write_otio: Annotated[
        Path | None, typer.Option(help="The way back: write takes onto a timeline, NAME.otio.")
    ] = None,
    write_edl: Annotated[Path | None, typer.Option(help="The same as NAME.edl.")] = None,
    stacked: Annotated[bool, typer.Option(help="Each take on a track of its own.")] = False,
    drop_frame: Annotated[bool, typer.Option(help="Drop-frame timecode in the EDL.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """Apply an edit of proxies to the z-sequences they were made from, or write such an edit."""
    if write_otio is not None or write_edl is not None:
        if out is not None:
            raise InstrumentError("--write-otio and --write-edl name what is written, leave -o out")
        written = write_edits(
            edit, otio=write_otio, edl=write_edl, stacked=stacked, drop=drop_frame
        )
        report(written.to_json(), as_json, str(written))
        return
    if len(edit) != 1 or out is None:
        raise InstrumentError("conform takes one edit and -o NAME, or takes and --write-otio NAME")
    if stacked or drop_frame:
        raise InstrumentError("--stacked and --drop-frame go with --write-otio and --write-edl")
    choices = Choices(
        _one_of("retime", retime, Retime), _one_of("dissolve", dissolve, Dissolve),
        _one_of("gap", gap, Gap),
    )  # fmt: skip
    path = out if out.suffix == ".npy" else out.with_name(out.name + ".npy")
    beside = report_to or path.with_suffix(".report.json")
    _check_places(path, beside)
    own_rate = FrameRate.parse(rate) if rate else None
    timeline = read_edit(edit[0], track=track, sequence=sequence, rate=own_rate)
    if frames is not None:
        timeline = timeline.cut(_parse_range(frames, timeline))
    made = _conformed(timeline, edit[0], source or (), choices, path)
    _save(made, path, beside, edit[0], as_json)


def _check_places(*places: Path) -> None:
    """Refuse what could not be written, before an hour of film is made for it."""
    for place in places:
        if not place.parent.is_dir():
            raise InstrumentError(f"{place}: there is no folder {place.parent}")
        if place.is_dir():
            raise InstrumentError(f"{place}: is a folder")


def _conformed(
    timeline: Timeline, edit: Path, told: Sequence[str], choices: Choices, path: Path
) -> Conformed:
    found = find_sources(timeline, edit, told)
    for source in found.sources:
        if Path(source.origin.path).resolve() == path.resolve():
            raise InstrumentError(f"{path}: is footage of this edit, choose another name")
    known = replace(choices, columns=_columns(found.sources))
    return conform(timeline, found.sources, found.places, known)


def _save(made: Conformed, path: Path, beside: Path, edit: Path, as_json: bool) -> None:
    told = report_of(made)
    told["edit"] = str(edit)
    told["path"] = str(path)
    save_sequence(path, made.sequence)
    with write_atomically(beside) as file:
        file.write(json.dumps(told, indent=1).encode() + b"\n")
    rate = made.sequence.rate
    fields: dict[str, Any] = {
        "path": str(path), "report": str(beside), "frames": len(made.sequence),
        "rate": [rate.num, rate.den], "totals": told["totals"],
        "refused": [entry for entry in told["entries"] if entry["verdict"] == "refused"],
    }  # fmt: skip
    where = f"{path}  ({len(made.sequence)} rows at {rate} /s)"
    report(fields, as_json, f"{where}\n{summary_of(told)}\nreport  {beside}")


def _one_of(option: str, word: str, kind: Any) -> Any:
    allowed = get_args(kind)
    if word not in allowed:
        raise InstrumentError(f"--{option} {word!r}: allowed are {', '.join(allowed)}")
    return word


def _parse_range(text: str, timeline: Timeline) -> FrameRange:
    """Frames ``A:B`` from 0, or the timecodes ``A-B`` that the editor shows, B not among them."""
    stamp = r"(\d{1,3}):(\d\d):(\d\d)[:;](\d\d)"
    match = re.fullmatch(f"{stamp}-{stamp}", text.strip())
    if not match:
        return FrameRange.parse(text, timeline.length)
    numbers = [int(group) for group in match.groups()]
    nominal = -(-timeline.rate.num // timeline.rate.den)
    start, stop = (
        ((hours * 60 + minutes) * 60 + seconds) * nominal + frame - timeline.start
        for hours, minutes, seconds, frame in (numbers[:4], numbers[4:])
    )
    if not 0 <= start < stop <= timeline.length:
        raise InstrumentError(
            f"range {text!r}: must lie within {timeline.timecode(0)}-"
            f"{timeline.timecode(timeline.length)} and hold a frame"
        )
    return FrameRange(start, stop)


def _columns(sources: tuple[Source, ...]) -> dict[str, Column]:
    """What is known of parameters, for footage that lacks some which other footage has."""
    known = (
        *instrument_parameters(snapshots=_snapshots(sources), models=1000, pad_axes=8),
        *direction_parameters(_DIRECTIONS),
        *launch_parameters(),
    )
    return {parameter.address: _column(parameter) for parameter in known}


def _column(parameter: Parameter) -> Column:
    return Column(parameter.default, parameter.curve in ("switch", "steps"))


def _snapshots(sources: tuple[Source, ...]) -> int:
    """How many training snapshots the model has whose footage does not say which it shows."""
    lacking = [s for s in sources if _SNAPSHOT not in s.sequence.addresses]
    if len(lacking) in (0, len(sources)):
        return 1
    try:
        return find_model(lacking[0].sequence.model.name).spec.snapshots
    except InstrumentError:  # a model that is not here: the report says what stands in
        return 1
