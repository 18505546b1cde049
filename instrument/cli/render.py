"""``instrument render``: a z-sequence or a take → a film, or numbered pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Annotated

import typer

from instrument import InstrumentError
from instrument.cli import film_options as options
from instrument.cli import manners
from instrument.cli.console import report, say
from instrument.cli.farming import render_on_farm
from instrument.cli.film_options import FilmWishes
from instrument.cli.making import QUIET, Made, Showing, make
from instrument.cli.manners import USUAL, Manner
from instrument.cli.ordering import Ordered
from instrument.cli.played import Played, open_source
from instrument.cli.rendering import Film, machine_here
from instrument.cli.sources import model_for, parse_size
from instrument.decoder.crossfade import FIRST, SECOND, SHARE, parts_of
from instrument.decoder.models import ModelManifest
from instrument.decoder.spaces import taking
from instrument.latent.arrays import taken, write_atomically
from instrument.latent.sequence import ModelReference, ZSequence
from instrument.studio.codecs import MOVIES
from instrument.studio.farm_job import job_template
from instrument.studio.film import Size
from instrument.studio.render import check_model
from instrument.timebase import FrameRange, FrameRate

PLAIN = FilmWishes()
_MIX = (FIRST, SECOND, SHARE)
_TOGETHER = 4096  # rows


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
    resume: manners.ResumeOption = False,
    restart: manners.RestartOption = False,
    part: manners.PartOption = False,
    assemble: manners.AssembleOption = False,
    spare: manners.SpareOption = False,
    batch: manners.BatchOption = None,
    chunk: manners.ChunkOption = None,
    workers: manners.WorkersOption = None,
    preview: manners.PreviewOption = None,
    hashes: manners.HashesOption = None,
    farm: manners.FarmOption = None,
    job: manners.JobOption = None,
    openjd: manners.OpenJdOption = False,
    as_json: manners.JsonOption = False,
) -> None:
    """Render a film. A render that was ended goes on where it was, by the same command."""
    if fit not in ("fit", "fill"):
        raise InstrumentError(f"fit {fit!r}: allowed are fit and fill")
    wishes = FilmWishes(
        parse_size(size) if size else None, "fill" if fit == "fill" else "fit", preset, codec,
        depth, range_, crf, upscale, supersample, blur, samples, dither, audio, audio_offset,
        timecode, chapters,
    )  # fmt: skip
    manner = Manner(batch, chunk, workers, part, assemble, resume, restart, farm, job, spare)
    models, playing_at = tuple(model or ()), FrameRate.parse(rate) if rate else None
    if job is not None:
        write_job(Ordered(source, models, playing_at, frames, wishes), out, manner, as_json)
        return
    made = render_film(
        source, out, models=models, rate=playing_at, frames=frames, wishes=wishes, sheet=sheet,
        manner=manner, showing=Showing(as_json, preview, hashes, openjd),
    )  # fmt: skip
    report(made.to_json(), as_json, made.in_words())


def render_film(
    source: Path,
    out: Path,
    *,
    models: tuple[str, ...] = (),
    rate: FrameRate | None = None,
    frames: str | None = None,
    wishes: FilmWishes = PLAIN,
    sheet: Path | None = None,
    manner: Manner = USUAL,
    showing: Showing = QUIET,
) -> Made:
    """Read `source`, decode it and write the film as wished for.

    `models` stand in for those that play, in the order of their numbers.
    """
    ordered = Ordered(source, models, rate, frames, wishes)
    film, asked = film_of(ordered, out, manner)
    farm = partial(render_on_farm, ordered, manner.farm) if manner.farm is not None else None
    return make(film, asked, manner, showing, sheet, farm)


def write_job(ordered: Ordered, out: Path, manner: Manner, as_json: bool) -> None:
    """Write the job of the film `out`, as `NAME.openjd.json` beside it."""
    if ordered.frames is not None:
        raise InstrumentError("job: renders whole films; leave --frames out")
    film, _ = film_of(ordered, out, manner)
    manifest = film.manifest(manner, None, machine_here(film.painting))
    words = [*ordered.words(), "--batch", str(manifest.batch), "--chunk", str(manifest.chunk)]
    words += ["--workers", str(manner.workers)] if manner.workers else []
    template = job_template(ordered.source, out, words, manifest.chunks)
    path = out.with_name(f"{out.name}.openjd.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as file:
        file.write(json.dumps(template, indent=1).encode() + b"\n")
    tasks = len(template["steps"][0]["parameterSpace"]["taskParameterDefinitions"][0]["range"])
    made = {"path": str(path), "tasks": tasks, "frames": len(manifest.rows)}
    report(made, as_json, f"job    {path}  ({tasks} tasks, {len(manifest.rows)} frames)")
    if "default" not in template["parameterDefinitions"][0]:
        say(f"the source lies elsewhere: give it as Source={ordered.source.absolute()}")


def film_of(ordered: Ordered, out: Path, manner: Manner) -> tuple[Film, FrameRange]:
    """What `ordered` comes to, and which frames of it; nothing is opened that needs torch."""
    played = open_source(ordered.source, ordered.rate)
    if len(played.sequence) == 0:
        raise InstrumentError(f"{ordered.source}: holds no frame")
    wishes, source = ordered.wishes, ordered.source
    asked = FrameRange.parse(ordered.frames or ":", len(played.sequence))
    # A part is some frames of the whole film; otherwise they are the film.
    rows = FrameRange(0, len(played.sequence)) if manner.part else asked
    playing = models_of(played.sequence.cut(_touched(rows, manner, played)), ordered.models, source)
    width, height = wishes.size_for(_largest(playing))
    marks = played.marks() if wishes.wants_chapters else []
    stills = out.suffix.lower() not in MOVIES
    extras = wishes.extras(marks, rows, played.sequence.rate, stills=stills)
    if out.suffix:
        out.parent.mkdir(parents=True, exist_ok=True)
    return Film(out, played, rows, playing, wishes, (height, width), extras), asked


def _touched(rows: FrameRange, manner: Manner, played: Played) -> FrameRange:
    """The rows that are decoded for `rows`: whole batches, as for the whole film."""
    batch = manner.batch or 1  # where several models play, the usual one (see `Film.manifest`)
    stop = -(-rows.stop // batch) * batch
    return FrameRange(rows.start // batch * batch, min(stop, len(played.sequence)))


def models_of(
    sequence: ZSequence, names: tuple[str, ...], source: Path
) -> dict[int, ModelManifest]:
    """The models that `sequence` shows, by their numbers; `names` stand in for the first of them.

    Raises InstrumentError naming a model that is not here, or that its z do not go with.
    """
    if len(sequence) == 0:
        raise InstrumentError(f"{source}: holds no frame")
    references = sequence.models or (sequence.model,)
    numbers = sorted(_shown(sequence))
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


def _shown(sequence: ZSequence) -> set[int]:
    """The numbers of the models that `sequence` shows; its rows are looked at a few at a time."""
    columns = {a: sequence.addresses.index(a) for a in _MIX if a in sequence.addresses}
    if not columns:
        return {1}
    shown = set[int]()
    for start in range(0, len(sequence), _TOGETHER):
        rows = taken(sequence.parameters, slice(start, start + _TOGETHER))
        shown |= parts_of({a: rows[:, column] for a, column in columns.items()}, len(rows)).keys()
    return shown


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
