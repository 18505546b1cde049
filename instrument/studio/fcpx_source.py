"""What one FCPXML element shows: footage, a compound clip, an angle, or a container's content."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from instrument import InstrumentError
from instrument.studio.fcpx_clips import effects_told, opacity_of, retiming_of, timing_of
from instrument.studio.fcpx_resources import Asset, time_in
from instrument.studio.timeline import Clip, Media, Timeline
from instrument.timebase import FrameRange, FrameRate

if TYPE_CHECKING:
    from instrument.studio.fcpx_story import Lanes

CLIPS = ("asset-clip", "clip", "video", "ref-clip", "sync-clip", "mc-clip", "gap", "title",
         "audition", "caption", "live-drawing")  # fmt: skip
_NONE = Fraction(0)


@dataclass(slots=True)
class Source:
    """What one element shows, and from which of its local seconds on."""

    lanes: Lanes
    item: Element
    record: FrameRange
    start: Fraction = _NONE

    def __post_init__(self) -> None:
        self.start = time_in(self.item, "start", self._default())

    def _default(self) -> Fraction:
        """Where a clip starts that does not say so: at the first moment it has."""
        resources, ref = self.lanes.story.resources, self.item.get("ref", "")
        if self.item.find("timeMap") is not None:
            return _NONE
        if self.item.tag in ("asset-clip", "video") and not resources.is_effect(ref):
            return resources.asset(ref).start
        if self.item.tag == "ref-clip":
            inner = resources.find(ref, "media").find("sequence")
            return time_in(inner, "tcStart", _NONE) if inner is not None else _NONE
        return _NONE

    def clip(self) -> Clip | None:
        """The element as a clip; None where it shows nothing."""
        item, rate = self.item, self.lanes.rate
        if item.tag == "gap":
            return None
        found = self.shown()
        name = item.get("name", "")
        if found is None:
            if item.tag not in ("caption", "audio") and not self.is_sound():
                what = f"{item.tag} {name[:60]}: left out"
                self.lanes.tell("refused", what, self.record)
            return None
        media, origin, own = found
        timing = timing_of(item, rate)
        for verdict, what in (*timing.told, *effects_told(item)):
            self.lanes.tell(verdict, what, self.record)
        length = len(self.record)
        retiming = retiming_of(timing, self.start, origin, rate, own, length)
        opacity = opacity_of(item, self.start, rate, length)
        return Clip(media, self.record, retiming, name or media.name, opacity)

    def is_sound(self) -> bool:
        """Whether nothing is to be seen here by rights."""
        if self.item.get("srcEnable") == "audio":
            return True
        resources, ref = self.lanes.story.resources, self.item.get("ref", "")
        if self.item.tag in ("asset-clip", "video") and not resources.is_effect(ref):
            return resources.asset(ref).kind == "sound"
        if self.item.tag != "clip":
            return False
        return self.item.find("audio") is not None and self.item.find("video") is None

    def shown(self) -> tuple[Media | Timeline, Fraction, FrameRate | None] | None:
        """The footage, the local second its first frame is called, and its rate."""
        item, resources = self.item, self.lanes.story.resources
        ref = item.get("ref", "")
        if self.is_sound():
            return None
        if item.tag in ("asset-clip", "video"):
            return None if resources.is_effect(ref) else _footage(resources.asset(ref))
        if item.tag == "clip":
            return self.wrapped()
        if item.tag == "ref-clip":
            inner = resources.find(ref, "media").find("sequence")
            if inner is None:
                raise InstrumentError(f"media {ref[:60]!r}: holds no sequence")
            name = item.get("name") or ref
            made = self.lanes.story.sequence(inner, name, self.lanes.above, self.lanes.rate)
            return self.nested(made, time_in(inner, "tcStart", _NONE))
        if item.tag == "mc-clip":
            return self.angle()
        if item.tag == "sync-clip":
            return self.held([c for c in item if c.tag in (*CLIPS, "spine")])
        return None

    def wrapped(self) -> tuple[Media | Timeline, Fraction, FrameRate | None] | None:
        """A ``<clip>`` around one video, or around a storyline of its own."""
        videos = [v for v in self.item.findall("video") if v.get("lane", "0") in ("0", "")]
        resources = self.lanes.story.resources
        if len(videos) == 1 and not resources.is_effect(videos[0].get("ref", "")):
            asset = resources.asset(videos[0].get("ref", ""))
            first = time_in(videos[0], "start", asset.start)
            # Local second `offset` of the clip shows second `first` of the asset.
            origin = asset.start - first + time_in(videos[0], "offset", _NONE)
            return None if asset.kind == "still" else (asset.media, origin, asset.rate)
        return self.held([c for c in self.item if c.tag in (*CLIPS, "spine")])

    def angle(self) -> tuple[Media | Timeline, Fraction, FrameRate | None] | None:
        """The angle of a multicam that is seen."""
        cam = self.lanes.story.resources.find(self.item.get("ref", ""), "media").find("multicam")
        wanted = [
            source.get("angleID")
            for source in self.item.findall("mc-source")
            if source.get("srcEnable", "all") in ("all", "video")
        ]
        angles = [] if cam is None else cam.findall("mc-angle")
        seen = [a for a in angles if a.get("angleID") in wanted] or angles[:1]
        if cam is None or not seen:
            raise InstrumentError(f"multicam {self.item.get('ref', '')[:60]!r}: has no such angle")
        begins = time_in(cam, "tcStart", _NONE)
        name = seen[0].get("name", "angle")
        made = self.lanes.story.inside(
            seen[0], list(seen[0]), name, self.lanes.above, self.lanes.rate, begins
        )
        return self.nested(made, begins)

    def held(
        self, items: list[Element]
    ) -> tuple[Media | Timeline, Fraction, FrameRate | None] | None:
        """A container's own content as a nested timeline."""
        spine = next((i for i in items if i.tag == "spine" and not i.get("lane")), None)
        content = list(spine) if spine is not None else [i for i in items if not i.get("lane")]
        if not content:
            return None
        base = _NONE if spine is not None else time_in(content[0], "offset", _NONE)
        name = self.item.get("name", self.item.tag)
        made = self.lanes.story.inside(
            self.item, content, name, self.lanes.above, self.lanes.rate, base
        )
        origin = time_in(spine, "offset", _NONE) if spine is not None else base
        return self.nested(made, origin)

    def nested(
        self, made: Timeline, origin: Fraction
    ) -> tuple[Timeline, Fraction, FrameRate | None]:
        """A timeline as footage."""
        return made, origin, made.rate


def _footage(asset: Asset) -> tuple[Media, Fraction, FrameRate | None] | None:
    return None if asset.kind == "still" else (asset.media, asset.start, asset.rate)
