"""``render --farm``: chunks on the nodes of a Ray cluster, and what is seen of it here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from instrument.cli.console import say
from instrument.cli.making import Showing
from instrument.cli.ordering import Ordered, order_of, read_order, write_order
from instrument.cli.progress import board
from instrument.cli.rendering import machine_here
from instrument.cli.watching import event
from instrument.studio.chunks import Job, Tally
from instrument.studio.disk_room import Forecast
from instrument.studio.farm import Farm
from instrument.studio.farm_order import FarmProgress, Order, Policy
from instrument.studio.farm_ray import ray_pool
from instrument.studio.farm_task import Reply, Task
from instrument.studio.farm_unit import perform
from instrument.studio.preview import Preview
from instrument.studio.render_manifest import Manifest
from instrument.studio.workplace import Workplace


def farm_task(out: str, task: Task) -> Reply:
    """What runs on a node, for the film at `out`: the models are opened once in a process."""
    work = Workplace(Path(out))
    read_order(work)  # says in a line which folder cannot be seen
    manifest = work.read()
    return perform(_opened(out, order_of(work).read_bytes(), manifest and manifest.sha256), task)


@lru_cache(maxsize=1)
def _opened(out: str, order: bytes, manifest: str | None) -> Job:
    """The job of the film at `out`, anew for another order or another manifest."""
    from instrument.cli.manners import Manner
    from instrument.cli.render import film_of

    work = Workplace(Path(out))
    film, _ = film_of(read_order(work), work.out, Manner())
    return film.job(work, film.manifest(Manner(), work.read(), machine_here(film.painting)))


def render_on_farm(
    ordered: Ordered,
    address: str,
    work: Workplace,
    manifest: Manifest,
    showing: Showing,
    spare: bool,
) -> Tally:
    """Make the chunks that are missing on the cluster at `address`.

    Raises InstrumentError where that cannot be done; what is finished stays.
    """
    write_order(work, ordered)
    there = {chunk: work.finished(manifest, chunk) for chunk in manifest.chunks}
    missing = {n: c for n, c in enumerate(manifest.chunks) if there[c] is None}
    out = str(work.out.absolute())

    def forget(number: int) -> None:
        work.record_of(manifest.chunks[number]).unlink(missing_ok=True)

    order = Order(missing, forget, lambda task: farm_task(out, task))
    tally, kept = Tally(), sum(len(c) for c in manifest.chunks if there[c] is not None)
    if missing:
        forecast = Forecast(work.out, len(manifest.rows), kept, say, spare=spare)
        look = Preview(showing.preview).look if showing.preview else _unseen
        with ray_pool(address, farm_task, out) as pool, _seen(work.out.name, showing.events) as bar:

            def tell(done: FarmProgress) -> None:
                bar(done)
                if done.rendered is not None:
                    chunk = manifest.chunks[done.rendered]
                    look(work.path_of(chunk))
                    if (record := work.recorded(manifest, chunk)) is not None:
                        forecast.see(len(chunk), record.bytes)

            made = Farm(pool, order, Policy(), say, tell).run()
        if showing.events:
            event("farm", **made.to_json())
        _tell_nodes(made.to_json())
    for chunk in manifest.chunks:
        record = there[chunk] or work.finished(manifest, chunk)
        if record is not None:
            tally.records[chunk] = record
    tally.made = {chunk for chunk in missing.values() if chunk in tally.records}
    return tally


def _unseen(_: Path) -> None:
    """Nobody looks."""


def _tell_nodes(made: dict[str, list[dict[str, object]]]) -> None:
    """A line for every node."""
    for node in made["nodes"]:
        trouble = f"; {node['trouble']}" if node["trouble"] else ""
        say(
            f"{node['name']}: {node['chunks']} chunks, {node['frames']} frames at "
            f"{node['frames_a_second']} /s, {node['failures']} failures{trouble}"
        )


@contextmanager
def _seen(name: str, events: bool) -> Iterator[Callable[[FarmProgress], None]]:
    """A bar for people, with every node's frames a second; lines of JSON for programs."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        TextColumn("{task.completed}/{task.total} frames"), TextColumn("{task.fields[fps]}"),
        TimeRemainingColumn(), TextColumn("{task.fields[nodes]}"),
    )  # fmt: skip
    with board(*columns) as bar:
        shown = bar.add_task(f"rendering {name}", total=None, fps="", nodes="")

        def tell(done: FarmProgress) -> None:
            nodes = ", ".join(f"{node} {speed:.1f} /s" for node, speed in done.nodes)
            bar.update(
                shown, total=done.total, completed=done.frames, nodes=nodes,
                fps=f"{done.frames_a_second:.1f} /s",
            )  # fmt: skip
            if events:
                event(
                    "progress", done=done.frames, total=done.total, nodes=dict(done.nodes),
                    frames_a_second=round(done.frames_a_second, 3),
                    seconds_left=round(done.seconds_left, 1),
                )  # fmt: skip

        yield tell
