"""``instrument journeys``: many short journeys between keys of a z-sequence, to look through."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

from instrument import InstrumentError
from instrument.cli.avoiding import Unwanted, avoidance, unwanted_rows
from instrument.cli.console import report
from instrument.cli.path_options import (
    Arrive,
    Bank,
    Damping,
    Ground,
    Hold,
    KeyNoise,
    Model,
    Noise,
    NoiseRate,
    PathOption,
    Timed,
    check_seed,
    manner_of,
    open_ground,
)
from instrument.cli.progress import board
from instrument.cli.sources import parse_size
from instrument.latent.sequence import DEFAULT_RATE
from instrument.studio.journey_making import Made, Order, make_journeys
from instrument.studio.journeys import Journey, Terms, by_way_of, drawn_rows, path_of, seed_of
from instrument.studio.proxy import proxy_size
from instrument.studio.render import Progress as Done
from instrument.timebase import FrameRate

_MOST = 10_000  # journeys


def journeys_command(
    source: Annotated[Path, typer.Argument(help="A z-sequence NAME.npy, as curated.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder they go to.")],
    count: Annotated[int, typer.Option(help="How many, with keys drawn at random.")] = 24,
    keys: Annotated[str, typer.Option(help="How many keys each has: 2, or 2:3.")] = "2:3",
    pick: Annotated[
        list[str] | None,
        typer.Option(help="12,40,7: one journey through these; again for each."),
    ] = None,
    via: Annotated[
        list[str] | None, typer.Option(help="A row or waypoint that all go by; may be repeated.")
    ] = None,
    avoid: Annotated[
        list[str] | None,
        typer.Option(help="3,10:20, a file of rows, or @clusters:3: what to keep away from."),
    ] = None,
    alike: Annotated[
        int, typer.Option(help="Of each row to avoid, so many that look like it, too.")
    ] = 0,
    among: Annotated[int, typer.Option(help="How many rows detours may lead over.")] = 400,
    report_path: Annotated[
        Path | None, typer.Option("--report", help="For @clusters; by default NAME.report.json.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long each takes.")] = 8.0,
    rate: Annotated[str | None, typer.Option(help="Frames a second.")] = None,
    path: PathOption = "physical",
    damping: Damping = 0.6,
    arrive: Arrive = 0.15,
    timed: Timed = False,
    hold: Hold = 0.0,
    noise: Noise = 0.0,
    noise_rate: NoiseRate = 0.2,
    key_noise: KeyNoise = 0.0,
    seed: Annotated[int, typer.Option(help="Another seed, other journeys.")] = 0,
    bank: Bank = None,
    model: Model = None,
    size: Annotated[str | None, typer.Option(help="Of the films, WIDTHxHEIGHT.")] = None,
    proxy: Annotated[bool, typer.Option(help="Write a film of each.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """Make many short journeys, and a sheet that shows them all."""
    manner = manner_of(path, damping, arrive, timed, hold, noise, noise_rate, key_noise)
    frame_rate = FrameRate.parse(rate) if rate else DEFAULT_RATE
    terms = Terms(manner, _seconds(seconds), frame_rate)
    film_size = parse_size(size)[::-1] if size else None
    ground = open_ground(source, bank, model, seen=True)
    unwanted = unwanted_rows(avoid or [], ground, report_path, alike, among)
    if pick:
        journeys = _picked(ground, pick, via or [], check_seed(seed))
    else:
        journeys = _drawn(ground, _count(count), _keys(keys), via or [], check_seed(seed), unwanted)
    _check(journeys, terms, ground, unwanted)
    made = _make(ground, journeys, terms, out, film_size, proxy, unwanted)
    report(_fields(made, out), as_json, _text(made, out))


def _make(
    ground: Ground, journeys: list[Journey], terms: Terms, folder: Path,
    size: tuple[int, int] | None, proxy: bool, unwanted: Unwanted | None,
) -> Made:  # fmt: skip
    from instrument.decoder.runtime import open_decoder  # torch: only when it is needed

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InstrumentError(f"{folder}: cannot be written ({error.strerror or error})") from error
    assert ground.manifest is not None
    decoder = open_decoder(ground.manifest)
    shown = (size or proxy_size(decoder.spec.size)) if proxy else None
    finding = avoidance(unwanted, journeys, ground, decoder) if unwanted else None
    told = unwanted.to_json() if unwanted else None
    order = Order(ground.sequence, ground.origins, terms, folder, shown, finding, told)
    with _bar(len(journeys), terms.frames) as tell:
        return make_journeys(order, journeys, decoder, tell)


def _drawn(
    ground: Ground, count: int, keys: tuple[int, int], via: list[str], seed: int,
    unwanted: Unwanted | None,
) -> list[Journey]:  # fmt: skip
    left_out = set(unwanted.rows) if unwanted else set()
    allowed = [row for row in range(len(ground.sequence)) if row not in left_out]
    by = [ground.keys(one, "via") for one in via]
    return [
        Journey(
            number,
            by_way_of(ground.rows(drawn_rows(allowed, keys, number, seed)), by),
            seed_of(number, seed),
        )
        for number in range(1, count + 1)
    ]


def _picked(ground: Ground, picks: list[str], via: list[str], seed: int) -> list[Journey]:
    by = [ground.keys(one, "via") for one in via]
    journeys = []
    for number, text in enumerate(picks, 1):
        keys = ground.keys(text, "pick")
        if len(keys) < 2:
            raise InstrumentError(f"pick {text[:40]!r}: a journey takes 2 keys or more")
        journeys.append(Journey(number, by_way_of(keys, by), seed_of(number, seed)))
    return journeys


def _check(
    journeys: list[Journey], terms: Terms, ground: Ground, unwanted: Unwanted | None
) -> None:
    """Say what is wrong before anything is written. Raises InstrumentError."""
    left_out = set(unwanted.rows) if unwanted else set()
    for journey in journeys:
        for origin, row in zip(journey.keys.origins, journey.keys.rows, strict=True):
            if origin == 0 and int(row) in left_out:
                raise InstrumentError(f"row {row}: is to be avoided, and gone through; choose")
    path_of(journeys[0], terms, ground.sequence.spec)


def _seconds(seconds: float) -> float:
    if not 0.0 < seconds <= 86_400.0:
        raise InstrumentError(f"seconds {seconds}: must be above 0, and a day at most")
    return seconds


def _count(count: int) -> int:
    if not 1 <= count <= _MOST:
        raise InstrumentError(f"count {count}: must be 1 to {_MOST}")
    return count


def _keys(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,6})(?::(\d{1,6}))?", text.strip())
    if not match:
        raise InstrumentError(f"keys {text[:40]!r}: write how many as 2, or as 2:3")
    return int(match[1]), int(match[2] or match[1])


def _fields(made: Made, folder: Path) -> dict[str, object]:
    """The summary for programs."""
    return {
        "folder": str(folder), "index": str(made.index), "overview": str(made.overview),
        "journeys": made.entries, "kept": made.kept, **_unwanted(made),
    }  # fmt: skip


def _unwanted(made: Made) -> dict[str, float]:
    """The mean over all journeys of the share of their pictures that is unwanted."""
    told = [entry for entry in made.entries if "unwanted" in entry]
    if not told:
        return {}
    keys = ("unwanted_straight", "unwanted")
    return {key: round(sum(entry[key] for entry in told) / len(told), 4) for key in keys}


def _text(made: Made, folder: Path) -> str:
    kept = f", {made.kept} of them kept" if made.kept else ""
    lines = [
        f"journeys  {folder}  ({len(made.entries)}{kept})",
        f"sheet     {made.overview}",
        f"index     {made.index}",
    ]
    if shares := _unwanted(made):
        straight, now = (f"{100 * share:.1f} %" for share in shares.values())
        led = sum(any(entry["detours"]) for entry in made.entries)
        lines.append(f"unwanted  {straight} of the pictures straight, {now} now; {led} detours")
    return "\n".join(lines)


@contextmanager
def _bar(count: int, frames: int) -> Iterator[Callable[[Journey, Done | None], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(),
               TextColumn("{task.fields[at]} of {task.fields[count]}"),
               TimeElapsedColumn())  # fmt: skip
    with board(*columns) as bar:
        task = bar.add_task("journeys", total=count * frames, at=0, count=count)
        before = 0

        def tell(journey: Journey, done: Done | None) -> None:
            nonlocal before
            if done is None:
                bar.update(task, completed=before * frames, at=before + 1)
                before += 1
            else:
                bar.update(task, completed=(before - 1) * frames + done.done)

        yield tell
