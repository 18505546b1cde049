"""A small painter for tests: what every frame of a timeline shows, as the truth files say it.

Index coding: frame i of footage whose base is b shows b + i.
"""

import json
from pathlib import Path

import numpy as np

from instrument.studio.retiming import NO_FRAME, Footage
from instrument.studio.timeline import Media, Timeline
from instrument.timebase import FrameRate

EDITS = Path(__file__).resolve().parent / "edits"
FOOTAGE = {
    "proxyA": (0, Footage(FrameRate(30), 300)),
    "proxyB": (5000, Footage(FrameRate(30), 300)),
    "proxyC": (9000, Footage(FrameRate(25), 250)),
}


def known(media: Media) -> tuple[int, Footage]:
    for place in (*media.places, media.name):
        if (stem := Path(place).stem) in FOOTAGE:
            return FOOTAGE[stem]
    raise AssertionError(f"unknown media {media}")


def painted(timeline: Timeline) -> list[dict[int, float]]:
    """For every frame the indexes that show, with their weights; what is missing to 1 is black."""
    shown: list[dict[int, float]] = [{} for _ in range(timeline.length)]
    for track in timeline.tracks:
        if track.hidden:
            continue
        for clip in track.clips:
            _paint(clip, shown)
    return shown


def _paint(clip, shown):
    offsets = np.arange(len(clip.record))
    opacity = clip.opacity if clip.opacity is not None else np.ones(len(offsets))
    gain = clip.gain if clip.gain is not None else np.ones(len(offsets))
    if isinstance(clip.media, Timeline):
        inside = painted(clip.media)
        footage = Footage(clip.media.rate, clip.media.length)
        rows = clip.retiming.frames(offsets, footage)
        pictures = [inside[min(r, len(inside) - 1)] if r >= 0 else None for r in rows]
    elif clip.media is None:
        pictures = [{} for _ in offsets]
    else:
        base, footage = known(clip.media)
        rows = clip.retiming.frames(offsets, footage)
        places = clip.retiming.positions(offsets, footage)
        near = np.abs(np.maximum(places, 0.0) - rows) <= 1.0
        assert np.all(near[rows != NO_FRAME])
        pictures = [
            {base + min(int(r), footage.frames - 1): 1.0} if r != NO_FRAME else None for r in rows
        ]
    for frame, picture, share, light in zip(clip.record, pictures, opacity, gain, strict=True):
        if picture is None:
            continue
        under = {k: w * (1 - share) for k, w in shown[frame].items()}
        for k, w in picture.items():
            under[k] = under.get(k, 0.0) + w * share * light
        shown[frame] = {k: w for k, w in under.items() if w > 1e-9}


def truth(name: str) -> list[dict[int, float]]:
    frames = json.loads((EDITS / f"{name}.truth.json").read_text())["frames"]
    wanted = []
    for frame in frames:
        if frame is None:
            wanted.append({})
        elif len(frame) == 1:
            wanted.append({frame[0]: 1.0})
        else:
            a, b, w = frame
            wanted.append({a: 1 - w, b: w})
    return wanted


def agree(timeline: Timeline, name: str) -> None:
    """Assert that every frame shows what the truth file of that name says."""
    seen, wanted = painted(timeline), truth(name)
    assert len(seen) == len(wanted)
    for number, (a, b) in enumerate(zip(seen, wanted, strict=True)):
        assert set(a) == set(b), f"frame {number}: {a}, must be {b}"
        assert all(abs(a[k] - b[k]) < 1e-3 for k in a), f"frame {number}: {a}, must be {b}"


def indexes(timeline: Timeline) -> list[int | None]:
    """The one index each frame shows, None where there is black."""
    return [max(f, key=f.get) if f else None for f in painted(timeline)]
