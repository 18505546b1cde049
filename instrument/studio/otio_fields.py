"""Single fields of OpenTimelineIO's JSON: the schema of an object, texts, numbers, times, lists.

A wrong one is told by the name of the object it stands in and by its key.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from instrument import InstrumentError
from instrument.studio.otio_objects import RationalTime, TimeRange
from instrument.studio.timeline import Remark, Verdict

Node = dict[str, Any]  # an object of JSON
T = TypeVar("T")

_NEWEST = {"Clip": 2, "Marker": 2}  # every other schema that is known has one version
_OLD_NAMES = {
    "Filler": "Gap",
    "Sequence": "Track",
    "SerializeableCollection": "SerializableCollection",
}
# All that the library has: what is none of these can only be of a plug-in.
KNOWN = frozenset(
    """
    Clip Composable Composition Effect ExternalReference FreezeFrame Gap GeneratorReference
    ImageSequenceReference Item LinearTimeWarp Marker MediaReference MissingReference RationalTime
    SerializableCollection SerializableObject SerializableObjectWithMetadata Stack TimeEffect
    TimeRange TimeTransform Timeline Track Transition
    """.split()
)
_SCHEMA = re.compile(r"([\w.:-]{1,80})\.(\d{1,9})", re.ASCII)
_MOST_SCHEMAS = 1000
MISSING = ...  # what a key that is not there holds: no value of JSON


class WrongError(InstrumentError):
    """A field that is wrong; `named` once it is said in which object."""

    def __init__(self, what: str, named: bool = False) -> None:
        super().__init__(what)
        self.named = named

    def below(self, place: str, named: bool = False) -> WrongError:
        """The same, told from one step further out."""
        return self if self.named else WrongError(f"{place}: {self}", named)


def wrong(key: str, value: object, allowed: str) -> WrongError:
    """What to raise where `key` has a `value` that is not `allowed`."""
    return WrongError(f"{key}: {shown(value)}, must be {allowed}")


def shown(value: object) -> str:
    """A value of JSON in a few words."""
    if value is MISSING:
        return "missing"
    if isinstance(value, dict):
        schema = value.get("OTIO_SCHEMA")
        return f"a {schema[:40]!r}" if isinstance(schema, str) else "an object"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "null"
    return repr(value[:40] if isinstance(value, str) else value)[:60]


def text_of(node: Node, key: str, *, needed: bool = False) -> str:
    """A text; null is an empty one, and so is none where it is not `needed`."""
    value = node.get(key, MISSING if needed else "")
    if value is None:
        return ""
    if type(value) is not str:
        raise wrong(key, value, "text")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:  # half a surrogate pair, written as \ud800
            raise wrong(key, value, "text") from None
    return value


def number_of(node: Node, key: str) -> float:
    """A number; it may be infinite or none at all."""
    value = node.get(key, MISSING)
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise wrong(key, value, "a number that can be counted to") from None
    if type(value) is not float:
        raise wrong(key, value, "a number")
    return value


def flag_of(node: Node, key: str) -> bool:
    """True or false; true where it is missing."""
    value = node.get(key, True)
    if type(value) is not bool:
        raise wrong(key, value, "true or false")
    return value


def metadata_of(node: Node) -> Node:
    """What anybody may have written; unchecked."""
    found = node.get("metadata", {})
    if type(found) is not dict:
        raise wrong("metadata", found, "an object")
    return found


def list_of(node: Node, key: str, read: Callable[[Any], T], *, needed: bool = False) -> list[T]:
    """What `read` makes of every one in a list."""
    found = node.get(key, MISSING if needed else [])
    if type(found) is not list:
        raise wrong(key, found, "a list")
    made = []
    for number, one in enumerate(found):
        try:
            made.append(read(one))
        except WrongError as error:
            raise error.below(f"{key}[{number}]") from None
    return made


class Schemas:
    """What the objects of one document are; of times also what they say.

    `told` is what can be read only nearly, or not at all: newer versions, and objects of plug-ins.
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, int]] = {}
        self._told: dict[Remark, None] = {}

    @property
    def told(self) -> tuple[Remark, ...]:
        """Each once, in the order in which they were come upon."""
        return tuple(self._told)

    def tell(self, verdict: Verdict, what: str) -> None:
        """Note it."""
        self._told.setdefault(Remark(verdict, what))

    def of(self, node: Any) -> tuple[str, int]:
        """The schema and version of an object, by its name of today; ("", 0) for what is none."""
        if type(node) is not dict or "OTIO_SCHEMA" not in node:
            return "", 0
        written = node["OTIO_SCHEMA"]
        if type(written) is str and (seen := self._seen.get(written)):
            return seen
        match = _SCHEMA.fullmatch(written) if type(written) is str else None
        if match is None:
            raise wrong("OTIO_SCHEMA", written, "a name, a dot and a version")
        name, version = _OLD_NAMES.get(match[1], match[1]), int(match[2])
        if len(self._seen) >= _MOST_SCHEMAS:
            raise InstrumentError(f"more than {_MOST_SCHEMAS} different schemas")
        self._seen[written] = name, version
        if name in KNOWN and version > (newest := _NEWEST.get(name, 1)):
            known = f"{name}.{newest}"
            self.tell("approximated", f"{written} is newer than {known}: read as far as that goes")
        return name, version

    def span_if_any(self, node: Node, key: str) -> TimeRange | None:
        """A TimeRange; None for null or nothing."""
        return None if node.get(key) is None else self.span(node, key)

    def span(self, node: Node, key: str) -> TimeRange:
        """A TimeRange."""
        found = node.get(key, MISSING)
        if self.of(found)[0] != "TimeRange":
            raise wrong(key, found, "a TimeRange")
        try:
            return TimeRange(self.time(found, "start_time"), self.time(found, "duration"))
        except WrongError as error:
            raise error.below(key) from None

    def time(self, node: Node, key: str) -> RationalTime:
        """A RationalTime."""
        found = node.get(key, MISSING)
        if self.of(found)[0] != "RationalTime":
            raise wrong(key, found, "a RationalTime")
        try:
            return RationalTime(number_of(found, "value"), number_of(found, "rate"))
        except WrongError as error:
            raise error.below(key) from None
