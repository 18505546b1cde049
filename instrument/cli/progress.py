"""How far a film is, on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from instrument.cli.console import console
from instrument.studio.disk_room import in_words
from instrument.studio.render import Progress as Done


def board(*columns: ProgressColumn) -> Progress:
    """A place for bars, on stderr; where that is no terminal it leaves nothing behind."""
    screen = console()
    return Progress(*columns, console=screen, transient=not screen.is_terminal)


@contextmanager
def bar(total: int, what: str, kept: int = 0) -> Iterator[Callable[[Done], None]]:
    """A bar of `total` frames, `kept` of them there already, to be told how far `what` is."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        TextColumn("{task.completed}/{task.total} frames"),
        TextColumn("{task.fields[fps]}"), TextColumn("{task.fields[size]}"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with board(*columns) as shown:
        task = shown.add_task(what, total=total, completed=kept, fps="", size="")

        def tell(done: Done) -> None:
            shown.update(
                task, completed=done.done, fps=f"{done.frames_a_second:.{_digits(done)}f} /s",
                size=in_words(done.bytes) if done.bytes else "",
            )  # fmt: skip

        yield tell


def _digits(done: Done) -> int:
    """A slow render is told more finely."""
    return 0 if done.frames_a_second >= 10 else 1 if done.frames_a_second >= 1 else 2
