"""The newest picture, drawn to a framebuffer of any size: black bars or crop, fades, HUD.

The presenter knows nothing of windows, time or z. It resamples in two passes, along x into a
texture of its own and along y into the target, with the kernel `finish` has for films.
"""

from __future__ import annotations

import moderngl
import numpy as np

from instrument.display.hud import Hud
from instrument.display.hud_painter import HudPainter
from instrument.display.look import Area, Look, Placement, Size, place
from instrument.display.program import load_program
from instrument.frame import U8


class Presenter:
    """Draws with `ctx`, which must be current. Black until the first `upload`."""

    def __init__(self, ctx: moderngl.Context) -> None:
        self._ctx = ctx
        self._program = load_program(ctx, "present")
        self._triangle = ctx.vertex_array(self._program, [])
        self._hud = HudPainter(ctx)
        self._picture: moderngl.Texture | None = None
        self._between: moderngl.Framebuffer | None = None
        # What `_between` holds: None once a new picture has come.
        self._resampled: Placement | None = None

    @property
    def picture_size(self) -> Size | None:
        """(width, height) of the picture uploaded last."""
        return self._picture.size if self._picture else None

    def upload(self, pixels: U8) -> None:
        """Take over ``U8[h, w, 4]``, sRGB code values, top row first."""
        if pixels.ndim != 3 or pixels.shape[2] != 4 or pixels.dtype != np.uint8:
            raise ValueError(f"pixels must be U8[h, w, 4], not {pixels.dtype}{pixels.shape}")
        if pixels.size == 0:
            raise ValueError("a picture needs at least one pixel")
        size = (pixels.shape[1], pixels.shape[0])
        if self._picture is None or self._picture.size != size:
            if self._picture:
                self._picture.release()
            self._picture = self._ctx.texture(size, 4)
            self._picture.filter = (moderngl.NEAREST, moderngl.NEAREST)
        self._picture.write(np.ascontiguousarray(pixels))
        self._resampled = None

    def area(self, size: Size, look: Look) -> Area | None:
        """Which pixels of a target of `size` show the picture; None while there is none."""
        if self._picture is None or min(size) < 1:
            return None
        return place(self._picture.size, size, look.fit).area

    def draw(
        self, target: moderngl.Framebuffer, size: Size, look: Look, hud: Hud | None = None
    ) -> None:
        """Draw picture and HUD over the whole of `target`, `size` (width, height) in pixels.

        A minimised window has size 0: nothing is drawn, nothing fails.
        """
        if min(size) < 1:
            return
        self._ctx.disable(moderngl.BLEND | moderngl.DEPTH_TEST | moderngl.CULL_FACE)
        placement = place(self._picture.size, size, look.fit) if self._picture else None
        narrowed = self._along_x(placement) if placement and look.level > 0 else None
        target.use()
        target.viewport = (0, 0, *size)
        target.clear()
        if placement and narrowed:
            self._along_y(target, size[1], narrowed, placement, look.level)
        if hud is not None:
            target.viewport = (0, 0, *size)
            self._hud.draw(size, hud)

    def _along_x(self, placement: Placement) -> moderngl.Texture:
        """The picture as wide as its area and as high as it is, resampled only when needed."""
        assert self._picture is not None
        if placement.step[0] == 1.0 and placement.source.left == 0.0:
            return self._picture
        between = self._between_of((placement.area.width, self._picture.height))
        if self._resampled != placement:
            between.use()
            between.viewport = (0, 0, *between.size)
            self._resample(self._picture, 0, placement, corner=(0, 0), flip=0, level=1.0)
            self._resampled = placement
        texture = between.color_attachments[0]
        assert isinstance(texture, moderngl.Texture)
        return texture

    def _along_y(
        self,
        target: moderngl.Framebuffer,
        height: int,
        narrowed: moderngl.Texture,
        placement: Placement,
        level: float,
    ) -> None:
        area = placement.area
        corner = (area.x, height - area.y - area.height)
        target.viewport = (*corner, area.width, area.height)
        self._resample(narrowed, 1, placement, corner=corner, flip=area.height, level=level)

    def _resample(
        self,
        picture: moderngl.Texture,
        axis: int,
        placement: Placement,
        *,
        corner: tuple[int, int],
        flip: int,
        level: float,
    ) -> None:
        picture.use(0)
        self._program["axis"] = (1, 0) if axis == 0 else (0, 1)
        self._program["start"] = placement.source[axis]
        self._program["pace"] = placement.step[axis]
        self._program["corner"] = corner
        self._program["flip"] = flip
        self._program["level"] = level
        self._triangle.render(moderngl.TRIANGLES, vertices=3)

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
        self._hud.release()
        for thing in (self._picture, self._triangle, self._program):
            if thing is not None:
                thing.release()
        self._picture = None
