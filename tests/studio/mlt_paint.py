"""A small painter: what each frame of a timeline shows, of barcode footage numbered as it is."""

from __future__ import annotations

import numpy as np

from instrument.studio.retiming import Footage
from instrument.studio.timeline import Clip, Media, Timeline
from instrument.timebase import FrameRate

# name of the footage → number of its first frame, frames, rate
BARCODES = {
    "proxyA.mp4": (0, Footage(FrameRate(30), 300)),
    "proxyB.mp4": (5000, Footage(FrameRate(30), 300)),
    "proxyC.mp4": (9000, Footage(FrameRate(25), 250)),
}

Picture = dict[int, float]  # number of a frame of footage → its share of the picture


def paint(timeline: Timeline, barcodes: dict[str, tuple[int, Footage]] = BARCODES) -> list[Picture]:
    """What every frame shows: shares that add up to 1, less what is black."""
    pictures: list[Picture] = [{} for _ in range(timeline.length)]
    for track in timeline.tracks:
        for clip in () if track.hidden else track.clips:
            _paint(pictures, clip, barcodes)
    return pictures


def _paint(pictures: list[Picture], clip: Clip, barcodes: dict[str, tuple[int, Footage]]) -> None:
    n = len(clip.record)
    shown = _shown(clip, barcodes)
    opacity = np.ones(n) if clip.opacity is None else clip.opacity
    gain = np.ones(n) if clip.gain is None else clip.gain
    for k, frame in enumerate(clip.record):
        picture = pictures[frame]
        if shown[k] is None:
            continue  # blank lets through
        for number in picture:
            picture[number] *= 1 - opacity[k]
        for number, share in shown[k].items():
            picture[number] = picture.get(number, 0.0) + opacity[k] * gain[k] * share


def _shown(clip: Clip, barcodes: dict[str, tuple[int, Footage]]) -> list[Picture | None]:
    offsets = np.arange(len(clip.record))
    if clip.media is None:
        return [{} for _ in offsets]
    if isinstance(clip.media, Media):
        first, footage = barcodes[clip.media.name]
        frames = clip.retiming.frames(offsets, footage)
        return [{first + min(int(f), footage.frames - 1): 1.0} if f >= 0 else None for f in frames]
    inside = paint(clip.media, barcodes)
    frames = clip.retiming.frames(offsets, Footage(clip.media.rate, clip.media.length))
    return [inside[f] if 0 <= f < len(inside) else None for f in frames]


def differs(picture: Picture, read: list[float] | None, tolerance: float = 0.006) -> bool:
    """Whether a decoded barcode (``None``, ``[i]`` or ``[i, j, w]``) is not this picture."""
    picture = {number: share for number, share in picture.items() if share > 1e-9}
    light = sum(picture.values())
    if read is None:
        return light > 0.09  # of code values: 235 x 0.09 is hardly above a black of 16
    shares = {number: share / light for number, share in picture.items()} if light else {}
    if len(read) == 1:
        return shares.get(int(read[0]), 0.0) < 1 - 0.03
    one, other, weight = int(read[0]), int(read[1]), read[2]
    return (
        abs(shares.get(one, 0.0) - (1 - weight)) > tolerance
        or abs(shares.get(other, 0.0) - weight) > tolerance
    )
