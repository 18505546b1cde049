"""``--avoid``: which rows are meant, and what is looked at before ways around them are known."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from instrument import InstrumentError
from instrument.cli.console import say
from instrument.cli.path_options import Ground
from instrument.cli.picking import parse_rows
from instrument.decoder.protocol import Decoder
from instrument.latent.sequence import ZSequence
from instrument.latent.space import F32, F64
from instrument.studio.detours import Detours
from instrument.studio.journeys import Avoidance, Journey
from instrument.studio.keys import Keys, joined
from instrument.studio.onlooker import features_of
from instrument.studio.perception import OwnPerception
from instrument.studio.region import Region, with_alike
from instrument.studio.sheet import pick_rows
from instrument.studio.survey_report import read_report

_CLUSTERS = "@clusters:"
_LARGEST = 1 << 24  # bytes of a file of rows


@dataclass(frozen=True, slots=True)
class Unwanted:
    """`rows` to keep away from, each with its `alike` most similar rows; looked at `among` so many.

    `among` bounds both: the rows a detour may lead over, and those of `rows` that are looked at.
    """

    rows: tuple[int, ...]
    alike: int
    among: int

    def to_json(self) -> dict[str, Any]:
        """What the index says of it."""
        return {"rows": list(self.rows), "alike": self.alike, "among": self.among}


def unwanted_rows(
    texts: Sequence[str], ground: Ground, report: Path | None, alike: int, among: int
) -> Unwanted | None:
    """What ``--avoid`` names: rows, a file of rows, or ``@clusters:3,5`` of a survey's report."""
    if not 0 <= alike <= 10_000:
        raise InstrumentError(f"alike {alike}: must be 0 to 10000")
    if not 2 <= among <= 100_000:
        raise InstrumentError(f"among {among}: must be 2 to 100000")
    rows = {row for text in texts for row in _rows(text, ground, report)}
    if not rows:
        return None
    if len(rows) == len(ground.sequence):
        raise InstrumentError("avoid: names every row; some must be left to go through")
    return Unwanted(tuple(sorted(rows)), alike, among)


def _rows(text: str, ground: Ground, report: Path | None) -> list[int]:
    count = len(ground.sequence)
    if text.startswith(_CLUSTERS):
        found = read_report(report or ground.source.with_suffix(".report.json"), count)
        numbers = {str(cluster.number) for cluster in found.clusters}
        wanted = [part.strip() for part in text.removeprefix(_CLUSTERS).split(",")]
        for number in wanted:
            if number not in numbers:
                raise InstrumentError(
                    f"avoid: the report has no cluster {number[:20]!r}, only 1 to {len(numbers)}"
                )
        return [row for row, label in enumerate(found.labels) if str(label) in wanted]
    path = Path(text).expanduser()
    if len(text) < 200 and path.is_file():
        try:
            with path.open(encoding="utf-8") as file:
                listed = file.read(_LARGEST).split()
        except (OSError, UnicodeDecodeError) as error:
            raise InstrumentError(f"{path}: is no list of rows ({error})") from error
        parts = ",".join(listed).replace(",,", ",").strip(",")
        return parse_rows(parts, count, f"{path}: rows")
    return parse_rows(text, count, "avoid")


def avoidance(
    unwanted: Unwanted, journeys: Sequence[Journey], ground: Ground, decoder: Decoder
) -> Callable[[], Avoidance]:
    """What finds ways around, made when it is first asked for: the rows must be looked at."""

    @functools.cache
    def find_out() -> Avoidance:
        places, avoided, chosen = _places(unwanted, journeys, ground)
        say(f"looking at {len(places)} rows of {ground.source.name}, to know what to avoid")
        look = _looking(ground.sequence, decoder)
        features = look(places.z, places.parameters)
        mask = np.zeros(len(places), bool)
        mask[with_alike(features, avoided, unwanted.alike)] = True
        mask[chosen] = False  # whoever picks a key wants it
        region = Region(features, mask)
        return Avoidance(region, places, look, Detours(places, ground.sequence.spec, region, look))

    return find_out


def _places(
    unwanted: Unwanted, journeys: Sequence[Journey], ground: Ground
) -> tuple[Keys, list[int], list[int]]:
    """The places that are looked at; which of them are unwanted, and which are keys."""
    rows = set(unwanted.rows)
    free = [row for row in range(len(ground.sequence)) if row not in rows]
    some = {free[at] for at in pick_rows(len(free), unwanted.among)}
    shown = {unwanted.rows[at] for at in pick_rows(len(rows), unwanted.among)}
    waypoints: dict[int, Keys] = {}
    keys: set[tuple[int, int]] = set()
    for journey in journeys:
        for n, (origin, row) in enumerate(
            zip(journey.keys.origins.tolist(), journey.keys.rows.tolist(), strict=True)
        ):
            keys.add((origin, row))
            if origin == 0:
                some.add(row)
            else:
                waypoints[row] = journey.keys.at([n])
    listed = sorted(some | shown)
    places = joined([ground.rows(listed), *(waypoints[row] for row in sorted(waypoints))])
    found = list(zip(places.origins.tolist(), places.rows.tolist(), strict=True))
    avoided = [n for n, place in enumerate(found) if place[0] == 0 and place[1] in shown]
    return places, avoided, [n for n, place in enumerate(found) if place in keys]


def _looking(sequence: ZSequence, decoder: Decoder) -> Callable[[F64, F64], F32]:
    """What makes features of places, picture by picture."""
    perception = OwnPerception()

    def look(z: F64, parameters: F64) -> F32:
        seen = ZSequence(
            z.astype(np.float32), sequence.rate, sequence.spec, sequence.model,
            parameters.astype(np.float32), sequence.addresses,
        )  # fmt: skip
        return features_of(seen, range(len(seen)), decoder, perception)

    return look
