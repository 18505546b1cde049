"""A part in a process of its own, so that what one leaves behind changes nothing in the next.

``python -m instrument.bench.child LETTER ROUNDS FULL HOURS OUT``: writes JSON to OUT.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from instrument import InstrumentError
from instrument.bench.load import Background
from instrument.bench.parts import PARTS, Part
from instrument.bench.rows import Effort, check_parts
from instrument.decoder.child import KEEPING
from instrument.resources import child_environment
from instrument.timebase import WallClock

# Set before torch comes: threads that wait must not spin. The order of sets is the same each time.
_OWN = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0", "PYTHONHASHSEED": "0"}


def measured_apart(part: Part, effort: Effort, out: Path, home: Path | None = None) -> Any:
    """The document of `part`: its rows, or why it is skipped, in ``skipped``.

    `out` is a file for the child's answer; `home` the folder whose package is measured, our own
    where it is None. Raises InstrumentError where what comes back is no document of ours.
    """
    out.unlink(missing_ok=True)
    full = "full" if effort.full else "quick"
    command = [sys.executable, "-P", "-m", "instrument.bench.child", part.letter,
               str(effort.rounds), full, str(effort.hours), str(out)]  # fmt: skip
    ended = subprocess.run(
        command, env=environment_of(home, decodes=part.decodes), stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, errors="replace",
    )  # fmt: skip
    if not out.exists():
        lines = ended.stderr.strip().splitlines() or [f"ended with {ended.returncode}"]
        return {"part": part.letter, "title": part.title, "rows": [], "skipped": lines[-1]}
    try:
        document = json.loads(out.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InstrumentError(f"part {part.letter}: no JSON came back ({error})") from error
    check_parts([document], f"part {part.letter}")
    return document


def environment_of(home: Path | None, *, decodes: bool = False) -> dict[str, str]:
    """The environment of a child that finds the package in the folder `home`, or our own.

    One that `decodes` keeps its memory as decoder processes do.
    """
    own = {**(KEEPING if decodes else {}), **_OWN}
    if home is None:
        return child_environment(**own)
    paths = [str(home), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, **own, "PYTHONPATH": os.pathsep.join(p for p in paths if p)}


def document_of(part: Part, effort: Effort) -> dict[str, Any]:
    """Measure `part` here and now."""
    clock = WallClock()
    begun, rows, skipped = clock.now(), [], None
    with Background() as background:
        try:
            rows = part.measure(effort)
        except InstrumentError as error:
            skipped = str(error)
    document: dict[str, Any] = {
        "part": part.letter, "title": part.title, "rows": rows,
        "background": background.cores, "seconds": round(clock.now() - begun, 1),
    }  # fmt: skip
    return document if skipped is None else {**document, "skipped": skipped}


def main(words: list[str]) -> None:
    """What the module does when it is run."""
    letter, rounds, full, hours, out = words
    effort = Effort(int(rounds), full == "full", float(hours))
    text = json.dumps(document_of(PARTS[letter], effort))
    Path(out).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
