"""The presenter's treatment for films: numpy and Pillow, no GL.

The presenter resamples with the kernel, the order (along x, then y) and the 8 bit rounding in
between that Pillow's bicubic has, so the two agree to ±1 level at 1:1 and to ±2 levels when
scaled: `tests/display/test_finish.py` holds them to it.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from instrument.display.look import Look, Size, place
from instrument.frame import U8


def finish(pixels: U8, look: Look, size: Size) -> U8:
    """The picture ``U8[h, w, 3 or 4]`` as `look` shows it at `size` (width, height).

    Returns ``U8[height, width, 3]``, top row first; alpha is not looked at, as on stage.
    """
    if pixels.ndim != 3 or pixels.shape[2] not in (3, 4) or pixels.dtype != np.uint8:
        raise ValueError(f"pixels must be U8[h, w, 3 or 4], not {pixels.dtype}{pixels.shape}")
    area, source = place((pixels.shape[1], pixels.shape[0]), size, look.fit)
    picture = Image.fromarray(np.ascontiguousarray(pixels[..., :3]))
    # Pillow's bicubic is Catmull-Rom, and widens its kernel where the picture shrinks.
    shown = picture.resize((area.width, area.height), Image.Resampling.BICUBIC, box=source)
    levels = np.floor(np.arange(256) * look.level + 0.5).astype(np.uint8)
    finished = np.zeros((size[1], size[0], 3), np.uint8)
    finished[area.y : area.y + area.height, area.x : area.x + area.width] = levels[
        np.asarray(shown)
    ]
    return finished
