"""``instrument pace``: a z-sequence retimed along its own path, so that the eye goes evenly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from instrument import InstrumentError
from instrument.cli.console import report, say
from instrument.cli.looking import Footage, looking_bar, open_footage, ruler_of
from instrument.cli.presented import Presented
from instrument.cli.progress import bar
from instrument.cli.sources import parse_size
from instrument.decoder.protocol import Decoder
from instrument.latent.pacing import Curve
from instrument.latent.row_stream import Block, blank, stream_sequence
from instrument.latent.sequence import ZSequence, load_sequence, path_named
from instrument.latent.space import F64
from instrument.latent.trajectory import Trajectory
from instrument.studio.film import Size
from instrument.studio.pace import Paced, Wish, pace, report_of
from instrument.studio.plots import need_matplotlib, pace_figure
from instrument.studio.proxy import proxy_size, write_proxy
from instrument.studio.together import Together, together

_FADES = {"/master/gain", "/display/blackout"}
_BLOCK = 1024  # rows written together


def pace_command(
    source: Annotated[Path, typer.Argument(help="A z-sequence NAME.npy.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="NAME: what the files are called.")],
    seconds: Annotated[float | None, typer.Option(help="How long; as before if absent.")] = None,
    frames: Annotated[int | None, typer.Option(help="The same in frames.")] = None,
    curve: Annotated[
        str,
        typer.Option(help="even, ease, ease-in, ease-out, swell, breathe:N, or TIME:SPEED,…"),
    ] = "even",
    strength: Annotated[float, typer.Option(help="0 (as it was) to 1 (as the curve says).")] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="The last row leads to the first.")] = False,
    distance: Annotated[str, typer.Option(help="own, or lpips where it is installed.")] = "own",
    iterations: Annotated[int, typer.Option(help="How often the result is put right.")] = 1,
    cut: Annotated[
        float, typer.Option(help="Neighbours so many degrees apart are a cut, and stay one.")
    ] = 45.0,
    model: Annotated[str | None, typer.Option(help="Another model of the same shape.")] = None,
    size: Annotated[str | None, typer.Option(help="Of the film, WIDTHxHEIGHT.")] = None,
    proxy: Annotated[bool, typer.Option(help="Write a film.")] = True,
    plots: Annotated[
        bool, typer.Option("--plots", help="Write NAME.png: the pace before and after.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """Retime along the same path to even perceptual speed."""
    target = path_named(out)
    if plots:
        need_matplotlib()
    footage = open_footage(source)
    length = _length(footage.sequence, seconds, frames)
    wish = Wish(length, Curve.parse(curve), strength, loop, iterations, cut)
    if target.resolve() == footage.path.resolve():
        raise InstrumentError(f"{target}: is what is to be paced; choose another name")
    film_size = _film_size(size)
    ruler, decoder = ruler_of(distance), footage.open(model)
    # The place is tried before anything is looked at, which may take long.
    with together(target.parent, target.stem) as stage:
        with looking_bar(target.name) as tell:
            paced = pace(footage.sequence, decoder, ruler, wish, tell)
        for line in _remarks(paced):
            say(line)
        fields = report_of(paced, wish, footage.sequence, ruler.name)
        made = _write(stage, target, footage, paced, wish, fields, plots)
    if proxy:
        made["film"] = str(_film(target, decoder, film_size))
    report({"sequence": str(target), **made, **fields}, as_json, _text(target, made, fields))


def _write(
    stage: Together, target: Path, footage: Footage, paced: Paced, wish: Wish,
    fields: dict[str, Any], plots: bool,
) -> dict[str, str]:  # fmt: skip
    """Write ``NAME.npy``, the `target`, and all that goes with it; gives what else there is."""
    path = Trajectory(footage.sequence, wish.closed)
    source = f"{footage.path.name} at a pace of {wish.curve.name}"
    header = blank(replace(footage.sequence, source=source), wish.frames)
    made = {"report": f"{target.stem}.report.json"}
    stage.write(made["report"], json.dumps(fields, indent=1).encode() + b"\n")
    if plots:
        made["plot"] = f"{target.stem}.png"
        stage.write(made["plot"], pace_figure(paced, footage.sequence.rate, target.stem))
    stage.publish(
        lambda: stream_sequence(
            target, header, _blocks(path, paced.positions, footage), (footage.origin,)
        )
    )
    target.with_suffix(".mp4").unlink(missing_ok=True)  # of what stood there before
    return {what: str(target.with_name(name)) for what, name in made.items()}


def _film_size(text: str | None) -> Size | None:
    """(height, width) of the film. Raises InstrumentError, before there is anything to film."""
    if text is None:
        return None
    width, height = parse_size(text)
    if width % 2 or height % 2:
        raise InstrumentError(f"size {text}: width and height of a film must be even")
    return height, width


def _film(target: Path, decoder: Decoder, size: Size | None) -> Path:
    """Film ``NAME.npy``, its fades with it, as ``NAME.mp4``."""
    film = target.with_suffix(".mp4")
    sequence = load_sequence(target)
    height, width = size = size or proxy_size(decoder.spec.size)
    fades = Presented((width, height)) if _FADES & set(sequence.addresses) else None
    with bar(len(sequence), f"filming {target.stem}") as tell:
        write_proxy(
            film, sequence, decoder, size=size, finish=fades, progress=tell,
            allow_other_model=True,  # was checked when the model was chosen
        )  # fmt: skip
    return film


def _blocks(path: Trajectory, positions: F64, footage: Footage) -> Iterator[Block]:
    for start in range(0, len(positions), _BLOCK):
        some = positions[start : start + _BLOCK]
        trace = path.trace(some, footage.origin, footage.rows)
        yield Block(path.z(some), trace.rows, path.parameters(some))


def _length(sequence: ZSequence, seconds: float | None, frames: int | None) -> int:
    """How many frames the film is to have. Raises InstrumentError."""
    if seconds is not None and frames is not None:
        raise InstrumentError("--seconds and --frames: one of them is enough")
    if seconds is not None:
        if not 0.0 < seconds <= 86_400.0:
            raise InstrumentError(f"seconds {seconds:g}: must be above 0, up to a day")
        return sequence.rate.frames_in(seconds)
    if frames is not None and frames > 10_000_000:
        raise InstrumentError(f"frames {frames}: at most 10000000")
    return len(sequence) if frames is None else frames


def _remarks(paced: Paced) -> Iterator[str]:
    if paced.still:
        yield "no picture differs from another: there is no pace to even, and none was changed"
    if paced.cuts:
        some = ", ".join(map(str, paced.cuts[:8])) + (", …" if len(paced.cuts) > 8 else "")
        yield f"{len(paced.cuts)} cuts are kept, before rows {some} (see --cut)"


def _text(target: Path, made: dict[str, str], fields: dict[str, Any]) -> str:
    lines = [f"rows    {target}  ({fields['frames']['after']} frames)"]
    lines += [f"{what:<7} {path}" for what, path in made.items()]
    for when in ("before", "after"):
        lines.append(f"{when:<7} {_numbers(fields[when])}")
    if fields["curve"] != "even":
        lines.append(f"curve   {fields['curve']}, missed by {100 * fields['off_the_curve']:.1f} %")
    lines.append(
        f"path    no row further off than {fields['path']['largest_distance_rad']:.1e} rad"
    )
    return "\n".join(lines)


def _numbers(fields: dict[str, Any]) -> str:
    if fields["cv"] is None:
        return "nothing moves"
    widest, spread = (
        "-" if fields[key] is None else f"{fields[key]:.2f}"
        for key in ("max_over_median", "p95_over_p5")
    )
    return (
        f"CV {fields['cv']:.3f}, max/median {widest}, p95/p5 {spread}, "
        f"longest stall {fields['longest_stall_s']:.2f} s"
    )
