"""Rows and snapshots as people write them: ``3,10:20``, ``all``, or what a file is called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from instrument import InstrumentError
from instrument.decoder.models import HistoryDetails, ModelManifest

_MOST = 1_000_000  # rows that a list may come to
_NUMBER = re.compile(r"[0-9]{1,9}")
_RANGE = re.compile(r"([0-9]{0,9}):([0-9]{0,9})")
_PLACE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")


def parse_rows(text: str, length: int, what: str = "rows") -> list[int]:
    """``3,10:20`` → row 3 and rows 10 to 19, in the order written; ``all`` are all of `length`.

    Raises InstrumentError naming the part that is wrong, and what is allowed.
    """
    rows: list[int] = []
    for part in _parts(text):
        if part == "all":
            rows += range(length)
        elif _NUMBER.fullmatch(part):
            rows.append(int(part))
        elif match := _RANGE.fullmatch(part):
            start, stop = int(match[1] or 0), int(match[2] or length)
            if start >= stop or stop > length:
                raise InstrumentError(
                    f"{what} {part!r}: must lie within 0:{length} and hold a row, the last not"
                )
            rows += range(start, stop)
        else:
            raise InstrumentError(f"{what} {part[:40]!r}: write rows as 3,10:20 or all")
        if len(rows) > _MOST:
            raise InstrumentError(f"{what} {text[:40]!r}: more than {_MOST} rows")
    outside = [row for row in rows if row >= length]
    if outside:
        raise InstrumentError(f"{what}: {outside[0]} is none of the {length}, 0 to {length - 1}")
    return rows


def parse_snapshots(text: str, manifest: ModelManifest) -> list[float]:
    """Places in the training of `manifest`, from 0, in the order written.

    ``0,9,27``, ``4:8`` (without 8), ``all``, ``first``, ``newest``, ``4.25`` (between two), or a
    snapshot's own name or number of images. Raises InstrumentError naming what there is.
    """
    count = manifest.spec.snapshots
    names = _names(manifest)
    places: list[float] = []
    for part in _parts(text):
        if part in ("first", "newest"):
            places.append(0.0 if part == "first" else count - 1.0)
        elif _PLACE.fullmatch(part) and float(part) <= count - 1:
            places.append(float(part))
        elif part in names:
            places.append(float(names.index(part)))
        elif part in (images := _images(manifest)):
            places.append(float(images.index(part)))
        elif part == "all" or _RANGE.fullmatch(part):
            places += map(float, parse_rows(part, count, f"snapshots of {manifest.name}"))
        else:
            raise InstrumentError(_no_snapshot(part, manifest))
    if len(set(places)) < len(places):
        raise InstrumentError(f"snapshots {text[:40]!r}: names one of them twice")
    return places


def _parts(text: str) -> Sequence[str]:
    return [part.strip() for part in text.split(",")]


def _names(manifest: ModelManifest) -> list[str]:
    """What the snapshots' files are called, without folder and suffix; ``00`` where numbered."""
    details = manifest.details
    if not isinstance(details, HistoryDetails):
        return []
    return [PurePosixPath(snapshot.file).stem for snapshot in details.snapshots]


def _images(manifest: ModelManifest) -> list[str]:
    details = manifest.details
    if not isinstance(details, HistoryDetails):
        return []
    return [str(snapshot.images) for snapshot in details.snapshots]


def _no_snapshot(part: str, manifest: ModelManifest) -> str:
    count = manifest.spec.snapshots
    allowed = "0, the only one" if count == 1 else f"0 to {count - 1}, A:B, all, first, newest"
    images = _images(manifest)
    if count > 1 and images:
        allowed += f", or the images it had seen ({images[0]} … {images[-1]})"
    return f"snapshot {part[:40]!r}: {manifest.name} has {allowed}"
