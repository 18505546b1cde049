"""FCPXML of Final Cut Pro, which Resolve writes too → timelines; ``.fcpxml`` and ``.fcpxmld``.

Times are exact seconds. A transition takes no time of its own and both clips run on into it.
Connected clips lie on lanes above and below the primary storyline, at offsets of their clip's own
time. Sound is not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

from instrument import InstrumentError
from instrument.studio.fcpx_resources import resources_of
from instrument.studio.fcpx_story import Story
from instrument.studio.joins import picked
from instrument.studio.places import naming
from instrument.studio.timeline import Timeline
from instrument.studio.xml_door import read_xml
from instrument.timebase import FrameRate

_INSIDE = "Info.fcpxml"


def read(
    path: Path,
    *,
    track: str | None = None,
    sequence: str | None = None,
    rate: FrameRate | None = None,
) -> Timeline:
    """The first project of `path`, or the one called `sequence`. Raises InstrumentError."""
    with naming(path):
        root = read_xml(path / _INSIDE if path.is_dir() else path, "fcpxml")
        name, found = _choose(root, sequence)
        made = Story(resources_of(root)).sequence(found, name or path.stem, (), rate)
        return replace(made, tracks=picked(made.tracks, track, path))


def _projects(root: Element) -> Iterator[tuple[str, Element]]:
    """Every sequence that is an edit: of a project, else of a compound clip."""
    for project in root.iter("project"):
        if (found := project.find("sequence")) is not None:
            yield project.get("name", ""), found
    for media in root.iter("media"):
        if (found := media.find("sequence")) is not None:
            yield media.get("name", ""), found
    if (found := root.find("sequence")) is not None:
        yield "", found


def _choose(root: Element, wanted: str | None) -> tuple[str, Element]:
    found = list(_projects(root))
    if not found:
        raise InstrumentError("holds no sequence")
    if wanted is None:
        return found[0]
    for name, element in found:
        if name == wanted:
            return name, element
    names = ", ".join(repr(name[:40]) for name, _ in found[:10])
    raise InstrumentError(f"no sequence {wanted[:60]!r}, there are {names}")
