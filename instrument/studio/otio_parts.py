"""What hangs on items of OpenTimelineIO's JSON: effects, markers, references to footage.

All raise WrongError for a field that is wrong. Objects of plug-ins are read as far as they are like
the library's own.
"""

from __future__ import annotations

from typing import Any

from instrument.studio import otio_objects as otio
from instrument.studio.edit_writing import OURS
from instrument.studio.otio_fields import (
    KNOWN,
    Schemas,
    WrongError,
    flag_of,
    metadata_of,
    number_of,
    shown,
    text_of,
)

RESOLVE = "Resolve_OTIO"  # where Resolve keeps what is its own
_EFFECTS = ("Effect", "TimeEffect", "LinearTimeWarp", "FreezeFrame")
_REFERENCES = (
    "MissingReference", "MediaReference", "ExternalReference", "GeneratorReference",
    "ImageSequenceReference",
)  # fmt: skip


def effect_of(node: Any, schemas: Schemas) -> otio.Effect:
    """An effect; one of a plug-in that has no name is called by its schema."""
    schema = _one_of(_EFFECTS, node, schemas, "an effect")
    foreign = schema not in KNOWN
    called = text_of(node, "effect_name", needed=not foreign) or (schema if foreign else "")
    own = metadata_of(node).get(RESOLVE)
    resolve = own if type(own) is dict else {}
    kept = (text_of(node, "name"), called, flag_of(node, "enabled"), resolve)
    if schema in ("LinearTimeWarp", "FreezeFrame"):
        return otio.LinearTimeWarp(*kept, time_scalar=number_of(node, "time_scalar"))
    return otio.TimeEffect(*kept) if schema == "TimeEffect" else otio.Effect(*kept)


def marker_of(node: Any, schemas: Schemas) -> otio.Marker | None:
    """A marker; None for one of a plug-in."""
    schema = _one_of(("Marker",), node, schemas, "a marker")
    if schema != "Marker":
        schemas.tell("refused", f"a {schema} among the markers: left out")
        return None
    span = schemas.span(node, "range" if schemas.of(node)[1] < 2 else "marked_range")
    address, ours = None, metadata_of(node).get(OURS)
    if type(ours) is dict:
        address = text_of(ours, "address") if type(ours.get("address")) is str else ""
    return otio.Marker(text_of(node, "name"), span, text_of(node, "comment"), address)


def reference_of(node: Any, schemas: Schemas) -> otio.MediaReference:
    """Footage; of a plug-in's reference its name and range alone."""
    schema = _one_of(_REFERENCES, node, schemas, "a media reference")
    kept = (text_of(node, "name"), schemas.span_if_any(node, "available_range"))
    if schema == "ExternalReference":
        return otio.ExternalReference(*kept, text_of(node, "target_url", needed=True))
    if schema == "GeneratorReference":
        return otio.GeneratorReference(*kept, text_of(node, "generator_kind", needed=True))
    if schema == "ImageSequenceReference":
        keys = ("target_url_base", "name_prefix", "name_suffix")
        base, prefix, suffix = (text_of(node, key, needed=True) for key in keys)
        return otio.ImageSequenceReference(*kept, base, prefix, suffix)
    if schema not in KNOWN:
        schemas.tell("approximated", f"footage by a {schema}: looked for by its name alone")
    return otio.MediaReference(*kept)


def _one_of(own: tuple[str, ...], node: Any, schemas: Schemas, what: str) -> str:
    """The schema of `node`: one of the library's `own`, or a plug-in's."""
    schema, _ = schemas.of(node)
    if not schema or (schema in KNOWN and schema not in own):
        raise WrongError(f"{shown(node)}, must be {what}")
    return schema
