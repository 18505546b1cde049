"""Two versions side by side in one run: A B B A, in processes of their own, and a verdict.

A figure of another hour says nothing, so what was measured before is never compared with: the
older version is laid out in a folder for a while and measured anew. Both sides are measured by the
benchmark of this version: a change of the ruler is no change of the length.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from instrument import InstrumentError
from instrument.bench.child import measured_apart
from instrument.bench.machine import git
from instrument.bench.parts import Part
from instrument.bench.rows import Effort
from instrument.bench.statistics import median_interval

SLOWER = 1.10  # a ratio whose interval lies above it is a regression
FEWEST = 6  # pairs: of fewer, the interval is hardly one
_BENCH = Path("instrument") / "bench"

Side = Literal["old", "new"]
# A side's document of one part; `round` counts from 0.
Measure = Callable[[Side, int], Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How much dearer a row became: above 1 is worse, whichever way is good for its unit."""

    part: str
    name: str
    unit: str
    old: float
    new: float
    ratio: float
    low: float
    high: float
    pairs: int
    doubtful: bool

    @property
    def is_regression(self) -> bool:
        """Surely dearer by more than a tenth."""
        return self.low > SLOWER

    @property
    def word(self) -> str:
        """What to say of it."""
        if self.is_regression:
            return "SLOWER"
        if self.high < 1.0 / SLOWER:
            return "faster"
        return "undecided" if self.high > SLOWER else "as before"

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {**asdict(self), "regression": self.is_regression, "word": self.word}


def compare(measure: Measure, pairs: int) -> list[Verdict]:
    """Measure both sides `pairs` times, A B, then B A, and judge every row that both have.

    Raises InstrumentError where a side cannot be measured.
    """
    if pairs < FEWEST:
        raise InstrumentError(f"--rounds {pairs}: to compare, {FEWEST} or more")
    said: dict[Side, list[Any]] = {"old": [], "new": []}
    for number in range(pairs):
        sides: tuple[Side, ...] = ("old", "new") if number % 2 == 0 else ("new", "old")
        for side in sides:
            document = measure(side, number)
            if "skipped" in document:
                raise InstrumentError(f"part {document['part']}, {side}: {document['skipped']}")
            said[side].append(document)
    names = [row["name"] for row in said["new"][0]["rows"]]
    verdicts = [_judge(name, said["old"], said["new"]) for name in names]
    return [verdict for verdict in verdicts if verdict is not None]


def _judge(name: str, olds: Sequence[Any], news: Sequence[Any]) -> Verdict | None:
    """The verdict on one row, or None where a ratio of it means nothing."""
    pairs = [
        (a, b)
        for old, new in zip(olds, news, strict=True)
        if (a := _row(old, name)) and (b := _row(new, name))
    ]
    if len(pairs) < len(olds) or any(a["value"] <= 0 or b["value"] <= 0 for a, b in pairs):
        return None
    lower = pairs[0][1]["better"] == "lower"
    ratios = [b["value"] / a["value"] if lower else a["value"] / b["value"] for a, b in pairs]
    interval = median_interval(ratios)
    before, now = ([pair[side]["value"] for pair in pairs] for side in (0, 1))
    return Verdict(
        news[0]["part"], name, pairs[0][1]["unit"],
        median_interval(before).middle, median_interval(now).middle,
        round(interval.middle, 4), round(interval.low, 4), round(interval.high, 4), len(pairs),
        any(one["doubtful"] for pair in pairs for one in pair),
    )  # fmt: skip


def _row(document: Any, name: str) -> Any:
    return next((row for row in document["rows"] if row["name"] == name), None)


def compare_commits(
    clone: Path, revision: str, parts: Sequence[Part], pairs: int, tell: Callable[[str], None]
) -> tuple[str, list[Verdict]]:
    """The commit `revision` is, and how `clone` as it stands compares with it.

    A part that one side cannot be measured by is told of, and the others go on. Raises
    InstrumentError where there is no such commit, or no part could be measured.
    """
    commit = git(clone, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if not commit:
        raise InstrumentError(f"--compare {revision}: no such commit in {clone}")
    verdicts, refusals = list[Verdict](), list[str]()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        old = folder / "old"
        _lay_out(clone, commit, old)
        homes: dict[Side, Path] = {"old": old, "new": clone}
        for part in parts:
            tell(f"{part.letter}: {part.title}, {pairs} times on either side")

            def measure(side: Side, number: int, part: Part = part) -> Any:
                return measured_apart(part, Effort(2), folder / "rows.json", homes[side])

            try:
                verdicts += compare(measure, pairs)
            except InstrumentError as error:
                refusals.append(str(error))
                tell(str(error))
    if not verdicts:
        raise InstrumentError(f"--compare {revision}: nothing could be compared ({refusals[0]})")
    return commit, verdicts


def _lay_out(clone: Path, commit: str, folder: Path) -> None:
    """Write the files of `commit` into `folder`, but the benchmark of `clone`."""
    # An archive and no worktree: killed in the middle, it leaves nothing behind in the clone.
    command = ["git", "-c", "safe.directory=*", "-C", str(clone), "archive", "--format=tar", commit]
    ended = subprocess.run(command, capture_output=True)
    if ended.returncode:
        reason = ended.stderr.decode(errors="replace").strip().splitlines() or ["git archive"]
        raise InstrumentError(f"{commit[:12]}: cannot be laid out ({reason[-1]})")
    with tarfile.open(fileobj=io.BytesIO(ended.stdout)) as archive:
        archive.extractall(folder, filter="data")
    shutil.rmtree(folder / _BENCH, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(clone / _BENCH, folder / _BENCH, ignore=ignored)
