"""Proxy videos: what an editor cuts in place of a z-sequence. Row i is frame i, and no other.

Small, quick to write and quick to jump about in. Whatever goes wrong, no half film is left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from instrument.decoder.protocol import Decoder
from instrument.frame import U8
from instrument.latent.sequence import ZSequence
from instrument.studio.burn_in import burn_in
from instrument.studio.encode import Quality, open_film
from instrument.studio.film import FilmWriter, Size
from instrument.studio.finishing import Finish
from instrument.studio.render import Progress, RenderReport, render
from instrument.timebase import FrameRate

PROXY = Quality(crf=20, preset="veryfast", keyframe_every=12)
# Every picture of a survey is another one: nothing is gained by telling it from the one before.
UNRELATED = Quality(crf=20, preset="veryfast", keyframe_every=1)
LARGEST_SIDE = 640  # pixels, where nobody asks for a size

See = Callable[[int, U8], None]  # row, and its picture as the decoder gave it


def proxy_size(size: Size, largest: int = LARGEST_SIDE) -> Size:
    """The size (height, width) of a proxy of pictures of `size`: no larger, and even."""
    scale = min(1.0, largest / max(size))
    height, width = (max(2, 2 * round(side * scale / 2)) for side in size)
    return height, width


def fitted(picture: U8, size: Size) -> U8:
    """`picture` whole, as large as it goes into `size` (height, width), black around it."""
    height, width = size
    if picture.shape[:2] == size:
        return picture
    scale = min(height / picture.shape[0], width / picture.shape[1])
    inner = [max(1, round(side * scale)) for side in picture.shape[:2]]
    image = Image.fromarray(np.ascontiguousarray(picture))
    small = np.asarray(image.resize((inner[1], inner[0]), Image.Resampling.LANCZOS))
    if small.shape[:2] == size:
        return small
    framed = np.zeros((height, width, 3), np.uint8)
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    framed[top : top + inner[0], left : left + inner[1]] = small
    return framed


def write_proxy(
    path: Path,
    sequence: ZSequence,
    decoder: Decoder,
    *,
    size: Size | None = None,
    label: bool = False,
    quality: Quality = PROXY,
    finish: Finish | None = None,
    see: See | None = None,
    batch: int = 1,
    progress: Callable[[Progress], None] | None = None,
    allow_other_model: bool = False,
) -> RenderReport:
    """Decode every row of `sequence` and write the proxy ``NAME.mp4``.

    `size` is (height, width), even; by default `proxy_size` of the decoder's. `label` burns row
    and timecode in. `finish` makes the film's picture of a decoded one and the row's parameters;
    what comes out is fitted to `size`. `see` is shown every picture just as it was decoded, in
    order, so that whoever else wants it need not decode it again. Raises InstrumentError.
    """
    size = size or proxy_size(decoder.spec.size)
    opened: list[FilmWriter] = []

    def open_it(wanted: Size, rate: FrameRate) -> FilmWriter:
        opened.append(open_film(path, wanted, rate, "h264", quality))
        return opened[0]

    def finished(picture: U8, values: Mapping[str, float]) -> U8:
        row = opened[0].frames  # the one that is written next
        if see:
            see(row, picture)
        shown = fitted(finish(picture, values) if finish else picture, size)
        return burn_in(shown, row, sequence.rate) if label else shown

    return render(
        sequence, decoder, open_it, size=size, finish=finished, batch=batch,
        progress=progress, allow_other_model=allow_other_model,
    )  # fmt: skip
