"""Which files an MLT document cuts from: every path a file goes by, once for all its producers.

Kdenlive works on stand-ins: the original comes first among the places, the stand-in last. This
module knows how producers name files; it does not know how they play them.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from instrument import InstrumentError
from instrument.studio.mlt_document import Document
from instrument.studio.mlt_time import number_of
from instrument.studio.timeline import Media
from instrument.timebase import FrameRate

# The services that open files of moving pictures; none is one that MLT chooses by the file.
FILES = ("avformat", "avformat-novalidate", "timewarp", "framebuffer", "hold", "")


class Library:
    """All footage of one document."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._media: dict[str, Media] = {}
        self._prefix = document.root.get("root", "")
        for producer in document.producers():
            self.media(document.properties(producer))

    def media(self, written: dict[str, str]) -> Media | None:
        """The footage that properties name; all that different producers say of it, in one."""
        places = self._places(written)
        if not places:
            return None
        known = next((self._media[place] for place in places if place in self._media), None)
        if known is not None:
            # who names the original knows best what comes first
            both = (places, known.places)
            first, second = both if written.get("kdenlive:originalurl") else reversed(both)
            places = tuple(dict.fromkeys((*first, *second)))
        rate = (known.rate if known else None) or _stated_rate(written)
        frames = known.frames if known else None
        if frames is None and not written.get("mlt_service", "").startswith(("timew", "frameb")):
            frames = self._frames(written, rate)
        media = Media(PurePosixPath(places[0].replace("\\", "/")).name, places, rate, frames)
        self._media.update(dict.fromkeys(places, media))
        return media

    def _frames(self, written: dict[str, str], rate: FrameRate | None) -> int | None:
        text = written.get("length", "")
        return int(text) if rate == self._document.rate and text.isdecimal() and text else None

    def _places(self, written: dict[str, str]) -> tuple[str, ...]:
        if written.get("mlt_service", "") not in FILES:
            return ()
        resource = written.get("resource", "")
        service = written.get("mlt_service", "")
        if service == "timewarp":
            resource = written.get("warp_resource") or resource.partition(":")[2] or resource
        elif service == "framebuffer" or asks_speed(resource):
            resource = resource.rpartition("?")[0] or resource
        named = (
            written.get("kdenlive:originalurl", ""),
            resource,
            written.get("kdenlive:proxy", ""),
        )
        return tuple(
            dict.fromkeys(self._rooted(place) for place in named if place not in ("", "-"))
        )

    def _rooted(self, place: str) -> str:
        """`place` as seen from the document's own ``root``, if it names one."""
        absolute = place.startswith(("/", "\\")) or place[1:3] in (":/", ":\\") or "://" in place
        return place if absolute or not self._prefix else f"{self._prefix.rstrip('/')}/{place}"


def asks_speed(resource: str) -> bool:
    """Whether a resource ends as those of Kdenlive's old slow motion do: ``file?0.5``."""
    try:
        return "?" in resource and number_of(resource.rpartition("?")[2]) != 0
    except ValueError:
        return False


def _stated_rate(written: dict[str, str]) -> FrameRate | None:
    """The frame rate of the file, where the editor noted it."""
    num, den = (written.get(f"meta.media.frame_rate_{part}", "") for part in ("num", "den"))
    try:
        if num and den:
            return FrameRate.parse(f"{num}/{den}")
        for key, text in written.items():
            stream, dot, rest = key.removeprefix("meta.media.").partition(".stream.")
            kind = written.get(f"meta.media.{stream}.stream.type", "video")
            if dot and rest == "frame_rate" and kind == "video":
                return FrameRate.parse(text)
    except InstrumentError:
        return None
    return None
