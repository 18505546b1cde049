"""Draws the virtual controller, and lays out anew only what has changed."""

from __future__ import annotations

import moderngl
import numpy as np

from instrument.display.look import Size
from instrument.display.quad_painter import QuadPainter
from instrument.display.quads import Quads
from instrument.display.virtual_controller import VirtualController
from instrument.display.virtual_drawing import background, foreground, header, label_pixels
from instrument.display.virtual_layout import Layout


class VirtualPainter:
    """Draws with `ctx`, which must be current, into whatever framebuffer is in use."""

    def __init__(self, ctx: moderngl.Context) -> None:
        self._painter = QuadPainter(ctx)
        self._drawn: tuple[int, Layout] | None = None
        self._still: tuple[tuple[Layout, tuple[str, ...]], tuple[Quads, Quads]] | None = None

    def draw(self, size: Size, controller: VirtualController) -> None:
        """Draw `controller` over a viewport of `size`; where nothing has changed it is free."""
        layout = controller.layout
        if not controller.shown or layout is None:
            return
        if self._drawn != (controller.version, layout):
            self._drawn = (controller.version, layout)
            sheet = self._painter.sheet(label_pixels(layout))
            key = (layout, controller.standing.labels)
            if self._still is None or self._still[0] != key:
                self._still = (key, background(*key, sheet))
            below, above = self._still[1]
            self._painter.fill(
                np.concatenate(
                    [below, foreground(controller, layout), above,
                     header(controller, layout, sheet)]
                )
            )  # fmt: skip
        self._painter.draw(size)

    def release(self) -> None:
        """Give everything back to the driver."""
        self._painter.release()
