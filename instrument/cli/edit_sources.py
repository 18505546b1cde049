"""Which z-sequence stands for which footage of an edit: as told, or found by its name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from instrument import InstrumentError
from instrument.studio.footage import Source, open_source
from instrument.studio.timeline import Media, Timeline

_LISTED = 6  # media that an error names


@dataclass(frozen=True, slots=True)
class Found:
    """The `sources` of an edit, and which of them each medium is."""

    sources: tuple[Source, ...]
    places: dict[Media, int]


def find_sources(timeline: Timeline, edit: Path, told: Sequence[str]) -> Found:
    """Open the z-sequence of every medium of `timeline`.

    `told` are ``PROXY=Z.npy``, or ``Z.npy`` alone for an edit of one medium. Whatever nothing is
    told of is looked for by its stem: beside the footage, beside `edit`, and here. Raises
    InstrumentError naming what is missing and where it was looked for.
    """
    media = tuple(timeline.media())
    if not media:
        raise InstrumentError(f"{edit}: uses no footage, nothing to conform")
    chosen = _chosen(media, told, edit)
    paths: dict[Path, int] = {}
    sources: list[Source] = []
    places = {}
    for medium in media:
        path = chosen.get(medium) or _look_for(medium, edit)
        key = path.resolve()
        if key not in paths:
            paths[key] = len(sources)
            sources.append(open_source(path))
        places[medium] = paths[key]
    return Found(tuple(sources), places)


def _chosen(media: tuple[Media, ...], told: Sequence[str], edit: Path) -> dict[Media, Path]:
    chosen: dict[Media, Path] = {}
    for text in told:
        name, path = _parted(text)
        meant = media if name is None else tuple(m for m in media if _is_called(m, name, edit))
        if name is None and len(media) > 1:
            raise InstrumentError(
                f"--source {text}: the edit has {len(media)} media ({_names(media)}), "
                "write PROXY=Z.npy for each"
            )
        if not meant:
            raise InstrumentError(
                f"--source {text}: the edit has no {name!r}, allowed are {_names(media)}"
            )
        chosen |= dict.fromkeys(meant, path)
    return chosen


def _parted(text: str) -> tuple[str | None, Path]:
    """``PROXY=Z.npy`` in two. Either may hold a ``=`` of its own: what is there decides."""
    whole = _z_of(Path(text).expanduser())
    if whole.is_file():
        return None, whole
    marks = [at for at, letter in enumerate(text) if letter == "="]
    for at in marks:
        path = _z_of(Path(text[at + 1 :]).expanduser())
        if path.is_file():
            return text[:at], path
    missing = Path(text[marks[0] + 1 :]) if marks else Path(text)
    raise InstrumentError(f"--source {text}: no z-sequence {missing}, write PROXY=Z.npy")


def _z_of(path: Path) -> Path:
    """The z-sequence at `path`, which may be a take's folder."""
    return path / "z.npy" if path.is_dir() else path


def _is_called(media: Media, name: str, edit: Path) -> bool:
    """Whether somebody means `media` by `name`: its name, a file name, a stem, or a path."""
    wanted = (edit.parent / name).resolve()
    for place in (media.name, *media.places):
        file = _file_name(place)
        if name in (place, file, _stem(file)):
            return True
        if Path(name).name == file and wanted == (edit.parent / place).resolve():
            return True
    return any(Path(name).resolve() == Path(place).resolve() for place in media.places)


def _look_for(media: Media, edit: Path) -> Path:
    looked: dict[Path, None] = {}
    for path in _candidates(media, edit):
        if path.is_file():
            return path
        looked.setdefault(path.parent.parent if path.name == "z.npy" else path.parent)
    stems = dict.fromkeys(_stem(_file_name(place)) for place in media.places or (media.name,))
    raise InstrumentError(
        f"{edit}: no z-sequence for {media.name!r}: looked for "
        f"{' or '.join(f'{stem}.npy' for stem in stems)} in "
        f"{', '.join(str(folder) for folder in looked)}; or say --source {next(iter(stems))}=Z.npy"
    )


def _candidates(media: Media, edit: Path) -> Iterator[Path]:
    for place in media.places or (media.name,):
        stem = _stem(_file_name(place))
        if not stem:
            continue
        beside = [] if _foreign(place) else [(edit.parent / place).parent]
        for folder in (*beside, edit.parent, Path()):
            yield folder / f"{stem}.npy"
            yield folder / f"{stem}.take" / "z.npy"


def _file_name(place: str) -> str:
    return re.split(r"[/\\]", place)[-1]


def _stem(file: str) -> str:
    stem, dot, _ = file.rpartition(".")
    return stem if dot and stem else file


def _foreign(place: str) -> bool:
    """Whether `place` is a path of another kind of system, which means nothing here."""
    return "\\" in place or "://" in place or "\0" in place


def _names(media: tuple[Media, ...]) -> str:
    names = [medium.name for medium in media[:_LISTED]]
    return ", ".join(names) + (", …" if len(media) > _LISTED else "")
