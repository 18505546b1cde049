"""One picture on its way to the target, resampled in two passes: along x, then along y.

The first pass goes into a texture of the layer's own, the second into the target, with the kernel
`finish` has for films. A layer knows nothing of windows, time or other layers.
"""

from __future__ import annotations

import moderngl
import numpy as np

from instrument.cuda import CardPicture
from instrument.display.carriage import Carriage
from instrument.display.look import Placement, Size
from instrument.display.resampler import Pass, Resampler
from instrument.frame import U8


class Layer:
    """The newest picture of one kind, drawn by `resampler`. Empty at first."""

    def __init__(self, ctx: moderngl.Context, resampler: Resampler, carriage: Carriage) -> None:
        self._ctx, self._resampler, self._carriage = ctx, resampler, carriage
        self._picture: moderngl.Texture | None = None
        self._spare: moderngl.Texture | None = None  # where the next picture comes to, if not there
        self._between: moderngl.Framebuffer | None = None
        # What `_between` holds: None once a new picture has come.
        self._resampled: Placement | None = None

    @property
    def size(self) -> Size | None:
        """(width, height) of the picture uploaded last."""
        return self._picture.size if self._picture else None

    def upload(self, pixels: U8 | CardPicture) -> bool:
        """Take over ``U8[h, w, 4]``, sRGB code values, top row first, or such on a card.

        False where the card refuses: then the picture before stays.
        """
        size, texture = _size_of(pixels), self._picture
        # What the card writes to may hold anything if it fails; so never what is shown.
        if texture is None or texture.size != size or isinstance(pixels, CardPicture):
            texture = self._spare_of(size)
        if not self._carriage.carry(pixels, texture):
            return False
        if texture is not self._picture:
            self._picture, self._spare = texture, self._picture
        self._resampled = None
        return True

    def _spare_of(self, size: Size) -> moderngl.Texture:
        if self._spare is None or self._spare.size != size:
            self._release(self._spare)
            self._spare = self._ctx.texture(size, 4)
            self._spare.filter = (moderngl.NEAREST, moderngl.NEAREST)
        return self._spare

    def _release(self, texture: moderngl.Texture | None) -> None:
        if texture is not None:
            self._carriage.forget(texture)
            texture.release()

    def along_x(self, placement: Placement) -> moderngl.Texture:
        """The picture as wide as its area and as high as it is, resampled only when needed."""
        assert self._picture is not None
        if placement.step[0] == 1.0 and placement.source.left == 0.0:
            return self._picture
        between = self._between_of((placement.area.width, self._picture.height))
        if self._resampled != placement:
            between.use()
            between.viewport = (0, 0, *between.size)
            self._resampler.draw(self._picture, Pass(0, placement, between.size))
            self._resampled = placement
        texture = between.color_attachments[0]
        assert isinstance(texture, moderngl.Texture)
        return texture

    def along_y(
        self,
        target: moderngl.Framebuffer,
        height: int,
        narrowed: moderngl.Texture,
        placement: Placement,
        level: float,
    ) -> None:
        """Draw what `along_x` gave to its area of `target`, which is in use and `height` high."""
        area = placement.area
        corner = (area.x, height - area.y - area.height)
        target.viewport = (*corner, area.width, area.height)
        extent = (area.width, area.height)
        self._resampler.draw(narrowed, Pass(1, placement, extent, corner, flip=True, level=level))

    def _between_of(self, size: Size) -> moderngl.Framebuffer:
        if self._between is None or self._between.size != size:
            self._release_between()
            texture = self._ctx.texture(size, 4)
            texture.filter = (moderngl.NEAREST, moderngl.NEAREST)
            self._between = self._ctx.framebuffer([texture])
            self._resampled = None
        return self._between

    def _release_between(self) -> None:
        if self._between is not None:
            self._between.color_attachments[0].release()
            self._between.release()
            self._between = None

    def release(self) -> None:
        """Give everything back to the driver."""
        self._release_between()
        self._release(self._picture)
        self._release(self._spare)
        self._picture = self._spare = None


def _size_of(pixels: U8 | CardPicture) -> Size:
    """(width, height). Raises ValueError on what is no picture."""
    if isinstance(pixels, CardPicture):
        return pixels.ring.size[1], pixels.ring.size[0]
    if pixels.ndim != 3 or pixels.shape[2] != 4 or pixels.dtype != np.uint8:
        raise ValueError(f"pixels must be U8[h, w, 4], not {pixels.dtype}{pixels.shape}")
    if pixels.size == 0:
        raise ValueError("a picture needs at least one pixel")
    return pixels.shape[1], pixels.shape[0]
