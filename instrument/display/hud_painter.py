"""Draws a `Hud`, and lays it out anew only where it has changed."""

from __future__ import annotations

import moderngl
import numpy as np

from instrument.display.glyphs import GlyphSheet
from instrument.display.hud import Hud, layout, text_pixels
from instrument.display.look import Size
from instrument.display.quad_painter import QuadPainter
from instrument.display.quads import QUAD, Quads


def _parts(hud: Hud) -> tuple[Hud, Hud]:
    return Hud(lines=hud.lines), Hud(recording=hud.recording, message=hud.message)


class HudPainter:
    """Draws with `ctx`, which must be current, into whatever framebuffer is in use."""

    def __init__(self, ctx: moderngl.Context) -> None:
        self._painter = QuadPainter(ctx)
        self._drawn: tuple[Hud, Size, Size] | None = None
        self._kept: tuple[tuple[Hud, Size] | None, Quads] = (None, np.zeros(0, QUAD))

    def draw(self, size: Size, hud: Hud, floor: int | None = None) -> None:
        """Draw `hud` over a viewport of `size` (width, height); a `hud` seen before is free.

        Nothing is written below `floor`, in pixels from the top; None: the lower edge.
        """
        self.prepare(size, hud, floor)
        self._painter.draw(size)

    def prepare(self, size: Size, hud: Hud, floor: int | None = None) -> None:
        """All of `draw` that can be done beforehand."""
        room = (size[0], size[1] if floor is None else floor)
        if self._drawn != (hud, size, room):
            sheet = self._painter.sheet(text_pixels(size))
            self._painter.fill(
                np.concatenate([self._laid_out(p, room, sheet) for p in _parts(hud)])
            )
            self._drawn = (hud, size, room)

    def _laid_out(self, part: Hud, room: Size, sheet: GlyphSheet) -> Quads:
        """Figures change with every frame, lamp and message hardly ever: those are kept."""
        if part.lines:
            return layout(part, room, sheet)
        if self._kept[0] != (part, room):
            self._kept = ((part, room), layout(part, room, sheet))
        return self._kept[1]

    def release(self) -> None:
        """Give everything back to the driver."""
        self._painter.release()
