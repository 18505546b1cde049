"""The way back of ``instrument conform``: takes and z-sequences onto an editor's timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instrument import InstrumentError
from instrument.cli.console import say
from instrument.latent.sequence import load_sequence
from instrument.studio.edit_writing import Reel, write_edl
from instrument.studio.timeline import Marker
from instrument.take.layout import RECORD, SUFFIX
from instrument.take.marks import marks_of
from instrument.take.reader import read_take


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: files, and how many clips, frames and marks they hold."""

    files: tuple[Path, ...]
    reels: tuple[Reel, ...]

    def to_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "written": [str(file) for file in self.files],
            "rate": [self.reels[0].rate.num, self.reels[0].rate.den],
            "clips": [
                {
                    "name": reel.name, "proxy": str(reel.proxy), "frames": reel.frames,
                    "markers": [[m.frame, m.name, m.note] for m in reel.markers],
                }
                for reel in self.reels
            ],
        }  # fmt: skip

    def __str__(self) -> str:
        frames = sum(reel.frames for reel in self.reels)
        marks = sum(len(reel.markers) for reel in self.reels)
        lines = (
            f"edit   {file}  ({len(self.reels)} clips, {frames} frames, {marks} markers)"
            for file in self.files
        )
        return "\n".join(lines)


def write_edits(
    sources: Sequence[Path],
    *,
    otio: Path | None = None,
    edl: Path | None = None,
    stacked: bool = False,
    drop: bool = False,
) -> Written:
    """Put `sources` on a timeline, and write it as asked. Raises InstrumentError."""
    for path, suffix in ((otio, ".otio"), (edl, ".edl")):
        if path is not None and path.suffix.lower() != suffix:
            raise InstrumentError(f"{path}: must end in {suffix}")
        if path is not None and not path.parent.is_dir():
            raise InstrumentError(f"{path}: there is no folder {path.parent}")
    if edl is not None and stacked:
        raise InstrumentError(f"{edl}: an EDL has one track; --stacked goes with --write-otio")
    if drop and edl is None:
        raise InstrumentError("--drop-frame goes with --write-edl")
    reels = tuple(reel_of(source) for source in sources)
    for reel in reels:
        if not reel.proxy.exists():
            say(f"{reel.proxy}: not there yet; make it with: instrument render")
    if otio is not None:
        from instrument.studio.otio_writing import write_otio  # 0.1 s that no other command waits

        write_otio(otio, reels, stacked=stacked)
    if edl is not None:
        write_edl(edl, reels, drop=drop)
    return Written(tuple(path for path in (otio, edl) if path is not None), reels)


def reel_of(source: Path) -> Reel:
    """A take's folder or a ``NAME.npy``, with its proxy. Raises InstrumentError."""
    if source.is_dir() or source.name == RECORD:
        return _take(source)
    if source.name == "z.npy" and (source.parent / RECORD).is_file():
        return _take(source.parent)
    sequence = load_sequence(source)
    return Reel(source.stem, source.with_suffix(".mp4"), len(sequence), sequence.rate)


def _take(source: Path) -> Reel:
    record = read_take(source)
    for line in record.damage:
        say(f"{source}: {line}")
    folder = source.parent if source.name == RECORD else source
    name = folder.absolute().name.removesuffix(SUFFIX)
    try:
        marks = marks_of(record, str(source))
    except InstrumentError as error:
        say(f"no markers: {error}")
        marks = ()
    markers = tuple(Marker(mark.frame, mark.name, mark.address) for mark in marks)
    return Reel(name, folder.parent / f"{name}.mp4", len(record), record.header.rate, markers)
