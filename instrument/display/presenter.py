"""The newest pictures, drawn to a framebuffer of any size: black bars or crop, fades,
the virtual controller, the HUD.

The presenter knows nothing of windows, time, models or z. It has two layers, each placed and
resampled on its own, so that pictures of two sizes fade without a jump at either end. They are
mixed in sRGB code values, as an editor's dissolve mixes them and `finish` does for films.
"""

from __future__ import annotations

import moderngl

from instrument.cuda import CardPicture
from instrument.display.carriage import Carriage
from instrument.display.hud import Hud
from instrument.display.hud_painter import HudPainter
from instrument.display.layer import Layer
from instrument.display.look import Area, Look, Size, place
from instrument.display.resampler import Resampler
from instrument.display.virtual_controller import VirtualController
from instrument.display.virtual_painter import VirtualPainter
from instrument.frame import U8

LAYERS = 2


class Presenter:
    """Draws with `ctx`, which must be current. Black until the first `upload`.

    `carriage` brings the pictures; without one, only from the host.
    """

    def __init__(self, ctx: moderngl.Context, carriage: Carriage | None = None) -> None:
        self._ctx = ctx
        self._carriage = carriage or Carriage()
        self._carriage.prepare(ctx)
        self._resampler = Resampler(ctx)
        self._layers = tuple(Layer(ctx, self._resampler, self._carriage) for _ in range(LAYERS))
        self._hud = HudPainter(ctx)
        self._controller = VirtualPainter(ctx)

    def upload(self, pixels: U8 | CardPicture, layer: int = 0) -> bool:
        """Take over ``U8[h, w, 4]``, sRGB code values, top row first, or such on a card.

        False where the card refuses: then the picture before stays.
        """
        return self._layers[layer].upload(pixels)

    def area(self, size: Size, look: Look, layer: int = 0) -> Area | None:
        """Which pixels of a target of `size` show the picture of `layer`; None without one."""
        picture = self._layers[layer].size
        if picture is None or min(size) < 1:
            return None
        return place(picture, size, look.fit).area

    def prepare(
        self, size: Size, hud: Hud | None = None, controller: VirtualController | None = None
    ) -> None:
        """Lay out what `draw` is going to draw over the pictures, before these are there."""
        if min(size) < 1:
            return
        if controller is not None:
            self._controller.prepare(controller)
        if hud is not None:
            self._hud.prepare(size, hud, None if controller is None else controller.top)

    def draw(
        self,
        target: moderngl.Framebuffer,
        size: Size,
        look: Look,
        hud: Hud | None = None,
        mix: float = 0.0,
        controller: VirtualController | None = None,
    ) -> None:
        """Draw pictures, controller and HUD over the whole of `target`, `size` (width, height).

        `mix` is the share of layer 1, 0..1: at 0 and 1 the other layer costs nothing. A minimised
        window has size 0: nothing is drawn, nothing fails.
        """
        if min(size) < 1:
            return
        self._ctx.disable(moderngl.BLEND | moderngl.DEPTH_TEST | moderngl.CULL_FACE)
        levels = (look.level * (1.0 - mix), look.level * mix)
        shown = [
            (layer, level, place(layer.size, size, look.fit))
            for layer, level in zip(self._layers, levels, strict=True)
            if layer.size is not None and level > 0.0
        ]
        narrowed = [layer.along_x(placement) for layer, _, placement in shown]
        target.use()
        target.viewport = (0, 0, *size)
        target.clear()
        for (layer, level, placement), texture in zip(shown, narrowed, strict=True):
            layer.along_y(target, size[1], texture, placement, level)
            # What comes second is added: the levels of both together are never above 1.
            self._ctx.enable(moderngl.BLEND)
            self._ctx.blend_func = moderngl.ONE, moderngl.ONE
        self._ctx.disable(moderngl.BLEND)
        target.viewport = (0, 0, *size)
        floor = None if controller is None else controller.top
        if controller is not None:
            self._controller.draw(size, controller)
        if hud is not None:
            self._hud.draw(size, hud, floor)

    def release(self) -> None:
        """Give everything back to the driver."""
        self._hud.release()
        self._controller.release()
        for layer in self._layers:
            layer.release()
        self._carriage.release()
        self._resampler.release()
