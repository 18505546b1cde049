"""(h) From the command to light: the picture that is stored, then the first that is decoded.

Whoever has played before starts so: everything lies in the system's memory already.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from instrument import InstrumentError
from instrument.bench.display import some_display
from instrument.bench.load import Background
from instrument.bench.rows import Effort, Row, row
from instrument.bench.stage import workspace
from instrument.resources import child_environment
from instrument.timebase import WallClock

# s of playing; a busy machine gets more. A decoder that needs still longer counts as none.
_PLAYED = (6.0, 30.0)
_MOMENTS = {"stored": "first_picture", "decoded": "first_decoded"}


def measure(effort: Effort) -> list[Row]:
    """Seconds to either picture. Raises InstrumentError where there is no display."""
    seen: dict[str, list[float]] = {name: [] for name in _MOMENTS}
    with some_display() as display, Background() as background:
        for _ in range(max(1, effort.rounds if effort.full else 1)):
            found = start(display)
            for name in seen:
                seen[name].append(found[name])
    return [
        row(f"start to the first {name} picture", seconds, "s", background=background.cores,
            window="512x512", preset="default")
        for name, seconds in seen.items()
    ]  # fmt: skip


def start(display: dict[str, str], *more: str) -> dict[str, float]:
    """Play once, in a process of its own; seconds from its start to each moment."""
    for seconds in _PLAYED:
        found = _moments(display, seconds, *more)
        if None not in found.values():
            break
    missing = [name for name, at in found.items() if at is None]
    if missing:
        raise InstrumentError(f"no {missing[0]} picture within {seconds:g} s of playing")
    return {name: at for name, at in found.items() if at is not None}


def _moments(display: dict[str, str], seconds: float, *more: str) -> dict[str, float | None]:
    """The same; None where a moment did not come within `seconds`."""
    command = [
        sys.executable, "-P", "-m", "instrument", "play", "--json", "--size", "512x512",
        "--seconds", str(seconds), "--osc-port", "0", *more,
    ]  # fmt: skip
    with workspace() as folder:
        begun = WallClock().now()  # the same clock in every process of a machine
        ended = subprocess.run(
            command, cwd=folder, env=child_environment(**display), capture_output=True, text=True
        )
    if ended.returncode:
        raise InstrumentError(f"play: {_last_line(ended.stderr)}")
    moments: dict[str, Any] = json.loads(ended.stdout)["clock_s"]
    return {
        name: None if moments[key] is None else moments[key] - begun
        for name, key in _MOMENTS.items()
    }


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it ended without a word"])[-1]
