"""What a render shows while it goes: a bar for people, lines of JSON for programs, a preview."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from instrument.cli.console import say
from instrument.cli.progress import bar
from instrument.studio.chunks import Watch
from instrument.studio.disk_room import Forecast
from instrument.studio.film import Pixels
from instrument.studio.preview import Preview, Seldom
from instrument.studio.render import Progress
from instrument.studio.workplace import ChunkRecord


def event(name: str, **fields: Any) -> None:
    """One line for programs: what happened."""
    print(json.dumps({"event": name, **fields}), flush=True)


@contextmanager
def watching(
    total: int,
    what: str,
    stop: Callable[[], bool],
    *,
    events: bool,
    preview: Path | None,
    openjd: bool = False,
    forecast: Forecast | None = None,
) -> Iterator[Watch]:
    """Watch `total` frames of `what` being rendered."""
    often = Seldom()

    def damaged(path: Path) -> None:
        say(f"{path.name} is not what was written there: rendered again")

    with bar(total, what) as tell:

        def progress(done: Progress) -> None:
            tell(done)
            if openjd and (often() or done.done == done.total):
                print(f"openjd_progress: {100 * done.done / done.total:.1f}", flush=True)
            if events and often():
                event(
                    "progress", done=done.done, total=done.total, bytes=done.bytes,
                    frames_a_second=round(done.frames_a_second, 3),
                    seconds_left=round(done.seconds_left, 1),
                )  # fmt: skip

        def chunk(record: ChunkRecord) -> None:
            if forecast:
                forecast.see(len(record.rows), record.bytes)
            if events:
                rows = [record.rows.start, record.rows.stop]
                event("chunk", rows=rows, bytes=record.bytes, sha256=record.sha256)

        see = Preview(preview).see if preview else _unseen
        yield Watch(progress, see, chunk, damaged, stop)


def _unseen(_row: int, _frame: Pixels) -> None:
    """Nobody looks."""
