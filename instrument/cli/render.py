"""``instrument render``: a z-sequence or a take → a film, or numbered pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Annotated

import typer

from instrument import InstrumentError
from instrument.cli import film_options as options
from instrument.cli.console import report, say
from instrument.cli.film_options import FilmWishes, Presented
from instrument.cli.painters import open_painters, painters_for
from instrument.cli.played import open_source
from instrument.cli.progress import bar
from instrument.cli.sources import model_for, parse_size
from instrument.decoder.crossfade import FIRST, SECOND, SHARE, parts_of
from instrument.decoder.models import ModelManifest
from instrument.decoder.protocol import Decoder
from instrument.decoder.spaces import taking
from instrument.frame import U8
from instrument.latent.sequence import ModelReference, ZSequence
from instrument.studio.burn_in import burn_in
from instrument.studio.codecs import MOVIES
from instrument.studio.encode import open_film
from instrument.studio.film import FilmWriter, Size
from instrument.studio.finishing import Fine, Finish, Stamp
from instrument.studio.render import RenderReport, check_model, render
from instrument.studio.samples import decode_rows, values_at
from instrument.studio.sheet import contact_sheet, pick_rows, save_png
from instrument.studio.shutter import Part
from instrument.timebase import FrameRange, FrameRate

PLAIN = FilmWishes()
_SHEET_TILES = 24
_TILE_WIDTH = 192  # pixels


def render_command(
    source: Annotated[Path, typer.Argument(help="A z-sequence NAME.npy, or a take.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="NAME.mp4, .mov, .mkv, NAME.%05d.png or a folder.")
    ],
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
    preset: options.PresetOption = None,
    codec: options.CodecOption = None,
    depth: options.DepthOption = None,
    range_: options.RangeOption = None,
    crf: options.CrfOption = None,
    fit: Annotated[str, typer.Option(help="fit or fill, where proportions differ.")] = "fit",
    upscale: options.UpscaleOption = None,
    supersample: options.SupersampleOption = None,
    blur: options.BlurOption = None,
    samples: options.SamplesOption = None,
    dither: options.DitherOption = None,
    audio: options.AudioOption = None,
    audio_offset: options.AudioOffsetOption = 0.0,
    timecode: options.TimecodeOption = None,
    chapters: options.ChaptersOption = None,
    sheet: Annotated[Path | None, typer.Option(help="Also write a contact sheet.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """Render a film."""
    if fit not in ("fit", "fill"):
        raise InstrumentError(f"fit {fit!r}: allowed are fit and fill")
    wishes = FilmWishes(
        parse_size(size) if size else None, "fill" if fit == "fill" else "fit", preset, codec,
        depth, range_, crf, upscale, supersample, blur, samples, dither, audio, audio_offset,
        timecode, chapters,
    )  # fmt: skip
    made = render_film(
        source, out, models=tuple(model or ()), rate=FrameRate.parse(rate) if rate else None,
        frames=frames, wishes=wishes, sheet=sheet,
    )  # fmt: skip
    text = f"film   {made.path}  ({made.frames} frames at {made.rate} /s, {made.seconds:.2f} s)"
    report(made.to_json(), as_json, text)


def render_film(
    source: Path,
    out: Path,
    *,
    models: tuple[str, ...] = (),
    rate: FrameRate | None = None,
    frames: str | None = None,
    wishes: FilmWishes = PLAIN,
    sheet: Path | None = None,
) -> RenderReport:
    """Read `source`, decode it and write the film as wished for.

    `models` stand in for those that play, in the order of their numbers.
    """
    played = open_source(source, rate)
    if len(played.sequence) == 0:
        raise InstrumentError(f"{source}: holds no frame")
    part = FrameRange.parse(frames or ":", len(played.sequence))
    sequence = played.sequence.cut(part)
    playing = models_of(sequence, models, source)
    width, height = wishes.size_for(_largest(playing))
    marks = played.marks() if wishes.wants_chapters else []
    stills = out.suffix.lower() not in MOVIES
    extras = wishes.extras(marks, part, sequence.rate, stills=stills)
    presented = Presented((width, height), wishes.fit, wishes.kernel)
    painters, factor = painters_for(playing, presented, wishes.supersample)
    if out.suffix:
        out.parent.mkdir(parents=True, exist_ok=True)
    codec, quality = wishes.coded(out)
    # Opened before torch is: what is wrong with the name or the disk is said at once.
    with open_film(out, (height, width), sequence.rate, codec, quality, extras) as film:
        decoder = open_painters(sequence, painters, presented)
        stamp = partial(burn_in, rate=sequence.rate) if wishes.recipe.label else None
        fine = None
        if wishes.fine or film.depth > 8:
            exposure = Part(played.exposure(wishes.shutter), part.start)
            dither = wishes.dither is not False
            fine = Fine(presented, exposure, factor, dither, part.start, stamp)
        held = played.held.cut(part)
        with bar(len(sequence), f"rendering {out.name}") as tell:
            made = render(
                held, decoder, lambda _size, _rate: film, size=(height, width), fine=fine,
                finish=_stamped(presented, stamp, film) if stamp else presented,
                progress=tell, allow_other_model=True,  # each was checked above
            )  # fmt: skip
        if sheet is not None:
            _write_sheet(sheet, held, decoder, presented)
    return made


def _stamped(presented: Finish, stamp: Stamp, film: FilmWriter) -> Finish:
    """`presented`, with the number of the frame that is written next."""

    def finished(pixels: U8, values: Mapping[str, float]) -> U8:
        return stamp(presented(pixels, values), film.frames)

    return finished


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


def _largest(playing: Mapping[int, ModelManifest]) -> Size:
    """(height, width) of the largest of the models."""
    return max(manifest.size for manifest in playing.values())


def _tell_a_change(made_for: ModelReference, found: ModelManifest, source: Path) -> None:
    """Say so where a model of that name is not what it was."""
    if made_for.name == found.name and made_for.sha256 not in ("", found.sha256):
        say(
            f"{found.name} has changed since {source} was made with it: "
            f"{made_for.sha256[:12]} then, {found.sha256[:12]} now"
        )


def _write_sheet(path: Path, sequence: ZSequence, decoder: Decoder, presented: Presented) -> None:
    """Pictures from the whole length of `sequence`, each with its time."""
    rows = pick_rows(len(sequence), _SHEET_TILES)
    pictures = [
        presented(picture, values_at(sequence, row))
        for row, picture in zip(rows, decode_rows(sequence, decoder, rows), strict=True)
    ]
    labels = [f"{sequence.rate.time_of(row):.1f} s" for row in rows]
    width, height = presented.size
    tile = (round(_TILE_WIDTH * height / width), _TILE_WIDTH)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_png(path, contact_sheet(pictures, labels=labels, size=tile))
