"""OpenTimelineIO → timelines: ``.otio``, and the bundles ``.otioz`` and ``.otiod``.

Nothing is asked of OpenTimelineIO's library: damage takes its decoder down, and its plug-ins are
programs. A clip lasts as long as its source range, whatever its speed; a transition takes no time
of its own, covers ``[cut - in_offset, cut + out_offset)`` and both clips run on into it.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

from instrument import InstrumentError
from instrument.studio import otio_objects as otio
from instrument.studio.otio_document import Content, document_of
from instrument.studio.otio_tracks import Showable, timeline_of
from instrument.studio.places import naming, read_bounded
from instrument.studio.timeline import Timeline
from instrument.timebase import FrameRate

LARGEST = 64 << 20  # bytes; Resolve writes 20 kB a clip
_INSIDE = "content.otio"


def read(
    path: Path,
    *,
    track: str | None = None,
    sequence: str | None = None,
    rate: FrameRate | None = None,
) -> Timeline:
    """The timeline in `path`, or of several that called `sequence`. Raises InstrumentError.

    `rate` stands in for the one the file has its times in.
    """
    with naming(path):
        return timeline_in(_content(path), path, track=track, sequence=sequence, rate=rate)


def timeline_in(
    text: bytes,
    path: Path,
    *,
    track: str | None = None,
    sequence: str | None = None,
    rate: FrameRate | None = None,
) -> Timeline:
    """See `read`; `path` is what the edit in `text` is called by. Raises InstrumentError."""
    document = document_of(text)
    made = timeline_of(_chosen(document.content, sequence), path, track=track, rate=rate)
    return replace(made, remarks=(*made.remarks, *document.remarks))


def _chosen(content: Content, sequence: str | None) -> Showable:
    """What of a file is called `sequence`, the first thing that can be shown where it is None."""
    held = content.children if isinstance(content, otio.SerializableCollection) else (content,)
    shown = [one for one in held if isinstance(one, Showable)]
    if not shown:
        what = content.schema if isinstance(content, otio.Unknown) else type(content).__name__
        raise InstrumentError(f"holds a {what}, allowed is a Timeline")
    if sequence is None:
        return shown[0]
    for one in shown:
        if one.name == sequence:
            return one
    names = ", ".join(repr(one.name[:40]) for one in shown[:10])
    raise InstrumentError(f"no sequence {sequence[:60]!r}, there are {names}")


def _content(path: Path) -> bytes:
    if path.is_dir():
        return read_bounded(path / _INSIDE, LARGEST)
    if path.suffix.lower() != ".otioz":
        return read_bounded(path, LARGEST)
    try:
        with zipfile.ZipFile(path) as bundle, bundle.open(_INSIDE) as file:
            data = file.read(LARGEST + 1)
    except KeyError:
        raise InstrumentError(f"no {_INSIDE} in it") from None
    except (zipfile.BadZipFile, OSError, zlib.error, NotImplementedError, RuntimeError) as error:
        raise InstrumentError(f"not an .otioz bundle ({error})") from error
    if len(data) > LARGEST:
        raise InstrumentError(f"{_INSIDE} in it is larger than {LARGEST >> 20} MiB")
    return data
