"""Draws quads with one instanced call. Knows no words and no places: whoever lays them out does."""

from __future__ import annotations

import moderngl

from instrument.display.glyphs import GlyphSheet, draw_sheet
from instrument.display.look import Size
from instrument.display.program import load_program
from instrument.display.quads import QUAD, Quads

_ROOM = 256  # quads the buffer holds to begin with


class QuadPainter:
    """Draws with `ctx`, which must be current, into whatever framebuffer is in use."""

    def __init__(self, ctx: moderngl.Context) -> None:
        self._ctx = ctx
        self._program = load_program(ctx, "hud")
        self._sheet: GlyphSheet | None = None
        self._letters: moderngl.Texture | None = None
        self._count = 0
        self._make_buffer(_ROOM)

    def sheet(self, pixels: int) -> GlyphSheet:
        """The glyphs at `pixels` per em, which the letters drawn next are set with."""
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

    def fill(self, quads: Quads) -> None:
        """Draw `quads` from now on, in their order."""
        self._count = len(quads)
        if quads.nbytes > self._buffer.size:
            self._release_buffer()
            self._make_buffer(2 * len(quads))
        # Orphaned first: the driver may still be drawing the frame before from the old one.
        self._buffer.orphan()
        self._buffer.write(quads.tobytes())

    def draw(self, size: Size) -> None:
        """Draw what `fill` was given over a viewport of `size` (width, height)."""
        if not self._count or self._letters is None:
            return
        self._letters.use(0)
        self._program["screen"] = size
        self._ctx.enable(moderngl.BLEND)
        self._ctx.blend_func = moderngl.ONE, moderngl.ONE_MINUS_SRC_ALPHA
        self._quads.render(moderngl.TRIANGLE_STRIP, vertices=4, instances=self._count)
        self._ctx.disable(moderngl.BLEND)

    def _make_buffer(self, room: int) -> None:
        self._buffer = self._ctx.buffer(reserve=room * QUAD.itemsize, dynamic=True)
        self._quads = self._ctx.vertex_array(
            self._program, [(self._buffer, "4f 4f 4f1 1f /i", "rect", "cell", "tint", "corner")]
        )

    def _release_buffer(self) -> None:
        self._quads.release()
        self._buffer.release()

    def release(self) -> None:
        """Give everything back to the driver."""
        self._release_buffer()
        self._program.release()
        if self._letters:
            self._letters.release()
