"""Finished chunks → the film: all of them, each what its record says, none re-encoded.

Assembling may be tried any number of times: until the film stands whole in its place, the chunks
stay as they are, unless somebody asks for room to be spared.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from instrument import InstrumentError
from instrument.studio.ahead import DecodeAhead
from instrument.studio.containers import index_room
from instrument.studio.disk_room import check_room
from instrument.studio.extras import Extras
from instrument.studio.render_manifest import Manifest
from instrument.studio.splice import splice
from instrument.studio.stills import Numbering
from instrument.studio.workplace import ChunkRecord, Workplace
from instrument.timebase import FrameRange

_VERIFIED = 3  # frames decoded again
_NAMED = 3  # missing ranges in an error

Records = Mapping[FrameRange, ChunkRecord]


def complete(work: Workplace, manifest: Manifest, known: Records) -> dict[FrameRange, ChunkRecord]:
    """The record of every chunk, in order; the files of those that are not `known` are read.

    Raises InstrumentError naming the frames that are missing.
    """
    records: dict[FrameRange, ChunkRecord] = {}
    missing: list[FrameRange] = []
    for chunk in manifest.chunks:
        record = known.get(chunk) or work.finished(manifest, chunk)
        if record is None:
            missing.append(chunk)
        else:
            records[chunk] = record
    if missing:
        named = ", ".join(f"{c.start}:{c.stop}" for c in missing[:_NAMED])
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise InstrumentError(
            f"{work.out}: {len(missing)} of {len(manifest.chunks)} chunks are not finished: "
            f"frames {named}{more}"
        )
    return records


def verify(manifest: Manifest, records: Records, ahead: DecodeAhead) -> list[int]:
    """Make a few frames of `records` again; which rows they were.

    Raises InstrumentError naming one that is not what was encoded.
    """
    chance = np.random.Generator(np.random.Philox(int(manifest.sha256[:16], 16)))
    chunks = list(records)
    ends = np.cumsum([len(chunk) for chunk in chunks])
    total = int(ends[-1])
    chosen = dict[int, FrameRange]()
    for place in sorted(chance.choice(total, min(_VERIFIED, total), replace=False).tolist()):
        number = int(np.searchsorted(ends, place, side="right"))
        chosen[chunks[number].stop - (int(ends[number]) - place)] = chunks[number]
    with contextlib.closing(ahead.frames(FrameRange(row, row + 1) for row in chosen)) as frames:
        for row, _, digest in frames:
            chunk = chosen[row]
            if digest != records[chunk].digest(row):
                raise InstrumentError(
                    f"frame {row} is not what is rendered here: the chunk {chunk.start}:"
                    f"{chunk.stop} comes from another machine or a faulty one; remove it, or add "
                    f"--restart"
                )
    return list(chosen)


def assemble(
    work: Workplace, manifest: Manifest, records: Records, extras: Extras, *, spare: bool = False
) -> str:
    """Put the film in its place and remove the workplace; the SHA-256 over all its frames'.

    A `spare` one takes chunks away once they are in the film, and needs room for it but once:
    where that is cut short, they have to be rendered again. Raises InstrumentError, and otherwise
    leaves the chunks alone, where the film cannot be.
    """
    chunks = manifest.chunks
    assert list(records) == list(chunks)
    pictures = pictures_sha256(records)
    if work.path_of(chunks[0]).is_dir():
        _gather(work, chunks)
    else:
        with work.stage() as stage:  # what killed processes left there is removed first
            sizes = [record.bytes for record in records.values()]
            index = index_room(len(manifest.rows), sum(sizes), extras, manifest.rate)
            check_room(work.out, (max(sizes) if spare else sum(sizes)) + index)
            parts = {work.path_of(chunk): chunk for chunk in chunks}

            def done(part: Path) -> None:
                if spare:
                    work.forget(parts[part])

            counted = [(path, len(chunk)) for path, chunk in parts.items()]
            splice(counted, work.out, manifest.rate, extras, stage / "whole", done)
    work.discard()
    return pictures


def pictures_sha256(records: Records) -> str:
    """One SHA-256 for all frames in order: equal films, equal numbers, however they were made."""
    digest = hashlib.sha256()
    for record in records.values():
        digest.update(record.digests)
    return digest.hexdigest()


def _gather(work: Workplace, chunks: tuple[FrameRange, ...]) -> None:
    """Numbered pictures of all chunks → the numbered pictures of the film."""
    suffix = next(iter(sorted(work.path_of(chunks[0]).iterdir()))).suffix
    target = Numbering.of(work.out, suffix)
    assert target is not None
    whole = work.folder / "whole"
    try:
        shutil.rmtree(whole, ignore_errors=True)
        whole.mkdir()
        for chunk in chunks:
            for number, file in enumerate(sorted(work.path_of(chunk).iterdir())):
                _link(file, whole / target.name(chunk.start - chunks[0].start + number))
        _move(whole, target, chunks[-1].stop - chunks[0].start)
    except OSError as error:
        reason = error.strerror or error
        raise InstrumentError(f"{work.out}: cannot be put in place ({reason})") from error


def _link(file: Path, place: Path) -> None:
    """The same file under a second name, so that the chunk stays whole; else a copy."""
    try:
        os.link(file, place)
    except OSError:
        shutil.copyfile(file, place)


def _move(whole: Path, target: Numbering, frames: int) -> None:
    if not target.folder.exists():
        whole.replace(target.folder)
        return
    for frame in range(frames):
        (whole / target.name(frame)).replace(target.folder / target.name(frame))
    # A longer film that stood here before would otherwise go on after the end of this one.
    for frame in target.present():
        if frame >= frames:
            (target.folder / target.name(frame)).unlink()
