"""The folder of an unfinished render, beside its film: the manifest and the chunks that are done.

``.NAME.render/manifest.json``, and in ``chunks/`` a file (of numbered pictures: a folder) for every
chunk, with a record beside it that was written last. Whatever has no record, or does not go with
it, is not there. Everything appears under its name when it is whole, so any number of processes,
on any number of machines, may work in the same folder. This module renders nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from instrument import InstrumentError
from instrument.studio.render_manifest import Manifest, manifest_from_json
from instrument.studio.stage_folder import stage_in
from instrument.timebase import FrameRange

RECORD = "render-chunk/1"
_BLOCK = 1 << 20  # bytes
Digests = bytes  # of frames: 32 each
_LARGEST_RECORD = 1 << 26  # bytes
_ATTEMPTS = 20  # to put a folder where others put theirs


@dataclass(frozen=True, slots=True)
class ChunkRecord:
    """A finished chunk: the SHA-256 of its file, and where it is written down.

    What its frames were before they were encoded stays on the disk: a film has many.
    """

    rows: FrameRange
    bytes: int
    sha256: str
    path: Path

    @property
    def digests(self) -> Digests:
        """The SHA-256 of every frame, 32 bytes each. Raises InstrumentError where it is gone."""
        try:
            return _digests(json.loads(self.path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InstrumentError(f"{self.path}: is no longer what it was ({error})") from error

    def digest(self, row: int) -> Digests:
        """The SHA-256 of the frame of `row`."""
        at = 32 * (row - self.rows.start)
        return self.digests[at : at + 32]

    @property
    def pictures(self) -> tuple[str, ...]:
        """The SHA-256 of every frame, as people write them."""
        digests = self.digests
        return tuple(digests[at : at + 32].hex() for at in range(0, len(digests), 32))


class Workplace:
    """Where the render of the film `out` is kept until it is done."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = out.with_name(f".{out.name}.render")
        self.chunks = self.folder / "chunks"
        self._suffix = out.suffix.lower() if out.suffix.lower() in (".mp4", ".mov", ".mkv") else ""

    @property
    def manifest_path(self) -> Path:
        """``manifest.json``."""
        return self.folder / "manifest.json"

    def read(self) -> Manifest | None:
        """The manifest that is there, or None. Raises InstrumentError where it is none."""
        try:
            return manifest_from_json(json.loads(self.manifest_path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except InstrumentError as error:
            raise InstrumentError(f"{self.manifest_path}: {error}; {self._way_out}") from error
        except (OSError, ValueError, RecursionError) as error:
            raise InstrumentError(
                f"{self.manifest_path}: cannot be read ({error}); {self._way_out}"
            ) from error

    @property
    def _way_out(self) -> str:
        return "add --restart to begin anew"

    def begin(self, manifest: Manifest) -> bool:
        """Make this the place of `manifest`; whether it was already.

        Raises InstrumentError naming the difference where another render is at work here.
        """
        there = self.read()
        if there is None:
            shutil.rmtree(self._gone, ignore_errors=True)
            with self._disk_errors():
                self.chunks.mkdir(parents=True, exist_ok=True)
                self._place(self.manifest_path, manifest.to_json())
            there = self.read()  # another process may have been a moment earlier
            assert there is not None
            new = True
        else:
            new = False
        if difference := there.difference(manifest):
            raise InstrumentError(
                f"{self.out}: another render of it is unfinished ({difference}); "
                f"finish that one, or add --restart to discard it"
            )
        return not new

    def discard(self) -> None:
        """Leave nothing of the render behind."""
        if not self.folder.exists():
            return
        # Renamed first: what is half removed must not be taken for a render that can go on.
        shutil.rmtree(self._gone, ignore_errors=True)
        try:
            self.folder.replace(self._gone)
        except OSError as error:
            reason = error.strerror or error
            raise InstrumentError(f"{self.folder}: cannot be removed ({reason})") from error
        shutil.rmtree(self._gone, ignore_errors=True)

    @property
    def _gone(self) -> Path:
        """What a discarded render is called while it is removed."""
        return self.folder.with_name(f"{self.folder.name}.gone")

    def discard_if_empty(self) -> None:
        """Leave nothing behind of a render none of whose chunks was finished."""
        if self.folder.exists() and not any(self.chunks.glob("*.json")):
            self.discard()

    def path_of(self, chunk: FrameRange) -> Path:
        """The file of `chunk`, or its folder of pictures."""
        return self.chunks / f"{_stem(chunk)}{self._suffix}"

    def record_of(self, chunk: FrameRange) -> Path:
        """What is written when `chunk` is finished."""
        return self.chunks / f"{_stem(chunk)}.json"

    def finished(self, manifest: Manifest, chunk: FrameRange) -> ChunkRecord | None:
        """The record of `chunk` if it is finished and its file is what was written."""
        record = self.recorded(manifest, chunk)
        if record is None:
            return None
        try:
            same = seal(self.path_of(chunk)) == (record.bytes, record.sha256)
        except OSError:
            return None
        return record if same else None

    def recorded(self, manifest: Manifest, chunk: FrameRange) -> ChunkRecord | None:
        """The record of `chunk`, its file unseen; None where there is none that holds together."""
        path = self.record_of(chunk)
        try:
            if path.stat().st_size > _LARGEST_RECORD:
                return None
            fields = json.loads(path.read_text(encoding="utf-8"))
            digests = _digests(fields)
            known = (fields["format"], fields["render"], fields["rows"])
            if known != (RECORD, manifest.sha256, [chunk.start, chunk.stop]):
                return None
            if len(digests) != 32 * len(chunk):
                return None
            return ChunkRecord(chunk, int(fields["bytes"]), str(fields["sha256"]), path)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def keep(
        self, manifest: Manifest, made: Path, chunk: FrameRange, digests: Digests
    ) -> ChunkRecord:
        """Put the file (or folder) `made` of `chunk` in its place and vouch for it.

        Raises InstrumentError where the disk says no. Whoever comes last is who is
        believed; where both made the same, nothing changes.
        """
        with self._disk_errors():
            length, sha256 = seal(made)
            for attempt in count(1):
                try:
                    made.replace(self.path_of(chunk))
                    break
                except OSError:  # a folder cannot be renamed onto another one
                    if not self.path_of(chunk).is_dir() or attempt == _ATTEMPTS:
                        raise
                there = self.finished(manifest, chunk)
                if there and there.sha256 == sha256:
                    return there
                with contextlib.suppress(FileNotFoundError):  # another one may be doing the same
                    self.path_of(chunk).replace(made.with_name(f"{made.name}.{attempt}.old"))
            fields = {
                "format": RECORD,
                "render": manifest.sha256,
                "rows": [chunk.start, chunk.stop],
                "bytes": length,
                "sha256": sha256,
                "pictures": [digests[at : at + 32].hex() for at in range(0, len(digests), 32)],
            }
            self._place(self.record_of(chunk), fields)
        return ChunkRecord(chunk, length, sha256, self.record_of(chunk))

    def forget(self, chunk: FrameRange) -> None:
        """Take a chunk away: it is not there any more. Raises nothing that a disk can cause."""
        with contextlib.suppress(OSError):
            self.record_of(chunk).unlink(missing_ok=True)
            self.path_of(chunk).unlink(missing_ok=True)

    @contextlib.contextmanager
    def stage(self) -> Iterator[Path]:
        """A folder in which this process alone makes what is to appear whole.

        Raises InstrumentError where the disk says no.
        """
        with contextlib.ExitStack() as until:
            with self._disk_errors():
                folder = until.enter_context(stage_in(self.folder))
            yield folder

    def _place(self, path: Path, fields: dict[str, Any]) -> None:
        """Write JSON at `path`, on the disk itself, whole or not at all."""
        # A name by chance: two machines may well have the same process number.
        handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(json.dumps(fields, indent=1, sort_keys=True).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
        if os.name == "posix":  # have the new names on the disk, too
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    @contextlib.contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or error
            raise InstrumentError(f"{self.out}: cannot be written ({reason})") from error


def _digests(fields: Any) -> Digests:
    """What a record says of its frames."""
    return b"".join(map(bytes.fromhex, fields["pictures"]))


def seal(path: Path) -> tuple[int, str]:
    """Bytes and SHA-256 of a file, or of a folder's files in the order of their names."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    digest, length = hashlib.sha256(), 0
    for one in files:
        with one.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                length += len(block)
    return length, digest.hexdigest()


def _stem(chunk: FrameRange) -> str:
    return f"{chunk.start:07d}-{chunk.stop:07d}"
