"""Any edit → a timeline: which reader a file is for.

What the name says decides; ``.xml``, and names that say nothing, are decided by their first tag.
This module knows the formats by name alone.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Protocol

from instrument import InstrumentError
from instrument.studio.timeline import Timeline
from instrument.timebase import FrameRate

SUFFIXES = (".kdenlive", ".mlt", ".otio", ".edl", ".xml", ".fcpxml", ".fcpxmld", ".aaf")
_BY_SUFFIX = {
    ".kdenlive": "mlt",
    ".mlt": "mlt",
    ".otio": "otio",
    ".otioz": "otio",
    ".otiod": "otio",
    ".edl": "edl",
    ".fcpxml": "fcpx",
    ".fcpxmld": "fcpx",
    ".aaf": "aaf",
}
_BY_TAG = {"mlt": "mlt", "westley": "mlt", "xmeml": "fcp7", "fcpxml": "fcpx"}
_HEAD = 1 << 16  # bytes that a first tag is looked for in
_FIRST_TAG = re.compile(r"<([A-Za-z][\w.:-]*)")
_SKIPPED = {"<!--": "-->", "<?": "?>"}  # what opens and closes that is no tag


class Reader(Protocol):
    """What every reader of a format is."""

    def __call__(
        self, path: Path, *, track: str | None, sequence: str | None, rate: FrameRate | None
    ) -> Timeline:
        """See `read_edit`."""
        ...


def read_edit(
    path: Path,
    *,
    track: str | None = None,
    sequence: str | None = None,
    rate: FrameRate | None = None,
) -> Timeline:
    """The timeline in `path`; of several tracks only `track`, of several sequences `sequence`.

    `rate` is for formats that do not say their own. Raises InstrumentError naming the file.
    """
    if not path.exists():
        raise InstrumentError(f"{path}: no such file")
    read = _reader(_BY_SUFFIX.get(path.suffix.lower()) or _sniffed(path))
    return read(path, track=track, sequence=sequence, rate=rate)


def _reader(name: str) -> Reader:
    # Each only when it is needed: some take longer to import than an edit to read.
    if name == "mlt":
        from instrument.studio import mlt

        return mlt.read
    if name == "otio":
        from instrument.studio import otio

        return otio.read
    if name == "edl":
        from instrument.studio import edl

        return edl.read
    if name == "fcp7":
        from instrument.studio import fcp7

        return fcp7.read
    if name == "fcpx":
        from instrument.studio import fcpx

        return fcpx.read
    from instrument.studio import aaf

    return aaf.read


def _sniffed(path: Path) -> str:
    """The reader for what `path` begins with."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise InstrumentError(f"{path}: cannot be read ({error.strerror or error})") from error
    wide = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = head.decode("utf-16" if wide else "utf-8", errors="replace")
    if re.match(r"\s*\{", text) and "OTIO_SCHEMA" in text:
        return "otio"
    tag = _first_tag(text)
    if tag is not None and tag[1] in _BY_TAG:
        return _BY_TAG[tag[1]]
    what = f"begins with <{tag[1][:40]}>" if tag and path.suffix.lower() == ".xml" else "no edit"
    raise InstrumentError(f"{path}: {what}, allowed are {', '.join(SUFFIXES)}")


def _first_tag(text: str) -> re.Match[str] | None:
    """The first tag of `text` outside comments and instructions; each letter is looked at once."""
    at = text.find("<")
    while at >= 0:
        opens = next((mark for mark in _SKIPPED if text.startswith(mark, at)), None)
        if opens is None:
            if tag := _FIRST_TAG.match(text, at):
                return tag
            at = text.find("<", at + 1)
            continue
        end = text.find(_SKIPPED[opens], at + len(opens))
        at = text.find("<", end) if end >= 0 else -1
    return None
