"""(k) The decoder is killed while it plays: how the ticks take it, and when pictures return."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import ExitStack

from instrument import InstrumentError
from instrument.bench.load import Background
from instrument.bench.rows import Effort, Row, row
from instrument.bench.stage import RATE, Size, performer_of, screen_of, script, tape_of, workspace
from instrument.decoder.models import find_model
from instrument.live.loop import Loop, Show
from instrument.live.meters import Meters
from instrument.timebase import WallClock

_KILLED_AT, _PLAYED = 4.0, 12.0  # s
_LATE_TARGET, _BACK_TARGET = 1.0, 5.0  # %, s


def measure(effort: Effort) -> list[Row]:
    """Ticks that were late, and the longest hold."""
    with Background() as background:
        shows = [play() for _ in range(max(1, effort.rounds // 3))]
    late = [100.0 * (1.0 - meters.on_time) for meters in shows]
    cores, ticks = background.cores, sum(meters.ticks for meters in shows)
    return [
        row("decoder killed: ticks not on time", late, "%", target=_LATE_TARGET,
            background=cores, ticks=ticks),
        row("decoder killed: pictures are back after", [m.longest_hold for m in shows], "s",
            target=_BACK_TARGET, background=cores),
    ]  # fmt: skip


def play(model: str = "default", killed_at: float = _KILLED_AT, seconds: float = _PLAYED) -> Meters:
    """Play a model and kill its process once. Raises InstrumentError where it had none."""
    manifest, clock, killed = find_model(model), WallClock(), list[int]()
    size = Size(manifest.latent.shape)
    performer = performer_of(size)
    with ExitStack() as stack:
        folder = stack.enter_context(workspace())
        screen = stack.enter_context(screen_of(manifest, (256, 256), clock))

        def kill() -> None:
            process = screen.decks.process(1)
            if process is not None and process.pid is not None:
                number = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL
                os.kill(process.pid, number)
                killed.append(process.pid)

        timer = threading.Timer(killed_at, kill)
        show = Show(
            performer, RATE, clock, tape_of(performer, RATE, lambda: folder / "bench.take"),
            script=script(size, seconds), seconds=seconds, record=True, screen=screen,
        )  # fmt: skip
        loop = Loop(show)
        timer.start()
        loop.run()
        timer.cancel()
        timer.join()
    if not killed:
        raise InstrumentError("nobody to kill")
    return loop.meters
