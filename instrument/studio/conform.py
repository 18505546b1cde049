"""Conform: an edit and its footage → a z-sequence as long as the edit, and what became of it.

This module only joins the parts: `painting` says what every frame shows, `gaps` what nothing is,
`mixes` what becomes of dissolves, `gathering` makes z of it, `columns` its parameters.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from instrument import InstrumentError
from instrument.decoder.crossfade import FIRST
from instrument.latent.sequence import ModelReference, ZSequence
from instrument.latent.space import F32, LatentSpec
from instrument.studio import gathering
from instrument.studio.columns import Cast, Column, cast_of, columns_of
from instrument.studio.footage import Source, check_alike
from instrument.studio.gaps import Gap, bridge
from instrument.studio.mixes import Dissolve, Mix, cut_mixes, fly, mixes_of
from instrument.studio.painting import Painter, Retime
from instrument.studio.plan import Flags, Piece, Seen, settled
from instrument.studio.timeline import Media, Remark, Timeline


@dataclass(frozen=True, slots=True)
class Choices:
    """How an edit is read where z can do more than pictures.

    `retime` ``auto``: between two rows of a way it is evaluated, of unrelated samples the editor's
    own frame is taken. `columns` is what parameters are, by address.
    """

    retime: Retime = "auto"
    dissolve: Dissolve = "slerp"
    gap: Gap = "black"
    columns: Mapping[str, Column] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Conformed:
    """The `sequence` of an edit, and what a report tells of how it came about."""

    sequence: ZSequence
    timeline: Timeline
    sources: tuple[Source, ...]
    pieces: tuple[Piece, ...]
    seen: Seen
    gaps: Flags
    mixes: tuple[Mix, ...]
    remarks: tuple[Remark, ...]
    choices: Choices


def conform(
    timeline: Timeline,
    sources: Sequence[Source],
    found: Mapping[Media, int],
    choices: Choices = Choices(),  # frozen
) -> Conformed:
    """Apply the edit `timeline` to `sources`; `found` says which of them a medium is.

    Raises InstrumentError where footage does not go together or nothing is shown.
    """
    check_alike(tuple(sources))
    if not sources:
        raise InstrumentError(f"{timeline.name}: uses no footage: nothing to conform")
    spec = sources[0].sequence.spec
    _check_room(timeline, spec)
    plan = Painter(sources, found, choices.retime).paint(timeline)
    try:
        gaps = bridge(plan, choices.gap)
    except InstrumentError as error:
        raise InstrumentError(f"{timeline.name}: {error}") from error
    seen = settled(plan)
    mixes = mixes_of(seen, gaps)
    if choices.dissolve == "hold":
        seen = cut_mixes(seen, mixes)
    z = gathering.gather(seen, sources, spec)
    cast = cast_of(sources)
    parameters, addresses, remarks = columns_of(seen, sources, choices.columns, cast)
    if choices.dissolve == "spring":
        remarks += _flown(z, seen, mixes, sources, spec)
    model, models = _models(cast, parameters, addresses)
    sequence = ZSequence(
        z, timeline.rate, spec, model, parameters, addresses, None, f"conform {timeline.name}",
        models, gathering.trace(seen, sources),
    )  # fmt: skip
    return Conformed(
        sequence, timeline, tuple(sources), tuple(plan.pieces), seen, gaps, tuple(mixes),
        (*dict.fromkeys(_doubts(timeline, sources, found)), *cast.remarks, *remarks), choices,
    )  # fmt: skip


def _doubts(
    timeline: Timeline, sources: Sequence[Source], found: Mapping[Media, int]
) -> Iterator[Remark]:
    """Where footage and what the edit says of it do not agree."""
    for media in timeline.media():
        source = sources[found[media]]
        path = source.origin.path
        if media.rate is None and not source.rated:
            text = f"{path}: nobody says its rate, taken as the edit's {timeline.rate} /s"
            yield Remark("approximated", text)
        if media.frames not in (None, len(source)):
            text = f"{path}: {len(source)} rows, the edit's {media.name} has {media.frames} frames"
            yield Remark("approximated", text)


def _flown(
    z: F32, seen: Seen, mixes: Sequence[Mix], sources: Sequence[Source], spec: LatentSpec
) -> list[Remark]:
    """Let every dissolve follow a spring; what cannot keeps the editor's weights."""
    return [
        Remark("approximated", "spring: no clip hands over here, mixed by weights", mix.record)
        for mix in mixes
        if not fly(z, seen, mix, sources, spec)
    ]


def _models(
    cast: Cast, parameters: F32, addresses: tuple[str, ...]
) -> tuple[ModelReference, tuple[ModelReference, ...]]:
    """The model that plays first, and all of them where there are several."""
    if len(cast.models) == 1:
        return cast.models[0], ()
    first = int(parameters[0, addresses.index(FIRST)])
    return cast.models[first - 1], cast.models


def _check_room(timeline: Timeline, spec: LatentSpec) -> None:
    """Refuse what no memory here could hold, before anything is laid out."""
    needed = timeline.length * spec.size * 4
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows says it otherwise
        return
    if needed > there:
        raise InstrumentError(
            f"{timeline.name}: {timeline.length} frames of {spec} need {needed >> 30} GiB, "
            f"this machine has {there >> 30}"
        )
