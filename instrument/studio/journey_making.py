"""Makes a folder of journeys: rows, proxies, the overview sheet and the index.

Each journey appears whole or not at all. One that is already there under the same terms is kept.
What is shown and encoded comes from the decoder that is handed in.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from instrument.decoder.protocol import Decoder
from instrument.frame import U8
from instrument.latent.sequence import ZSequence, load_sequence, save_sequence
from instrument.latent.trace import COLUMNS, Origin, Trace, trace_to_json
from instrument.studio.film import Size
from instrument.studio.journey_index import JourneyIndex, digest
from instrument.studio.journeys import (
    Avoidance,
    Journey,
    Kept,
    Terms,
    around,
    as_sequence,
    measured,
)
from instrument.studio.keys import Keys
from instrument.studio.overview import PICTURES, journey_strip, overview
from instrument.studio.proxy import write_proxy
from instrument.studio.render import Progress
from instrument.studio.samples import decode_rows
from instrument.studio.sheet import pick_rows, save_png
from instrument.studio.together import together

OVERVIEW = "overview.png"


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """What was ordered: from which rows, under which terms, where to, and shown how.

    `proxy` is the (height, width) of the proxies, None for none. `avoid` finds out, once it is
    needed, what is to be kept away from; `avoided` says of it what the index should.
    """

    sequence: ZSequence
    origins: tuple[Origin, ...]
    terms: Terms
    folder: Path
    proxy: Size | None
    avoid: Callable[[], Avoidance] | None = None
    avoided: dict[str, Any] | None = None

    def head(self) -> dict[str, Any]:
        """What the index says of all journeys."""
        none = Trace(self.origins, np.zeros((0, len(COLUMNS))))
        model = {"name": self.sequence.model.name, "sha256": self.sequence.model.sha256}
        return {
            "origins": trace_to_json(none, self.folder)["origins"], "model": model,
            **self.terms.to_json(),
            "avoid": self.avoided, "overview": OVERVIEW,
        }  # fmt: skip

    def digest(self, journey: Journey) -> str:
        """One word for everything that decides what a journey becomes, and where its files lie."""
        return digest({
            "origins": [origin.sha256 for origin in self.origins],
            "model": self.sequence.model.sha256, "terms": self.terms.to_json(),
            "keys": _keys_to_json(journey.keys), "seed": journey.seed,
            "proxy": self.proxy, "avoid": self.avoided,
        })  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """All journeys as the index has them, and how many of them were there already."""

    entries: list[dict[str, Any]]
    kept: int
    overview: Path
    index: Path


def make_journeys(
    order: Order, journeys: Sequence[Journey], decoder: Decoder,
    telling: Callable[[Journey, Progress | None], None],
) -> Made:  # fmt: skip
    """Make all `journeys` and the overview. `telling` hears which is next, and how far it is.

    Raises InstrumentError; what was finished by then stays, and is in the index.
    """
    index = JourneyIndex(order.folder, order.head())
    strips, kept = [], 0
    for journey in journeys:
        terms = order.digest(journey)
        telling(journey, None)
        entry = index.finished(journey.name, terms)
        seen: dict[int, U8] = {}
        if entry is None:
            entry = _make(order, journey, decoder, functools.partial(telling, journey), seen)
            entry["terms"] = terms
        else:
            kept += 1
        index.add(journey.name, entry)
        pictures = [seen[row] for row in sorted(seen)] or _shown(order, journey, decoder)
        strips.append(journey_strip(pictures, len(journeys)))
    entries = index.close()
    sheet = order.folder / OVERVIEW
    save_png(sheet, overview(strips, [_label(entry) for entry in entries]))
    return Made(entries, kept, sheet, index.path)


def _make(
    order: Order, journey: Journey, decoder: Decoder, progress: Callable[[Progress], None],
    seen: dict[int, U8],
) -> dict[str, Any]:  # fmt: skip
    """Write one journey; gives its entry, and puts the pictures of its strip into `seen`."""
    asked, detours, unwanted = journey, None, None
    if order.avoid is not None:
        spec = order.sequence.spec
        journey, detours, unwanted = around(asked, order.avoid(), order.terms, spec)
    source = f"journey {' → '.join(journey.keys.names)} of {Path(order.origins[0].path).name}"
    sequence = as_sequence(journey, order.terms, order.sequence, order.origins, source)
    array = order.folder / f"{journey.name}.npy"
    files = [array.name, f"{journey.name}.json", f"{journey.name}.trace.npy"]
    files += [f"{journey.name}.params.npy"] if sequence.addresses else []
    with together(order.folder, journey.name) as stage:
        if order.proxy is not None:
            files.append(f"{journey.name}.mp4")
            _film(stage.path(files[-1]), sequence, decoder, order.proxy, progress, seen)
        elif (old := array.with_suffix(".mp4")).is_file():
            old.unlink()  # a film of what stood there before would not be of these rows
        stage.publish(lambda: save_sequence(array, sequence))
    rows = np.asarray(sequence.z, np.float64)
    return {
        "files": files, "keys": _keys_to_json(asked.keys), "through": list(journey.keys.names),
        "frames": len(sequence), "seed": journey.seed,
        **measured(journey, order.terms, rows, sequence.spec), **_kept(unwanted, detours),
    }  # fmt: skip


def _film(
    path: Path, sequence: ZSequence, decoder: Decoder, size: Size,
    progress: Callable[[Progress], None], seen: dict[int, U8],
) -> None:  # fmt: skip
    """Write the proxy; what the strip shows of it need not be decoded again."""
    wanted = pick_rows(len(sequence), PICTURES)

    def see(row: int, picture: U8) -> None:
        if row in wanted:
            seen[row] = picture.copy()

    write_proxy(
        path, sequence, decoder, size=size, see=see, progress=progress,
        allow_other_model=True,  # was checked when the model was chosen
    )  # fmt: skip


def _kept(unwanted: Kept | None, detours: list[list[str]] | None) -> dict[str, Any]:
    if unwanted is None:
        return {}
    return {
        "unwanted_straight": round(unwanted.before, 4),
        "unwanted": round(unwanted.after, 4),
        "unwanted_of_pictures": unwanted.pictures,
        "detours": detours,
    }


def _shown(order: Order, journey: Journey, decoder: Decoder) -> list[U8]:
    """Pictures from the whole length of a journey, as its rows on the disk have them."""
    sequence = load_sequence(order.folder / f"{journey.name}.npy")
    return decode_rows(sequence, decoder, pick_rows(len(sequence), PICTURES))


def _label(entry: dict[str, Any]) -> str:
    text = f"{entry['name']}:  {' > '.join(entry['through'])}"  # the sheet's type has no arrow
    if "unwanted" not in entry:
        return text
    straight, now = (round(100 * entry[key]) for key in ("unwanted_straight", "unwanted"))
    return f"{text},  unwanted {now} %, straight {straight} %"


def _keys_to_json(keys: Keys) -> list[dict[str, Any]]:
    """Rows by their number, waypoints by their name too."""
    return [
        {"row": row} if origin == 0 else {"waypoint": name, "row": row}
        for origin, row, name in zip(
            keys.origins.tolist(), keys.rows.tolist(), keys.names, strict=True
        )
    ]
