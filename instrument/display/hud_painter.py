"""Draws a `Hud` with one instanced call. Knows no words and no places: `hud.layout` does."""

from __future__ import annotations

import moderngl
import numpy as np

from instrument.display.glyphs import GlyphSheet, draw_sheet
from instrument.display.hud import QUAD, Hud, Quads, layout, text_pixels
from instrument.display.look import Size
from instrument.display.program import load_program

_ROOM = 256  # quads the buffer holds to begin with


def _parts(hud: Hud) -> tuple[Hud, Hud]:
    return Hud(lines=hud.lines), Hud(recording=hud.recording, message=hud.message)


class HudPainter:
    """Draws with `ctx`, which must be current, into whatever framebuffer is in use."""

    def __init__(self, ctx: moderngl.Context) -> None:
        self._ctx = ctx
        self._program = load_program(ctx, "hud")
        self._sheet: GlyphSheet | None = None
        self._letters: moderngl.Texture | None = None
        self._drawn: tuple[Hud, Size] | None = None
        self._kept: tuple[tuple[Hud, Size] | None, Quads] = (None, np.zeros(0, QUAD))
        self._count = 0
        self._make_buffer(_ROOM)

    def _make_buffer(self, room: int) -> None:
        self._buffer = self._ctx.buffer(reserve=room * QUAD.itemsize, dynamic=True)
        self._quads = self._ctx.vertex_array(
            self._program, [(self._buffer, "4f 4f 4f1 1f /i", "rect", "cell", "tint", "corner")]
        )

    def draw(self, size: Size, hud: Hud) -> None:
        """Draw `hud` over a viewport of `size` (width, height); a `hud` seen before is free."""
        if self._drawn != (hud, size):
            sheet = self._sheet_of(text_pixels(size))
            self._fill(np.concatenate([self._laid_out(p, size, sheet) for p in _parts(hud)]))
            self._drawn = (hud, size)
        if not self._count:
            return
        assert self._letters is not None
        self._letters.use(0)
        self._program["screen"] = size
        self._ctx.enable(moderngl.BLEND)
        self._ctx.blend_func = moderngl.ONE, moderngl.ONE_MINUS_SRC_ALPHA
        self._quads.render(moderngl.TRIANGLE_STRIP, vertices=4, instances=self._count)
        self._ctx.disable(moderngl.BLEND)

    def _laid_out(self, part: Hud, size: Size, sheet: GlyphSheet) -> Quads:
        """Figures change with every frame, lamp and message hardly ever: those are kept."""
        if part.lines:
            return layout(part, size, sheet)
        if self._kept[0] != (part, size):
            self._kept = ((part, size), layout(part, size, sheet))
        return self._kept[1]

    def _sheet_of(self, pixels: int) -> GlyphSheet:
        if self._sheet is None or self._sheet.pixels != pixels:
            if self._letters:
                self._letters.release()
            self._sheet = draw_sheet(pixels)
            height, width = self._sheet.coverage.shape
            self._letters = self._ctx.texture(
                (width, height), 1, self._sheet.coverage.tobytes(), alignment=1
            )
            self._letters.filter = (moderngl.NEAREST, moderngl.NEAREST)
        return self._sheet

    def _fill(self, quads: Quads) -> None:
        self._count = len(quads)
        if quads.nbytes > self._buffer.size:
            self._release_buffer()
            self._make_buffer(2 * len(quads))
        # Orphaned first: the driver may still be drawing the frame before from the old one.
        self._buffer.orphan()
        self._buffer.write(quads.tobytes())

    def _release_buffer(self) -> None:
        self._quads.release()
        self._buffer.release()

    def release(self) -> None:
        """Give everything back to the driver."""
        self._release_buffer()
        self._program.release()
        if self._letters:
            self._letters.release()
