"""``instrument loop``: a seamless loop of any length through keys of a z-sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from instrument import InstrumentError
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
from instrument.cli.progress import bar, board
from instrument.cli.sources import parse_size
from instrument.latent.manner import Manner
from instrument.latent.sequence import DEFAULT_RATE, load_sequence, path_named
from instrument.studio.journeys import drawn_rows
from instrument.studio.keys import Keys
from instrument.studio.loops import loop_path, measured, write_loop
from instrument.studio.proxy import write_proxy
from instrument.timebase import FrameRate

_SHORT = 120.0  # seconds: of a loop no longer a film is written unasked
_MOST_KEYS = 10_000


def loop_command(
    source: Annotated[Path, typer.Argument(help="A z-sequence NAME.npy, as curated.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="NAME: what the files are called.")],
    seconds: Annotated[float, typer.Option(help="How long a lap takes; hours, too.")] = 60.0,
    rate: Annotated[str | None, typer.Option(help="Frames a second.")] = None,
    rows: Annotated[
        str, typer.Option("--rows", "--pick", help="12,40,7 or 3:9: the keys, in this order.")
    ] = "all",
    count: Annotated[
        int | None, typer.Option(help="So many rows, drawn at random, are the keys.")
    ] = None,
    path: PathOption = "physical",
    damping: Damping = 0.6,
    arrive: Arrive = 0.15,
    timed: Timed = False,
    hold: Hold = 0.0,
    noise: Noise = 0.0,
    noise_rate: NoiseRate = 0.2,
    key_noise: KeyNoise = 0.0,
    seed: Annotated[int, typer.Option(help="Of what is drawn, and of the noise.")] = 0,
    bank: Bank = None,
    model: Model = None,
    size: Annotated[str | None, typer.Option(help="Of the film, WIDTHxHEIGHT.")] = None,
    proxy: Annotated[
        bool | None, typer.Option(help="Write a film; where unsaid, of loops up to 2 minutes.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """Make a seamless loop of any length."""
    manner = manner_of(path, damping, arrive, timed, hold, noise, noise_rate, key_noise)
    target = path_named(out)
    filmed = seconds <= _SHORT if proxy is None else proxy
    film_size = parse_size(size)[::-1] if size else None
    ground = open_ground(source, bank, model, seen=filmed)
    if target.resolve() == source.resolve():
        raise InstrumentError(f"{target}: is what the loop is made of; choose another name")
    keys = _keys(ground, rows, count, check_seed(seed))
    frame_rate = FrameRate.parse(rate) if rate else DEFAULT_RATE
    fields = make_loop(ground, keys, manner, seconds, frame_rate, seed, target)
    film = target.with_suffix(".mp4")
    if filmed:
        _film(ground, target, film, film_size)
        fields["film"] = str(film)
    report(fields, as_json, _text(fields))


def make_loop(
    ground: Ground, keys: Keys, manner: Manner, seconds: float, rate: FrameRate, seed: int,
    target: Path,
) -> dict[str, Any]:  # fmt: skip
    """Write ``NAME.npy`` and all that goes with it; gives the summary."""
    sequence = ground.sequence
    path, frames = loop_path(keys, sequence.spec, manner, seconds, rate, seed)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InstrumentError(f"{target}: cannot be written ({error.strerror})") from error
    with _bar(frames, target.name) as tell:
        write_loop(
            target, path, frames, keys, sequence, ground.origins, rate=rate, seed=seed,
            source=f"loop through {len(keys)} keys of {ground.source.name}", progress=tell,
        )  # fmt: skip
    film = target.with_suffix(".mp4")
    if film.is_file():  # of what stood there before
        film.unlink()
    return {
        "sequence": str(target), "frames": frames, "seconds": rate.time_of(frames),
        "rate": [rate.num, rate.den], "keys": list(keys.names), "seed": seed,
        **manner.to_json(), **measured(path, frames, rate, sequence.spec, keys),
    }  # fmt: skip


def _keys(ground: Ground, rows: str, count: int | None, seed: int) -> Keys:
    """The keys of the loop, in order. Raises InstrumentError."""
    keys = ground.keys(rows, "rows")
    if count is not None:
        some = drawn_rows(range(len(keys)), (count, count), 0, seed)
        keys = keys.at(some)
    if not 2 <= len(keys) <= _MOST_KEYS:
        raise InstrumentError(
            f"a loop through {len(keys)} keys: must be 2 to {_MOST_KEYS}; choose with --rows, "
            "or draw some with --count"
        )
    return keys


def _film(ground: Ground, target: Path, film: Path, size: tuple[int, int] | None) -> None:
    from instrument.decoder.runtime import open_decoder  # torch: only when it is needed

    assert ground.manifest is not None
    sequence = load_sequence(target)
    with bar(len(sequence), f"filming {target.stem}") as tell:
        write_proxy(
            film, sequence, open_decoder(ground.manifest), size=size, progress=tell,
            allow_other_model=True,  # was checked when the model was chosen
        )  # fmt: skip


def _text(fields: dict[str, Any]) -> str:
    lines = [
        f"rows   {fields['sequence']}  ({fields['frames']} frames, {fields['seconds']:.2f} s, "
        f"{len(fields['keys'])} keys)"
    ]
    if "film" in fields:
        lines.append(f"film   {fields['film']}")
    lines.append(
        f"seam   step {fields['seam_step_degrees']:.3f}° (95 % of all: at most "
        f"{fields['step_p95_degrees']:.3f}°), turn {fields['seam_turn_degrees']:.3f}° (95 %: "
        f"{fields['turn_p95_degrees']:.3f}°)"
    )
    if (near := fields["passes_keys_within_degrees"]) is not None:
        lines.append(f"keys   passed within {near:.1f}° or nearer")
    return "\n".join(lines)


@contextmanager
def _bar(total: int, name: str) -> Iterator[Callable[[int, int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
               TimeRemainingColumn())  # fmt: skip
    with board(*columns) as shown:
        task = shown.add_task(f"writing {name}", total=total)
        yield lambda done, _total: shown.update(task, completed=done)
