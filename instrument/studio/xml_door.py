"""The one way an XML file comes in: bounded in size, depth and count, and declaring nothing.

What makes XML dangerous is what it may declare: entities that grow without end, files and
addresses to fetch, a grammar of its own. All of that is refused while it is read, before anything
is expanded or fetched. A bare ``<!DOCTYPE name>`` declares nothing and passes. This module knows
no editor's format.
"""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from instrument import InstrumentError

LARGEST = 64 << 20  # bytes of a file; an edit of an hour cut at every frame has 10 MB
DEEPEST = 128  # elements inside one another; an editor's own go a dozen deep
MOST = 2_000_000  # elements of a file: 0.4 GB of memory
LONGEST_PIECE = 4 << 20  # bytes of one tag or comment
_CHUNK = 1 << 20


def read_xml(path: Path, *roots: str) -> Element:
    """The root of the XML file at `path`, which must be one of `roots` if any are named.

    Raises InstrumentError, one line.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise InstrumentError(f"{path}: no such file") from None
    except OSError as error:
        raise InstrumentError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:  # a path no system can have, with a zero byte in it
        raise InstrumentError(f"{str(path)!r}: cannot be read ({error})") from error
    return parse_xml(data, str(path), *roots)


def parse_xml(data: bytes, name: str, *roots: str) -> Element:
    """The root of the document in `data`, which errors call `name`. See `read_xml`."""
    if len(data) > LARGEST:
        raise InstrumentError(f"{name}: larger than {LARGEST >> 20} MiB")
    if not data.strip():
        raise InstrumentError(f"{name}: empty, not XML")
    door = _Door(name)
    parser = door.parser
    try:
        for start in range(0, len(data), _CHUNK):
            parser.Parse(data[start : start + _CHUNK], False)
            if start + _CHUNK - parser.CurrentByteIndex > LONGEST_PIECE + _CHUNK:
                door.refuse(f"one tag or comment longer than {LONGEST_PIECE >> 20} MiB")
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        reason = expat.errors.messages.get(error.code, str(error))
        raise InstrumentError(f"{name}: not XML (line {error.lineno}: {reason})") from error
    except (LookupError, ValueError) as error:  # an encoding Python does not know
        raise InstrumentError(f"{name}: not XML that can be read ({error})") from error
    root: Element = door.builder.close()
    if roots and root.tag not in roots:
        allowed = " or ".join(f"<{root}>" for root in roots)
        raise InstrumentError(f"{name}: begins with <{root.tag[:40]}>, allowed is {allowed}")
    return root


class _Door:
    """Listens to the parser: hands elements on to the tree, and refuses the rest."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.builder = TreeBuilder()
        self.depth = self.count = 0
        parser = self.parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self.builder.data
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._entity
        parser.UnparsedEntityDeclHandler = self._entity
        parser.ExternalEntityRefHandler = self._entity

    def refuse(self, what: str) -> NoReturn:
        """Raise InstrumentError: where, and what is not let in."""
        raise InstrumentError(f"{self.name}: line {self.parser.CurrentLineNumber}: {what}")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.count += 1
        if self.depth > DEEPEST:
            self.refuse(f"elements nest deeper than {DEEPEST}")
        if self.count > MOST:
            self.refuse(f"more than {MOST} elements")
        self.builder.start(tag, attributes)

    def _end(self, tag: str) -> None:
        self.depth -= 1
        self.builder.end(tag)

    def _doctype(self, name: str, system: str | None, public: str | None, subset: int) -> None:
        if system is not None or public is not None:
            self.refuse("a DOCTYPE that points to another file; allowed is a bare one")
        if subset:
            self.refuse("a DOCTYPE with declarations of its own; allowed is a bare one")

    def _entity(self, *declared: object) -> NoReturn:
        self.refuse("declares an entity, which is not allowed")
