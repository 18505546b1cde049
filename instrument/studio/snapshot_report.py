"""How much of an edit survives a change of snapshot, in numbers.

`edit` is what the rows show as they were edited; every snapshot is held against it. Four things are
asked: how far its pictures lie from the edit's, how many rows have become another kind of thing,
whether what was alike is alike still, and how far any two snapshots lie apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from instrument.latent.space import F32, F64
from instrument.studio.clusters import find_clusters

_FEWEST = 4  # rows of which kinds can be told


@dataclass(frozen=True, slots=True, eq=False)
class Survival:
    """Over `snapshots` and `rows` of a z-sequence.

    `apart F64[s, s]` are mean distances of pictures, `from_edit F64[s]` those to the edit;
    `flips F64[s]` is the share of rows that are of another of `kinds` kinds than in the edit, NaN
    where there are too few rows to tell; `order F64[s]` the rank correlation (Spearman) of the
    distances between rows with those in the edit.
    """

    snapshots: tuple[float, ...]
    rows: int
    kinds: int
    apart: F64
    from_edit: F64
    flips: F64
    order: F64

    @property
    def kept(self) -> F64:
        """How much of the edit each keeps, 0..1: rows of their kind, times the order there is."""
        kind = np.where(np.isnan(self.flips), 1.0, 1.0 - self.flips)
        order = np.where(np.isnan(self.order), 1.0, np.maximum(self.order, 0.0))
        return np.asarray(kind * order)

    def to_json(self, images: Sequence[int | None]) -> dict[str, Any]:
        """The report; `images` says how many pictures each had been trained on."""
        return {
            "format": "snapshots/1",
            "rows": self.rows,
            "kinds": self.kinds,
            "snapshots": [
                {
                    "snapshot": snapshot,
                    **({} if images[i] is None else {"images": images[i]}),
                    "distance_from_edit": _short(self.from_edit[i]),
                    "label_flip_rate": _short(self.flips[i]),
                    "order_kept": _short(self.order[i]),
                    "kept": _short(self.kept[i]),
                }
                for i, snapshot in enumerate(self.snapshots)
            ],
            "distance": [[_short(d) for d in row] for row in self.apart],
        }

    def to_text(self) -> str:
        """The same for people: the snapshots, and what each keeps."""
        lines = ["snapshot  distance  other kind  order kept  of the edit"]
        for i, snapshot in enumerate(self.snapshots):
            flips, order = (
                "-" if np.isnan(share) else f"{100 * share:.0f} %"
                for share in (self.flips[i], self.order[i])
            )
            lines.append(
                f"{snapshot:>8g}  {self.from_edit[i]:>8.3f}  {flips:>10}  {order:>10}  "
                f"{100 * self.kept[i]:>9.0f} %"
            )
        return "\n".join(lines)


def survival(
    snapshots: Sequence[float], edit: F32, through: Iterable[F32], kinds: int | None = None,
    seed: int = 0,
) -> Survival:  # fmt: skip
    """Compare what each snapshot shows, `through` ``F32[n, k]`` of each, with the edit's features.

    `kinds` is how many there are among the edit's pictures; found out where it is None.
    """
    seen = [np.asarray(features) for features in through]
    every = [edit, *seen]
    apart = np.array([[_mean_distance(a, b) for b in every] for a in every])
    flips = np.full(len(seen), np.nan)
    found = 0
    if len(edit) >= _FEWEST or kinds is not None:
        centres = find_clusters(edit, kinds, seed).centres
        found = len(centres)
        own = _nearest(edit, centres)
        flips = np.array([float((_nearest(some, centres) != own).mean()) for some in seen])
    order = np.array([_spearman(_pairs(edit), _pairs(some)) for some in seen])
    return Survival(tuple(snapshots), len(edit), found, apart[1:, 1:], apart[0, 1:], flips, order)


def _mean_distance(a: F32, b: F32) -> float:
    off = (a - b).astype(np.float64)
    return float(np.sqrt((off * off).sum(axis=1)).mean())


def _nearest(points: F32, centres: F64) -> np.ndarray[Any, np.dtype[np.intp]]:
    distances = [((points - centre) ** 2).sum(axis=1) for centre in centres]
    return np.asarray(np.argmin(np.stack(distances), axis=0))


def _pairs(features: F32) -> F64:
    """The distances of all pairs of rows."""
    points = features.astype(np.float64)
    squares = (points * points).sum(axis=1)
    first, second = np.triu_indices(len(points), 1)
    dots = (points @ points.T)[first, second]
    return np.asarray(np.sqrt(np.maximum(squares[first] + squares[second] - 2.0 * dots, 0.0)))


def _spearman(a: F64, b: F64) -> float:
    """The correlation of ranks; NaN where one of the two has no order."""
    if len(a) < 2:
        return float("nan")
    x, y = _ranks(a), _ranks(b)
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / size if size > 0.0 else float("nan")


def _ranks(values: F64) -> F64:
    """Ranks from 0; what is equal shares the mean of its ranks."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - 0.5 * (counts + 1))[which])


def _short(number: float) -> float | None:
    return None if np.isnan(number) else float(f"{number:.5g}")
