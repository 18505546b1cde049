"""The text of an OpenTimelineIO file → its objects, every field that is used checked.

The library's own decoder is not asked: damaged text takes the whole process down with it (0.18.1:
a key that stands twice, two lines lost), and no file may do that. Older versions of a schema are
read as the library reads them; of newer ones what is known, which is told. Metadata is not looked
into but for Resolve's and our own. Knows nothing of what an edit shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any, TypeVar

from instrument import InstrumentError
from instrument.studio import otio_objects as otio
from instrument.studio.otio_fields import (
    KNOWN,
    MISSING,
    Node,
    Schemas,
    WrongError,
    flag_of,
    list_of,
    shown,
    text_of,
    wrong,
)
from instrument.studio.otio_json import values_of
from instrument.studio.otio_parts import effect_of, marker_of, reference_of
from instrument.studio.timeline import Remark

DEEPEST = 32  # compositions inside one another
MOST = 200_000  # things on all tracks, those of sound too
MOST_HUNG = 400_000  # effects, markers and references to footage on all of them
MOST_EFFECTS = 100  # on one: speeds are multiplied, exactly
_SHOWN_BY_NONE = ("Composable", "Item", "Composition")  # what clips, tracks and so on are kinds of
_DEFAULT = "DEFAULT_MEDIA"  # what the only reference of an older clip is called
_LOST = {"OTIO_SCHEMA": "MissingReference.1"}

T = TypeVar("T")
Content = otio.Timeline | otio.SerializableCollection | otio.Composable


@dataclass(frozen=True, slots=True)
class Document:
    """What a file holds, and what of it could not be read, or only nearly."""

    content: Content
    remarks: tuple[Remark, ...] = ()


def document_of(text: bytes) -> Document:
    """The document in `text`. Raises InstrumentError naming object and key."""
    if b"SerializableObjectRef." in text:
        raise InstrumentError("refers to one object twice (SerializableObjectRef): not allowed")
    found = values_of(text)
    reading = _Reading()
    if not reading.schemas.of(found)[0]:
        raise InstrumentError(f"holds {shown(found)}, allowed is a Timeline")
    content = reading.content(found)
    return Document(content, reading.schemas.told)


class _Reading:
    """Reads the objects of one document."""

    def __init__(self) -> None:
        self.schemas = Schemas()
        self._on_tracks = self._hung = 0
        self._readers: dict[str, Callable[[Node, int], otio.Composable]] = {
            "Clip": self._clip,
            "Gap": self._gap,
            "Transition": self._transition,
            "Track": self._track,
            "Stack": self._stack,
            **dict.fromkeys(_SHOWN_BY_NONE, self._unknown),
        }

    def content(self, node: Node) -> Content:
        """One thing or, in a collection, several."""
        if self.schemas.of(node)[0] != "SerializableCollection":
            return self._thing(node)
        self._count_children(node)
        children = list_of(node, "children", self._thing, needed=True)
        return otio.SerializableCollection(text_of(node, "name"), tuple(children))

    def _thing(self, node: Any) -> otio.Timeline | otio.Composable:
        schema, _ = self.schemas.of(node)
        if not schema:
            raise WrongError(f"{shown(node)}, must be an object with an OTIO_SCHEMA")
        if schema == "Timeline":
            return _named(schema, node, self._timeline)
        return self._composable(node, 0) if schema in self._readers else self._unknown(node, 0)

    def _timeline(self, node: Node) -> otio.Timeline:
        tracks = node.get("tracks", MISSING)
        if self.schemas.of(tracks)[0] != "Stack":
            raise wrong("tracks", tracks, "a Stack")
        stack = _named("Stack", tracks, self._stack)
        begins = None
        if node.get("global_start_time") is not None:
            begins = self.schemas.time(node, "global_start_time")
        return otio.Timeline(text_of(node, "name"), stack, begins)

    def _composable(self, node: Any, depth: int) -> otio.Composable:
        if depth > DEEPEST:
            raise InstrumentError(f"compositions nest deeper than {DEEPEST}")
        schema, _ = self.schemas.of(node)
        if not schema or (schema in KNOWN and schema not in self._readers):
            raise WrongError(f"{shown(node)}, must be a clip, gap, transition, track or stack")
        read = self._readers.get(schema, self._unknown)
        return _named(schema, node, lambda node: read(node, depth))

    def _unknown(self, node: Node, depth: int) -> otio.Unknown:
        try:
            span = self.schemas.span_if_any(node, "source_range")
        except WrongError:  # a plug-in's, and not what it is elsewhere
            span = None
        return otio.Unknown(schema=self.schemas.of(node)[0], source_range=span)

    def _item(self, node: Node) -> dict[str, Any]:
        """The fields of any item."""
        self._hung += _length(node, "effects") + _length(node, "markers")
        if self._hung > MOST_HUNG:
            raise InstrumentError(f"more than {MOST_HUNG} effects, markers and references")
        if _length(node, "effects") > MOST_EFFECTS:
            raise WrongError(f"effects: {len(node['effects'])}, allowed are {MOST_EFFECTS}")
        effects = list_of(node, "effects", partial(effect_of, schemas=self.schemas))
        markers = list_of(node, "markers", partial(marker_of, schemas=self.schemas))
        return {
            "name": text_of(node, "name"),
            "source_range": self.schemas.span_if_any(node, "source_range"),
            "effects": tuple(effects),
            "markers": tuple(marker for marker in markers if marker is not None),
            "enabled": flag_of(node, "enabled"),
        }

    def _gap(self, node: Node, depth: int) -> otio.Gap:
        fields = self._item(node)
        if "source_range" not in node:
            fields["source_range"] = otio.TimeRange()
        return otio.Gap(**fields)

    def _clip(self, node: Node, depth: int) -> otio.Clip:
        if self.schemas.of(node)[1] > 1 or "media_references" in node:
            references = node.get("media_references", MISSING)
            if type(references) is not dict:
                raise wrong("media_references", references, "an object")
            active = text_of(node, "active_media_reference_key", needed=True)
        else:
            active, only = _DEFAULT, node.get("media_reference")
            references = {active: _LOST if only is None else only}
        self._hung += len(references)
        fields, media = self._item(node), {}
        for key, reference in sorted(references.items(), key=itemgetter(0)):
            try:
                media[key] = reference_of(reference, self.schemas)
            except WrongError as error:
                raise error.below(f"media reference {key[:40]!r}") from None
        return otio.Clip(**fields, media_references=media, active_media_reference_key=active)

    def _transition(self, node: Node, depth: int) -> otio.Transition:
        kind = text_of(node, "transition_type", needed=True)
        before, after = (self.schemas.time(node, key) for key in ("in_offset", "out_offset"))
        return otio.Transition(text_of(node, "name"), kind, before, after)

    def _track(self, node: Node, depth: int) -> otio.Track:
        kind = text_of(node, "kind", needed=True)
        return otio.Track(**self._composition(node, depth), kind=kind)

    def _stack(self, node: Node, depth: int = 0) -> otio.Stack:
        return otio.Stack(**self._composition(node, depth))

    def _composition(self, node: Node, depth: int) -> dict[str, Any]:
        """The fields of what items lie in."""
        self._count_children(node)
        read = partial(self._composable, depth=depth + 1)
        children = list_of(node, "children", read, needed=True)
        return {**self._item(node), "children": tuple(children)}

    def _count_children(self, node: Node) -> None:
        self._on_tracks += _length(node, "children")
        if self._on_tracks > MOST:
            raise InstrumentError(f"more than {MOST} things on its tracks")


def _length(node: Node, key: str) -> int:
    found = node.get(key)
    return len(found) if isinstance(found, list) else 0


def _named(schema: str, node: Node, read: Callable[[Node], T]) -> T:
    """What `read` makes of `node`; an error says which object it is in."""
    try:
        return read(node)
    except WrongError as error:
        name = node.get("name")
        if isinstance(name, str) and name.strip():
            raise error.below(f"{schema} {name[:60]!r}", named=True) from None
        raise error.below(schema) from None
