"""The way back in OpenTimelineIO: see `instrument.studio.edit_writing`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from opentimelineio import opentime, schema

from instrument.latent.arrays import write_atomically
from instrument.studio.edit_writing import OURS, Reel, colour_of, common_rate, line_of, seen_from
from instrument.timebase import FrameRate


def write_otio(path: Path, reels: Sequence[Reel], *, stacked: bool = False) -> None:
    """Write an OpenTimelineIO file, one clip after another, or `stacked` each on its own track.

    Raises InstrumentError naming `path`.
    """
    rate = common_rate(path, reels)
    timeline = schema.Timeline(line_of(path.stem))
    timeline.global_start_time = _time(0, rate)
    rows = [[reel] for reel in reels] if stacked else [list(reels)]
    for number, row in enumerate(rows, start=1):
        track = schema.Track(f"V{number}", kind=schema.TrackKind.Video)
        track.extend([_clip(reel, path.parent) for reel in row])
        timeline.tracks.append(track)
    text: str = timeline.to_json_string(indent=1)
    with write_atomically(path) as file:
        file.write(text.encode() + b"\n")


def _clip(reel: Reel, folder: Path) -> schema.Clip:
    whole = opentime.TimeRange(_time(0, reel.rate), _time(reel.frames, reel.rate))
    media = schema.ExternalReference(quote(os.fsencode(seen_from(folder, reel.proxy))), whole)
    media.name = line_of(reel.proxy.name)
    clip = schema.Clip(line_of(reel.name), media, whole)
    for marker in reel.markers:
        mark = schema.Marker(
            line_of(marker.name),
            opentime.TimeRange(_time(marker.frame, reel.rate), _time(1, reel.rate)),
            getattr(schema.MarkerColor, colour_of(marker)),
        )
        # Kdenlive shows the comment and no name, Resolve both.
        mark.comment = line_of(f"{marker.name} {marker.note}")
        mark.metadata[OURS] = {"address": line_of(marker.note)}
        clip.markers.append(mark)
    return clip


def _time(frame: int, rate: FrameRate) -> opentime.RationalTime:
    return opentime.RationalTime(frame, rate.num / rate.den)
