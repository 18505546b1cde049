"""The presenter's treatment for films: numpy and Pillow, no GL.

The presenter resamples with the kernel, the order (along x, then y) and the 8 bit rounding in
between that Pillow's bicubic has, so the two agree to ±1 level at 1:1 and to ±2 levels when
scaled: `tests/display/test_finish.py` holds them to it. Pictures that are finer than 256 levels
take the same way in float32, a band of rows at a time, so that a very large frame is never held
twice; and there a film may be enlarged by kernels the stage has not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instrument.display.look import Look, Placement, Size, place
from instrument.frame import U8

F32 = NDArray[np.float32]
Upscale = Literal["bicubic", "lanczos", "sharp"]
UPSCALES: tuple[Upscale, ...] = ("bicubic", "lanczos", "sharp")

_BAND = 256  # rows: measured, neither shorter nor longer bands are faster
_RESAMPLING = {
    # Pillow's bicubic is Catmull-Rom, and widens its kernel where the picture shrinks.
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "sharp": Image.Resampling.LANCZOS,
}
# What enlarging softens lies within a pixel of the picture: there it is sharpened, beforehand.
_SHARP_RADIUS, _SHARP_AMOUNT = 0.7, 0.6


def finish(pixels: U8, look: Look, size: Size) -> U8:
    """The picture ``U8[h, w, 3 or 4]`` as `look` shows it at `size` (width, height).

    Returns ``U8[height, width, 3]``, top row first; alpha is not looked at, as on stage.
    """
    if pixels.ndim != 3 or pixels.shape[2] not in (3, 4) or pixels.dtype != np.uint8:
        raise ValueError(f"pixels must be U8[h, w, 3 or 4], not {pixels.dtype}{pixels.shape}")
    own = (pixels.shape[1], pixels.shape[0])
    area, source = place(own, size, look.fit)
    shown = np.ascontiguousarray(pixels[..., :3])
    if (tuple(source), area.width, area.height) != ((0, 0, *own), *own):
        picture = Image.fromarray(shown)
        kernel = _RESAMPLING["bicubic"]
        shown = np.asarray(picture.resize((area.width, area.height), kernel, box=source))
    if look.level != 1.0:
        shown = np.floor(np.arange(256) * look.level + 0.5).astype(np.uint8).take(shown)
    finished = np.zeros((size[1], size[0], 3), np.uint8)
    finished[area.y : area.y + area.height, area.x : area.x + area.width] = shown
    return finished


def finish_bands(
    pixels: F32, look: Look, size: Size, upscale: Upscale = "bicubic"
) -> Iterator[tuple[slice, F32]]:
    """What `finish` makes of a picture ``F32[h, w, 3]`` in 0..1, from top to bottom.

    Yields rows of the film and their pixels ``F32[rows, width, 3]`` in 0..1, which may be read
    until the next are asked for.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.float32:
        raise ValueError(f"pixels must be F32[h, w, 3], not {pixels.dtype}{pixels.shape}")
    placement = place((pixels.shape[1], pixels.shape[0]), size, look.fit)
    kernel = _RESAMPLING[upscale]
    sharp = upscale == "sharp" and max(placement.step) < 1
    channels = [_across(pixels[..., c], placement, kernel, sharp=sharp) for c in range(3)]
    level = np.float32(look.level)
    width, height = size
    for top in range(0, height, _BAND):
        rows = slice(top, min(top + _BAND, height))
        band = np.zeros((rows.stop - rows.start, width, 3), np.float32)
        _fill(band, rows, placement, channels, kernel)
        # The kernels overshoot at edges, as on stage, where what is beyond 0..1 is cut too.
        np.clip(band, 0.0, 1.0, out=band)
        if level != 1.0:
            band *= level
        yield rows, band


def finish_fine(pixels: F32, look: Look, size: Size, upscale: Upscale = "bicubic") -> F32:
    """All bands of `finish_bands` as one picture ``F32[height, width, 3]``."""
    finished = np.empty((size[1], size[0], 3), np.float32)
    for rows, band in finish_bands(pixels, look, size, upscale):
        finished[rows] = band
    return finished


def _across(
    channel: F32, placement: Placement, kernel: Image.Resampling, *, sharp: bool
) -> Image.Image:
    """Red, green or blue, at the film's width and still at the picture's height.

    Cut to 0..1 before it goes on along y, as it is where pictures have levels.
    """
    channel = _sharpened(channel) if sharp else np.ascontiguousarray(channel)
    area, source = placement
    picture = Image.fromarray(channel)
    if (area.width, 0.0) == (picture.width, source.left):
        return picture
    box = (source.left, 0, source.right, picture.height)
    wide = picture.resize((area.width, picture.height), kernel, box=box)
    return Image.fromarray(np.clip(np.asarray(wide), 0.0, 1.0))


def _sharpened(channel: F32) -> F32:
    """An unsharp mask whose halos stay within what the neighbours show.

    Without that limit a bright line on black would get a dark seam that is in no picture.
    """
    reach = np.arange(-2, 3)
    weights = np.exp(-0.5 * (reach / _SHARP_RADIUS) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    height, width = channel.shape
    padded = np.pad(channel, 2, mode="edge")
    across = sum(w * padded[:, k : k + width] for k, w in enumerate(weights))
    soft = sum(w * across[k : k + height] for k, w in enumerate(weights))
    ring = np.stack(
        [padded[1 + y : 1 + y + height, 1 + x : 1 + x + width] for y in range(3) for x in range(3)]
    )
    sharp = channel + np.float32(_SHARP_AMOUNT) * (channel - soft)
    return np.asarray(np.clip(sharp, ring.min(axis=0), ring.max(axis=0)), np.float32)


def _fill(
    band: F32, rows: slice, placement: Placement, channels: list[Image.Image],
    kernel: Image.Resampling,
) -> None:  # fmt: skip
    """Paint what of the picture is seen in `rows` of the film."""
    area, source = placement
    first, last = max(rows.start, area.y), min(rows.stop, area.y + area.height)
    if first >= last:
        return
    step = placement.step[1]
    top, bottom = (source.top + (row - area.y) * step for row in (first, last))
    for number, channel in enumerate(channels):
        if (area.height, 0.0) == (channel.height, source.top):
            shown = channel.crop((0, first - area.y, area.width, last - area.y))
        else:
            box = (0, top, area.width, min(bottom, channel.height))
            shown = channel.resize((area.width, last - first), kernel, box=box)
        band[first - rows.start : last - rows.start, area.x : area.x + area.width, number] = (
            np.asarray(shown, np.float32)
        )
