"""``instrument render``: a z-sequence or a take → a film, or numbered pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from instrument import InstrumentError
from instrument.cli.console import console, report, say
from instrument.cli.sources import model_for, parse_size
from instrument.decoder.crossfade import FIRST, SECOND, SHARE, CrossfadeDecoder, parts_of
from instrument.decoder.models import ModelManifest
from instrument.decoder.protocol import Decoder, DecoderSpec
from instrument.decoder.spaces import taking
from instrument.display.finish import finish
from instrument.display.look import Fit, Look
from instrument.frame import U8
from instrument.latent.sequence import ModelReference, ZSequence, load_sequence
from instrument.studio.encode import open_film
from instrument.studio.finishing import Finish
from instrument.studio.held import hold_frozen
from instrument.studio.render import Progress as Done
from instrument.studio.render import RenderReport, check_model, render
from instrument.studio.samples import decode_rows, values_at
from instrument.studio.sheet import contact_sheet, pick_rows, save_png
from instrument.take.layout import RECORD
from instrument.take.reader import read_take
from instrument.take.replay import resample
from instrument.timebase import FrameRange, FrameRate

_SHEET_TILES = 24
_TILE_WIDTH = 192  # pixels


def render_command(
    source: Annotated[Path, typer.Argument(help="A z-sequence NAME.npy, or a take.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="NAME.mp4, NAME.%05d.png or a folder.")],
    size: Annotated[
        str | None, typer.Option(help="WIDTHxHEIGHT; the model's own where absent.")
    ] = None,
    rate: Annotated[
        str | None, typer.Option(help="A take is sampled anew; a z-sequence plays at this rate.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Another model of the same latent shape; again for each that plays."),
    ] = None,
    frames: Annotated[str | None, typer.Option(help="Only the frames A:B.")] = None,
    codec: Annotated[str | None, typer.Option(help="h264 or png.")] = None,
    fit: Annotated[str, typer.Option(help="fit or fill, where proportions differ.")] = "fit",
    sheet: Annotated[Path | None, typer.Option(help="Also write a contact sheet.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """Render a film."""
    if fit not in ("fit", "fill"):
        raise InstrumentError(f"fit {fit!r}: allowed are fit and fill")
    made = render_film(
        source, out, models=tuple(model or ()), size=parse_size(size) if size else None,
        rate=FrameRate.parse(rate) if rate else None, frames=frames, codec=codec,
        fit="fill" if fit == "fill" else "fit", sheet=sheet,
    )  # fmt: skip
    text = f"film   {made.path}  ({made.frames} frames at {made.rate} /s, {made.seconds:.2f} s)"
    report(made.to_json(), as_json, text)


def render_film(
    source: Path,
    out: Path,
    *,
    models: tuple[str, ...] = (),
    size: tuple[int, int] | None = None,
    rate: FrameRate | None = None,
    frames: str | None = None,
    codec: str | None = None,
    fit: Fit = "fit",
    sheet: Path | None = None,
) -> RenderReport:
    """Read `source`, decode it and write the film; `size` is (width, height).

    `models` stand in for those that play, in the order of their numbers.
    """
    sequence = load_source(source, rate)
    if frames is not None:
        sequence = sequence.cut(FrameRange.parse(frames, len(sequence)))
    playing = models_of(sequence, models, source)
    largest = max(manifest.size for manifest in playing.values())
    width, height = size or (largest[1], largest[0])
    if out.suffix in (".mp4", ".mov", ".png"):
        out.parent.mkdir(parents=True, exist_ok=True)
    # Opened before torch is: what is wrong with the name or the disk is said at once.
    film = open_film(out, (height, width), sequence.rate, codec)
    with film:
        decoder = _open(sequence, playing, (width, height), fit)
        sequence = hold_frozen(sequence)
        finished = _finisher((width, height), fit)
        with _bar(len(sequence), out.name) as tell:
            made = render(
                sequence, decoder, lambda _size, _rate: film, size=(height, width),
                finish=finished, progress=tell, allow_other_model=True,  # each was checked above
            )  # fmt: skip
        if sheet is not None:
            _write_sheet(sheet, sequence, decoder, finished, (width, height))
    return made


def load_source(source: Path, rate: FrameRate | None = None) -> ZSequence:
    """A z-sequence, or a take; with `rate` a take is sampled anew, and rows are only re-timed."""
    if source.is_dir() or source.name == RECORD:
        record = read_take(source)
        if rate is not None and rate != record.header.rate:
            return resample(record, rate, str(source))
        return record.sequence
    sequence = load_sequence(source, rate)
    return replace(sequence, rate=rate) if rate else sequence


def models_of(
    sequence: ZSequence, names: tuple[str, ...], source: Path
) -> dict[int, ModelManifest]:
    """The models that `sequence` shows, by their numbers; `names` stand in for the first of them.

    Raises InstrumentError naming a model that is not here, or that its z do not go with.
    """
    if len(sequence) == 0:
        raise InstrumentError(f"{source}: holds no frame")
    references = sequence.models or (sequence.model,)
    columns = {a: c for a in (FIRST, SECOND, SHARE) if (c := sequence.column(a)) is not None}
    numbers = sorted(parts_of(columns, len(sequence)))
    if numbers[-1] > len(references):
        raise InstrumentError(f"{source}: shows model {numbers[-1]}, and lists {len(references)}")
    found = {}
    for number, name in zip_longest(numbers, names[: len(numbers)]):
        reference = references[number - 1]
        found[number] = taking(model_for(reference, name, source), sequence.spec)
        own = replace(sequence, model=reference)
        check_model(own, found[number].spec, allow_other_model=name is not None)
        _tell_a_change(reference, found[number], source)
    return found


def _tell_a_change(made_for: ModelReference, found: ModelManifest, source: Path) -> None:
    """Say so where a model of that name is not what it was."""
    if made_for.name == found.name and made_for.sha256 not in ("", found.sha256):
        say(
            f"{found.name} has changed since {source} was made with it: "
            f"{made_for.sha256[:12]} then, {found.sha256[:12]} now"
        )


def _open(
    sequence: ZSequence, playing: dict[int, ModelManifest], size: tuple[int, int], fit: Fit
) -> Decoder:
    """One decoder for all rows: the model that plays, or as many as do."""
    from instrument.decoder.runtime import open_decoder  # torch: only when it is needed

    decoders = {number: open_decoder(manifest) for number, manifest in playing.items()}
    if len(decoders) == 1:
        return decoders.popitem()[1]
    name = " + ".join(manifest.name for manifest in playing.values())
    spec = DecoderSpec(name, sequence.spec, (size[1], size[0]), sequence.model.sha256)
    layout = Look(fit=fit)
    return CrossfadeDecoder(spec, decoders, lambda picture: finish(picture, layout, size))


def _finisher(size: tuple[int, int], fit: Fit) -> Finish:
    """What the presenter does to a picture, for a film of `size` (width, height)."""

    def finished(pixels: U8, values: Mapping[str, float]) -> U8:
        gain = values.get("/master/gain", 1.0)
        return finish(pixels, Look(gain, values.get("/display/blackout", 0.0), fit), size)

    return finished


def _write_sheet(
    path: Path, sequence: ZSequence, decoder: Decoder, finished: Finish, size: tuple[int, int]
) -> None:
    """Pictures from the whole length of `sequence`, each with its time."""
    rows = pick_rows(len(sequence), _SHEET_TILES)
    pictures = [
        finished(picture, values_at(sequence, row))
        for row, picture in zip(rows, decode_rows(sequence, decoder, rows), strict=True)
    ]
    labels = [f"{sequence.rate.time_of(row):.1f} s" for row in rows]
    tile = (round(_TILE_WIDTH * size[1] / size[0]), _TILE_WIDTH)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_png(path, contact_sheet(pictures, labels=labels, size=tile))


@contextmanager
def _bar(total: int, name: str) -> Iterator[Callable[[Done], None]]:
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        TextColumn("{task.completed}/{task.total} frames"),
        TextColumn("{task.fields[fps]}"), TimeRemainingColumn(),
    )  # fmt: skip
    screen = console()
    with Progress(*columns, console=screen, transient=not screen.is_terminal) as bar:
        task = bar.add_task(f"rendering {name}", total=total, fps="")

        def tell(done: Done) -> None:
            bar.update(task, completed=done.done, fps=f"{done.frames_a_second:.0f} /s")

        yield tell
