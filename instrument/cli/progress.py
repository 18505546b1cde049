"""How far a film is, on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from instrument.cli.console import console
from instrument.studio.render import Progress as Done


@contextmanager
def bar(total: int, what: str) -> Iterator[Callable[[Done], None]]:
    """A bar of `total` frames, to be told how far `what` is."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        TextColumn("{task.completed}/{task.total} frames"),
        TextColumn("{task.fields[fps]}"), TimeRemainingColumn(),
    )  # fmt: skip
    screen = console()
    with Progress(*columns, console=screen, transient=not screen.is_terminal) as shown:
        task = shown.add_task(what, total=total, fps="")

        def tell(done: Done) -> None:
            shown.update(task, completed=done.done, fps=f"{done.frames_a_second:.0f} /s")

        yield tell
