"""(g) Conform of an edit of so many minutes, with 2,000 clips to the hour, from file to disk.

`read` the edit (an .mlt file), `open` the footage (map it, look for numbers that are none, take its
SHA-256), `conform` (`plan` apart: what every frame shows, before any z is looked at), and `write`
z, trace, sidecar and report.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from instrument import InstrumentError
from instrument.bench.load import Background
from instrument.bench.rows import Effort, Row, row
from instrument.bench.stage import workspace
from instrument.bench.turns import in_turn
from instrument.latent.sequence import ZSequence, load_sequence, save_sequence
from instrument.latent.space import LatentSpec
from instrument.studio.conform import Choices, Conformed, conform
from instrument.studio.conform_report import report_of
from instrument.studio.edits import read_edit
from instrument.studio.footage import open_source
from instrument.studio.painting import Painter
from instrument.timebase import FrameRate, WallClock

RATE, CLIPS, DIMS = 30, 2000, 512  # clips an hour
KINDS = ("cuts", "mixes")  # cuts alone; every row a mix of two
_TARGETS = {"cuts": 1.0, "mixes": 6.0}  # s for an hour
_HEAD = """<mlt LC_NUMERIC="C" root="" producer="main">
<profile width="320" height="180" progressive="1" frame_rate_num="30" frame_rate_den="1"/>
<producer id="A"><property name="resource">footage.mp4</property>
<property name="mlt_service">avformat</property></producer>
"""


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """What came of one edit, and the seconds of each step; `plan` was done a second time."""

    conformed: Conformed
    report: dict[str, object]
    seconds: dict[str, float]

    @property
    def total(self) -> float:
        """From the file to the disk."""
        return sum(self.seconds[step] for step in ("read", "open", "conform", "write"))


def measure(effort: Effort, minutes: float | None = None) -> list[Row]:
    """Seconds that an hour would take, for cuts and for mixes."""
    minutes = minutes or (60.0 if effort.full else 6.0)
    with workspace() as folder:
        edits = write_edits(folder, minutes)
        steps: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}

        def once(kind: str) -> float:
            made = conform_once(edits[kind], folder / f"{kind}.out.npy")
            steps[kind].append(made.seconds)
            return made.total * 60.0 / minutes

        with Background() as background:
            works = {kind: (lambda kind=kind: once(kind)) for kind in KINDS}
            taken = in_turn(works, effort.rounds)
        for kind in KINDS:
            check(edits[kind], folder / f"{kind}.out.npy")
    return [
        row(
            f"conform, an hour of {kind}", taken[kind], "s", target=_TARGETS[kind],
            background=background.cores, minutes=minutes, clips=round(CLIPS * minutes / 60),
            seconds={s: round(float(np.median([one[s] for one in steps[kind]])), 4)
                     for s in steps[kind][0]},
        )
        for kind in KINDS
    ]  # fmt: skip


def write_edits(folder: Path, minutes: float) -> dict[str, Path]:
    """Footage, and an edit of each of `KINDS`, in `folder`."""
    clips = round(CLIPS * minutes / 60)
    rows = round(minutes * 60 * RATE)
    if clips < 2:
        raise InstrumentError(f"minutes {minutes:g}: an edit needs two clips, .06 minutes")
    rows -= rows % clips
    write_footage(folder / "footage.npy", rows)
    edits = {kind: folder / f"{kind}.mlt" for kind in KINDS}
    for kind, path in edits.items():
        write_edit(path, rows, clips, kind == "mixes")
    return edits


def write_footage(path: Path, rows: int) -> None:
    """A walk on the shell, a step to a row."""
    spec = LatentSpec.shell(DIMS)
    random = np.random.Generator(np.random.Philox(1))
    z = np.empty((rows, DIMS), np.float32)
    for start in range(0, rows, 4096):
        block = z[start : start + 4096]
        block[:] = random.standard_normal(block.shape, np.float32)
        block *= np.float32(DIMS**0.5) / np.linalg.norm(block, axis=1, keepdims=True)
    save_sequence(path, ZSequence(z, FrameRate(RATE), spec))


def write_edit(path: Path, rows: int, clips: int, mixed: bool) -> None:
    """`clips` clips from all over the footage: on one track, or two of them mixing everywhere."""
    tracks = 2 if mixed else 1
    length = rows * tracks // clips
    starts = np.random.Generator(np.random.Philox(2)).integers(0, rows - length, clips).tolist()
    lines = [_HEAD]
    for track in range(tracks):
        lines.append(f'<playlist id="t{track}">')
        lines += [
            f'<entry producer="A" in="{start}" out="{start + length - 1}"/>'
            for start in starts[track::tracks]
        ]
        lines.append("</playlist>")
    lines.append('<tractor id="main"><multitrack>')
    lines += [f'<track producer="t{track}"/>' for track in range(tracks)]
    lines.append("</multitrack>")
    for start in range(0, rows if mixed else 0, length):
        # From just before the clip, so that not even its first frame is the outgoing alone.
        first = max(start - 1, 0)
        lines.append(
            f'<transition in="{first}" out="{start + length - 1}">'
            '<property name="a_track">0</property><property name="b_track">1</property>'
            '<property name="mlt_service">luma</property></transition>'
        )
    lines.append("</tractor></mlt>")
    path.write_text("\n".join(lines))


def conform_once(edit: Path, out: Path) -> Made:
    """Conform `edit` onto the disk."""
    clock = WallClock()
    stamps = [clock.now()]
    timeline = read_edit(edit)
    stamps.append(clock.now())
    source = open_source(edit.with_name("footage.npy"))
    stamps.append(clock.now())
    found = dict.fromkeys(timeline.media(), 0)
    made = conform(timeline, [source], found, Choices())
    stamps.append(clock.now())
    save_sequence(out, made.sequence)
    told = report_of(made)
    out.with_suffix(".report.json").write_text(json.dumps(told))
    stamps.append(clock.now())
    Painter([source], found).paint(timeline)
    stamps.append(clock.now())
    steps = ("read", "open", "conform", "write", "plan")
    return Made(made, told, dict(zip(steps, np.diff(stamps).tolist(), strict=True)))


def check(edit: Path, out: Path) -> None:
    """That what was measured is right: the film has the edit's length, and lies on the shell."""
    z = load_sequence(out).z
    lengths = np.linalg.norm(z[::97].astype(np.float64), axis=1)
    if len(z) != read_edit(edit).length or np.abs(lengths / DIMS**0.5 - 1.0).max() > 1e-5:
        raise InstrumentError(f"{out.name}: not what the edit asks for")
