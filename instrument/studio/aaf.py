"""AAF of Media Composer and others → timelines, by OpenTimelineIO's adapter for it.

The adapter is an extra; what it makes of the file is read as any OpenTimelineIO is. Knows nothing
of AAF itself.
"""

from __future__ import annotations

import contextlib
import importlib
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

from instrument import InstrumentError
from instrument.studio.otio import timeline_in
from instrument.studio.places import naming
from instrument.studio.timeline import Remark, Timeline
from instrument.timebase import FrameRate

LARGEST = 256 << 20  # bytes; the edit alone has some MB, the rest is pictures put into it
_ADAPTER = "otio_aaf_adapter.adapters.advanced_authoring_format"
_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # of the container that every AAF lies in
_SPEED = "speeds are the AAF adapter's reading, which no editor's picture was held against"


def read(
    path: Path,
    *,
    track: str | None = None,
    sequence: str | None = None,
    rate: FrameRate | None = None,
) -> Timeline:
    """The composition in `path`, or of several that called `sequence`. Raises InstrumentError."""
    with naming(path):
        _look(path)
        text, retimed = _adapted(_adapter(), path)
        made = timeline_in(text, path, track=track, sequence=sequence, rate=rate)
    if retimed or any("reversed" in r.what or "speed" in r.what for r in made.remarks):
        made = replace(made, remarks=(*made.remarks, Remark("approximated", _SPEED)))
    return made


def _look(path: Path) -> None:
    """Raise InstrumentError unless `path` can be an AAF at all."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            begins = file.read(len(_SIGNATURE))
    except OSError as error:
        raise InstrumentError(f"cannot be read ({error.strerror or error})") from error
    if begins != _SIGNATURE:
        raise InstrumentError("not an AAF")
    if size > LARGEST:
        raise InstrumentError(f"larger than {LARGEST >> 20} MiB; export without embedded media")


def _adapter() -> Any:
    try:
        return importlib.import_module(_ADAPTER)
    except ImportError as error:
        raise InstrumentError(
            "AAF is read by an extra: pip install latent-instrument[aaf]"
        ) from error


def _adapted(adapter: Any, path: Path) -> tuple[bytes, bool]:
    """What the adapter makes of a file, as OpenTimelineIO's text, and whether it changes speeds.

    It tells of damage by whatever it stumbles over.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            found = adapter.read_from_file(str(path))
        children = list(found.find_children())
        for child in children:
            child.metadata.clear()  # a copy of the AAF, which is larger than the edit
        text: str = found.to_json_string(indent=0)
    except (MemoryError, Exception) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        raise InstrumentError(f"not an AAF that can be read ({reason})") from error
    effects = (effect for child in children for effect in getattr(child, "effects", ()))
    return text.encode(), any(hasattr(effect, "time_scalar") for effect in effects)
