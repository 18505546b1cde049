"""OpenTimelineIO → timelines: ``.otio``, and the bundles ``.otioz`` and ``.otiod``.

The file is read by OpenTimelineIO's own decoder and by none of its plug-ins, which are programs.
A clip lasts as long as its source range, whatever its speed; a transition takes no time of its
own, covers ``[cut - in_offset, cut + out_offset)`` and both clips run on into it.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import opentimelineio as otio

from instrument import InstrumentError
from instrument.studio.otio_tracks import timeline_of
from instrument.studio.places import naming, read_bounded
from instrument.studio.timeline import Timeline
from instrument.timebase import FrameRate

LARGEST = 64 << 20  # bytes; Resolve writes 20 kB a clip
DEEPEST = 400  # brackets inside one another; the decoder crashes at some ten thousand
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
        found = decoded(_content(path))
        return timeline_of(chosen(found, sequence), path, track=track, rate=rate)


def decoded(text: bytes) -> Any:
    """The object in `text`. Raises InstrumentError."""
    # In strings too, which costs nothing: no edit has hundreds of open brackets in a name.
    signs = np.frombuffer(text, np.uint8)
    opened = ((signs == 0x5B) | (signs == 0x7B)).astype(np.int8)
    opened -= ((signs == 0x5D) | (signs == 0x7D)).astype(np.int8)
    if len(signs) and int(np.cumsum(opened, dtype=np.int32).max()) > DEEPEST:
        raise InstrumentError(f"brackets nest deeper than {DEEPEST}")
    if b"SerializableObjectRef." in text:
        raise InstrumentError("refers to one object twice (SerializableObjectRef): not allowed")
    try:
        return otio.core.deserialize_json_from_string(text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InstrumentError("not UTF-8 text") from error
    except (LookupError, TypeError, ValueError, RuntimeError, otio.exceptions.OTIOError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InstrumentError(f"not OpenTimelineIO ({reason})") from error


def chosen(found: Any, sequence: str | None) -> Any:
    """The timeline of that name among what a file holds, the first where it is None."""
    held = list(found) if isinstance(found, otio.schema.SerializableCollection) else [found]
    kinds = (otio.schema.Timeline, otio.schema.Stack, otio.schema.Track, otio.schema.Clip)
    timelines = [one for one in held if isinstance(one, kinds)]
    if not timelines:
        what = getattr(found, "schema_name", lambda: type(found).__name__)()
        raise InstrumentError(f"holds a {what}, allowed is a Timeline")
    if sequence is None:
        return timelines[0]
    for one in timelines:
        if one.name == sequence:
            return one
    names = ", ".join(repr(str(one.name)[:40]) for one in timelines[:10])
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
