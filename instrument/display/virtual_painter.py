"""Draws the virtual controller, and lays out anew only what has changed."""

from __future__ import annotations

import moderngl

from instrument.display.look import Size
from instrument.display.quad_painter import QuadPainter
from instrument.display.virtual_controller import VirtualController
from instrument.display.virtual_drawing import Drawing
from instrument.display.virtual_labels import label_pixels
from instrument.display.virtual_layout import Layout


class VirtualPainter:
    """Draws with `ctx`, which must be current, into whatever framebuffer is in use."""

    def __init__(self, ctx: moderngl.Context) -> None:
        self._painter = QuadPainter(ctx)
        self._drawn: tuple[int, Layout] | None = None
        self._drawing: Drawing | None = None

    def draw(self, size: Size, controller: VirtualController) -> None:
        """Draw `controller` over a viewport of `size`; where nothing has changed it is free."""
        self.prepare(controller)
        if controller.shown and controller.layout is not None:
            self._painter.draw(size)

    def prepare(self, controller: VirtualController) -> None:
        """All of `draw` that can be done beforehand."""
        layout = controller.layout
        if not controller.shown or layout is None:
            return
        if self._drawn != (controller.version, layout):
            if self._drawing is None or self._drawn is None or self._drawn[1] != layout:
                self._drawing = Drawing(layout, self._painter.sheet(label_pixels(layout)))
            self._painter.fill(self._drawing.quads(controller))
            self._drawn = (controller.version, layout)

    def release(self) -> None:
        """Give everything back to the driver."""
        self._painter.release()
