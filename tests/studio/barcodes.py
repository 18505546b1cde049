"""Videos whose every frame shows its own number as bars, and the numbers read off a rendering.

The upper half of a picture has a black bar, a white bar and 14 bars of a number, the lower half
the number's complement: where two pictures are mixed, both numbers and their shares can be read.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS = 14
BAR = 12  # pixels
WIDTH, HEIGHT = BAR * (BITS + 2), 64
DARKEST = 4.0  # code values between black and white that can still be read


def picture(number: int) -> np.ndarray:
    """``U8[h, w, 3]``."""
    bits = np.array([number >> (BITS - 1 - k) & 1 for k in range(BITS)], np.uint8)
    rows = [np.concatenate(([0, 1], half)).repeat(BAR) for half in (bits, 1 - bits)]
    grey = np.stack(rows).repeat(HEIGHT // 2, axis=0) * 255
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def write(path: Path, frames: int, first: int, rate: Fraction) -> None:
    """A video of `frames` frames that show the numbers from `first` on."""
    options = {"crf": "10", "g": "12", "bf": "2", "preset": "ultrafast"}
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(first, first + frames):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def read(path: Path) -> list[tuple[dict[int, float], float]]:
    """For each frame what `decode` makes of it."""
    with av.open(str(path)) as file:
        planes = [f.to_ndarray(format="yuv420p")[:HEIGHT] for f in file.decode(video=0)]
    return [decode(plane) for plane in planes]


def decode(luma: np.ndarray) -> tuple[dict[int, float], float]:
    """The numbers in a picture ``[h, w]`` with their shares, and the light of its white.

    The shares add up to 1, or there are none; the light is 0 to 1.
    """
    bars = luma.reshape(2, HEIGHT // 2, BITS + 2, BAR)[:, 8:-8, :, 3:-3].mean(axis=(1, 3))
    black, white = bars[:, 0].mean(), bars[:, 1].mean()
    contrast = white - black
    light = min(max(contrast / 219, 0.0), 1.0)
    if contrast < DARKEST:
        return {}, light
    upper, lower = (bars[:, 2:] - black) / contrast
    bits = (upper - lower + 1) / 2
    noise = 0.02 + 1.5 / contrast
    between = np.minimum(np.abs(bits), np.abs(1 - bits))
    if between.max() < noise:
        return {_number(bits > 0.5): 1.0}, light
    mixed = bits[between >= noise]
    share = float(np.minimum(mixed, 1 - mixed).mean())
    level = np.abs(bits[:, None] - [0.0, share, 1 - share, 1.0]).argmin(axis=1)
    return {_number(level >= 2): 1 - share, _number((level == 1) | (level == 3)): share}, light


def _number(bits: np.ndarray) -> int:
    return int("".join(str(int(bit)) for bit in bits), 2)
