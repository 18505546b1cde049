"""A survey's pictures: decoded once, for the film, the contact sheets and the census alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from instrument.decoder.protocol import Decoder
from instrument.latent.sequence import ZSequence
from instrument.latent.space import F32
from instrument.studio import survey
from instrument.studio.census import Kind, spread_of, take_census
from instrument.studio.clusters import find_clusters
from instrument.studio.film import Size
from instrument.studio.onlooker import Onlooker
from instrument.studio.perception import Perception
from instrument.studio.proxy import UNRELATED, proxy_size, write_proxy
from instrument.studio.render import Progress
from instrument.studio.samples import decode_rows
from instrument.studio.sheet import contact_sheet
from instrument.studio.sheet_pages import TILES, SheetPages, page_names, png, tile_size
from instrument.studio.survey_report import Findings
from instrument.studio.together import Together

SNAPSHOT = "/model/snapshot"


@dataclass(frozen=True, slots=True)
class Showing:
    """How a survey is shown: `size` (height, width) of the film, `tiles` on a sheet, None for none.

    `label` burns row and timecode in; `clusters` is how many there are to be, None if that is to
    be found out.
    """

    size: Size | None = None
    label: bool = False
    tiles: int | None = TILES
    clusters: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Filmed:
    """What was seen: the features ``F32[n, k]`` of all pictures, and what the sheets are called."""

    features: F32
    sheets: tuple[str, ...]


def film_survey(
    stage: Together, stem: str, sequence: ZSequence, decoder: Decoder,
    perception: Perception, showing: Showing, progress: Callable[[Progress], None] | None = None,
) -> Filmed:  # fmt: skip
    """Write ``NAME.mp4`` and the contact sheets; `stem` is NAME. Raises InstrumentError."""
    size = decoder.spec.size
    pages = None if showing.tiles is None else SheetPages(size, showing.tiles)
    onlooker = Onlooker(perception, pages)
    write_proxy(
        stage.path(f"{stem}.mp4"), sequence, decoder, size=showing.size or proxy_size(size),
        label=showing.label, quality=UNRELATED, see=onlooker.see, progress=progress,
        allow_other_model=True,
    )  # fmt: skip
    made = [] if pages is None else pages.pages()
    names = page_names(stem, len(made)) if made else []
    for name, page in zip(names, made, strict=True):
        stage.write(name, page)
    return Filmed(onlooker.features(), tuple(names))


def find_out(
    sequence: ZSequence, features: F32, perception: Perception, clusters: int | None, seed: int,
    origins: survey.Rows | None = None,
) -> Findings:  # fmt: skip
    """The census of a survey with these `features`.

    `origins` tell rows apart that were drawn from others: each names the one it comes from.
    """
    found = find_clusters(features, clusters, seed)
    first, which = survey.distinct(*columns_of(sequence))
    repeats = np.bincount(which if origins is None else origins).astype(np.float64)
    census = take_census(found, sequence.column(SNAPSHOT), seed)
    effective = survey.effective_size(repeats)
    distances = spread_of(features, seed)
    return Findings(found, census, len(first), effective, perception.name, distances)


def columns_of(sequence: ZSequence) -> list[F32]:
    """What tells rows of `sequence` apart: z, and the parameters."""
    return [sequence.z, sequence.parameters] if sequence.addresses else [sequence.z]


def clusters_sheet(sequence: ZSequence, decoder: Decoder, kinds: tuple[Kind, ...]) -> bytes:
    """A PNG with a line for each of `kinds`: the pictures nearest to its centre."""
    pictures, labels = [], []
    across = max(len(kind.examples) for kind in kinds)
    for kind in kinds:
        found = decode_rows(sequence, decoder, kind.examples)
        texts = [str(row) for row in kind.examples]
        texts[0] = f"{kind.number}: {100 * kind.share:.1f} %  {texts[0]}"
        missing = across - len(found)
        pictures += [*found, *[np.zeros_like(found[0])] * missing]
        labels += [*texts, *[""] * missing]
    return png(contact_sheet(pictures, across, labels, tile_size(decoder.spec.size)))
